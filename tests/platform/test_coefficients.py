"""Dated coefficients: which one holds on a day, and what an import of base data leaves standing."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from nenghao.platform import audit, coefficients, coefficients_file, dictionary, table_file
from nenghao.platform.coefficients import Change, CoefficientError
from nenghao.platform.store.totals_schema import total_mark
from nenghao.platform.table_file import FileError
from nenghao.standard import energy
from nenghao.standard.coefficients import Coefficient
from nenghao.standard.energy_amounts import Kind
from nenghao.standard.periods import StatType
from tests.platform import energy as uploads
from tests.platform.world import World

ELECTRICITY = Kind("02", "3300")
COAL = Kind("01", "0100")
GAS = Kind("01", "1500")
EARLY, NEW_YEAR, LATE = date(2020, 5, 1), date(2026, 1, 1), date(2027, 3, 1)
SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
"""For what the database has no part in."""


def held(world: World, kind: Kind, day: date) -> Coefficient | None:
    with world.store.read() as conn:
        return coefficients.table(conn).of(kind, day)


def tce(world: World, kind: Kind, day: date) -> str:
    one = held(world, kind, day)
    return "none" if one is None else str(one.tce)


def put(world: World, kind: Kind, zbckz: str, valid_from: date, **more: Any) -> Change | None:
    with world.store.write() as conn:
        return coefficients.set_(
            conn, kind, Decimal(zbckz), valid_from=valid_from, now=world.now, **more
        )


def replaced(world: World, old: str, new: str, valid_from: date | None = None) -> None:
    """Import the energy types with one text of the CSV replaced."""
    with world.store.write() as conn:
        text = dictionary.export_table(conn, "energyType")
        assert old in text
        changed = text.replace(old, new)
        dictionary.import_table(conn, "energyType", changed, world.now, valid_from=valid_from)


def trail(world: World) -> list[tuple[str, str]]:
    with world.store.read() as conn:
        return [(row["action"], row["subject"]) for row in audit.entries(conn)]


def test_the_dictionarys_values_hold_from_the_beginning(world: World) -> None:
    for kind in energy.ENERGY_TYPES:
        expected = kind.coefficient if kind.class_code else None
        one = held(world, Kind(kind.class_code, kind.code), date(2000, 1, 1))
        assert (one.tce if one else None) == expected
    assert tce(world, Kind("02", "9999"), NEW_YEAR) == "none"


def test_the_latest_row_not_after_the_day_holds(world: World) -> None:
    put(world, ELECTRICITY, "1.3", NEW_YEAR)
    put(world, ELECTRICITY, "1.4", LATE)
    assert tce(world, ELECTRICITY, EARLY) == "1.2290"
    assert tce(world, ELECTRICITY, date(2025, 12, 31)) == "1.2290"
    assert tce(world, ELECTRICITY, NEW_YEAR) == "1.3"
    assert tce(world, ELECTRICITY, date(2027, 2, 28)) == "1.3"
    assert tce(world, ELECTRICITY, LATE) == "1.4"
    assert tce(world, COAL, LATE) == "0.7143"


@SQLITE
def test_a_row_in_between_does_not_touch_those_around_it(world: World) -> None:
    put(world, ELECTRICITY, "1.4", LATE)
    put(world, ELECTRICITY, "1.3", EARLY)
    days = (date(2020, 4, 30), EARLY, NEW_YEAR, LATE)
    assert [tce(world, ELECTRICITY, day) for day in days] == ["1.2290", "1.3", "1.3", "1.4"]


@SQLITE
def test_what_the_operator_leaves_out_goes_on(world: World) -> None:
    put(world, GAS, "12", NEW_YEAR, source="省统计局 2026")
    gas = held(world, GAS, NEW_YEAR)
    assert gas is not None
    assert (gas.bounds, gas.dwzbxs) == ((Decimal("11.0"), Decimal("13.3")), Decimal(1))
    assert (gas.source, gas.name, gas.unit) == ("省统计局 2026", "天然气", "万立方米")
    put(world, GAS, "14", LATE)
    later = held(world, GAS, LATE)
    assert later is not None
    assert later.bounds is None  # 14 does not lie in 11.0–13.3: half to twice applies again


@SQLITE
def test_setting_what_holds_already_changes_nothing(world: World) -> None:
    assert put(world, ELECTRICITY, "1.229", NEW_YEAR) is None
    assert trail(world) == []


def test_a_change_is_audited(world: World) -> None:
    change = put(world, ELECTRICITY, "1.3", NEW_YEAR)
    assert change is not None
    assert change.before is not None
    assert (str(change.before.tce), str(change.after.tce)) == ("1.2290", "1.3")
    assert trail(world) == [("coefficient.set", "02/3300")]


def test_a_change_marks_the_totals_of_the_type_from_then_on(world: World) -> None:
    peer = uploads.new_peer(world.store)
    months = ["2024-11-01 00:00:00", "2026-02-01 00:00:00"]
    records = [uploads.record(5, month, stat_type=2) for month in months]
    uploads.send(world.store, peer, [*records, uploads.record(5, months[1], code=uploads.COAL)])
    with world.store.write() as conn:
        conn.execute(total_mark.delete())
    put(world, ELECTRICITY, "1.3", NEW_YEAR)
    marked = world.rows(select(total_mark.c.stat_type, total_mark.c.frame))
    assert (StatType.MONTH, 26) in marked
    assert (StatType.MONTH, 24) not in marked
    assert all(stat_type != StatType.DAY for stat_type, _ in marked)  # coal's days are not


@SQLITE
@pytest.mark.parametrize(
    ("kind", "zbckz", "day", "more", "named"),
    [
        (Kind("02", "9999"), "1", NEW_YEAR, {}, "9999"),
        (ELECTRICITY, "0", NEW_YEAR, {}, "正"),
        (ELECTRICITY, "1001", NEW_YEAR, {}, "1000"),
        (ELECTRICITY, "1.12345678901", NEW_YEAR, {}, "十位"),
        (ELECTRICITY, "1.3", date(1999, 12, 31), {}, "1999-12-31"),
        (ELECTRICITY, "1.3", date(2100, 1, 1), {}, "2100-01-01"),
        (ELECTRICITY, "1.3", NEW_YEAR, {"bounds": (Decimal(2), Decimal(3))}, "2-3"),
    ],
)
def test_what_cannot_hold_is_refused_and_nothing_changes(
    world: World, kind: Kind, zbckz: str, day: date, more: dict[str, Any], named: str
) -> None:
    with pytest.raises(CoefficientError, match=named):
        put(world, kind, zbckz, day, **more)
    assert tce(world, ELECTRICITY, LATE) == "1.2290"
    assert trail(world) == []


@pytest.mark.parametrize(
    "text", ["", "-1", "1e3", "１", "1_0", " 1", "NaN", "Infinity", "1.", "+1"]
)
def test_only_plain_decimals_are_read(text: str) -> None:
    if text == "1.":
        assert coefficients.decimal(text) == 1
        return
    with pytest.raises(CoefficientError):
        coefficients.decimal(text)


class TestAnImportOfBaseData:
    """The old value stays for the past, the new one holds from a day on."""

    def test_makes_a_dated_row_from_new_years_day_by_default(self, world: World) -> None:
        replaced(world, "1.2290", "1.3000")
        assert tce(world, ELECTRICITY, date(2025, 12, 31)) == "1.2290"
        assert tce(world, ELECTRICITY, NEW_YEAR) == "1.3000"
        assert tce(world, COAL, NEW_YEAR) == "0.7143"
        assert ("coefficient.base-data", "02/3300") in trail(world)

    @SQLITE
    def test_makes_it_from_the_day_that_is_told(self, world: World) -> None:
        replaced(world, "1.2290", "1.3000", EARLY)
        assert tce(world, ELECTRICITY, date(2020, 4, 30)) == "1.2290"
        assert tce(world, ELECTRICITY, EARLY) == "1.3000"

    @SQLITE
    def test_again_and_again_keeps_every_value_for_its_time(self, world: World) -> None:
        replaced(world, "1.2290", "1.3000", EARLY)
        replaced(world, "1.3000", "1.4000", NEW_YEAR)
        replaced(world, "1.4000", "1.5000", LATE)
        days = (date(2000, 1, 1), EARLY, NEW_YEAR, LATE)
        found = [tce(world, ELECTRICITY, day) for day in days]
        assert found == ["1.2290", "1.3000", "1.4000", "1.5000"]

    @SQLITE
    def test_of_another_column_makes_no_row(self, world: World) -> None:
        replaced(world, "电力", "电力（等价）")
        assert [action for action, _ in trail(world)] == ["base-data.import"]
        assert tce(world, ELECTRICITY, NEW_YEAR) == "1.2290"

    @SQLITE
    def test_without_a_type_leaves_its_past_alone(self, world: World) -> None:
        with world.store.write() as conn:
            text = dictionary.export_table(conn, "energyType")
            without = "".join(one for one in text.splitlines(True) if not one.startswith("3300,"))
            assert without != text
            dictionary.import_table(conn, "energyType", without, world.now)
        assert tce(world, ELECTRICITY, EARLY) == "1.2290"

    @SQLITE
    def test_with_a_range_holds_its_middle(self, world: World) -> None:
        replaced(world, "1.2290", "1.1-1.4", EARLY)
        electricity = held(world, ELECTRICITY, EARLY)
        assert electricity is not None
        assert electricity.tce == Decimal("1.25")
        assert electricity.bounds == (Decimal("1.1"), Decimal("1.4"))

    @SQLITE
    def test_with_a_new_type_holds_for_all_of_its_data(self, world: World) -> None:
        with world.store.write() as conn:
            text = dictionary.export_table(conn, "energyType")
            (line,) = [one for one in text.splitlines(True) if one.startswith("3300,")]
            more = line.replace("3300,电力", "3301,绿电")
            dictionary.import_table(conn, "energyType", text + more, world.now)
        assert tce(world, Kind("02", "3301"), date(2000, 1, 1)) == "1.2290"


class TestAList:
    """A file of coefficients is taken whole or not at all."""

    def take(self, world: World, *rows: str) -> list[Change]:
        text = "\n".join([",".join(coefficients_file.HEADER), *rows])
        lines = table_file.read(text.encode(), ".csv", coefficients_file.HEADER)
        with world.store.write() as conn:
            return coefficients_file.take(conn, lines, world.now)

    def test_sets_every_row(self, world: World) -> None:
        done = self.take(
            world,
            "02,3300,2026-01-01,1.3,,,省统计局",
            "01,0100,,0.7,,0.6-0.8,",
            "01,0104,2026-01-01,0.7143,1,,",
        )
        assert [(one.kind, str(one.after.tce)) for one in done] == [
            (COAL, "0.7"),
            (ELECTRICITY, "1.3"),
        ]
        assert tce(world, COAL, date(2000, 1, 1)) == "0.7"

    @SQLITE
    def test_with_errors_names_them_all_by_row_and_column(self, world: World) -> None:
        with pytest.raises(FileError) as caught:
            self.take(
                world,
                "02,3300,2026-01-01,1.3,,,",
                "2,33,2026/1/1,x,-1,9-1," + "长" * 201,
                "02,3300,2026-01-01,1.4,,,",
            )
        text = str(caught.value)
        for name in ("classCode", "code", "validFrom", "zbckz", "dwzbxs", "range", "source"):
            assert f"第 3 行 {name} 列：" in text
        assert "第 4 行：品种与生效日期与第 2 行重复" in text
        assert tce(world, ELECTRICITY, NEW_YEAR) == "1.2290"

    @SQLITE
    def test_with_an_unknown_type_takes_nothing(self, world: World) -> None:
        with pytest.raises(FileError, match=r"第 3 行：.*9999"):
            self.take(world, "01,0100,2026-01-01,0.9,,,", "02,9999,2026-01-01,1,,,")
        assert tce(world, COAL, LATE) == "0.7143"

    def test_of_what_holds_changes_nothing(self, world: World) -> None:
        put(world, GAS, "12", NEW_YEAR)
        with world.store.read() as conn:
            known = list(coefficients.table(conn))
        written = table_file.write_csv(coefficients_file.HEADER, coefficients_file.rows(known))
        lines = table_file.read(written, ".csv", coefficients_file.HEADER)
        with world.store.write() as conn:
            assert coefficients_file.take(conn, lines, world.now) == []
