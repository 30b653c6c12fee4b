"""A platform with two workers on SQLite: what is acknowledged is there, whoever is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from nenghao.clock import china_now
from nenghao.platform import certificates
from nenghao.platform.home import Home, init
from nenghao.platform.store.schema import receipt
from nenghao.security.contexts import client_context
from nenghao.security.credentials import write_credentials
from nenghao.standard import periods
from tests.platform.web.processes import alive, children, halted, started
from tests.platform.web.wire import HOST, PATIENCE, Wire, head, until
from tests.platform.world import STEEL, sample

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that can fork")

DAY = datetime(2026, 11, 1)
CODE = "00-00-0000-023300-11"


@dataclass(frozen=True)
class Province:
    """A serving platform with two workers, and one device's credentials."""

    home: Home
    popen: subprocess.Popen[str]
    port: int
    context: ssl.SSLContext
    device_id: str

    @property
    def workers(self) -> list[int]:
        return children(self.popen.pid)

    def device(self) -> httpx.Client:
        """The device on a connection of its own."""
        url = f"https://{HOST}:{self.port}"
        return httpx.Client(base_url=url, verify=self.context, timeout=PATIENCE, trust_env=False)

    @contextlib.contextmanager
    def wire(self) -> Iterator[Wire]:
        """A connection spoken by hand."""
        with (
            socket.create_connection((HOST, self.port), timeout=PATIENCE) as raw,
            self.context.wrap_socket(raw, server_hostname=HOST) as tls,
        ):
            yield Wire(tls)

    def batch(self, *records: dict[str, Any]) -> dict[str, Any]:
        return {"deviceId": self.device_id, "enterpriseCode": STEEL, "data": list(records)}

    def stored(self, begin: datetime, end: datetime) -> dict[str, float]:
        """The ticks that the platform hands back, by statDate."""
        asked = {
            "deviceId": self.device_id,
            "enterpriseCode": STEEL,
            "statType": 0,
            "beginTime": periods.format_time(begin),
            "endTime": periods.format_time(end),
        }
        with self.device() as device:
            answer = device.post("/downloadEnergyData", json=asked).json()
        assert answer["responseCode"] == "0", answer
        return {one["statDate"]: one["dataValue"] for one in answer["data"]}

    def receipts(self) -> int:
        with self.home.store() as store, store.read() as conn:
            return int(conn.execute(select(func.count()).select_from(receipt)).scalar_one())


def tick(label: datetime, value: float) -> dict[str, Any]:
    """A real-time record."""
    return {
        "dataCode": CODE,
        "dataValue": value,
        "inputType": 1,
        "statType": 0,
        "statDate": periods.format_time(label),
        "uploadDate": "2026-11-22 01:05:00",
        "scope": 1,
        "valid": True,
    }


@pytest.fixture
def province(tmp_path: Path) -> Iterator[Province]:
    with socket.create_server((HOST, 0)) as probe:
        port = probe.getsockname()[1]
    values = {
        "device_port": port,
        "exchange_port": 0,
        "console_port": 0,
        "workers": 2,
        "log_level": "error",
    }
    home = init(tmp_path / "home", values, china_now())
    issued = home.authority().issue_device(STEEL, "示例钢铁", "210102", 1, china_now())
    with home.store() as store, store.write() as conn:
        certificates.register(conn, issued, china_now())
    own = tmp_path / "device"
    write_credentials(own, issued, {})
    context = client_context(own / "ca.pem", own / "device.pem", own / "device.key")
    popen = started("-m", "nenghao", "platform", "serve", "--home", home.path)
    try:
        assert popen.stdout is not None
        assert popen.stdout.readline() == f"ready device https://{HOST}:{port}\n"
        running = Province(home, popen, port, context, "")
        with running.device() as device:
            answer = device.post("/", json=sample("register.request", enterpriseCode=STEEL)).json()
        yield Province(home, popen, port, context, answer["deviceId"])
        if popen.returncode is None:
            popen.terminate()
            _, errors = popen.communicate(timeout=PATIENCE)
            assert popen.wait() == 0
            assert "Traceback" not in errors
    finally:
        if popen.returncode is None:
            popen.kill()
            popen.communicate()


def connected(province: Province, pid: int, device: httpx.Client) -> None:
    """Have this worker take the device's connection: the others are halted meanwhile."""
    with contextlib.ExitStack() as others:
        for other in set(province.workers) - {pid}:
            others.enter_context(halted(other))
        answer = device.post("/versionCheck", json={"deviceId": province.device_id}).json()
        assert answer["responseCode"] == "0"


def in_parallel(works: list[Callable[[], None]]) -> None:
    """Run all at the same time; raise what the first of them raises."""
    with ThreadPoolExecutor(len(works)) as threads:
        for done in [threads.submit(work) for work in works]:
            done.result(60)


@pytest.mark.clause("6.2.5-6")
def test_uploads_of_one_unit_and_frame_at_both_workers_at_once_lose_nothing(
    province: Province,
) -> None:
    """Every tick of one day in a batch of its own, four devices at each of two workers."""
    labels = periods.day_ticks(DAY.date())
    begin = threading.Barrier(8)

    def upload(number: int, device: httpx.Client) -> None:
        begin.wait(PATIENCE)
        for at in range(number, 96, 8):
            answer = device.post("/uploadEnergyData", json=province.batch(tick(labels[at], at)))
            assert answer.json() == {"responseCode": "0", "responseMessage": "RECEIVE SUCCESS"}

    with contextlib.ExitStack() as clients:
        devices = [clients.enter_context(province.device()) for _ in range(8)]
        for at, device in enumerate(devices):
            connected(province, province.workers[at % 2], device)
        in_parallel([partial(upload, number, device) for number, device in enumerate(devices)])
    expected = {periods.format_time(label): float(at) for at, label in enumerate(labels)}
    assert province.stored(DAY, DAY + timedelta(days=1)) == expected
    assert province.receipts() == 96


def test_a_worker_killed_in_the_middle_of_a_body_stores_nothing_and_others_serve(
    province: Province,
) -> None:
    first, second = province.workers
    with halted(second), province.wire() as lost:
        lost.send(head("/uploadEnergyData", 1_000_000) + b'{"deviceId": "')
        with province.device() as device:  # the same worker: it has the head by now
            device.post("/versionCheck", json={"deviceId": province.device_id})
        os.kill(first, signal.SIGKILL)
        assert lost.ended()
    assert province.receipts() == 0
    with province.device() as device:
        answer = device.post("/uploadEnergyData", json=province.batch(tick(DAY, 1.0)))
        assert answer.json()["responseCode"] == "0"
    until(lambda: len(province.workers) == 2)


@pytest.mark.clause("6.2.5-6")
def test_whatever_was_acknowledged_survives_workers_that_are_killed_at_work(
    province: Province,
) -> None:
    """Each batch is a whole day; it is there or not there, never in part, and there if answered."""
    acknowledged: list[int] = []
    killing = threading.Event()

    def upload(number: int) -> None:
        day = DAY + timedelta(days=number)
        labels = periods.day_ticks(day.date())
        body = province.batch(*(tick(label, number) for label in labels))
        with contextlib.suppress(httpx.HTTPError), province.device() as device:
            if device.post("/uploadEnergyData", json=body).json()["responseCode"] == "0":
                acknowledged.append(number)

    def some(begin: int) -> None:
        for number in range(begin, 160, 4):
            upload(number)
            if len(acknowledged) >= 10:
                killing.set()

    def kill() -> None:
        assert killing.wait(PATIENCE)
        for enough in (15, 25, 35):
            os.kill(province.workers[0], signal.SIGKILL)
            until(lambda: len(acknowledged) >= enough)  # noqa: B023 - called before it changes

    in_parallel([*(partial(some, begin) for begin in range(4)), kill])
    stored = province.stored(DAY, DAY + timedelta(days=160))
    found: dict[int, int] = {}
    for value in stored.values():
        found[int(value)] = found.get(int(value), 0) + 1
    assert set(acknowledged) <= set(found)
    assert set(found.values()) == {96}
    assert province.receipts() == len(found)
    assert len(acknowledged) < 160  # some requests did meet their worker's end


def test_workers_of_a_killed_platform_end_and_leave_its_port(province: Province) -> None:
    pids = province.workers
    assert len(pids) == 2
    province.popen.kill()
    province.popen.communicate(timeout=PATIENCE)
    until(lambda: not any(map(alive, pids)))
    again = started("-m", "nenghao", "platform", "serve", "--home", province.home.path)
    try:
        assert again.stdout is not None
        assert again.stdout.readline() == f"ready device https://{HOST}:{province.port}\n"
        assert len(province.stored(DAY, DAY + timedelta(days=1))) == 0
    finally:
        again.terminate()
        again.communicate(timeout=PATIENCE)
