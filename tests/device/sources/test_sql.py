from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from nenghao.device.sources import sql
from nenghao.device.sources.base import Bookmarked, FaultKind, Sample
from tests.device.sources.sql_world import LONG, NOW, WIDE, Meters, fault, poll, settings, shown


@pytest.fixture
def meters(tmp_path: Path) -> Meters:
    return Meters(tmp_path / "计量.db")


# --- rows and the bookmark ------------------------------------------------------------------------


@pytest.mark.clause("3.7-1")
def test_a_row_with_one_column_per_point_gives_a_sample_for_each(
    meters: Meters, tmp_path: Path
) -> None:
    meters.wide("02 09:45", 1001.25, 3)
    meters.wide("02 10:00", 1003.5, None)
    found = poll(sql.make(settings(meters.url), tmp_path))
    assert found == [
        Sample("gate", datetime(2026, 3, 2, 9, 45), Decimal("1001.25")),
        Sample("export", datetime(2026, 3, 2, 9, 45), Decimal(3)),
        Sample("gate", datetime(2026, 3, 2, 10, 0), Decimal("1003.5")),
    ]


def test_a_row_with_a_name_and_a_value_gives_the_sample_of_that_point(
    meters: Meters, tmp_path: Path
) -> None:
    meters.long("02 09:45", "TAG-7", 5)
    meters.long("02 09:45", "TAG-8", 6)
    meters.long("02 09:45", "TAG-9", 7)
    source = sql.make(
        settings(
            meters.url,
            LONG,
            name_column="TAG",
            value_column="VALUE",
            points=[
                {"name": "总进线", "field": "TAG-7", "scale": "0.0001", "offset": "1"},
                {"name": "外供", "field": "TAG-9"},
            ],
        ),
        tmp_path,
    )
    assert shown(poll(source)) == [("总进线", "02 09:45", "1.0005"), ("外供", "02 09:45", "7")]


def test_the_next_poll_brings_only_what_is_new(meters: Meters, tmp_path: Path) -> None:
    async def run() -> None:
        source = sql.make(settings(meters.url), tmp_path)
        assert isinstance(source, Bookmarked)
        meters.wide("02 09:45", 1, 1)
        await source.open()
        assert len(await source.read(NOW)) == 2
        await source.taken()
        assert await source.read(NOW) == []
        meters.wide("02 10:00", 2, 2)
        assert shown(await source.read(NOW)) == [
            ("gate", "02 10:00", "2"),
            ("export", "02 10:00", "2"),
        ]
        await source.close()

    asyncio.run(run())


def test_samples_that_did_not_reach_the_disk_are_read_again(meters: Meters, tmp_path: Path) -> None:
    meters.wide("02 09:45", 1, 1)
    source = sql.make(settings(meters.url, overlap_seconds=0), tmp_path)
    first = poll(source, taken=False)
    assert len(first) == 2
    assert poll(sql.make(settings(meters.url, overlap_seconds=0), tmp_path)) == first
    assert poll(sql.make(settings(meters.url, overlap_seconds=0), tmp_path)) == []


def test_a_row_that_is_written_late_or_corrected_within_the_overlap_is_found(
    meters: Meters, tmp_path: Path
) -> None:
    async def run() -> None:
        source = sql.make(settings(meters.url, overlap_seconds=1800), tmp_path)
        meters.wide("02 10:00", 5, 5)
        await source.open()
        await source.read(NOW)
        await source.taken()
        meters.wide("02 09:45", 4, None)
        meters.run("UPDATE meter SET export = 6 WHERE time LIKE '%10:00%'")
        assert shown(await source.read(NOW)) == [
            ("gate", "02 09:45", "4"),
            ("export", "02 10:00", "6"),
        ]
        await source.close()

    asyncio.run(run())


def test_the_very_first_query_goes_back_as_far_as_asked(meters: Meters, tmp_path: Path) -> None:
    meters.wide("01 09:00", 1, None)
    meters.wide("01 11:00", 2, None)
    assert [one[2] for one in shown(poll(sql.make(settings(meters.url), tmp_path)))] == ["2"]
    far = sql.make(settings(meters.url, first_hours=48, name="anew"), tmp_path)
    assert [one[2] for one in shown(poll(far))] == ["1", "2"]


def test_a_backlog_comes_in_portions_and_whole(meters: Meters, tmp_path: Path) -> None:
    begin = datetime(2026, 3, 1, 12, 0)
    for count in range(50):
        moment = begin + timedelta(minutes=15 * (count // 2))
        meters.long(f"{moment:%d %H:%M}", f"T{count % 2}", count)
    source = sql.make(
        settings(
            meters.url,
            LONG,
            name_column="tag",
            value_column="value",
            points=[{"name": "T0"}, {"name": "T1"}],
            most_rows=7,
        ),
        tmp_path,
    )

    async def run() -> list[list[Sample]]:
        await source.open()
        polls = []
        for _ in range(20):
            polls.append(await source.read(NOW))
            await source.taken()
        await source.close()
        return polls

    polls = asyncio.run(run())
    assert max(map(len, polls)) <= 7
    assert [one.value for found in polls for one in found] == [Decimal(n) for n in range(50)]


@pytest.mark.parametrize(
    ("query", "word"),
    [
        (WIDE.replace("ORDER BY time", "ORDER BY time DESC"), "ORDER BY"),
        ("SELECT time, gate, export FROM meter", ":since"),
        (
            "SELECT '2026-03-02 09:00:00' AS time, gate, export FROM meter WHERE :since < 'z'",
            "同一",
        ),
    ],
)
def test_a_result_that_cannot_be_cut_safely_is_a_fault(
    meters: Meters, tmp_path: Path, query: str, word: str
) -> None:
    for minute in range(5):
        meters.wide(f"02 09:0{minute}", minute, minute)
    found = fault(sql.make(settings(meters.url, query, most_rows=3), tmp_path))
    assert found.kind is FaultKind.CONFIGURATION
    assert word in found.text


def test_a_table_of_present_values_without_times_holds_now(meters: Meters, tmp_path: Path) -> None:
    meters.long("01 00:00", "gate", 5)
    source = sql.make(
        settings(
            meters.url,
            "SELECT tag, value FROM history",
            time_column="",
            name_column="tag",
            value_column="value",
        ),
        tmp_path,
    )
    assert poll(source) == poll(source) == [Sample("gate", NOW, Decimal(5))]


@pytest.mark.parametrize(
    ("stored", "changes"),
    [
        ("2026-03-02 01:45:00", {"time_zone": "utc"}),
        ("2026-03-02T09:45:00+08:00", {}),
        ("02/03/2026 09:45", {"time_format": "%d/%m/%Y %H:%M"}),
        (1772415900, {"time_format": "epoch"}),
        (1772415900000, {"time_format": "epoch_ms"}),
        ("2026-03-02 09:30:00", {"label": "start"}),
    ],
)
def test_times_are_read_as_they_are_kept(
    meters: Meters, tmp_path: Path, stored: object, changes: dict[str, Any]
) -> None:
    meters.run("CREATE TABLE other (time, gate, export)")
    meters.run("INSERT INTO other VALUES (?, 1, NULL)", stored)
    source = sql.make(settings(meters.url, WIDE.replace("meter", "other"), **changes), tmp_path)
    assert poll(source) == [Sample("gate", datetime(2026, 3, 2, 9, 45), Decimal(1))]
    assert poll(source) in ([], [Sample("gate", datetime(2026, 3, 2, 9, 45), Decimal(1))])


def test_a_wrong_cell_costs_that_cell_and_is_told(meters: Meters, tmp_path: Path) -> None:
    meters.run("INSERT INTO meter VALUES ('2026-03-02 09:00:00', 'abc', 2)")
    meters.run("INSERT INTO meter VALUES ('nonsense', 3, 3)")
    source = sql.make(settings(meters.url), tmp_path)
    assert shown(poll(source)) == [("export", "02 09:00", "2")]
    assert source.remarks == (
        "第 1 行“gate”列：'abc' 不是数值",
        "第 2 行“time”列：时间 'nonsense' 不符合格式 YYYY-MM-DD HH:MM:SS",
    )


def test_a_row_from_the_future_does_not_carry_the_bookmark_away(
    meters: Meters, tmp_path: Path
) -> None:
    meters.run("INSERT INTO meter VALUES ('2099-01-01 00:00:00', 9, 9)")
    source = sql.make(settings(meters.url), tmp_path)
    assert poll(source) == []
    assert "晚于现在" in source.remarks[0]
    meters.wide("02 10:00", 1, 1)
    assert len(poll(source)) == 2


def test_an_interval_that_has_not_ended_waits_and_is_found_then(
    meters: Meters, tmp_path: Path
) -> None:
    meters.wide("02 09:45", 1, None)
    meters.wide("02 10:00", 2, None)
    changes: dict[str, Any] = {"label": "start", "overlap_seconds": 0}
    source = sql.make(settings(meters.url, **changes), tmp_path)
    assert shown(poll(source)) == [("gate", "02 10:00", "1")]
    later = NOW + timedelta(minutes=10)
    assert shown(poll(source, later)) == [("gate", "02 10:15", "2")]
