"""What the sources share besides rows: state files, secrets that are not shown, slow calls."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from nenghao.device.sources import registry
from nenghao.device.sources.background import in_background
from nenghao.device.sources.base import FaultKind, SourceFault
from nenghao.device.sources.discreet import Discreet, short, without
from nenghao.device.sources.remarks import MOST_TOLD, Remarks, Told
from nenghao.device.sources.state_file import StateFile


class State(msgspec.Struct, frozen=True):
    since: str


# --- state files ---------------------------------------------------------------------------------


def test_what_is_saved_is_loaded_again(tmp_path: Path) -> None:
    file = StateFile(tmp_path, "sql", "总表", State)
    assert file.load() is None
    file.save(State("a"))
    file.save(State("b"))
    assert StateFile(tmp_path, "sql", "总表", State).load() == State("b")
    assert [one.name for one in (tmp_path / "sources").iterdir()] == ["sql-总表.json"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", ".", "a\0b", "电" * 100, "x" * 300])
def test_every_name_has_its_own_file_in_the_folder(tmp_path: Path, name: str) -> None:
    for number, one in enumerate((name, name + "x")):
        StateFile(tmp_path, "sql", one, State).save(State(str(number)))
    assert StateFile(tmp_path, "sql", name, State).load() == State("0")
    assert len(list((tmp_path / "sources").iterdir())) == 2


@pytest.mark.parametrize("content", ["", "{}", "[1]", "\udc80"])
def test_a_file_of_something_else_is_named(tmp_path: Path, content: str) -> None:
    file = StateFile(tmp_path, "sql", "a", State)
    file.save(State("a"))
    file.path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(SourceFault, match="不合法") as caught:
        file.load()
    assert (caught.value.kind, str(file.path) in caught.value.text) == (
        FaultKind.CONFIGURATION,
        True,
    )


def test_a_full_disk_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = StateFile(tmp_path, "sql", "a", State)
    file.save(State("old"))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SourceFault, match="No space left"):
        file.save(State("new"))
    assert file.load() == State("old")
    assert len(list(file.path.parent.iterdir())) == 1


# --- secrets -------------------------------------------------------------------------------------


class Settings(Discreet, frozen=True):
    secrets: ClassVar[frozenset[str]] = frozenset({"password"})

    url: str
    password: str = ""
    other: int = 1


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:s3@cret@h/db?x=s3cret", "postgresql://u:***@h/db?***"),
        ("https://h/p?token=s3cret", "https://h/p?***"),
        ("https://h/p", "https://h/p"),
        ("SELECT a ? b", "SELECT a ? b"),
    ],
)
def test_settings_are_shown_without_their_secrets(url: str, shown: str) -> None:
    settings = Settings(url=url, password="s3cret")
    assert repr(settings) == f"Settings(url={shown!r}, password='***', other=1)"
    assert repr(Settings(url="x")) == "Settings(url='x', password='', other=1)"


def test_errors_are_shown_short_and_without_secrets() -> None:
    assert without("a s3cret b", "", "s3cret") == "a *** b"
    assert short(ValueError("\n  first s3cret \nsecond"), "s3cret") == "first ***"
    assert short(ValueError()) == "ValueError"
    assert short("x" * 300) == "x" * 200 + "…"


# --- slow calls ----------------------------------------------------------------------------------


def test_a_call_in_the_background_gives_what_it_returns_or_raises() -> None:
    def divide(a: int, b: int) -> float:
        return a / b

    assert asyncio.run(in_background(divide, 6, b=3)) == 2
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_background(divide, 6, b=0))


def test_a_call_that_hangs_is_left_behind() -> None:
    release = threading.Event()
    done = threading.Event()

    def hang() -> None:
        release.wait(10)
        done.set()

    async def run() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await in_background(hang)

    asyncio.run(run())
    release.set()
    assert done.wait(10)


def test_a_call_that_hangs_does_not_hold_the_end_of_the_program() -> None:
    code = """
import asyncio, threading
from nenghao.device.sources.background import in_background
async def run():
    try:
        async with asyncio.timeout(0.01):
            await in_background(threading.Event().wait)
    except TimeoutError:
        print("left")
asyncio.run(run())
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=30
    )
    assert ended.stdout == "left\n"


# --- remarks -------------------------------------------------------------------------------------


def test_many_remarks_are_cut_and_counted() -> None:
    remarks = Remarks()
    remarks.tell(["b"] * 30)
    assert remarks.lines == ("b",) * 20 + ("另有 10 处",)
    remarks.tell([])
    assert not remarks.lines


def test_a_remark_is_fresh_once_and_a_count_of_more_never() -> None:
    told = Told()
    assert told.fresh(["a", "另有 3 处"]) == ["a"]
    assert told.fresh(["a", "b", "另有 4 处"]) == ["b"]
    assert told.fresh([]) == told.fresh(["b"]) == []
    told.fresh([str(number) for number in range(MOST_TOLD)])
    assert told.fresh(["a"]) == ["a"]  # what was long ago is forgotten


# --- the registry --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("block", "type_name"),
    [
        ({"url": "sqlite:///x", "query": "SELECT 1"}, "sql"),
        ({"folder": "in"}, "folder"),
        ({"url": "http://127.0.0.1/"}, "http_json"),
        ({"serial_port": "/dev/ttyS1"}, "dlt645"),
    ],
)
def test_the_registry_finds_settings_and_makes_the_source(
    tmp_path: Path, block: dict[str, object], type_name: str
) -> None:
    point = {"name": "a", "path": "a"} if type_name == "http_json" else {"name": "a"}
    if type_name == "dlt645":
        point["item"] = "00010000"
    whole = {"type": type_name, "name": "x", "points": [point], **block}
    settings = msgspec.convert(whole, registry.settings_type(type_name))
    source = registry.make(type_name, settings, tmp_path)
    asyncio.run(source.close())
    assert not list(tmp_path.iterdir())
