"""A province of kept totals for measuring: units, their information, totals, sums, projects.

Units have a few load shapes, each at its own scale, so that sums are made without settling every
unit; and a table with a row per value for the same units, to ask the same question of.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text

from nenghao.platform import companies, dictionary, journal, projects, registry
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store import schema
from nenghao.platform.store.engine import Store, upsert
from nenghao.platform.store.totals_schema import roll_up, unit_place, unit_total
from nenghao.platform.totals import packed, roll_ups
from nenghao.platform.totals.packed import UnitTotals
from nenghao.platform.totals.places import Place
from nenghao.standard import credit_code, periods
from nenghao.standard.indicators import INDICATORS
from nenghao.standard.industries import GBT_4754
from nenghao.standard.messages import read
from nenghao.standard.messages.config_data import ConfigUpload
from nenghao.standard.periods import StatType
from nenghao.standard.regions import LIAONING

FIRST_YEAR = 2023
NOW = datetime(2026, 1, 2, 9)
ELECTRICITY = "00-00-0000-023300-11"
SHAPES = 4
"""Load shapes: the totals of a unit are one of them times its scale."""
PROJECTS = 200


@dataclass(frozen=True)
class Unit:
    """A made-up unit."""

    number: int
    code: str
    place: Place
    scale: int


def units_of(count: int) -> list[Unit]:
    """Units spread over the counties and over the industries of manufacturing and supply."""
    counties = [one.code for one in LIAONING if one.type == 3]
    classes = [one.code for one in GBT_4754 if one.level == 4 and one.code[0] in "BCD"]
    return [
        Unit(
            number,
            credit_code.complete(f"91210102ME{number:07d}"),
            Place(
                counties[number * 7919 % len(counties)], classes[number * 104_729 % len(classes)]
            ),
            1 + number % 997,
        )
        for number in range(1, count + 1)
    ]


@dataclass(frozen=True)
class Period:
    """A period of the filled years."""

    kind: StatType
    frame: int
    slot: int
    start: datetime


def periods_of(years: int, first: int = FIRST_YEAR) -> list[Period]:
    """All days, months and years of so many years, from the year `first` on."""
    made = []
    begin, end = datetime(first, 1, 1), datetime(first + years, 1, 1)
    for kind in (StatType.DAY, StatType.MONTH, StatType.YEAR):
        start = begin
        while start < end:
            made.append(Period(kind, *periods.place(kind, start), start))
            start = periods.period_end(kind, start)
    return made


def numbers_of(shape: int, period: Period) -> list[int]:
    """The twenty numbers of a unit of that shape and scale 1: most indicators, all digits."""
    days = (periods.period_end(period.kind, period.start) - period.start).days
    made = []
    for place in range(2 * len(INDICATORS)):
        used = place // 2 not in ((2, 7, 9, 5)[shape], 3)
        seed = (period.start.toordinal() * 31 + shape * 7 + place) * 2_654_435_761 % 10**9
        made.append((10**9 + seed) * days if used else 0)
    return made


def fill(store: Store, units: Sequence[Unit], years: int, first: int = FIRST_YEAR) -> None:
    """Write units, their information, their totals from the year `first` on, the sums."""
    store.upgrade()
    with store.write() as conn:
        dictionary.seed(conn)
        registry.note_registration_settings(conn, PlatformSettings())
    message = json.loads(_CONFIGURATION.read_text("utf-8"))
    for start in range(0, len(units), 200):
        with store.write() as conn:
            for unit in units[start : start + 200]:
                _write_unit(conn, unit, message)
    shapes = _frames(years, first)
    for start in range(0, len(units), 100):
        with store.write() as conn:
            upsert(
                conn,
                unit_total,
                [row for unit in units[start : start + 100] for row in _totals(unit, shapes)],
            )
    _write_sums(store, units, shapes)
    with store.write() as conn:
        projects.replace_or_add(conn, list(_projects()), NOW)


_CONFIGURATION = (
    Path(__file__).parents[1] / "tests/standard/messages/samples/uploadConfigData.request.json"
)

Frames = dict[tuple[int, int], dict[int, list[list[int]]]]
"""By statType and frame, by slot: the numbers of each shape."""


def _frames(years: int, first: int) -> Frames:
    made: Frames = {}
    for period in periods_of(years, first):
        slots = made.setdefault((int(period.kind), period.frame), {})
        slots[period.slot] = [numbers_of(shape, period) for shape in range(SHAPES)]
    return made


def _write_unit(conn: Any, unit: Unit, message: dict[str, Any]) -> None:
    row = {"id": unit.number, "code": unit.code, "name": f"示例单位{unit.number}"}
    where = {"region": unit.place.region, "region_name": LIAONING.name(unit.place.region)}
    times = {"registered_at": NOW, "updated_at": NOW}
    conn.execute(insert(schema.unit).values(**row, **where, **times))
    journal.open_head(conn, unit.number)
    conn.execute(
        insert(unit_place).values(
            unit_id=unit.number, sequence=1, since=NOW, **unit.place._asdict()
        )
    )
    told = message | {"enterpriseCode": unit.code}
    told["enterprise"] = message["enterprise"] | {
        "code": unit.code,
        "regionCode": unit.place.region,
        "industryCode": unit.place.industry,
    }
    companies.configured(conn, unit.number, read(ConfigUpload, json.dumps(told).encode()))


def _totals(unit: Unit, frames: Frames) -> Iterator[dict[str, Any]]:
    shape = unit.number % SHAPES
    for (stat_type, frame), slots in frames.items():
        made = {
            slot: [0, *(number * unit.scale for number in numbers[shape])]
            for slot, numbers in slots.items()
        }
        totals = packed.unit_bytes(UnitTotals([unit.place], made))
        key = {"unit_id": unit.number, "stat_type": stat_type, "frame": frame, "source": 0}
        yield {**key, "totals": totals}


def _write_sums(store: Store, units: Sequence[Unit], frames: Frames) -> None:
    """Each cell's sum is its shapes' numbers, each times the scales of its units."""
    scales: dict[roll_ups.Cell, list[int]] = {}
    counts: dict[roll_ups.Cell, int] = {}
    for unit in units:
        for cell in roll_ups.cells(unit.place):
            scales.setdefault(cell, [0] * SHAPES)[unit.number % SHAPES] += unit.scale
            counts[cell] = counts.get(cell, 0) + 1
    for (stat_type, frame), slots in frames.items():
        rows = [
            {
                "stat_type": stat_type,
                "source": 0,
                **cell._asdict(),
                "frame": frame,
                "totals": packed.sums_bytes(_sums(slots, scales[cell], counts[cell])),
            }
            for cell in sorted(scales)
        ]
        with store.write() as conn:
            upsert(conn, roll_up, rows)


def _sums(slots: dict[int, list[list[int]]], scales: list[int], count: int) -> packed.Sums:
    used = [(shape, scale) for shape, scale in enumerate(scales) if scale]
    return {
        slot: [
            count,
            *(
                sum(numbers[shape][place] * scale for shape, scale in used)
                for place in range(packed.NUMBERS)
            ),
        ]
        for slot, numbers in slots.items()
    }


def _projects() -> Iterator[tuple[int, Sequence[str]]]:
    """Key projects as a file has them below its header: number and cells of each row."""
    rest = ("分类处置", "建设内容", "建设地点", "10000")
    for number, unit in enumerate(units_of(PROJECTS)):
        name, code = f"示例项目{number}", f"2101-{number:04d}"
        yield number + 2, (name, code, "改建", *unit.place, *rest)


def fill_rows(store: Store, units: Sequence[Unit], years: int) -> None:
    """Electricity of every unit and day, a row each, in a table by the book."""
    days = (datetime(FIRST_YEAR + years, 1, 1) - datetime(FIRST_YEAR, 1, 1)).days
    with store.write() as conn:
        conn.execute(
            text("CREATE TABLE bench_unit (id INTEGER PRIMARY KEY, region TEXT, industry TEXT)")
        )
        conn.execute(
            text("INSERT INTO bench_unit VALUES (:id, :region, :industry)"),
            [{"id": unit.number, **unit.place._asdict()} for unit in units],
        )
        conn.execute(
            text(
                "CREATE TABLE bench_value (unit_id INTEGER, code TEXT, stat_date TIMESTAMP,"
                " value DOUBLE PRECISION, PRIMARY KEY (unit_id, code, stat_date))"
            )
        )
        made = (
            f"SELECT id, '{ELECTRICITY}', TIMESTAMP '{FIRST_YEAR}-01-01' + day * INTERVAL '1 day',"
            f" id * 1.25 FROM bench_unit, generate_series(0, {days - 1}) AS day"
            if store.on_postgresql
            else f"WITH RECURSIVE days(day) AS (SELECT 0 UNION ALL SELECT day + 1 FROM days"
            f" WHERE day < {days - 1}) SELECT id, '{ELECTRICITY}',"
            f" datetime('{FIRST_YEAR}-01-01', '+' || day || ' days'), id * 1.25"
            " FROM bench_unit, days"
        )
        conn.execute(text(f"INSERT INTO bench_value {made}"))
        conn.execute(text("CREATE INDEX bench_value_date ON bench_value (stat_date)"))
        conn.execute(text("ANALYZE"))
