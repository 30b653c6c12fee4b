from __future__ import annotations

import asyncio
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from nenghao.device.sources import folder
from nenghao.device.sources.base import Bookmarked, Sample
from tests.device.sources.folder_world import NOW, Drop, shown


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    return Drop(tmp_path)


# --- when a file is imported ----------------------------------------------------------------------


@pytest.mark.clause("3.7-1")
def test_a_file_is_imported_when_it_has_stopped_changing_and_only_once(drop: Drop) -> None:
    drop.put("a.csv", "2026-03-02 09:45:00,1.50,2", "2026-03-02 10:00:00,,3")
    source = drop.source()
    assert isinstance(source, Bookmarked)
    first, second, third = drop.polls(source, 3)
    assert (first, third) == ([], [])
    assert second == [
        Sample("gate", datetime(2026, 3, 2, 9, 45), Decimal("1.50")),
        Sample("export", datetime(2026, 3, 2, 9, 45), Decimal(2)),
        Sample("export", datetime(2026, 3, 2, 10, 0), Decimal(3)),
    ]
    assert drop.all(drop.source(), count=3) == []


def test_a_file_that_is_being_written_waits(drop: Drop) -> None:
    async def run() -> None:
        source = drop.source()
        await source.open()
        drop.put("a.csv")
        assert await source.read(NOW) == []
        drop.put("a.csv", "2026-03-02 09:45:00,1,")
        assert await source.read(NOW) == []
        drop.put("a.csv", "2026-03-02 09:45:00,1,", "2026-03-02 10:00:00,2,")
        assert await source.read(NOW) == []
        assert len(await source.read(NOW)) == 2

    asyncio.run(run())


def test_an_empty_file_waits_for_its_content(drop: Drop) -> None:
    drop.put_bytes("a.csv", b"")
    source = drop.source()
    assert drop.all(source, count=3) == []
    assert not source.remarks
    drop.put("a.csv", "2026-03-02 09:45:00,1,")
    assert len(drop.all(source)) == 1


def test_samples_that_did_not_reach_the_disk_are_read_again(drop: Drop) -> None:
    drop.put("a.csv", "2026-03-02 09:45:00,1,")
    lost = drop.all(drop.source(), taken=False)
    assert drop.all(drop.source()) == lost
    assert drop.all(drop.source()) == []


def test_a_file_that_grew_is_imported_again_as_a_whole(drop: Drop) -> None:
    drop.put("day.csv", "2026-03-02 09:45:00,1,")
    source = drop.source()
    assert len(drop.all(source)) == 1
    drop.put("day.csv", "2026-03-02 09:45:00,1,", "2026-03-02 10:00:00,2,")
    assert shown(drop.all(source)) == [("gate", "02 09:45", "1"), ("gate", "02 10:00", "2")]


def test_a_file_that_was_only_copied_again_is_known_by_its_content(drop: Drop) -> None:
    file = drop.put("a.csv", "2026-03-02 09:45:00,1,")
    source = drop.source()
    assert len(drop.all(source)) == 1
    drop.touch(file)
    assert drop.all(source, count=3) == []


def test_files_come_in_the_order_of_their_times_and_in_portions(
    drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "ENOUGH", 3)
    for number in (3, 1, 2):
        drop.put(f"{number}.csv", f"2026-03-0{number} 09:45:00,{number},{number}")
    polls = drop.polls(drop.source(), 4)
    assert [[str(one.value) for one in found] for found in polls] == [
        [],
        ["3", "3", "1", "1"],
        ["2", "2"],
        [],
    ]


def test_only_files_of_the_patterns_are_taken_and_subfolders_when_asked(drop: Drop) -> None:
    row = "2026-03-02 09:45:00,1,"
    for name in ("A.CSV", "b.txt", "~$c.csv", ".d.csv", "e.csv.tmp", "sub/f.csv"):
        drop.put(name, row)
    assert len(drop.all(drop.source())) == 1
    assert len(drop.all(drop.source(name="deep", subfolders=True))) == 2
    assert len(drop.all(drop.source(name="text", patterns=["*.txt"]))) == 1


def test_what_is_gone_from_the_folder_is_forgotten_in_time(
    drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "MOST_GONE", 2)
    source = drop.source()
    for number in range(5):
        drop.put(f"{number}.csv", f"2026-03-02 09:4{number}:00,{number},")
        assert len(drop.all(source)) == 1
        (drop.folder / f"{number}.csv").unlink()
    drop.put("last.csv", "2026-03-02 10:00:00,9,")
    assert len(drop.all(source)) == 1
    state = msgspec.json.decode((drop.home / "sources" / "folder-报表.json").read_bytes())
    assert list(state["files"]) == ["3.csv", "4.csv", "last.csv"]


# --- what stands in it ----------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_chinese_long_tables_are_read_in_the_encodings_of_spreadsheets(
    drop: Drop, encoding: str
) -> None:
    text = "时间;表计;读数\r\n2026/03/02 09:45;1#进线;12.5\r\n2026/03/02 09:45;2#;7\r\n"
    drop.put_bytes("电.csv", text.encode(encoding))
    source = drop.source(
        delimiter=";",
        time_column="时间",
        time_format="%Y/%m/%d %H:%M",
        name_column="表计",
        value_column="读数",
        points=[{"name": "总进线", "field": "1#进线", "scale": "0.0001"}],
    )
    assert drop.all(source) == [
        Sample("总进线", datetime(2026, 3, 2, 9, 45), Decimal("0.00125")),
    ]


def test_a_day_that_is_closed_with_its_own_date_ends_at_the_next_midnight(drop: Drop) -> None:
    drop.put("a.csv", "2026-03-01 00:15:00,1,", "2026-03-01 23:45:00,2,", "2026-03-01 00:00:00,3,")
    assert shown(drop.all(drop.source())) == [
        ("gate", "01 00:15", "1"),
        ("gate", "01 23:45", "2"),
        ("gate", "02 00:00", "3"),
    ]


def test_the_days_of_a_long_table_are_closed_point_by_point(drop: Drop) -> None:
    drop.put(
        "a.csv",
        "2026-03-01 23:45,gate,1",
        "2026-03-01 23:45,export,2",
        "2026-03-01 24:00,export,3",
        "2026-03-01 00:00,gate,4",
        heading="time,tag,value",
    )
    source = drop.source(name_column="tag", value_column="value", time_format="%Y-%m-%d %H:%M")
    assert shown(drop.all(source)) == [
        ("gate", "01 23:45", "1"),
        ("export", "01 23:45", "2"),
        ("export", "02 00:00", "3"),
        ("gate", "02 00:00", "4"),
    ]


def test_a_start_label_becomes_the_end_of_its_interval(drop: Drop) -> None:
    drop.put("a.csv", "2026-03-01 23:00:00,1,")
    source = drop.source(label="start", interval_minutes=60)
    assert shown(drop.all(source)) == [("gate", "02 00:00", "1")]


def test_rows_above_the_heading_are_passed_over(drop: Drop) -> None:
    drop.put("a.csv", "制表：张三", "time,gate,export", "2026-03-01 23:00:00,1,", heading="日报")
    assert len(drop.all(drop.source(heading_row=3))) == 1
