"""A month of ten devices, their province and the nation, drawn from a seed, in seconds.

Devices upload day by day, late, several days at once, with clocks that are wrong, and correct old
days; some configure again and some come later than others. The province sends between whiles over
a line on which requests are cut, answers are lost, the nation restarts, and a request that was
given up arrives after its repetition. At the end, with the line calm, both must hold the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal
from sqlalchemy import select

from nenghao.platform.national.verify import verify
from nenghao.platform.packing import Key, opened_frames
from nenghao.platform.store.frames import Frame
from nenghao.platform.store.schema import frame, unit
from nenghao.platform.uplink import status
from nenghao.platform.uplink.sender import Sender
from tests.platform.national.lines import URL, Direct, Troubled, line_of
from tests.platform.national.world import Nation, Province
from tests.platform.world import World, sample, unit_code

CODES = ("00-00-0000-023300-11", "00-00-0000-020100-11")
REPORTED = "00-00-0000-090100-80"
FIRST = date(2026, 10, 1)
DAYS = 31
UNITS = (1, 1, 2, 2, 3, 4, 5, 6, 7, 8)
"""The unit of each of the ten devices."""
MOST_TURNS = 60


@dataclass
class Device:
    """One device of the month: what it is called, and the days that it has not uploaded yet."""

    code: str
    number: int
    http: httpx.Client
    since: int
    """The day of the month on which it begins."""
    device_id: str = ""
    waiting: list[int] = field(default_factory=list)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self.http.post(path, json=body).json()
        assert answer["responseCode"] == "0", answer
        return answer


class Month:
    """One month, drawn from `seed`.

    `pace` is how often a device is within reach, and the province sends: fewer and larger uploads
    bring the same values in less time. Of a day's 96 ticks a device sends every so many as `steps`
    has it. Of the line's requests `odds` meet some trouble.
    """

    def __init__(
        self,
        seed: int,
        below: World,
        nation: Nation,
        portal: BlockingPortal,
        *,
        pace: float = 0.5,
        odds: float = 0.5,
        steps: tuple[int, ...] = (1, 1, 2, 4),
    ) -> None:
        self.random = Random(seed)
        self._steps = steps
        self._pace = pace
        self.below = below
        self.nation = nation
        self.liaoning: Province = nation.province("210000", "辽宁省")
        assert self.liaoning.issued is not None
        self.way = Troubled(nation, self.liaoning.issued, portal, self.random, odds)
        self.line = line_of(self.way)
        self.sender = Sender(below.store, self.line, self.liaoning.device_id, lambda: below.now)
        self.devices = []
        numbers: dict[int, count[int]] = {}
        for number in UNITS:
            code, mine = unit_code(number), next(numbers.setdefault(number, count(1)))
            http = httpx.Client(
                transport=Direct(below, below.issue(code, mine), portal), base_url=URL
            )
            since = self.random.choice((0, 0, 0, 0, 5, 12))
            self.devices.append(Device(code, mine, http, since))

    def run(self) -> None:
        """The days one after another."""
        for day in range(DAYS):
            for device in self.random.sample(self.devices, len(self.devices)):
                if day >= device.since:
                    self._live(device, day)
            if self.random.random() < self._pace:
                self._tick(day)
                for _ in range(self.random.randrange(1, 6)):  # it tries again before long
                    self.sender.turn()

    def settle(self) -> None:
        """What is left goes up over a line that is calm; then nothing may be left."""
        self.way.calm()
        for _ in range(MOST_TURNS):
            turn = self.sender.turn()
            if not self._status().backlog:
                break
            assert not turn.failed, turn
        found = self._status()
        assert (found.backlog, found.oldest, found.refused) == (0, None, [])

    def compare(self) -> None:
        """Both hold the same of every unit, to the byte."""
        here, there = held(self.below), held(self.nation)
        assert here == there
        values = sum(one.presence.bit_count() for one in here.values())
        assert values > 3_000, "the month is too small to prove anything"
        last = FIRST + timedelta(days=DAYS - 1)
        own = self.liaoning.device_id
        assert verify(self.below.store, self.line, own, FIRST, last, self.below.now) == []
        for device in self.random.sample(self.devices, 2):
            self._compare_downloads(device)

    def close(self) -> None:
        for device in self.devices:
            device.http.close()
        self.line.close()

    # --- devices -----------------------------------------------------------------------------

    def _tick(self, day: int) -> None:
        """The clocks of both platforms go on, the nation's not quite in step."""
        moment = datetime(FIRST.year, FIRST.month, FIRST.day) + timedelta(days=day + 1)
        now = moment + timedelta(seconds=self.random.randrange(80_000))
        self.below.now = max(now, self.below.now) if day else now
        self.nation.now = self.below.now + timedelta(seconds=self.random.randrange(-3600, 3600))

    def _live(self, device: Device, day: int) -> None:
        random = self.random
        self._tick(day)
        if not device.device_id or random.random() < 0.02:
            self._register(device)
        if random.random() < (0.9 if day == device.since else 0.04):
            self._configure(device)
        device.waiting.append(day)
        if random.random() > self._pace:
            return  # out of reach today
        data = [one for late in device.waiting for one in self._day(device, late)]
        device.waiting.clear()
        self._upload(device, data)
        if random.random() < 0.25:
            again = random.randrange(device.since, day + 1)
            corrected = [one for one in self._day(device, again) if random.random() < 0.3]
            if corrected:
                self._upload(device, corrected)

    def _register(self, device: Device) -> None:
        body = {
            "enterpriseCode": device.code,
            "enterpriseName": f"{device.code} 第 {self.random.randrange(3)} 次改名",
            "region": self.random.choice(("210102", "210103")),
            "regionName": "和平区",
        }
        device.device_id = device.post("/", body)["deviceId"]

    def _configure(self, device: Device) -> None:
        body = sample(
            "uploadConfigData.request", deviceId=device.device_id, enterpriseCode=device.code
        )
        body["enterprise"] |= {"code": device.code, "phone": str(self.random.randrange(10**6))}
        device.post("/uploadConfigData", body)

    def _upload(self, device: Device, data: list[dict[str, Any]]) -> None:
        stamp = self.below.now + timedelta(
            seconds=self.random.choice((-5, -5, -5, 0, -90_000, 40, 500_000))
        )
        text = f"{stamp:%Y-%m-%d %H:%M:%S}"
        device.post(
            "/uploadEnergyData",
            {
                "deviceId": device.device_id,
                "enterpriseCode": device.code,
                "data": [one | {"uploadDate": text} for one in data],
            },
        )

    def _day(self, device: Device, day: int) -> list[dict[str, Any]]:
        """What a device says of a day: ticks, the day, at times a filled-in or monthly value."""
        random = self.random
        begin = datetime(FIRST.year, FIRST.month, FIRST.day) + timedelta(days=day)
        step = random.choice(self._steps)
        data = [
            self._value(CODES[device.number % 2], 0, begin + timedelta(minutes=15 * number))
            for number in range(step, 97, step)
            if random.random() > 0.02
        ]
        data += [self._value(code, 1, begin) for code in CODES]
        if random.random() < 0.3:
            data.append(self._value(CODES[0], 1, begin) | {"inputType": 5})
        if day == 0:
            data.append(self._value(REPORTED, 2, datetime(2026, 9, 1)) | {"inputType": 5})
            data.append(self._value(CODES[0], 3, datetime(2026, 1, 1)))
        return data

    def _value(self, code: str, stat_type: int, when: datetime) -> dict[str, Any]:
        random = self.random
        return {
            "dataCode": code,
            "dataValue": round(random.uniform(-1, 9999), random.randrange(11)),
            "inputType": random.choice((1, 1, 1, 2)),
            "statType": stat_type,
            "statDate": f"{when:%Y-%m-%d %H:%M:%S}",
            "scope": random.choice((1, 1, 1, 2)),
            "valid": random.random() > 0.05,
        }

    # --- the end -----------------------------------------------------------------------------

    def _status(self) -> status.Status:
        with self.below.store.read() as conn:
            return status.of(conn, self.below.now)

    def _compare_downloads(self, device: Device) -> None:
        """What the device gets from its province, its province gets from the nation."""
        own = {"deviceId": device.device_id, "enterpriseCode": device.code}
        there = httpx.Client(transport=self.way, base_url=URL)
        assert (
            device.http.post("/downloadConfigData", json=own).content
            == there.post("/downloadConfigData", json=own).content
        )
        for stat_type in range(4):
            asked = {"statType": stat_type, "beginTime": "2025-01-01 00:00:00"}
            asked |= {"endTime": "2027-01-01 00:00:00"}
            here = device.http.post("/downloadEnergyData", json=own | asked)
            assert here.content == there.post("/downloadEnergyData", json=own | asked).content


def held(world: World) -> dict[tuple[str, Key], Frame]:
    """All frames by unit; without findings, which each platform makes by its own dictionary."""
    columns = (unit.c.code, *(frame.c[name] for name in Key._fields), frame.c.planes)
    rows = world.rows(select(*columns).join_from(frame, unit, frame.c.unit_id == unit.c.id))
    stored = [(Key(*row[1:5]), row[5]) for row in rows]
    found = {}
    for row, (key, _), opened in zip(rows, stored, opened_frames(stored), strict=True):
        opened.findings = []
        found[row[0], key] = opened
    return found
