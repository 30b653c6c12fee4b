"""A device's life in simulated time: outages of platform, sources and power, at random.

Three items: a counter that overflows and is reset (polled), a power (polled), and amounts by the
quarter of an hour that arrive late, again, and corrected (as from a database). What was read is
kept in lists beside the device, and what must have arrived is computed from them in another way.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from bisect import bisect_right
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import httpx

from nenghao.device.agent import Agent
from nenghao.device.collection.plan import Plan
from nenghao.device.collection.recorder import Recorder
from nenghao.device.home import DeviceHome
from nenghao.device.sources.base import Sample
from nenghao.device.store import DeviceStore
from nenghao.standard import periods
from nenghao.standard.messages.energy_data import EnergyRecord
from nenghao.standard.periods import StatType
from tests.device.collection.factory import fake_source, item, planned
from tests.device.world import DOWN, LOST, Answer, FakePlatform, SimulatedClock, refusal, settings

COUNTER, POWER, AMOUNT = (f"00-00-0000-02{kind}-11" for kind in ("3300", "3200", "1100"))
BEGIN = datetime(2026, 2, 25, 9, 40)
"""A few days before the end of a month, so that every life sees one."""
POLL = timedelta(minutes=5)
TICK = timedelta(minutes=15)
MODULUS = 5000
MAX_RATE = 700
GAP = timedelta(minutes=15)

PLAN: Plan = planned(
    item(data_code=COUNTER, value="meter.count", modulus=MODULUS, max_rate=MAX_RATE),
    item(data_code=POWER, value="meter.power", kind="instant"),
    item(data_code=AMOUNT, value="sql.amount", kind="interval"),
    sources=[fake_source("meter", count="", power=""), fake_source("sql", amount="")],
)


class Life:
    """One device from `BEGIN` for so many days."""

    def __init__(self, home: DeviceHome, seed: int, days: int) -> None:
        self.home = home
        self.random = random.Random(seed)
        self.days = days
        self.end = BEGIN + timedelta(days=days)
        self.platform = FakePlatform(trouble=self._trouble)
        self.acknowledged: list[bytes] = []
        self.counts: list[tuple[datetime, int, int]] = []
        """Polls: time, reading, and all that was counted up to then."""
        self.powers: list[tuple[datetime, int]] = []
        self.rows: dict[datetime, int] = {}
        """Amounts as they were told last."""
        self._now = BEGIN
        self._reading = self.random.randrange(MODULUS)
        self._power = 300
        self._late: list[tuple[datetime, datetime, int]] = []
        self._meter_off = self._outages(per_week=6, hours=9)
        self._platform_off = self._outages(per_week=3, hours=40)
        self._recorder: Recorder | None = None
        self._last = BEGIN
        """When the power went for good."""

    def _outages(self, per_week: float, hours: float) -> list[tuple[datetime, datetime]]:
        found: list[tuple[datetime, datetime]] = []
        time = BEGIN
        while True:
            time += timedelta(hours=self.random.expovariate(per_week / 168))
            if time > self.end:
                return found
            length = timedelta(hours=self.random.expovariate(1 / hours))
            found.append((time, time + length))
            time += length

    @staticmethod
    def _is_off(outages: list[tuple[datetime, datetime]], time: datetime) -> bool:
        return any(begin <= time < end for begin, end in outages)

    # --- the world -------------------------------------------------------------------------------

    def _trouble(self, path: str, request: httpx.Request) -> Answer | None:
        now = self.platform.now()
        if now < self.end:
            if self._is_off(self._platform_off, now):
                return DOWN
            chance = self.random.random()
            if chance < 0.1:
                return LOST
            if chance < 0.2:
                return refusal("E1001", "平台服务异常")
        if path == "/uploadEnergyData":
            self.acknowledged.append(request.content.partition(b'"enterpriseCode"')[2])
        return None

    def _poll(self, time: datetime) -> list[Sample]:
        """The meter goes on; what a poll reads, if it is read."""
        if self.random.random() < 0.002:
            self._reading = 0  # reset just after the last poll
            more = self.random.randrange(1, MAX_RATE // 24)
        else:
            more = self.random.randrange(0, MAX_RATE // 13)
        self._reading = (self._reading + more) % MODULUS
        self._power = max(0, self._power + self.random.randrange(-30, 31))
        if self._is_off(self._meter_off, time):
            return []
        known = self.counts[-1] if self.counts else None
        counted = self._counting(known, time)
        self.counts.append((time, self._reading, counted))
        self.powers.append((time, self._power))
        return [
            Sample("count", time, Decimal(self._reading)),
            Sample("power", time, Decimal(self._power)),
        ]

    def _counting(self, known: tuple[datetime, int, int] | None, time: datetime) -> int:
        """All that can be known to have been counted, from the poll before."""
        if known is None:
            return 0
        before, reading, counted = known
        rise = self._reading - reading
        most = Fraction(MAX_RATE * int((time - before).total_seconds()), 3600) + 1
        if rise >= 0:
            return counted + rise
        if rise + MODULUS <= most:
            return counted + rise + MODULUS
        return counted + (self._reading if self._reading <= most else 0)

    def _amounts(self, time: datetime) -> None:
        """The amount of the quarter that ends now will be told some time later, perhaps twice."""
        value = self.random.randrange(100)
        delay = timedelta(minutes=self.random.choice([1, 1, 1, 20, 600, 3000]))
        self._late.append((time + delay, time, value))
        if self.random.random() < 0.05:
            self._late.append((time + delay + timedelta(hours=7), time, value + 1))
        if self.random.random() < 0.05:
            self._late.append((time + delay + timedelta(hours=3), time, value))

    def _told(self, time: datetime) -> list[Sample]:
        due = sorted(row for row in self._late if row[0] <= time)
        self._late = [row for row in self._late if row[0] > time]
        for _, label, value in due:
            self.rows[label] = value
        return [Sample("amount", label, Decimal(value)) for _, label, value in due]

    # --- the device ------------------------------------------------------------------------------

    def _collect(self, until: datetime) -> None:
        """Everything between the last poll and `until`, in parcels as a busy device takes them."""
        meter: list[Sample] = []
        while self._now + POLL <= until:
            self._now += POLL
            meter += self._poll(self._now) if self._recorder else self._idle(self._now)
            if (self._now.minute, self._now.second) in ((0, 0), (15, 0), (30, 0), (45, 0)):
                self._amounts(self._now)
            if self._recorder and (len(meter) >= 24 or self._now.hour % 6 == self._now.minute == 0):
                self._take(meter)
                meter = []
        if self._recorder:
            self._take(meter)

    def _idle(self, time: datetime) -> list[Sample]:
        self._reading = (self._reading + self.random.randrange(0, MAX_RATE // 13)) % MODULUS
        return []

    def _take(self, meter: list[Sample]) -> None:
        assert self._recorder is not None
        told = self._told(self._now)
        if self.random.random() < 0.3:
            self.random.shuffle(meter)
        if meter:
            self._recorder.take("meter", meter, self._now)
        middle = self.random.randrange(len(told) + 1)
        for part in (told[:middle], told[middle:]):
            self._recorder.take("sql", part, self._now)

    def run(self) -> None:
        """Live, with power cuts; then three quiet days in which everything must arrive."""
        time = BEGIN
        while time < self.end:
            on = timedelta(hours=max(0.5, self.random.expovariate(1 / 60)))
            self._powered(time, min(self.end, time + on))
            time = min(self.end, time + on) + timedelta(hours=self.random.expovariate(1 / 4))
            self._collect(min(self.end, time))  # the world goes on without the device
        self._powered(max(time, self.end), max(time, self.end) + timedelta(days=8))

    def _powered(self, begin: datetime, end: datetime) -> None:
        """From power on to power off, which cuts off whatever is under way."""
        self._last = end
        with DeviceStore.open(self.home.database) as store:
            store._connection.execute("PRAGMA synchronous = OFF")  # the disk itself is not tested
            self._recorder = Recorder(store, PLAN, begin)
            self._recorder.tidy(begin, 7)

            def happens(moment: datetime) -> None:
                self._collect(min(moment, self.end))
                if moment >= self.end and self._late:
                    self._now = moment
                    self._take([])

            clock = SimulatedClock(begin, end, happens)
            self.platform.now = clock.now

            async def live() -> None:
                async with self.platform.client() as client:
                    agent = Agent(self.home, settings(), store, client)
                    await agent.run(asyncio.Event(), clock)

            happens(begin)
            asyncio.run(live())
            self._collect(min(end, self.end))
            self._recorder = None

    # --- what must have arrived ------------------------------------------------------------------

    def expected(self) -> dict[tuple[str, datetime], Fraction]:
        """Every tick, from what was read."""
        found = {(AMOUNT, time): Fraction(value) for time, value in self.rows.items()}
        for (code, kind), polls in {
            (COUNTER, "difference"): [(time, counted) for time, _, counted in self.counts],
            (POWER, "mean"): self.powers,
        }.items():
            times = [time for time, _ in polls]
            if not times:
                continue
            time = times[0].replace(minute=0, second=0)
            while time < times[-1]:
                value = _between(times, polls, time, time + TICK, kind)
                if value is not None:
                    found[code, time + TICK] = value
                time += TICK
        return found

    def arrived(self) -> dict[tuple[str, int, datetime], EnergyRecord]:
        """What the platform holds: of two values the one with the later uploadDate, a tie goes to
        the later arrival (docs/decisions 6). A batch whose answer was lost comes again, perhaps
        after what corrects it."""
        held: dict[tuple[str, int, datetime], EnergyRecord] = {}
        for receipt in self.platform.taken:
            for record in receipt.upload.data:
                time = datetime.fromisoformat(record.stat_date)
                key = record.data_code, record.stat_type, time
                if key not in held or held[key].upload_date <= record.upload_date:
                    held[key] = record
        return held

    def check(self) -> None:
        """All that was read arrived as last corrected, nothing else did, nothing twice."""
        expected, held = self.expected(), self.arrived()
        arrived = {
            (code, time): record.data_value
            for (code, stat_type, time), record in held.items()
            if stat_type == 0
        }
        missing = sorted(expected.keys() - arrived.keys())
        invented = sorted(arrived.keys() - expected.keys())
        assert not missing, f"{len(missing)} missing, first {missing[:3]}"
        assert not invented, f"{len(invented)} invented, first {invented[:3]}"
        wrong = [
            (key, float(value), arrived[key])
            for key, value in expected.items()
            if abs(float(value) - arrived[key]) > 1e-6
        ]
        assert not wrong, f"{len(wrong)} wrong, first {wrong[:3]}"
        twice = [body for body, times in Counter(self.acknowledged).items() if times > 1]
        assert not twice, f"{len(twice)} batches acknowledged twice"
        for stat_type in (StatType.DAY, StatType.MONTH, StatType.YEAR):
            self._check_totals(stat_type, arrived, held)

    def _check_totals(
        self,
        stat_type: StatType,
        arrived: dict[tuple[str, datetime], float],
        held: dict[tuple[str, int, datetime], EnergyRecord],
    ) -> None:
        """A total for every period that is over: the sum of its ticks, valid if it has them all."""
        totals = {
            (code, time): record for (code, kind, time), record in held.items() if kind == stat_type
        }
        parts: dict[tuple[str, datetime], list[float]] = {}
        for (code, time), value in arrived.items():
            start = periods.period_start(stat_type, time - TICK)
            if periods.period_end(stat_type, start) + timedelta(days=1) <= self._last:
                parts.setdefault((code, start), []).append(value)
        assert totals.keys() == parts.keys()
        for (code, start), values in parts.items():
            record = totals[code, start]
            whole = (periods.period_end(stat_type, start) - start) // TICK
            told = f"{code} {stat_type.label} {start}: {record}, {len(values)} ticks, {sum(values)}"
            assert abs(record.data_value - sum(values)) < 1e-6 * max(1, len(values) / 96), told
            assert record.valid == (len(values) == whole), told


def _between(
    times: list[datetime],
    polls: list[tuple[datetime, int]],
    begin: datetime,
    end: datetime,
    kind: str,
) -> Fraction | None:
    """Difference or mean over (begin, end], if no pause between polls is longer than `GAP`."""
    first, last = bisect_right(times, begin) - 1, bisect_right(times, end) - 1
    if first < 0 or (times[last] < end and last + 1 == len(times)):
        return None
    if times[last] < end:
        last += 1
    nodes = polls[first : last + 1]
    for (one, _), (other, _) in pairwise(nodes):
        if other - one > GAP:
            return None

    def at(time: datetime) -> Fraction:
        index = min(bisect_right(times, time) - 1, len(times) - 2)
        (one, low), (other, high) = polls[index], polls[index + 1]
        return low + Fraction((time - one).seconds, (other - one).seconds) * (high - low)

    if kind == "difference":
        return at(end) - at(begin)
    inner = [begin, *(time for time, _ in nodes if begin < time < end), end]
    area = sum(
        ((at(one) + at(other)) / 2 * (other - one).seconds
         for one, other in pairwise(inner)),
        Fraction(0),
    )  # fmt: skip
    return area / 900


def queue_is_empty(home: DeviceHome) -> bool:
    with sqlite3.connect(home.database) as connection:
        (count,) = connection.execute(
            "SELECT count(*) FROM batch WHERE state != 'accepted'"
        ).fetchone()
    connection.close()
    return bool(count == 0)
