"""The list of units, who a unit is, its items and what came from it, as pages show them."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import insert, select, update

from nenghao.console.views import unit_basics, unit_items, unit_state, unit_uploads, units
from nenghao.console.views.unit_basics import Head
from nenghao.console.views.unit_state import UnitState
from nenghao.console.views.units import SORTS, Slice, UnitRows, Wanted
from nenghao.platform.store.engine import Store
from nenghao.platform.store.schema import configured_item, device, receipt, unit
from nenghao.standard.messages.config_data import Enterprise
from nenghao.standard.messages.fields import fields_of
from tests.console.seeding import (
    CEMENT,
    COAL,
    ELECTRICITY,
    EVIL,
    FERTILIZER,
    FURNACE,
    GAS,
    LATE,
    NAMES,
    REFINERY,
    SILENT,
    STEEL,
    STRANGER,
    UNITS,
    Seeded,
    SeededUnit,
)
from tests.platform.world import fill


@pytest.fixture(scope="module")
def store(seeded: Seeded) -> Iterator[Store]:
    """The seeded province, to be read."""
    opened = Store.open(f"sqlite:///{seeded.path / 'nenghao.db'}")
    yield opened
    opened.close()


@pytest.fixture
def own(seeded: Seeded, tmp_path: Path) -> Iterator[Store]:
    """A copy of it, to be changed."""
    shutil.copy(seeded.path / "nenghao.db", tmp_path / "own.db")
    opened = Store.open(f"sqlite:///{tmp_path / 'own.db'}")
    yield opened
    opened.close()


def found(store: Store, now: datetime, part: Slice | None = None, **wanted: Any) -> UnitRows:
    with store.read() as conn:
        return units.search(conn, Wanted(**wanted), part or Slice(), now)


def codes(rows: UnitRows) -> set[str]:
    assert rows.total == len(rows.rows)
    return {row.code for row in rows.rows}


def codes_of(*some: SeededUnit) -> set[str]:
    return {one.code for one in some}


def head_of(store: Store, one: SeededUnit, now: datetime) -> Head:
    with store.read() as conn:
        head = unit_basics.head(conn, one.code, now)
    assert head is not None
    return head


# --- the list -----------------------------------------------------------------------------------


def test_units_are_found_by_part_of_the_name_or_of_the_code(store: Store, seeded: Seeded) -> None:
    assert codes(found(store, seeded.now, text="沈阳")) == codes_of(STEEL, FERTILIZER)
    assert codes(found(store, seeded.now, text="0000003k")) == codes_of(CEMENT)
    assert codes(found(store, seeded.now, text="<script>")) == codes_of(CEMENT)


@pytest.mark.parametrize("text", ["%", "_", "\\", "没有这样的单位", "' OR 1=1 --"])
def test_what_is_searched_for_is_taken_as_it_is(store: Store, seeded: Seeded, text: str) -> None:
    assert codes(found(store, seeded.now, text=text)) == set()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"region": "210000"}, UNITS),
        ({"region": "210100"}, (STEEL, FERTILIZER)),
        ({"region": "210202"}, (REFINERY, SILENT)),
        ({"region": "211400"}, ()),
        ({"industry": "C"}, (STEEL, REFINERY, CEMENT, FERTILIZER)),
        ({"industry": "C25"}, (REFINERY,)),
        ({"industry": "D4411"}, (LATE,)),
        ({"level": 2}, (REFINERY,)),
        ({"level": 6}, ()),
        ({"category": "159"}, (STEEL, REFINERY, CEMENT, LATE, FERTILIZER)),
        ({"category": "110"}, ()),
        ({"state": UnitState.LATE}, (LATE,)),
        ({"state": UnitState.SILENT}, (SILENT,)),
        ({"region": "210200", "state": UnitState.ONLINE}, (REFINERY,)),
        ({"region": "210100", "industry": "C31", "level": 1, "text": "炼钢"}, (STEEL,)),
    ],
)
def test_filters_narrow_the_list_together(
    store: Store, seeded: Seeded, wanted: dict[str, Any], expected: tuple[SeededUnit, ...]
) -> None:
    assert codes(found(store, seeded.now, **wanted)) == codes_of(*expected)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", [*SORTS, "no such column"])
def test_pages_put_together_are_the_sorted_list(
    store: Store, seeded: Seeded, sort: str, descending: bool
) -> None:
    whole = found(store, seeded.now, Slice(sort, descending, None)).rows
    parts = [
        row
        for offset in range(0, 8, 2)
        for row in found(store, seeded.now, Slice(sort, descending, 2, offset)).rows
    ]

    assert parts == whole
    assert len(whole) == len(UNITS)
    if sort in ("name", "code", "region"):
        keys = [getattr(row, sort) for row in whole]
        assert keys == sorted(keys, reverse=descending)


def test_a_page_beyond_the_end_is_empty_and_still_knows_how_many_there_are(
    store: Store, seeded: Seeded
) -> None:
    assert found(store, seeded.now, Slice(offset=50)) == UnitRows([], len(UNITS))


def test_states_are_counted_whatever_state_is_asked_for(store: Store, seeded: Seeded) -> None:
    with store.read() as conn:
        told = units.counts(conn, Wanted(state=UnitState.LATE), seeded.now)
        inland = units.counts(conn, Wanted(region="210200"), seeded.now)

    assert told == {UnitState.ONLINE: 4, UnitState.LATE: 1, UnitState.SILENT: 1}
    assert inland == {UnitState.ONLINE: 1, UnitState.LATE: 0, UnitState.SILENT: 1}


def test_a_row_has_names_beside_its_codes(store: Store, seeded: Seeded) -> None:
    (row,) = found(store, seeded.now, text=REFINERY.name).rows
    (silent,) = found(store, seeded.now, text=SILENT.name).rows

    assert row.region_name == "大连市中山区"
    assert row.industry_name == "原油加工及石油制品制造"
    assert row.level == "5000～1 万吨"
    assert row.category == "其他有限责任公司"
    assert (silent.industry, silent.level, silent.last_upload) == ("", "", None)
    assert silent.region_name == "大连市中山区"


def test_an_empty_platform_has_an_empty_list(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    fill(url)
    empty = Store.open(url)
    with empty.read() as conn:
        assert units.search(conn, Wanted(), Slice(), datetime(2026, 1, 1)) == UnitRows([], 0)
        assert set(units.counts(conn, Wanted(), datetime(2026, 1, 1)).values()) == {0}
        assert units.choices(conn).industries == {}
        assert unit_basics.head(conn, STEEL.code, datetime(2026, 1, 1)) is None
    empty.close()


def test_the_filters_offer_cities_counties_and_the_industries_in_use(store: Store) -> None:
    with store.read() as conn:
        offered = units.choices(conn)

    assert offered.regions["210100"] == "沈阳市"
    assert offered.regions["210102"] == "　和平区"
    assert "210000" not in offered.regions
    assert {"C", "C31", "C312", "C3120", "D4411"} <= offered.industries.keys()
    assert "A" not in offered.industries
    assert offered.categories["159"] == "159 其他有限责任公司"


def test_a_downloaded_list_holds_all_that_match_and_no_formula(own: Store, seeded: Seeded) -> None:
    formula = '=HYPERLINK("http://x","y")'
    with own.write() as conn:
        conn.execute(update(unit).where(unit.c.code == STEEL.code).values(name=formula))
    with own.read() as conn:
        part = Slice("code", limit=1)
        text = units.export(conn, Wanted(), part, seeded.now, ".csv").decode("utf-8-sig")
        book = units.export(conn, Wanted(region="210100"), part, seeded.now, ".xlsx")

    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["统一社会信用代码"] for row in rows] == sorted(one.code for one in UNITS)
    assert rows[0]["名称"] == f"'{formula}"
    assert rows[2]["名称"] == CEMENT.name
    cells = list(load_workbook(io.BytesIO(book)).active.iter_rows(min_row=2))  # type: ignore[union-attr]
    assert [row[1].value for row in cells] == [formula, FERTILIZER.name]
    assert {cell.data_type for row in cells for cell in row if cell.value is not None} == {"s"}


# --- states -------------------------------------------------------------------------------------


DUE = datetime(2026, 11, 20, 3, 0)  # when the unit was last to upload


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        (DUE + timedelta(seconds=1), DUE + timedelta(hours=20), UnitState.ONLINE),
        (DUE - timedelta(days=1), DUE + timedelta(hours=1, minutes=59), UnitState.ONLINE),
        (DUE - timedelta(days=1), DUE + timedelta(hours=2), UnitState.LATE),
        (DUE - timedelta(hours=3), DUE + timedelta(hours=9), UnitState.ONLINE),
        (DUE - timedelta(hours=3, seconds=1), DUE + timedelta(hours=9), UnitState.LATE),
        (DUE, DUE + unit_state.SILENT_AFTER, UnitState.LATE),
        (DUE, DUE + unit_state.SILENT_AFTER + timedelta(seconds=1), UnitState.SILENT),
        (None, DUE, UnitState.SILENT),
    ],
)
def test_a_unit_is_late_two_hours_after_it_was_due_and_silent_after_a_week(
    own: Store, last: datetime | None, now: datetime, expected: UnitState
) -> None:
    with own.write() as conn:
        mine = conn.execute(select(unit.c.id).where(unit.c.code == LATE.code)).scalar_one()
        conn.execute(update(device).where(device.c.unit_id == mine).values(upload_time="03:00:00"))
        conn.execute(receipt.delete().where(receipt.c.unit_id == mine, receipt.c.sequence > 2))
        kind = "energy" if last else "config"
        conn.execute(
            update(receipt)
            .where(receipt.c.unit_id == mine)
            .values(received_at=last or DUE, kind=kind)
        )

    assert head_of(own, LATE, now).state is expected


def test_what_is_filled_in_here_does_not_make_a_unit_online(own: Store, seeded: Seeded) -> None:
    with own.write() as conn:
        mine = conn.execute(select(unit.c.id).where(unit.c.code == LATE.code)).scalar_one()
        row = conn.execute(
            select(receipt).where(receipt.c.unit_id == mine).order_by(receipt.c.sequence.desc())
        ).mappings().first()  # fmt: skip
        assert row is not None
        filled = {**row, "sequence": 999, "device_number": 0, "received_at": seeded.now}
        conn.execute(insert(receipt).values(**filled))

    assert head_of(own, LATE, seeded.now).state is UnitState.LATE


# --- who it is ----------------------------------------------------------------------------------


def test_the_head_of_a_unit_tells_who_and_where_it_is(store: Store, seeded: Seeded) -> None:
    head = head_of(store, CEMENT, seeded.now)

    assert head.name == f"鞍山{EVIL}水泥厂"
    assert head.region_name == "辽宁省鞍山市铁东区"
    assert head.industry_name == "水泥制造"
    assert head.upload_time == "01:00:08"
    with store.read() as conn:
        assert unit_basics.head(conn, "91210000000000000X", seeded.now) is None


def test_basic_information_has_every_field_of_the_annex_under_a_name_of_its_own(
    store: Store, seeded: Seeded
) -> None:
    head = head_of(store, STEEL, seeded.now)
    with store.read() as conn:
        told = unit_basics.basics(conn, head.unit_id)

    assert told is not None
    assert len(told.enterprise) == len(fields_of(Enterprise)) == 36
    assert told.enterprise["单位类型"] == "159 其他有限责任公司"
    assert told.enterprise["行业编码"] == "C3120 炼钢"
    assert told.enterprise["行政区划代码"] == "210102 辽宁省沈阳市和平区"
    assert told.enterprise["年综合能耗（吨标准煤）"] == "5000 吨以下（1）"
    assert told.enterprise["是否央企"] == "否"
    assert told.enterprise["注册资金"] == "10000 万元"
    assert told.enterprise["注册日期"] == "1998-10-10"
    assert told.group["集团名称"] == "河北示例钢铁股份有限公司"
    assert told.processes == [["06", "电炉工序", ""]]
    assert told.process_units[0][:4] == ["06 电炉工序", "01", "#1 电炉", "2010-10-10"]


def test_a_unit_that_uploaded_nothing_has_no_basic_information_and_no_items(
    store: Store, seeded: Seeded
) -> None:
    head = head_of(store, SILENT, seeded.now)
    with store.read() as conn:
        assert unit_basics.basics(conn, head.unit_id) is None
        assert unit_items.items(conn, head.unit_id) == []
        assert unit_uploads.receipts(conn, head.unit_id, "", 10, 0).total == 0


def test_certificates_are_read_only_for_whoever_may_see_them(store: Store, seeded: Seeded) -> None:
    head = head_of(store, CEMENT, seeded.now)
    with store.read() as conn:
        without = unit_basics.equipment(conn, head, seeded.now, with_certificates=False)
        told = unit_basics.equipment(conn, head, seeded.now, with_certificates=True)

    assert without.certificates == []
    assert {one.code for one in told.certificates} == {CEMENT.code}
    assert {one.number for one in without.devices} == {1, 2}
    assert [one.device for one in told.certificates if one.revoked_at is not None] == [2]


# --- items --------------------------------------------------------------------------------------


def test_items_are_named_as_the_standard_composes_them(store: Store, seeded: Seeded) -> None:
    head = head_of(store, STEEL, seeded.now)
    with store.read() as conn:
        listed = {item.data_code: item for item in unit_items.items(conn, head.unit_id)}

    assert {code: item.name for code, item in listed.items() if item.configured} == NAMES
    assert listed[ELECTRICITY].unit == "万千瓦时"
    assert listed[FURNACE].scope == "生产工序单元"
    assert {item.own_name for item in listed.values()} == {""}
    assert listed[ELECTRICITY].frequencies == "实时、日、月"
    assert listed[ELECTRICITY].limits == "实时 0～60；日 0～900；月 0～90000"


def test_data_without_configuration_and_retired_items_are_listed_as_such(
    own: Store, seeded: Seeded
) -> None:
    head = head_of(own, REFINERY, seeded.now)
    items = configured_item.c
    with own.write() as conn:
        mine = update(configured_item).where(items.unit_id == head.unit_id)
        conn.execute(mine.where(items.data_code == COAL).values(retired_at=seeded.now))
        conn.execute(mine.where(items.data_code == GAS).values(name="<b>燃气</b>", value_max=None))
    with own.read() as conn:
        listed = unit_items.items(conn, head.unit_id)
        gas = next(item for item in listed if item.data_code == GAS)

    assert [item.data_code for item in listed if not item.configured] == [STRANGER]
    assert (
        [item.data_code for item in listed if item.retired_at] == [listed[-1].data_code] == [COAL]
    )
    assert (gas.name, gas.own_name, gas.limits) == (NAMES[GAS], "<b>燃气</b>", "0～")


# --- uploads and advice -------------------------------------------------------------------------


def test_receipts_are_paged_from_the_latest_on(store: Store, seeded: Seeded) -> None:
    head = head_of(store, STEEL, seeded.now)
    with store.read() as conn:
        whole = unit_uploads.receipts(conn, head.unit_id, "", 100, 0)
        parts = [unit_uploads.receipts(conn, head.unit_id, "", 4, at) for at in (0, 4, 8, 12, 16)]
        configured = unit_uploads.receipts(conn, head.unit_id, "config", 100, 0)

    assert [row for part in parts for row in part.rows] == list(whole.rows)
    assert {part.total for part in parts} == {len(whole.rows)}
    numbers = [row.number for row in whole.rows]
    assert numbers == sorted(numbers, reverse=True)
    assert [row.number for row in configured.rows] == [1]
    assert configured.rows[0].result.startswith("数据项 ")
    assert any("实时" in row.covers and "日" in row.covers for row in whole.rows)


def test_a_refused_upload_is_listed_with_the_words_its_device_got(
    store: Store, seeded: Seeded
) -> None:
    mine, other = head_of(store, REFINERY, seeded.now), head_of(store, STEEL, seeded.now)
    with store.read() as conn:
        told = unit_uploads.refused(conn, mine.unit_id, 1, 0)
        others = unit_uploads.refused(conn, other.unit_id, 10, 0)

    assert (len(told.rows), told.total) == (1, 2)
    assert told.rows[0].code == "E2002"
    assert told.rows[0].interface == "采集数据上传"
    assert "data[1].statDate" in told.rows[0].text
    assert (list(others.rows), others.total) == ([], 0)


def test_advice_is_listed_by_kind_with_data_codes_in_words(store: Store, seeded: Seeded) -> None:
    head = head_of(store, REFINERY, seeded.now)
    with store.read() as conn:
        kinds = unit_uploads.finding_kinds(conn, head.unit_id)
        some = unit_uploads.findings(conn, head.unit_id, "not_configured", 10, 0)
        every = unit_uploads.findings(conn, head.unit_id, "", 2, 0)

    assert kinds["not_configured"] == "数据项未配置（1）"
    (row,) = some.rows
    assert (row.subject, row.name) == (STRANGER, "全厂-二次能源-热力-购进已消费")
    assert len(every.rows) == 2
    assert every.total >= len(kinds) > 2
