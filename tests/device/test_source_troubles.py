"""Every kind of source in one device, all in the same trouble at once, beside one that is well.

Each trouble is named by its source in the log and on the page, in words somebody can act on, and
the source that is well goes on being read. What the sources say in detail, and that they work
again once their peers do, is in tests/device/sources.

Modbus knows no credentials, so there are none that could be wrong. A folder is slow or forbidden
only by its file system, which is played.
"""

from __future__ import annotations

import asyncio
import os
import re
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

pytest.importorskip("pymodbus", reason="pip install nenghao[modbus]")
pytest.importorskip("asyncua", reason="pip install nenghao[opcua]")
pytest.importorskip("aiomqtt", reason="pip install nenghao[mqtt]")
pytest.importorskip("psycopg", reason="pip install psycopg[binary]")

from nenghao.device.clocks import WallClock
from nenghao.device.collection.collector import Collector
from nenghao.device.collection.health import SourceHealth
from nenghao.device.sources.base import FaultKind
from nenghao.device.sources.dlt645_codec import MeterError
from tests.device.collection.plants import Plant, collection_toml, plants
from tests.device.sources.broken_peers import Behaviour, answers, hangs_up, peer, silent
from tests.device.sources.dlt645_peers import Bus, Meter, serial_server
from tests.device.sources.modbus_peers import serial_line
from tests.device.sources.opcua_peers import USER, UaServer
from tests.device.web.desks import Visitors
from tests.device.world import World

__all__ = ["plants"]

Places = dict[str, str]
"""Where each type of source finds its peer: a port, a serial line, a folder."""

JUNK = answers(b"\x01 who is there?\r\n\r\n")
SQL_REFUSAL = b'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "reader"\0\0'
SECRET = "wr0ng-pass"

BLOCKS = {
    "modbus_tcp": 'host = "127.0.0.1"\nport = {}\npoints = [{{ name = "p", address = 0 }}]',
    "modbus_rtu": 'port = "{}"\npoints = [{{ name = "p", address = 0 }}]',
    "opcua": f'url = "{{}}"\nusername = "{USER}"\npassword = "{SECRET}"\n'
    'points = [{{ name = "p", node = "ns=2;s=x" }}]',
    "mqtt": 'host = "127.0.0.1"\nport = {}\npoints = [{{ name = "p", topic = "p" }}]',
    "sql": 'url = "postgresql+psycopg://reader@127.0.0.1:{}/mes?sslmode=disable"\n'
    f'password = "{SECRET}"\nquery = "SELECT time, p FROM t"\npoints = [{{{{ name = "p" }}}}]',
    "http_json": 'url = "http://127.0.0.1:{}/"\npoints = [{{ name = "p", path = "$.p" }}]',
    "dlt645": 'host = "127.0.0.1"\nport = {}\nattempts = 1\n'
    'points = [{{ name = "p", item = "00010000" }}]',
    "folder": 'folder = "{}"\npoints = [{{ name = "p" }}]',
}
"""What collection.toml says of a source of each type; a name for its peer's place is left open."""


def collection(places: Places) -> str:
    """A source of every type in trouble, and `gate`, which is well."""
    blocks = [
        f'[[source]]\ntype = "{kind}"\nname = "{kind}"\npoll_seconds = 1\ntimeout_seconds = 0.3\n'
        + BLOCKS[kind].format(place)
        for kind, place in places.items()
    ]
    return "\n\n".join([*blocks, collection_toml("gate", poll=1)])


@asynccontextmanager
async def network_peers(behaviour: Behaviour, *kinds: str) -> AsyncIterator[Places]:
    """A peer of the same behaviour for each of these types."""
    async with AsyncExitStack() as stack:
        places = {kind: str(await stack.enter_async_context(peer(behaviour))) for kind in kinds}
        if "opcua" in places:
            places["opcua"] = f"opc.tcp://127.0.0.1:{places['opcua']}/"
        yield places


NETWORK = ("modbus_tcp", "opcua", "mqtt", "sql", "http_json", "dlt645")


@asynccontextmanager
async def serial_peer(word: bytes) -> AsyncIterator[str]:
    """A serial line on which every question is answered with the same word, which may be none."""
    async with serial_line() as (near, far):
        end = os.open(far, os.O_RDWR | os.O_NOCTTY)
        loop = asyncio.get_running_loop()
        loop.add_reader(end, lambda: (os.read(end, 99), os.write(end, word)))
        try:
            yield near
        finally:
            loop.remove_reader(end)
            os.close(end)


@asynccontextmanager
async def serial_line_that_breaks() -> AsyncIterator[str]:
    """A serial line whose adapter is pulled out at the first question."""
    loop = asyncio.get_running_loop()
    master, slave = os.openpty()
    tty.setraw(slave)

    def pull_out() -> None:
        loop.remove_reader(master)
        os.close(master)

    loop.add_reader(master, pull_out)
    try:
        yield os.ttyname(slave)
    finally:
        os.close(slave)


@asynccontextmanager
async def dying(root: Path) -> AsyncIterator[Places]:
    async with network_peers(hangs_up, *NETWORK) as places, serial_line_that_breaks() as line:
        yield {**places, "modbus_rtu": line, "folder": str(root / "gone")}


@asynccontextmanager
async def talking_nonsense(root: Path) -> AsyncIterator[Places]:
    (root / "in").mkdir()
    (root / "in" / "a.csv").write_bytes(b"time,p\r\nyesterday,much\r\n")
    async with network_peers(JUNK, *NETWORK) as places, serial_peer(b"\1\3\2\0\7??") as line:
        yield {**places, "modbus_rtu": line, "folder": "in"}


@asynccontextmanager
async def keeping_silent(root: Path) -> AsyncIterator[Places]:
    async with network_peers(silent, *NETWORK) as places, serial_peer(b"") as line:
        yield {**places, "modbus_rtu": line}


async def refuse_login(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """PostgreSQL's answer to a user with a wrong password."""
    await reader.read(4096)
    writer.write(b"E" + (len(SQL_REFUSAL) + 4).to_bytes(4, "big") + SQL_REFUSAL)
    await writer.drain()


@pytest.fixture(scope="module")
def opcua_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UaServer]:
    server = UaServer(tmp_path_factory.mktemp("opcua"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def keeping_out(opcua_server: UaServer, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Any]:
    meter = Meter("1", x00010000="1")
    meter.errors = {"00010000": MeterError.NOT_AUTHORISED}
    real = os.scandir

    def scandir(path: Any = ".") -> Any:
        if str(path).endswith("/in"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    @asynccontextmanager
    async def peers(root: Path) -> AsyncIterator[Places]:
        (root / "in").mkdir()
        monkeypatch.setattr(os, "scandir", scandir)
        unauthorized = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"
        async with (
            peer(answers(b"\x20\x02\0\5")) as mqtt,
            peer(refuse_login) as sql,
            peer(answers(unauthorized)) as http,
            serial_server(Bus(meter)) as dlt645,
        ):
            yield {
                "opcua": f"opc.tcp://127.0.0.1:{opcua_server.port}/",
                "mqtt": str(mqtt),
                "sql": str(sql),
                "http_json": str(http),
                "dlt645": str(dlt645),
                "folder": "in",
            }

    return peers


class Device:
    """A device whose sources are all in trouble but one, and how they stood when it was found."""

    def __init__(self, visitors: Visitors, gate: Plant) -> None:
        self.visitors = visitors
        self.gate = gate
        self.health: dict[str, SourceHealth] = {}
        self.logged: list[Any] = []
        self.read_after = 0
        """Polls of the source that is well after all others had failed."""

    def run(self, peers: Callable[[Path], Any]) -> Places:
        world: World = self.visitors.world

        async def work() -> Places:
            stop = asyncio.Event()
            async with peers(world.home.root) as places:
                world.home.collection_file.write_text(collection(places), "utf-8")
                collector = Collector(world.home, world.store, WallClock())
                running = asyncio.ensure_future(collector.run(stop))
                try:
                    async with asyncio.timeout(20):
                        await until(lambda: self._know_all(collector.health()))
                        known = len(self.gate.reads)
                        await until(lambda: len(self.gate.reads) >= known + 2)
                    assert not collector.faults
                    self.read_after = len(self.gate.reads) - known
                    self.health |= {one.name: one for one in collector.health()[-1:]}
                finally:
                    stop.set()
                    await running
                return dict(places)

        with capture_logs() as logged:
            places = asyncio.run(work())
        self.logged = logged
        self.visitors.device.collector.sources = list(self.health.values())
        return places

    def _know_all(self, states: list[SourceHealth]) -> bool:
        """Keep how each source stands when its trouble is found; whether all troubles are."""
        for one in states:
            if one.state == "fault" or one.remarks:
                self.health.setdefault(one.name, one)
        return len(self.health) == len(states) - 1


async def until(state: Callable[[], bool]) -> None:
    """Wait until something is so."""
    while not state():  # noqa: ASYNC110 - nobody tells when it is
        await asyncio.sleep(0.02)


@pytest.fixture
def device(visitors: Visitors, plants: dict[str, Plant]) -> Device:
    plants["gate"] = Plant()
    return Device(visitors, plants["gate"])


@pytest.fixture
def visitors(world: World) -> Visitors:
    return Visitors(world)


@pytest.mark.clause("3.7-1")
@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        ("dies", FaultKind.UNREACHABLE),
        ("garbage", FaultKind.GARBAGE),
        ("slow", FaultKind.TIMEOUT),
        ("credentials", FaultKind.CREDENTIALS),
    ],
)
def test_a_trouble_is_named_on_the_page_and_in_the_log_and_harms_no_other_source(
    device: Device,
    keeping_out: Callable[[Path], Any],
    trouble: str,
    kind: FaultKind,
) -> None:
    peers: dict[str, Callable[[Path], Any]] = {
        "dies": dying,
        "garbage": talking_nonsense,
        "slow": keeping_silent,
        "credentials": keeping_out,
    }
    places = device.run(peers[trouble])
    page = device.visitors.page("/sources")
    for name in places:
        health, row = device.health[name], row_of(page, name)
        told = [one for one in device.logged if one.get("source") == name]
        if (name, trouble) == ("folder", "garbage"):  # put aside; the folder itself is well
            assert health.state == "good"
            assert "a.csv" in row
            assert any("a.csv" in str(one.get("remarks")) for one in told)
            continue
        assert health.fault_kind is kind, health
        assert kind.label in row
        assert any((one["log_level"], one.get("kind")) == ("warning", kind.label) for one in told)
        assert SECRET not in row + str(told)
    assert device.health["gate"].state == "good"
    assert device.read_after >= 2
    assert "正常" in row_of(page, "gate")


def row_of(page: str, name: str) -> str:
    """The row of a source on the page."""
    rows: list[str] = re.findall(r"<tr.*?</tr>", page, re.DOTALL)
    (row,) = [one for one in rows if f">{name}<" in one]
    return row
