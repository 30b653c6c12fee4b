"""Base data on the console: the draft, what it makes of a table, versions and who has them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from nenghao.clock import china_now
from nenghao.console.views import base_data, base_data_draft, base_data_versions
from nenghao.console.views.base_data import EDITED, GOING, NEW, STALE, NoTable, Search
from nenghao.platform import (
    audit,
    base_data_drafts,
    base_data_files,
    base_data_held,
    coefficients,
    dictionary,
    dictionary_csv,
)
from nenghao.platform.base_data_diff import Difference
from nenghao.platform.base_data_drafts import DraftError, RowError
from nenghao.platform.dictionary_csv import Row, TableError
from nenghao.platform.store import schema
from nenghao.platform.store.engine import Store
from nenghao.platform.table_file import FileError
from nenghao.security.authority import CertificateAuthority
from nenghao.standard.energy_amounts import Kind
from tests.platform.energy import new_peer
from tests.platform.world import World, fill, unit_code

NOW = datetime(2026, 11, 22, 10, 0)
LATER = datetime(2026, 11, 23, 9, 30)
USAGE = "collectItemUsage"
BOUGHT = '["10"]'


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("base-data") / "fresh.db"
    fill(f"sqlite:///{path}")
    return path


@pytest.fixture
def store(fresh: Path, tmp_path: Path) -> Iterator[Store]:
    shutil.copy(fresh, tmp_path / "nenghao.db")
    opened = Store.open(f"sqlite:///{tmp_path / 'nenghao.db'}")
    yield opened
    opened.close()


def usage(code: str, name: str) -> Row:
    return {"code": code, "name": name}


def add(store: Store, code: str = "77", name: str = "试验") -> None:
    with store.write() as conn:
        base_data_drafts.add(conn, USAGE, usage(code, name), NOW)


def edit(store: Store, name: str = "购入") -> None:
    with store.write() as conn:
        base_data_drafts.edit(conn, USAGE, BOUGHT, usage("10", name), NOW)


def in_force(store: Store, valid_from: date | None = None) -> None:
    with store.write() as conn:
        base_data_drafts.put_in_force(conn, LATER, valid_from=valid_from)


def rows(store: Store, table: str = USAGE, **wanted: object) -> base_data.Rows:
    with store.read() as conn:
        return base_data.rows(conn, table, Search(**wanted), with_draft=True)  # type: ignore[arg-type]


def held(store: Store, table: str = USAGE) -> dict[str, str]:
    with store.read() as conn:
        return {row["code"]: row["name"] for row in dictionary.rows(conn, table)}


def version(store: Store) -> int:
    with store.read() as conn:
        return dictionary.version(conn)


def device(store: Store, number: int) -> int:
    peer = new_peer(store, unit_code(number))
    with store.write() as conn:
        conn.execute(
            insert(schema.device).values(
                unit_id=peer.unit_id,
                number=1,
                device_id=f"{number:032d}",
                ordinal=number,
                upload_time="02:00:00",
                registered_at=NOW,
                last_registered_at=NOW,
            )
        )
    return peer.unit_id


# --- the draft ------------------------------------------------------------------------------------


def test_edits_change_nothing_until_they_are_put_in_force_as_one_version(store: Store) -> None:
    add(store)
    edit(store)
    with store.write() as conn:
        base_data_drafts.remove(conn, USAGE, '["11"]', NOW)
        base_data_drafts.add(conn, "entType", usage("999", "试验单位"), NOW)
    before = held(store)
    assert ("77" in before, before["10"], "11" in before) == (False, "购进", True)
    assert version(store) == 1
    in_force(store)
    after = held(store)
    assert ("77" in after, after["10"], "11" in after) == (True, "购入", False)
    assert held(store, "entType")["999"] == "试验单位"
    assert version(store) == 2
    with store.read() as conn:
        assert base_data_drafts.changes(conn) == []


def test_a_new_row_stands_in_order_where_the_table_is_in_order(store: Store) -> None:
    add(store, "13", "试验")
    in_force(store)
    assert list(held(store))[:4] == ["10", "11", "12", "13"]


def test_wrong_fields_are_named(store: Store) -> None:
    with pytest.raises(RowError) as caught, store.write() as conn:
        base_data_drafts.add(conn, USAGE, usage("x", " "), NOW)
    assert caught.value.wrong.keys() == {"code", "name"}
    assert rows(store, drafted=True).total == 0


def test_a_row_that_stands_is_not_added_again(store: Store) -> None:
    with pytest.raises(DraftError, match="已经有了"):
        add(store, "10", "又一个")
    add(store)
    with pytest.raises(DraftError, match="已经有了"):
        add(store)


def test_a_key_is_not_changed_by_an_edit(store: Store) -> None:
    with pytest.raises(DraftError, match="不能修改"), store.write() as conn:
        base_data_drafts.edit(conn, USAGE, BOUGHT, usage("88", "购进"), NOW)


def test_an_edit_that_is_taken_back_leaves_no_draft(store: Store) -> None:
    edit(store)
    edit(store, "购进")
    add(store)
    with store.write() as conn:
        base_data_drafts.remove(conn, USAGE, '["77"]', NOW)
        assert base_data_drafts.counts(conn) == {}
    with pytest.raises(DraftError, match="没有任何改动"):
        in_force(store)


def test_a_row_that_is_gone_is_neither_edited_nor_removed(store: Store) -> None:
    with pytest.raises(DraftError, match="不在了"), store.write() as conn:
        base_data_drafts.remove(conn, USAGE, '["77"]', NOW)
    with pytest.raises(DraftError, match="不在了"), store.write() as conn:
        base_data_drafts.edit(conn, USAGE, '["77"]', usage("77", "试验"), NOW)


def test_a_row_changed_by_another_hand_is_not_overwritten(store: Store) -> None:
    edit(store)
    with store.write() as conn:
        text = dictionary.export_table(conn, USAGE).replace("10,购进\n", "10,国家说法\n")
        dictionary.import_table(conn, USAGE, text, NOW)
    (shown,) = rows(store, drafted=True).rows
    assert shown.state == STALE
    with store.read() as conn:
        assert base_data_draft.draft(conn).stale
    with pytest.raises(DraftError, match="已被改动"):
        in_force(store)
    assert held(store)["10"] == "国家说法"
    edit(store, "购入")  # looked at again
    in_force(store)
    assert held(store)["10"] == "购入"


def test_an_emptied_table_is_not_put_in_force(store: Store) -> None:
    with store.write() as conn:
        base_data_drafts.take(conn, USAGE, [], NOW)
    with pytest.raises(TableError, match="没有任何行"):
        in_force(store)
    assert version(store) == 1
    assert len(held(store)) == 27


def test_every_edit_is_in_the_trail_under_its_operator(store: Store) -> None:
    with audit.acting("user:zhang", "10.0.0.1"):
        add(store)
        in_force(store)
    with store.read() as conn:
        found = [(row["actor"], row["action"], row["subject"]) for row in audit.entries(conn)]
    assert found == [
        ("user:zhang", "base-data.import", USAGE),
        ("user:zhang", "base-data.draft", USAGE),
    ]


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_a_table_that_was_downloaded_is_the_same_again(store: Store, suffix: str) -> None:
    with store.read() as conn:
        for table in ("energyType", "industry"):
            file = base_data.table_file(conn, table, suffix)
            assert base_data_files.read(table, file, suffix) == dictionary.rows(conn, table)


def test_errors_of_a_file_name_its_rows(store: Store) -> None:
    text = "code,name\n10,购进\n\nxx,错\n"
    with pytest.raises(TableError, match="第 4 行 code 列"):
        base_data_files.read(USAGE, text.encode(), ".csv")
    with pytest.raises(FileError, match="表头"):
        base_data_files.read(USAGE, b"code\n10\n", ".csv")


def test_an_import_becomes_the_difference_to_what_is_in_force(store: Store) -> None:
    add(store, "55", "旧草稿")
    with store.write() as conn:
        new = [row for row in dictionary.rows(conn, USAGE) if row["code"] != "98"]
        new = [usage("10", "购入") if row["code"] == "10" else row for row in new]
        made = base_data_drafts.take(conn, USAGE, [*new, usage("77", "试验")], NOW)
    assert made.counts == (1, 1, 1)
    states = {one.key: one.state for one in rows(store, drafted=True).rows}
    assert states == {'["77"]': NEW, BOUGHT: EDITED, '["98"]': GOING}


# --- what is shown --------------------------------------------------------------------------------


def test_the_list_says_what_changed_since_when_and_what_waits(store: Store) -> None:
    edit(store)
    in_force(store)
    add(store)
    with store.read() as conn:
        found = base_data.overview(conn)
    tables = {one.table: one for one in found.tables}
    assert list(tables) == list(dictionary_csv.KEYS)
    assert (found.version, found.since, found.drafted) == (2, LATER, 1)
    one = tables[USAGE]
    assert (one.name, one.rows, one.version, one.since) == ("采集数据项数据用途", 27, "2", LATER)
    assert (tables["region"].version, tables["region"].since) == ("1", None)
    assert tables["productQuota"].rows == 0


def test_codes_have_their_names_beside_them(store: Store) -> None:
    (row,) = rows(store, "region", text="210102").rows
    assert row.cells["pcode"] == "210100 沈阳市"
    assert row.cells["type"] == "3 县级"
    (row,) = [one for one in rows(store, "energyType", text="电力").rows if one.cells["zbckz"]]
    assert (row.cells["classCode"], row.cells["pcode"]) == ("02 二次能源", "33 电力")


def test_rows_are_searched_sorted_and_paged(store: Store) -> None:
    assert rows(store, "industry", limit=20).total == 1971
    last = rows(store, "industry", limit=20, offset=1960)
    assert (len(last.rows), last.total) == (11, 1971)
    assert rows(store, "industry", offset=5000).rows == []
    assert rows(store, text="没有这个").total == 0
    found = rows(store, sort="code", descending=True, limit=1)
    assert found.rows[0].cells["code"] == "98"


def test_who_may_not_edit_sees_what_is_in_force(store: Store) -> None:
    edit(store)
    with store.read() as conn:
        found = base_data.rows(conn, USAGE, Search(text="购"), with_draft=False)
    assert found.rows[0].cells["name"] == "购进"
    assert {one.state for one in found.rows} == {""}


def test_a_table_that_is_not_there_is_named(store: Store) -> None:
    with store.read() as conn, pytest.raises(NoTable, match="nothing"):
        base_data.rows(conn, "nothing", Search(), with_draft=True)


def test_a_form_has_the_row_as_it_stands_in_draft(store: Store) -> None:
    edit(store)
    with store.read() as conn:
        code, name = base_data.form(conn, USAGE, BOUGHT)
        level = base_data.form(conn, "region", None)[-1]
    assert (code.value, code.is_key, code.needed) == ("10", True, True)
    assert (name.value, name.is_key) == ("购入", False)
    assert list(level.choices) == ["1", "2", "3"]


def test_the_draft_shows_the_first_rows_and_counts_all(store: Store) -> None:
    with store.write() as conn:
        new = [usage(f"{number:03d}", "新") for number in range(100, 350)]
        base_data_drafts.take(conn, USAGE, new, NOW)
    with store.read() as conn:
        (made,) = base_data_draft.draft(conn).tables
    assert (made.added.total, len(made.added.rows)) == (250, 200)
    assert made.removed.total == 27
    edit_only = Difference(changed=[(usage("10", "购进"), usage("10", "购入"))])
    with store.read() as conn:
        shown = base_data_draft.differing(conn, USAGE, edit_only)
    assert shown.changed.rows == [["10 购入", "名称：购进 → 购入"]]


def test_codes_in_use_and_lost_parents_are_remarked(store: Store) -> None:
    new_peer(store)  # in 210102
    with store.write() as conn:
        base_data_drafts.remove(conn, "region", '["210102"]', NOW)
        base_data_drafts.remove(conn, "region", '["210200"]', NOW)
    with store.read() as conn:
        (made,) = base_data_draft.draft(conn).tables
    assert any("1 家用能单位" in remark for remark in made.remarks)
    assert any("上级编码 210200 不在表中" in remark for remark in made.remarks)


def test_changed_coefficients_take_the_day_that_is_given(store: Store) -> None:
    kind, since = Kind("02", "3300"), date(2026, 7, 1)
    with store.write() as conn:
        key = '["02", "3300"]'
        fields = {one.name: one.value for one in base_data.form(conn, "energyType", key)}
        texts = {**fields, "zbckz": "1.25"}
        base_data_drafts.edit(conn, "energyType", key, texts, NOW)
        (change,) = base_data_draft.coefficient_changes(conn, since)
    assert (change.kind, change.valid_from, str(change.after.zbckz)) == (kind, since, "1.25")
    in_force(store, since)
    with store.read() as conn:
        known = coefficients.table(conn)
    days = (date(2026, 6, 30), since)
    found = [one.zbckz for day in days if (one := known.of(kind, day)) is not None]
    assert [str(zbckz) for zbckz in found] == ["1.2290", "1.25"]


# --- versions and devices -------------------------------------------------------------------------


def test_versions_say_who_changed_what(store: Store) -> None:
    with audit.acting("user:zhang", "10.0.0.1"):
        edit(store)
        add(store)
        in_force(store)
    with store.read() as conn:
        found = base_data_versions.versions(conn)
        detail = base_data_versions.detail(conn, 2)
        missing = base_data_versions.detail(conn, 7)
    (one,) = found.rows
    assert (one.number, one.at, one.actor) == (2, LATER, "user:zhang")
    assert one.what == "采集数据项数据用途 新增 1 行，修改 1 行，删除 0 行"
    assert (one.devices, one.share, found.unrecorded) == (0, None, 0)
    assert detail is not None
    assert detail.tables[0].added.rows == [["77", "试验"]]
    assert missing is None


def test_versions_are_paged(store: Store) -> None:
    for number in range(5):
        edit(store, f"购进{number}")
        in_force(store)
    with store.read() as conn:
        found = base_data_versions.versions(conn, 2, 4)
    assert ([one.number for one in found.rows], found.total, found.current) == ([2], 5, 6)


def test_a_device_has_a_version_once_it_fetched_all_of_it(store: Store) -> None:
    units = [device(store, number) for number in (1, 2, 3)]
    base_data_held.note(store, units[0], 1, 1, "all", NOW)
    for table in dictionary_csv.KEYS:
        if table != "productQuota":
            base_data_held.note(store, units[1], 1, 1, table, NOW)
    base_data_held.note(store, units[2], 1, 1, "region", NOW)
    with store.read() as conn:
        found = base_data_held.holders(conn)
        assert not base_data_held.is_news(conn, units[0], 1, 1, "region")
        assert base_data_held.is_news(conn, units[2], 1, 1, "industry")
        assert base_data_held.is_news(conn, units[0], 1, 2, "all")
    assert (found.since(1), found.partly, found.unknown) == (2, 1, 0)
    base_data_held.note(store, units[0], 1, 2, "all", NOW)
    with store.read() as conn:
        found = base_data_held.holders(conn)
    assert (found.since(1), found.since(2)) == (2, 1)
    assert found.share(2) == pytest.approx(1 / 3)


def test_what_a_device_fetches_is_noted(store: Store, tmp_path: Path) -> None:
    world = World(store, CertificateAuthority.create(tmp_path / "ca", china_now()), now=NOW)
    client = world.client()
    client.register()
    with store.read() as conn:
        assert base_data_held.holders(conn).unknown == 1
    for _ in range(2):
        body = {"deviceId": client.device_id, "type": "all"}
        assert client.post("/downloadBaseData", body).code == "0"
    with store.read() as conn:
        assert base_data_held.holders(conn).share(1) == 1
    edit(store)
    in_force(store)
    with store.read() as conn:
        assert base_data_held.holders(conn).share(2) == 0
        (version,) = base_data_versions.versions(conn).rows
    assert (version.devices, version.share) == (0, 0)


def test_without_devices_there_is_no_share(store: Store) -> None:
    with store.read() as conn:
        found = base_data.overview(conn)
        assert conn.execute(select(schema.device.c.unit_id)).all() == []
    assert (found.holders.devices, found.holders.share(1)) == (0, None)
