from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl  # type: ignore[import-untyped, unused-ignore]
import pytest

from nenghao.device.sources.base import Sample
from tests.device.sources.folder_world import Drop


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    return Drop(tmp_path)


def workbook(drop: Drop, name: str, rows: Sequence[Sequence[Any]], sheet: str = "") -> Path:
    book: Any = openpyxl.Workbook()
    page = book.create_sheet(sheet) if sheet else book.active
    for row in rows:
        page.append(row)
    book.save(drop.folder / name)
    return drop.touch(drop.folder / name)


@pytest.mark.clause("3.7-1")
def test_a_workbook_is_read_cell_by_cell(drop: Drop) -> None:
    workbook(
        drop,
        "月报.xlsx",
        [
            ["time", "gate", "export", "备注"],
            [datetime(2026, 3, 1, 0, 15), 0.1, "1.50", "x"],
            [None, None, None, None],
            ["2026-03-01 00:30:00", 3, "--", None],
        ],
    )
    assert drop.all(drop.source()) == [
        Sample("gate", datetime(2026, 3, 1, 0, 15), Decimal("0.1")),
        Sample("export", datetime(2026, 3, 1, 0, 15), Decimal("1.50")),
        Sample("gate", datetime(2026, 3, 1, 0, 30), Decimal(3)),
    ]


def test_times_that_a_spreadsheet_computed_fall_on_the_minute(drop: Drop) -> None:
    begin = datetime(2026, 3, 1)
    rows: list[list[Any]] = [
        [begin + timedelta(days=number / 96), number] for number in range(1, 97)
    ]
    heading: list[list[Any]] = [["time", "gate"]]
    workbook(drop, "a.xlsx", heading + rows)
    found = drop.all(drop.source(points=[{"name": "gate"}]))
    assert [one.time for one in found] == [
        begin + timedelta(minutes=15 * number) for number in range(1, 97)
    ]


def test_a_sheet_is_found_by_name(drop: Drop) -> None:
    rows: list[list[Any]] = [["time", "gate", "export"], ["2026-03-01 00:15:00", 1, 2]]
    workbook(drop, "a.xlsx", rows, sheet="电量")
    assert len(drop.all(drop.source(sheet="电量"))) == 2
    missing = drop.source(name="other", sheet="气量", bad_files="leave")
    assert drop.all(missing) == []
    assert "没有工作表 '气量'，现有：Sheet、电量" in missing.remarks[0]


def test_openpyxl_and_numpy_never_come_into_the_devices_process(drop: Drop) -> None:
    workbook(drop, "a.xlsx", [["time", "gate", "export"], ["2026-03-01 00:15:00", 1, 2]])
    code = f"""
import asyncio, sys, datetime, pathlib, msgspec
from nenghao.device.sources import folder
block = {{"type": "folder", "name": "x", "folder": "in", "points": [{{"name": "gate"}}]}}
settings = msgspec.convert(block, folder.FolderSettings)
source = folder.make(settings, pathlib.Path({str(drop.home)!r}))
async def run():
    await source.open()
    now = datetime.datetime(2026, 3, 2)
    return await source.read(now) + await source.read(now)
assert len(asyncio.run(run())) == 1
assert not {{"openpyxl", "numpy", "sqlalchemy"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"PK\x03\x04 no zip at all", "不是 .xlsx"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old", "另存为 .xlsx"),
    ],
)
def test_what_is_no_workbook_is_rejected(drop: Drop, content: bytes, word: str) -> None:
    drop.put_bytes("a.xlsx", content)
    source = drop.source()
    assert drop.all(source) == []
    assert word in source.remarks[0]


def test_a_workbook_that_is_cut_off_is_rejected(drop: Drop) -> None:
    file = workbook(drop, "a.xlsx", [["time", "gate"], ["2026-03-01 00:15:00", 1]])
    whole = file.read_bytes()
    drop.put_bytes("a.xlsx", whole[: len(whole) // 2])
    source = drop.source()
    assert drop.all(source) == []
    assert "a.xlsx" in source.remarks[0]


def test_a_workbook_that_takes_too_long_is_rejected_and_its_process_ended(drop: Drop) -> None:
    workbook(drop, "a.xlsx", [["time", "gate"], ["2026-03-01 00:15:00", 1]])
    source = drop.source(file_seconds=0.01)
    assert drop.all(source) == []
    assert "0.01 秒内没有读完" in source.remarks[0]


def test_a_workbook_with_too_many_rows_is_rejected(drop: Drop) -> None:
    rows: list[list[Any]] = [
        ["time", "gate"],
        *([f"2026-03-01 00:{n:02d}:00", n] for n in range(50)),
    ]
    workbook(drop, "a.xlsx", rows)
    source = drop.source(most_rows=20, points=[{"name": "gate"}])
    assert drop.all(source) == []
    assert "超过 20 行" in source.remarks[0]
