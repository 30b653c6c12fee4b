"""A simulated unit behind a real end device: the fleet's meters, the device's own everything else.

Readings of `fleet` go into the device's history as a meter's would; aggregation, queue, session
and client are those of `nenghao.device`, over mutual TLS. A metered unit goes further: while it
runs, its device reads the meters of a simulated factory over Modbus, as one in the field does.
Used by the demo and by long tests. Where the platform comes from and who shows progress is the
caller's business.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from msgspec import UNSET

from nenghao.clock import china_moment, china_now
from nenghao.conformance.factory import collection_file
from nenghao.conformance.factory.modbus_server import FactoryModbus
from nenghao.conformance.factory.plant import fleet_plant
from nenghao.conformance.fleet import FleetUnit, Item, configuration, readings
from nenghao.device import history, outbox
from nenghao.device.agent import Agent, Summary, load_state
from nenghao.device.client import PlatformClient
from nenghao.device.clocks import WallClock
from nenghao.device.collection.collector import Collector
from nenghao.device.events import Failure, Registration
from nenghao.device.history import Reading
from nenghao.device.home import DeviceHome, write_file
from nenghao.device.outbox import Batch
from nenghao.standard import periods
from nenghao.standard.messages.energy_data import EnergyDownloadRequest, EnergyRecord
from nenghao.standard.periods import StatType


class NotAnswered(Exception):
    """The platform did not give back what was asked; the text is its reason."""


class Arrived(NamedTuple):
    """What the platform has of a unit, as its data download tells."""

    days: int
    """Days with a daily value."""
    ticks: int
    """Real-time values."""
    read: int
    """Real-time values that the meters read in these days."""
    equal: int
    """Real-time values that came back exactly as they were read (of a metered unit: by its device,
    from the meters' registers)."""
    last_upload: str
    """The latest uploadDate, "" when nothing arrived."""


def can_meter() -> bool:
    """Whether units can be metered here: the library of the Modbus source is installed."""
    return importlib.util.find_spec("pymodbus") is not None


class SimulatedDevice:
    """One unit's device in `home`; `close` it. Belongs to the thread that opened it.

    `metered`: while it runs, a simulated factory has the unit's meters on Modbus, and the device
    collects from there. The past, and the time when nobody ran, is filled in by `feed` all the
    same, where nothing was read.
    """

    def __init__(
        self,
        unit: FleetUnit,
        home: DeviceHome,
        on_accepted: Callable[[FleetUnit, Batch], None] | None = None,
        metered: bool = False,
    ) -> None:
        self.unit = unit
        self.home = home
        self.metered = metered
        self._collecting = False
        self._open = ExitStack()
        self._open.enter_context(home.lock())
        settings = home.settings({})
        self._store = self._open.enter_context(home.store())
        self._client = PlatformClient(
            timeout=settings.timeout_seconds, context=home.context(settings)
        )
        said = on_accepted or (lambda _unit, _batch: None)
        self._agent = Agent(
            home, settings, self._store, self._client, lambda batch: said(unit, batch)
        )

    @classmethod
    def create(cls, unit: FleetUnit, root: Path, platform: str, credentials: Path) -> DeviceHome:
        """Make the device's directory, with the unit's configuration in it."""
        config = json.dumps(configuration(unit), ensure_ascii=False, indent=2)
        return DeviceHome.create(
            root, platform=platform, credentials=credentials, configuration=config.encode()
        )

    async def close(self) -> None:
        """Let go of connection, database and lock."""
        await self._client.__aexit__()
        self._open.close()

    @property
    def registration(self) -> Registration | None:
        """What the platform gave at registration; None before it."""
        return load_state(self._store).registration

    def feed(self, begin: date, now: datetime) -> frozenset[date]:
        """Let the meters read from `begin` (or from where they stopped, if earlier) up to `now`.

        Says which days have new readings: none while the device collects by itself.
        """
        fresh: set[date] = set()
        if self._collecting:
            return frozenset()
        with self._store.write() as connection:
            for item in self.unit.items:
                kept = history.ensure_item(
                    connection,
                    item.code,
                    interval=self.unit.interval,
                    input_type=self.unit.input_type,
                    name=item.name,
                )
                known = history.span(connection, kept)
                first = known[1] if known is not None and known[0] <= begin else begin
                wanted = [
                    Reading(label, amount)
                    for day in _days(first, now.date())
                    for label, amount in readings(self.unit, item, day)
                    if label <= now
                ]
                if self.metered:
                    had = self._kept_ticks(connection, item, first, now.date())
                    wanted = [one for one in wanted if one.time not in had]
                fresh.update(history.put(connection, kept, wanted, now).days)
        return frozenset(fresh)

    def queued(self) -> int:
        """How many batches wait to be sent."""
        with self._store.read() as connection:
            return len(outbox.queued(connection))

    async def upload(self, now: datetime) -> Summary:
        """Everything that is due at `now`, at once; raises nothing for a platform that refuses."""
        return await self._agent.run_once(now)

    async def run(self, stop: asyncio.Event) -> None:
        """Keep to the schedule until `stop`; a metered unit's device collects meanwhile."""
        if not self.metered:
            await self._agent.run(stop)
            return
        plant = fleet_plant(self.unit, china_now())
        async with FactoryModbus(plant, china_moment).serving() as port:
            where = collection_file.Where(modbus_port=port)
            text = collection_file.text(plant, where, interval=self.unit.interval)
            write_file(self.home.collection_file, text.encode())
            collector = Collector(self.home, self._store, WallClock())
            self._collecting = True
            work = [asyncio.ensure_future(one.run(stop)) for one in (self._agent, collector)]
            try:
                await asyncio.gather(*work)
            finally:
                self._collecting = False
                for part in work:
                    part.cancel()
                await asyncio.gather(*work, return_exceptions=True)

    async def arrived(self, begin: date, end: date) -> Arrived:
        """Ask the platform for the days from `begin` to before `end` and compare every tick."""
        totals = await self._download(StatType.DAY, begin, end)
        ticks = await self._download(StatType.REALTIME, begin, end)
        read = {
            (item.code, periods.format_time(label)): amount
            for item in self.unit.items
            for label, amount in self._read(item, begin, end - timedelta(days=1)).items()
        }
        equal = sum(
            read.get((tick.data_code, tick.stat_date)) == Decimal(repr(tick.data_value))
            for tick in ticks
        )
        return Arrived(
            days=len({record.stat_date for record in totals}),
            ticks=len(ticks),
            read=len(read),
            equal=equal,
            last_upload=max((record.upload_date for record in totals + ticks), default=""),
        )

    def _read(self, item: Item, first: date, last: date) -> dict[datetime, Decimal]:
        """What was read of an item in these days, by tick."""
        if self.metered:
            with self._store.read() as connection:
                return self._kept_ticks(connection, item, first, last)
        return {
            label: amount
            for day in _days(first, last)
            for label, amount in readings(self.unit, item, day)
        }

    @staticmethod
    def _kept_ticks(
        connection: sqlite3.Connection, item: Item, first: date, last: date
    ) -> dict[datetime, Decimal]:
        """The ticks of an item that the device has of these days."""
        known = history.find_item(connection, item.code)
        if known is None:
            return {}
        rows = history.day_rows(connection, known, first, last + timedelta(days=1))
        return {
            label: tick
            for row in rows
            if row.ticks is not None
            for label, tick in zip(periods.day_ticks(row.day), row.ticks, strict=True)
            if tick is not None
        }

    async def _download(self, stat_type: StatType, begin: date, end: date) -> list[EnergyRecord]:
        registration = self.registration
        if registration is None:
            raise NotAnswered("尚未注册")
        records: list[EnergyRecord] = []
        page = 1
        while True:
            request = EnergyDownloadRequest(
                device_id=registration.device_id,
                enterprise_code=self.unit.credit_code,
                stat_type=int(stat_type),
                begin_time=periods.format_time(datetime.combine(begin, time())),
                end_time=periods.format_time(datetime.combine(end, time())),
                page=page,
            )
            answer = await self._client.download_page(registration, request)
            if isinstance(answer, Failure):
                raise NotAnswered(answer.reason)
            records += answer.data
            if answer.next_page is UNSET:
                return records
            page = answer.next_page


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += timedelta(days=1)
