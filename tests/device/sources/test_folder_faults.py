from __future__ import annotations

import asyncio
import os
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nenghao.device.sources import table_file
from nenghao.device.sources.base import FaultKind, SourceFault
from nenghao.device.sources.folder import FolderSource
from tests.device.sources.folder_world import NOW, Drop, settings, shown


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    return Drop(tmp_path)


# --- bad files -----------------------------------------------------------------------------------


def test_a_bad_file_is_taken_in_no_part_and_put_aside_with_every_reason(drop: Drop) -> None:
    drop.put(
        "bad.csv",
        "2026-03-02 09:45:00,1,1",
        "2026-03-02 09:50,x,2",
        "2026-02-30 10:00:00,3,NaN",
        ",4,4",
        "2026-03-02 11:00:00,5,5,6",
        "2026-03-02 09:45:00,2,1",
    )
    drop.put("good.csv", "2026-03-02 09:45:00,1,")
    source = drop.source()
    assert shown(drop.all(source)) == [("gate", "02 09:45", "1")]
    aside = drop.folder / "rejected"
    assert (aside / "bad.csv").exists()
    assert not (drop.folder / "bad.csv").exists()
    reasons = (aside / "bad.csv.txt").read_text("utf-8-sig").splitlines()
    assert reasons == [
        "第 3 行“gate”列：'x' 不是数值",
        "第 4 行“time”列：时间 '2026-02-30 10:00:00' 不符合格式 YYYY-MM-DD HH:MM:SS",
        "第 4 行“export”列：'NaN' 不是数值",
        "第 5 行“time”列：时间为空",
        "第 6 行有 4 列，多于表头的 3 列",
        "第 7 行：gate 在 2026-03-02 09:45:00 与第 2 行重复而数值不同",
    ]
    (remark,) = source.remarks
    assert remark.startswith("文件 bad.csv 未导入：第 3 行“gate”列")
    assert remark.endswith("；共 6 处错误（已移到 rejected 文件夹）")


def test_a_second_bad_file_of_the_same_name_keeps_the_first(drop: Drop) -> None:
    source = drop.source()
    for row in ("x,1,1", "y,1,1"):
        drop.put("bad.csv", row)
        assert drop.all(source) == []
    names = sorted(file.name for file in (drop.folder / "rejected").iterdir())
    assert names == ["bad-2.csv", "bad-2.csv.txt", "bad.csv", "bad.csv.txt"]


def test_a_bad_file_that_is_left_is_not_looked_at_again_until_it_is_mended(drop: Drop) -> None:
    file = drop.put("a.csv", "x,1,1")
    source = drop.source(bad_files="leave")
    assert drop.all(source) == []
    assert "a.csv" in source.remarks[0]
    assert "rejected" not in source.remarks[0]
    assert file.exists()
    again = drop.source(bad_files="leave")
    assert drop.all(again, count=3) == []
    assert again.remarks == ()
    drop.put("a.csv", "2026-03-02 09:45:00,1,")
    assert len(drop.all(again)) == 1


def test_a_folder_that_cannot_be_written_keeps_its_bad_files(
    drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "read-only")

    drop.put("a.csv", "x,1,1")
    source = drop.source()
    monkeypatch.setattr(Path, "rename", refuse)
    assert drop.all(source) == []
    assert "已移到" not in source.remarks[0]
    assert drop.all(drop.source(), count=3) == []


def test_rejections_are_shown_for_a_day(drop: Drop) -> None:
    drop.put("a.csv", "x,1,1")
    source = drop.source()
    drop.all(source)
    assert len(source.remarks) == 1
    drop.all(source, count=1, now=NOW + timedelta(days=1))
    assert not source.remarks


@pytest.mark.parametrize(
    ("content", "changes", "word"),
    [
        (b"time,gate\r\n", {}, "没有 'export' 列"),
        (b"time,gate,export\r\n", {}, "没有读数"),
        (b"time,gate,gate,export\r\n", {}, "出现 2 次"),
        (b"time,gate,export\r\n2026-03-02,1,\xff\xff", {}, "GB 18030"),
        ("时间".encode("gb18030"), {"encoding": "utf-8"}, "utf-8"),
        (b'time,gate,export\r\n"x', {}, "不是合法的 CSV"),
        (b"time,gate,export\r\n" + b"2026-03-02,1,\r\n" * 9, {"most_rows": 5}, "超过 5 行"),
        (b"time,gate,export\r\n" + b" " * 200, {"most_megabytes": 0.0001}, "超过 0.0001 MB"),
    ],
)
def test_a_file_that_cannot_be_understood_says_why(
    drop: Drop, content: bytes, changes: dict[str, Any], word: str
) -> None:
    drop.put_bytes("a.csv", content)
    source = drop.source(**changes)
    assert drop.all(source) == []
    assert word in source.remarks[0]


def test_a_file_with_more_than_a_gateway_holds_is_rejected(
    drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_file, "MOST_SAMPLES", 3)
    drop.put("a.csv", "2026-03-02 09:45:00,1,2", "2026-03-02 10:00:00,3,4")
    source = drop.source()
    assert drop.all(source) == []
    assert "超过 3 个" in source.remarks[0]


# --- the folder ----------------------------------------------------------------------------------


def fault(source: FolderSource) -> SourceFault:
    async def run() -> None:
        await source.open()
        await source.read(NOW)
        await source.read(NOW)

    with pytest.raises(SourceFault) as caught:
        asyncio.run(run())
    asyncio.run(source.close())
    return caught.value


def test_a_share_that_comes_and_goes(drop: Drop) -> None:
    drop.put("a.csv", "2026-03-02 09:45:00,1,")
    away = drop.home / "away"
    source = drop.source()
    drop.folder.rename(away)
    gone = fault(source)
    assert (gone.kind, str(drop.folder) in gone.text) == (FaultKind.UNREACHABLE, True)
    away.rename(drop.folder)
    assert len(drop.all(source)) == 1


def test_what_is_no_folder_is_a_fault_of_the_configuration(drop: Drop) -> None:
    drop.put("a.csv")
    assert fault(drop.source(folder="in/a.csv")).kind is FaultKind.CONFIGURATION


@pytest.mark.parametrize("call", ["scan", "open_whole"])
def test_no_right_to_read_is_a_matter_of_credentials(
    drop: Drop, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    real = os.scandir if call == "scan" else Path.open

    def refuse(path: Any, *options: Any, **more: Any) -> Any:
        if call == "scan" or path.suffix == ".csv":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *options, **more)

    drop.put("a.csv", "2026-03-02 09:45:00,1,")
    owner = os if call == "scan" else Path
    monkeypatch.setattr(owner, real.__name__, refuse)
    assert fault(drop.source()).kind is FaultKind.CREDENTIALS
    monkeypatch.undo()
    assert len(drop.all(drop.source())) == 1


def test_a_share_that_hangs_is_a_time_out(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(*_: object) -> None:
        release.wait(10)

    monkeypatch.setattr(os, "scandir", hang)
    assert fault(drop.source(timeout_seconds=0.05)).kind is FaultKind.TIMEOUT
    release.set()
    monkeypatch.undo()
    drop.put("a.csv", "2026-03-02 09:45:00,1,")
    assert len(drop.all(drop.source())) == 1


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"encoding": "klingon"}, "klingon"),
        ({"time_format": "%H:%M"}, "time_format"),
        ({"time_column": ""}, "time_column"),
        ({"value_column": "v"}, "name_column"),
        ({"points": [{"name": "gate", "offset": "x"}]}, "offset"),
        ({"delimiter": ";;"}, "delimiter"),
        ({"foldr": "x"}, "foldr"),
    ],
)
def test_settings_that_are_no_use_are_refused_by_name(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=word):
        settings(**changes)
