"""`nenghao platform uplink …` as an operator calls it, and `serve` sending by itself."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from nenghao.cli import main
from nenghao.clock import china_now
from nenghao.conformance.platform_process import serving
from nenghao.platform import home as homes
from nenghao.platform.registry import Peer
from nenghao.platform.store.engine import Store
from nenghao.platform.store.schema import device, frame, unit
from nenghao.platform.uplink import lease, marks
from tests.cli.test_demo import free_port
from tests.platform.energy import new_peer, record, send

PATIENCE = 60


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A nation, a province, and OUT."""
    folder = tmp_path_factory.mktemp("uplink")
    for name, role in (("nation", "national"), ("province", "province")):
        ports = {"device_port": free_port(), "exchange_port": 0, "console_port": 0}
        homes.init(folder / name, {**ports, "role": role}, china_now())
    issue = ["ca", "issue", "--home", str(folder / "nation"), "--province", "210000"]
    assert main([*issue, "--name", "辽宁省", "--out", str(folder / "OUT")]) == 0
    return folder


@pytest.fixture
def province(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made / "province", tmp_path / "province")
    return tmp_path / "province"


def uplink(word: str, home: Path, *more: object) -> int:
    return main(["platform", "uplink", word, "--home", str(home), *map(str, more)])


def fill(home: Path) -> Peer:
    """A registered unit with a value."""
    with homes.open_home(home, {}).store() as store:
        peer = new_peer(store)
        with store.write() as conn:
            now = china_now()
            values = {"unit_id": peer.unit_id, "number": 1, "device_id": "d" * 32, "ordinal": 0}
            times = {"registered_at": now, "last_registered_at": now, "upload_time": "01:00:00"}
            conn.execute(insert(device).values(**values, **times))
            marks.put(conn, peer.unit_id, [marks.Mark(marks.UNIT, 0)], now)
        send(store, peer, [record(1)])
    return peer


def test_set_takes_the_credentials_over_and_status_says_so(
    made: Path, province: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = ("--to", "https://127.0.0.1:4711/", "--credentials", made / "OUT")
    assert uplink("set", province, *to, "--window", "02:00-06:00") == 0
    settings = homes.open_home(province, {}).settings
    assert (settings.uplink_to, settings.uplink_window) == (
        *("https://127.0.0.1:4711", "02:00-06:00"),
    )
    assert (province / "uplink" / "device.key").stat().st_mode & 0o777 == 0o600
    fill(province)
    capsys.readouterr()
    assert uplink("status", province, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["backlog"], told["refused"], told["running"]) == (2, [], False)
    assert told["oldest"] == "2026-11-22 01:30:00"
    assert uplink("status", province) == 0
    assert "未送：2 条，最早 2026-11-22 01:30:00" in capsys.readouterr().out
    assert uplink("set", province, "--off") == 0
    assert homes.open_home(province, {}).settings.uplink_to == ""
    assert uplink("set", province, "--to", "https://127.0.0.1:4712") == 0, "they are kept"


def test_what_cannot_be_set_changes_nothing(
    made: Path, province: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (province / "platform.toml").read_bytes()
    out = ("--credentials", made / "OUT")
    for words, reason in (
        (("--to", "http://a:1", *out), "uplink_to 应为 https"),
        (("--to", "https://a:1", *out, "--window", "always?"), "uplink_window 应为 always"),
        (("--to", "https://a:1"), "缺少 device.pem"),
        (("--to", "https://a:1", "--credentials", made / "nation"), "缺少 device.pem"),
        ((), "--to 或 --off"),
        (("--to", "https://a:1", "--off"), "--to 或 --off"),
    ):
        assert uplink("set", province, *words) != 0
        assert reason in capsys.readouterr().err
    assert (province / "platform.toml").read_bytes() == before
    assert uplink("set", made / "nation", "--to", "https://a:1", *out) == 1
    assert uplink("run", province) == 1
    assert "没有设置国家平台" in capsys.readouterr().err


def test_one_pass_that_reaches_nobody_fails_and_keeps_everything(
    made: Path, province: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = ("--to", f"https://127.0.0.1:{free_port()}", "--credentials", made / "OUT")
    assert uplink("set", province, *to) == 0
    fill(province)
    assert uplink("run", province, "--once") == 1
    assert "无法连接国家平台" in capsys.readouterr().err
    assert uplink("status", province, "--json") == 0
    assert json.loads(capsys.readouterr().out)["backlog"] == 2
    assert uplink("retry", province) == 0
    assert "0 条重新列入上送" in capsys.readouterr().out


@pytest.mark.clause("5.1-2")
def test_serve_sends_by_itself_and_goes_on_after_its_sender_is_killed(
    made: Path, province: Path
) -> None:
    """The nation is named while the province serves; both are processes of their own."""
    peer = fill(province)
    nation = homes.open_home(made / "nation", {})
    to = ("--to", f"https://127.0.0.1:{nation.settings.device_port}")

    async def scene() -> None:
        async with (
            serving(nation.path, made / "nation.log"),
            serving(province, province.with_suffix(".log")),
        ):
            assert (
                await asyncio.to_thread(uplink, "set", province, *to, "--credentials", made / "OUT")
                == 0
            )
            with homes.open_home(province, {}).store() as store:
                await until(lambda: not backlog(store))
                first = sender(store)
                os.kill(first, signal.SIGKILL)
                send(store, peer, [record(2, "2026-11-20 00:00:00")])
                await until(lambda: not backlog(store))
                assert sender(store) != first
                last = sender(store)
        await until(lambda: not Path(f"/proc/{last}").exists())

    asyncio.run(scene())
    with nation.store() as store, store.read() as conn:
        query = select(unit.c.code, frame.c.planes).join_from(
            unit, frame, unit.c.id == frame.c.unit_id
        )
        above = [tuple(row) for row in conn.execute(query)]
    with homes.open_home(province, {}).store() as store, store.read() as conn:
        below: list[Any] = [tuple(row) for row in conn.execute(query)]
        assert lease.standing(conn).holder == ""
        assert lease.standing(conn).sent_at is not None
    assert [code for code, _ in above] == [peer.credit_code]
    assert [code for code, _ in below] == [peer.credit_code]


def backlog(store: Store) -> int:
    with store.read() as conn:
        return marks.backlog(conn)[0]


def sender(store: Store) -> int:
    """The process that sends."""
    with store.read() as conn:
        return int(lease.standing(conn).holder.split(":")[1])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - others' work
            await asyncio.sleep(0.1)
