"""What tests of the collection share: a collection.toml in a few words, samples, a plain oracle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from msgspec import Struct

from nenghao.device import history
from nenghao.device.collection import plan, settings
from nenghao.device.collection.plan import Plan
from nenghao.device.collection.settings import CollectionSettings, ItemSettings, SourceBlock
from nenghao.device.sources.base import Sample
from nenghao.device.store import DeviceStore
from tests.device.world import ELECTRICITY

MORNING = datetime(2026, 3, 2, 8, 0)
QUARTER = timedelta(minutes=15)


class FakePoint(Struct, frozen=True):
    name: str
    unit: str = ""


class FakeSettings(Struct, frozen=True):
    name: str = "gate"
    points: tuple[FakePoint, ...] = (FakePoint("total"),)
    poll_seconds: float = 10
    timeout_seconds: float = 5


def fake_source(name: str = "gate", **units: str) -> SourceBlock:
    """A source block with points by name and unit."""
    points = tuple(FakePoint(point, unit) for point, unit in (units or {"total": ""}).items())
    return SourceBlock("modbus_tcp", FakeSettings(name, points))


def item(**keys: Any) -> ItemSettings:
    """An item over gate.total unless told otherwise."""
    return ItemSettings(
        **({"data_code": ELECTRICITY, "kind": "counter", "value": "gate.total"} | keys)
    )


def collection(*items: ItemSettings, sources: Sequence[SourceBlock] = ()) -> CollectionSettings:
    return settings.CollectionSettings(tuple(sources) or (fake_source(),), items)


def no_units(code: str) -> str:
    return ""


def planned(*items: ItemSettings, sources: Sequence[SourceBlock] = (), units: bool = False) -> Plan:
    """The plan of items; values in whatever unit they are, unless `units`."""
    found = plan.unit_finder(None) if units else no_units
    return plan.make(collection(*items, sources=sources), found)


def sample(time: datetime, value: object, point: str = "total", good: bool = True) -> Sample:
    return Sample(point, time, Decimal(str(value)), good)


def every(
    seconds: float, begin: datetime, end: datetime, value: Any, point: str = "total"
) -> list[Sample]:
    """Samples from `begin` up to `end`; `value` of the seconds since `begin`."""
    found = []
    past = 0.0
    while begin + timedelta(seconds=past) <= end:
        found.append(sample(begin + timedelta(seconds=past), value(past), point))
        past += seconds
    return found


def ticks_of(store: DeviceStore, code: str = ELECTRICITY) -> dict[datetime, Decimal]:
    """Every tick that is kept of an item."""
    return {time: reading[0] for time, reading in readings_of(store, code).items()}


def readings_of(
    store: DeviceStore, code: str = ELECTRICITY
) -> dict[datetime, tuple[Decimal, bool]]:
    """Every tick with whether it is suspect."""
    found: dict[datetime, tuple[Decimal, bool]] = {}
    with store.read() as connection:
        known = history.find_item(connection, code)
        assert known is not None
        span = history.span(connection, known)
        if span is None:
            return {}
        for row in history.day_rows(connection, known, span[0], span[1] + timedelta(days=1)):
            assert row.ticks is not None
            begin = datetime.combine(row.day, datetime.min.time())
            for slot, tick in enumerate(row.ticks):
                if tick is not None:
                    found[begin + QUARTER * (slot + 1)] = (tick, slot in row.suspect)
    return found


def line(known: Mapping[datetime, Decimal], time: datetime, gap: timedelta) -> Fraction | None:
    """A plain oracle: the value at a time, on the straight line between the samples around it."""
    if time in known:
        return Fraction(known[time])
    before = max((one for one in known if one < time), default=None)
    after = min((one for one in known if one > time), default=None)
    if before is None or after is None or after - before > gap:
        return None
    part = Fraction((time - before) / timedelta(milliseconds=1)) / Fraction(
        (after - before) / timedelta(milliseconds=1)
    )
    return Fraction(known[before]) + part * (Fraction(known[after]) - Fraction(known[before]))


def grid(samples: Iterable[Sample], interval: timedelta = QUARTER) -> list[datetime]:
    """The boundaries from before the first sample to after the last."""
    times = [one.time for one in samples]
    begin = min(times).replace(hour=0, minute=0, second=0, microsecond=0)
    count = int((max(times) - begin) / interval) + 2
    return [begin + interval * number for number in range(count)]
