"""Reported data: a form goes through the intake as values of inputType 5, whole or not at all."""

from __future__ import annotations

import hashlib
import io
from datetime import date, datetime
from typing import Any

import msgspec
import openpyxl
import pytest
from sqlalchemy import insert, select

from nenghao.platform import (
    advice,
    audit,
    companies,
    journal,
    rebuild,
    reports,
    reports_blank,
    reports_excel,
    reports_template,
)
from nenghao.platform.chain import check_unit
from nenghao.platform.registry import Peer
from nenghao.platform.reports import Imported
from nenghao.platform.reports_blank import ReportError
from nenghao.platform.reports_form import FIXED, USAGES, FormError
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.statistics import Question, answer
from nenghao.platform.store import schema
from nenghao.platform.workbook import Cell
from nenghao.standard.energy import ENERGY_TYPES
from nenghao.standard.energy_checks import Check
from nenghao.standard.findings import AdviceKind
from nenghao.standard.messages import read
from nenghao.standard.messages.energy_data import EnergyRecord, EnergyUpload
from tests.platform import energy as uploads
from tests.platform.test_reports_excel import form, row
from tests.platform.world import World, unit_code

SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
"""For what the database has no part in."""

ONE, TWO = unit_code(1), unit_code(2)
_ENERGY = [
    kind
    for kind in ENERGY_TYPES
    if kind.class_code in ("01", "02") and 1 <= int(kind.code[:2]) <= 39
]
MARCH = "2026-03-01 00:00:00"


@pytest.fixture(autouse=True)
def units(world: World) -> None:
    """Two registered units in two counties."""
    with world.store.write() as conn:
        for code, region in ((ONE, "210102"), (TWO, "210202")):
            told = {"name": "某厂", "region": region, "region_name": "某区"}
            times = {"registered_at": world.now, "updated_at": world.now}
            conn.execute(insert(schema.unit).values(code=code, **told, **times))
            query = select(schema.unit.c.id).where(schema.unit.c.code == code)
            companies.registered(conn, conn.execute(query).scalar_one())


def peer_of(world: World, code: str = ONE) -> Peer:
    """The unit's device 1."""
    query = select(schema.unit.c.id).where(schema.unit.c.code == code)
    ((unit_id,),) = world.rows(query)
    return Peer(unit_id, code, 1, "某厂", "210102")


def taken(
    world: World, *rows: dict[int, Cell], month: str = "2026-03", **settings: Any
) -> Imported:
    told = reports_excel.filled(form(*rows))._replace(month=month)
    chosen = msgspec.structs.replace(PlatformSettings(), **settings)
    return reports.take(world.store, chosen, told, world.now, "f.xlsx")


def refused(world: World, *rows: dict[int, Cell], **settings: Any) -> list[str]:
    with pytest.raises(FormError) as caught:
        taken(world, *rows, **settings)
    return caught.value.problems


def stored(world: World, code: str = ONE) -> list[EnergyRecord]:
    """The unit's monthly values, as it would download them."""
    return uploads.fetch(world.store, peer_of(world, code), stat_type=2).data


def amounts(world: World, code: str = ONE) -> dict[str, float]:
    return {one.data_code[11:]: one.data_value for one in stored(world, code) if one.valid}


def findings(world: World, code: str = ONE) -> list[tuple[str, str]]:
    with world.store.read() as conn:
        return [(one.kind.value, one.subject) for one in advice.kept(conn, code)]


def blank(world: World, month: str = "2026-03", **which: Any) -> Any:
    with world.store.read() as conn:
        return reports_blank.form(conn, PlatformSettings(), month, **which)


class TestTheTemplate:
    """Which units and types stand in it."""

    def test_has_all_units_with_all_types_where_none_is_configured(self, world: World) -> None:
        made = blank(world)
        assert [(unit.code, unit.region) for unit in made.units] == [
            (ONE, "210102"),
            (TWO, "210202"),
        ]
        kinds = {kind.code: kind for kind in made.units[0].kinds}
        assert kinds["023300"].unit == "万千瓦时"
        assert kinds["090100"].usages == {"80"}
        assert set(kinds) == {
            *(f"{kind.class_code}{kind.code}" for kind in _ENERGY if kind.type == 2),
            "090100",
        }

    def test_has_the_configured_types_of_the_whole_plant_and_output_value(
        self, world: World
    ) -> None:
        peer = peer_of(world)
        uploads.configure(world.store, peer, uploads.ELECTRICITY)
        uploads.configure(world.store, peer, "01-00-0000-020100-11")
        assert [kind.code for kind in blank(world).units[0].kinds] == ["023300", "090100"]

    @SQLITE
    def test_can_be_asked_for_by_unit_and_region(self, world: World) -> None:
        assert [unit.code for unit in blank(world, codes=[TWO]).units] == [TWO]
        assert [unit.code for unit in blank(world, region="210100").units] == [ONE]
        assert len(blank(world, region="210000").units) == 2

    @SQLITE
    @pytest.mark.parametrize(
        ("which", "named"),
        [
            ({"codes": [unit_code(9)]}, unit_code(9)),
            ({"codes": [ONE], "region": "210200"}, ONE),
            ({"region": "210300"}, "210300"),
        ],
    )
    def test_of_no_unit_is_refused(self, world: World, which: Any, named: str) -> None:
        with pytest.raises(ReportError, match=named):
            blank(world, **which)

    @SQLITE
    def test_of_too_many_units_is_refused(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reports_blank, "MOST_UNITS", 1)
        with pytest.raises(ReportError, match="2 个用能单位，一张表至多 1 个"):
            blank(world)


@SQLITE
def test_a_template_filled_in_comes_back_as_values(world: World) -> None:
    content = io.BytesIO(reports_template.write(blank(world, codes=[TWO])))
    book = openpyxl.load_workbook(content)
    sheet: Any = book["填报"]
    for line in sheet.iter_rows(min_row=5):
        if line[2].value == "023300":
            line[len(FIXED) + list(USAGES).index("20")].value = 12.5
    out = io.BytesIO()
    book.save(out)
    done = reports.import_form(world.store, PlatformSettings(), out.getvalue(), world.now, "f.xlsx")
    assert (done.month, [one.code for one in done.units]) == ("2026-03", [TWO])
    assert amounts(world, TWO) == {"023300-20": 12.5}
    with world.store.read() as conn:
        entry = audit.entries(conn)[0]
    assert (entry["action"], entry["subject"]) == ("reports.import", "f.xlsx")
    assert hashlib.sha256(out.getvalue()).hexdigest() in entry["detail"]


@pytest.mark.clause("B.2-1")
def test_a_cell_is_a_monthly_value_of_input_type_5(world: World) -> None:
    taken(world, row({"20": 12.5, "51": 0}, ONE))
    assert stored(world) == [
        EnergyRecord(
            data_code=f"00-00-0000-023300-{usage}",
            data_value=value,
            input_type=5,
            stat_type=2,
            stat_date=MARCH,
            upload_date="2026-11-22 01:30:00",
            scope=1,
            valid=True,
        )
        for usage, value in (("20", 12.5), ("51", 0.0))
    ]


def test_a_report_never_overwrites_the_meters(world: World) -> None:
    peer = peer_of(world)
    metered = uploads.record(99, MARCH, code="00-00-0000-023300-20", stat_type=2)
    uploads.send(world.store, peer, [metered], now=world.now)
    taken(world, row({"20": 12.5}, ONE))
    assert sorted(one.data_value for one in stored(world)) == [12.5, 99]


def test_a_later_report_wins_and_an_empty_cell_changes_nothing(world: World) -> None:
    taken(world, row({"20": 1, "21": 2}, ONE))
    world.now = datetime(2026, 11, 22, 2)
    (done,) = taken(world, row({"20": 3}, ONE)).units
    assert (done.result.sequence, done.result.stored) == (2, 1)
    assert amounts(world) == {"023300-20": 3, "023300-21": 2}


@SQLITE
def test_a_device_that_reports_later_wins_and_an_earlier_one_does_not(world: World) -> None:
    peer = peer_of(world)

    def sent(value: float, at: str) -> None:
        record = uploads.record(
            value,
            MARCH,
            code="00-00-0000-023300-20",
            stat_type=2,
            input_type=5,
            upload_date=at,
        )
        uploads.send(world.store, peer, [record], now=datetime(2026, 11, 23))

    taken(world, row({"20": 1}, ONE))
    sent(2, "2026-11-22 01:29:59")
    assert amounts(world) == {"023300-20": 1}
    sent(3, "2026-11-22 01:30:01")
    assert amounts(world) == {"023300-20": 3}


def test_a_withdrawn_value_is_kept_and_counts_no_longer(world: World) -> None:
    taken(world, row({"20": 12.5, "21": 12.5}, ONE))
    taken(world, row({"20": "作废"}, ONE))
    assert amounts(world) == {"023300-21": 12.5}
    assert [(one.data_code[-2:], one.valid) for one in stored(world)] == [
        ("20", False),
        ("21", True),
    ]


def test_what_was_filled_in_is_in_the_units_journal_and_can_be_rebuilt(world: World) -> None:
    taken(world, row({"20": -12.5, "22": 1}, ONE), row({"20": 3}, TWO))
    with world.store.read() as conn:
        (receipt,) = journal.receipts(conn, unit_id := peer_of(world).unit_id)
        body = read(EnergyUpload, journal.body_of(conn, unit_id, receipt.sequence))
        assert check_unit(conn, unit_id, bodies=True).breaks == []
    assert (receipt.kind, receipt.device, receipt.records) == ("energy", 0, 2)
    assert [one.data_value for one in body.data] == [-12.5, 1]
    assert body.enterprise_code == ONE
    done = rebuild.rebuild(
        world.store, ONE, date(2026, 3, 1), date(2026, 3, 31), world.now, dry_run=True
    )
    assert (done.receipts, done.compared, done.differences) == (1, 2, [])


def test_what_was_filled_in_counts_in_the_totals_of_reports_alone(world: World) -> None:
    taken(world, row({"20": 100, "21": 80, "22": 20}, ONE), row({"80": 7.5}, TWO, "090100"))
    begin, end = datetime(2026, 3, 1), datetime(2026, 4, 1)
    asked = Question("month", begin, end, "report", "210000", None)
    totals = answer(world.store, asked, world.now)
    assert totals["elec"].origin == 100 * 10**9
    assert totals["nyxfzl"].value == 122_900_000_000
    assert totals["gyzcz"].origin == 7_500_000_000
    online = Question("month", begin, end, "online", "210000", None)
    assert answer(world.store, online, world.now)["elec"].origin == 0


@SQLITE
def test_what_no_device_configured_is_not_remarked_on(world: World) -> None:
    (done,) = taken(world, row({"20": -1}, ONE), strict=(AdviceKind.NOT_CONFIGURED,)).units
    assert done.result.advice == {AdviceKind.NEGATIVE: 1}


class TestOneWrongCell:
    """Nothing of the file is taken, for any unit."""

    def test_of_an_unknown_unit_or_type_is_named(self, world: World) -> None:
        before = uploads.contents(world.store)
        assert refused(
            world,
            row({"20": 1}, ONE),
            row({"20": 1}, unit_code(9)),
            row({"20": 1}, ONE, "029999"),
            row({"20": 1, "80": 1}, ONE, "090100"),
            row({"20": "x"}, TWO),
        ) == [
            '第 9 行 20 能源消费合计 列（I9）：应为数值或“作废”，收到 "x"',
            f'第 6 行 统一社会信用代码 列（A6）：没有注册过的用能单位，收到 "{unit_code(9)}"',
            '第 7 行 品种编码 列（C7）：基础数据中没有这个能源品种，收到 "029999"',
            "第 8 行 20 能源消费合计 列（I8）：工业总产值不填报这一用途",
        ]
        assert uploads.contents(world.store) == before

    @SQLITE
    def test_that_a_strict_setting_refuses_is_named(self, world: World) -> None:
        before = uploads.contents(world.store)
        rows = (row({"20": 1}, ONE), row({"11": 1, "20": -2.5}, TWO))
        assert refused(world, *rows, strict=(AdviceKind.NEGATIVE,)) == [
            "第 6 行 20 能源消费合计 列（I6）：数值为负，收到 -2.5"
        ]
        assert uploads.contents(world.store) == before

    def test_that_loses_against_a_later_value_where_that_is_strict_keeps_all_out(
        self, world: World
    ) -> None:
        taken(world, row({"20": 1}, TWO))
        world.now = datetime(2026, 11, 22, 1)
        before = uploads.contents(world.store)
        rows = (row({"20": 5}, ONE), row({"20": 2}, TWO))
        (problem,) = refused(world, *rows, strict=(AdviceKind.SUPERSEDED,))
        assert problem.startswith("第 6 行 20 能源消费合计 列（I6）：平台已有")
        assert uploads.contents(world.store) == before

    @SQLITE
    def test_too_many_units_are_refused(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reports, "MOST_UNITS", 1)
        (problem,) = refused(world, row({"20": 1}, ONE), row({"20": 1}, TWO))
        assert problem.startswith("共 2 个用能单位")


CHECKS: dict[str, tuple[dict[str, Cell], Check, str]] = {
    "20 = 21 + 22": ({"20": 100, "21": 80, "22": 30}, Check.CONSUMPTION_PARTS, "20"),
    "23 ≤ 21": ({"21": 80, "23": 81}, Check.MATERIAL, "23"),
    "81 ≤ 20": ({"20": 80, "81": 81}, Check.TRANSPORT, "81"),
    "52 = 51 + 10 − 20": (
        {"10": 10, "20": 12, "51": 5, "52": 4},
        Check.STOCK_BALANCE,
        "52",
    ),
}


class TestChecks:
    """What a report contradicts in itself is taken, and found."""

    @SQLITE
    @pytest.mark.parametrize("name", CHECKS)
    def test_are_told_by_the_import_and_kept(self, world: World, name: str) -> None:
        cells, check, usage = CHECKS[name]
        (done,) = taken(world, row(cells, ONE)).units
        assert [(one.kind, one.subject) for one in done.findings] == [
            (check, f"00-00-0000-023300-{usage}")
        ]
        assert findings(world) == [(check.value, f"00-00-0000-023300-{usage} 2026-03 填报")]
        assert len(stored(world)) == len(cells)

    @SQLITE
    def test_find_nothing_in_a_report_that_adds_up(self, world: World) -> None:
        cells: dict[str, Cell] = {"20": 12, "21": 10, "22": 2, "23": 10, "81": 12}
        balance: dict[str, Cell] = {"10": 11, "11": 8, "12": 3, "51": 5, "52": 4}
        (done,) = taken(world, row(cells | balance, ONE)).units
        assert done.findings == []
        assert findings(world) == []

    def test_go_when_a_later_report_puts_it_right(self, world: World) -> None:
        wrong = row({"20": 100, "21": 80, "22": 30}, ONE)
        taken(world, wrong, row({"21": 80, "23": 81}, ONE, "010100"))
        taken(world, wrong, month="2026-04")
        assert len(findings(world)) == 3
        taken(world, row({"22": 20}, ONE))
        assert sorted(findings(world)) == [
            ("consumption_parts", "00-00-0000-023300-20 2026-04 填报"),
            ("material", "00-00-0000-010100-23 2026-03 填报"),
        ]

    @SQLITE
    def test_take_what_was_reported_before_into_account(self, world: World) -> None:
        taken(world, row({"20": 100}, ONE))
        (done,) = taken(world, row({"21": 101}, ONE)).units
        assert [one.kind for one in done.findings] == [Check.CONSUMPTION_PARTS]

    @SQLITE
    def test_leave_the_meters_and_other_units_out(self, world: World) -> None:
        peer = peer_of(world)
        metered = uploads.record(1, MARCH, code="00-00-0000-023300-20", stat_type=2)
        uploads.send(world.store, peer, [metered])
        done = taken(world, row({"21": 80, "22": 30}, ONE), row({"20": 5}, TWO))
        assert [one.findings for one in done.units] == [[], []]
