"""A small world for device tests: credentials, a platform that fails as told, a clock that jumps.

The platform here is the device's own idea of one, kept apart from `nenghao.platform` on purpose:
it answers what the table of chapter 6 says, checks the form of what it gets with the standard's
reader, and remembers everything.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import msgspec

from nenghao.clock import china_now
from nenghao.device import history
from nenghao.device.client import PlatformClient
from nenghao.device.history import Reading
from nenghao.device.home import DeviceHome
from nenghao.device.settings import DeviceSettings
from nenghao.device.store import DeviceStore
from nenghao.security.authority import CertificateAuthority
from nenghao.security.credentials import write_credentials
from nenghao.standard import periods
from nenghao.standard.messages import energy_data
from nenghao.standard.messages.energy_data import EnergyUpload

UNIT_CODE = "91330000573973053F"
ELECTRICITY = "00-00-0000-023300-11"
COAL = "00-00-0000-010100-11"
SAMPLES = Path(__file__).parents[1] / "standard" / "messages" / "samples"


def make_credentials(folder: Path, authority: CertificateAuthority, code: str = UNIT_CODE) -> Path:
    """What `nenghao ca issue` writes for device 1 of a unit."""
    issued = authority.issue_device(code, "示例钢铁有限责任公司", "210102", 1, china_now())
    unit = {
        "code": code,
        "name": "示例钢铁有限责任公司",
        "region": "210102",
        "regionName": "和平区",
        "device": 1,
    }
    write_credentials(folder, issued, unit)
    return folder


def configuration() -> dict[str, Any]:
    """The configuration of A.4's sample, as a unit would write it."""
    sample: dict[str, Any] = json.loads((SAMPLES / "uploadConfigData.request.json").read_bytes())
    return {key: sample[key] for key in sample if key not in ("deviceId", "enterpriseCode")}


def settings(**changes: Any) -> DeviceSettings:
    return DeviceSettings(platform="https://platform.test:9443", **changes)


def a_day(day: date, value: Callable[[int], Decimal] | None = None) -> list[Reading]:
    """The 96 ticks of a day; `value` of the tick's number 1 … 96, by default 0.0001 × number."""
    worth = value or (lambda number: Decimal(number).scaleb(-4))
    return [
        Reading(tick, worth(number)) for number, tick in enumerate(periods.day_ticks(day), start=1)
    ]


def put(
    store: DeviceStore,
    readings: Iterable[Reading],
    now: datetime,
    code: str = ELECTRICITY,
    **item: Any,
) -> history.PutResult:
    """Keep readings of an item, made if need be."""
    with store.write() as connection:
        made = history.ensure_item(connection, code, **({"interval": 15} | item))
        return history.put(connection, made, readings, now)


def put_days(store: DeviceStore, first: date, number: int, now: datetime, **item: Any) -> None:
    for offset in range(number):
        put(store, a_day(first + timedelta(days=offset)), now, **item)


@dataclass
class Receipt:
    """One upload as the platform got it."""

    at: datetime
    body: bytes

    @cached_property
    def upload(self) -> EnergyUpload:
        return energy_data.read_upload(self.body)

    @property
    def day(self) -> str:
        """The day of its first tick, or of its first value."""
        first = self.upload.data[0]
        time = periods.parse_time(first.stat_date)
        return (time - timedelta(seconds=first.stat_type == 0)).date().isoformat()

    @property
    def data(self) -> bytes:
        """Everything but the device id."""
        return self.body.partition(b'"enterpriseCode"')[2]


Answer = tuple[int, object] | Exception
"""HTTP status and body (bytes as they are), or what the network does instead."""

OK = (200, {"responseCode": "0", "responseMessage": "RECEIVE SUCCESS"})
DOWN = httpx.ConnectError("connection refused")
LOST = httpx.ReadError("reset by peer")


def refusal(code: str, text: str) -> Answer:
    return 200, {"responseCode": code, "responseMessage": text}


@dataclass
class FakePlatform:
    """Answers like a platform, unless `trouble` says otherwise for a path."""

    now: Callable[[], datetime] = china_now
    device_id: str = "a" * 32
    upload_time: str = "01:05:00"
    reg_version: str = "1"
    dic_version: str = "1"
    url: str = "platform.test:9443"
    trouble: Callable[[str, httpx.Request], Answer | None] = lambda path, request: None
    asked: list[str] = field(default_factory=list)
    """Paths of all requests, in order."""
    times: list[tuple[datetime, str]] = field(default_factory=list)
    taken: list[Receipt] = field(default_factory=list)
    """Uploads that were taken, whether or not the answer arrived."""
    bodies: dict[str, bytes] = field(default_factory=dict)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append(path)
        self.times.append((self.now(), path))
        self.bodies[path] = request.content
        trouble = self.trouble(path, request)
        if isinstance(trouble, httpx.ReadError):  # the answer is lost, not the request
            self._answer(path, request)
        if isinstance(trouble, Exception):
            raise trouble
        status, body = trouble or self._answer(path, request)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.Response(status, content=content)

    def _answer(self, path: str, request: httpx.Request) -> tuple[int, object]:
        body = json.loads(request.content)
        if path in ("/", ""):
            return 200, OK[1] | {
                "deviceId": self.device_id,
                "loadConfigURL": f"{self.url}/downloadBaseData",
                "loadDicVersionURL": f"{self.url}/versionCheck",
                "centerInfoURL": f"{self.url}/uploadConfigData",
                "centerDataURL": f"{self.url}/uploadEnergyData",
                "centerInfoDownloadURL": f"{self.url}/downloadConfigData",
                "centerDataDownloadURL": f"{self.url}/downloadEnergyData",
                "uploadTime": self.upload_time,
            }
        if body["deviceId"] != self.device_id:
            return 200, refusal("E2002", "请求参数异常，参数格式不合法：deviceId 未注册")[1]  # type: ignore[index]
        if path == "/versionCheck":
            return 200, OK[1] | {"regVersion": self.reg_version, "dicVersion": self.dic_version}
        if path == "/downloadBaseData":
            return 200, OK[1] | {"data": {"region": []}}
        if path == "/uploadEnergyData":
            receipt = Receipt(self.now(), request.content)
            assert receipt.upload.data
            self.taken.append(receipt)
        return OK

    @property
    def days(self) -> list[str]:
        """The days of the uploads that were taken, in order."""
        return [receipt.day for receipt in self.taken]

    def count(self, path: str) -> int:
        return self.asked.count(path)

    def values(self) -> dict[tuple[str, int, str], float]:
        """What the platform holds by the key of a value: the later upload wins."""
        return {
            (record.data_code, record.stat_type, record.stat_date): record.data_value
            for receipt in self.taken
            for record in receipt.upload.data
        }

    def client(self, timeout: float = 120) -> PlatformClient:
        return PlatformClient(timeout=timeout, transport=httpx.MockTransport(self))


@dataclass
class SimulatedClock:
    """Time that passes only when somebody waits for it; `happens` tells the world."""

    moment: datetime
    end: datetime
    happens: Callable[[datetime], None] = lambda moment: None
    waits: list[datetime] = field(default_factory=list)

    def now(self) -> datetime:
        return self.moment

    async def wait(self, until: datetime, stop: asyncio.Event) -> None:
        self.waits.append(until)
        if until > self.end:
            stop.set()
            return
        self.moment = max(self.moment, until)
        self.happens(self.moment)


@dataclass
class World:
    """A device's directory with an open store, and its platform."""

    home: DeviceHome
    store: DeviceStore
    platform: FakePlatform

    def configure(self, content: dict[str, Any] | None = None) -> None:
        self.home.config_file.write_bytes(msgspec.json.encode(content or configuration()))
