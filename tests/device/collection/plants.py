"""Sources for tests of the collector: as good or as bad as a script says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Meta, Struct

from nenghao.device.sources import registry
from nenghao.device.sources.base import FaultKind, Sample, Source, SourceFault


class ScriptedPoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    unit: str = ""


class ScriptedSettings(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="scripted", tag_field="type"
):
    """Settings of a source that reads from a `Plant`."""

    name: str
    poll_seconds: Annotated[float, Meta(gt=0)] = 10
    timeout_seconds: float = 5
    points: list[ScriptedPoint]


@dataclass
class Plant:
    """What the sources of one name meet: `value` of (point, time), and trouble."""

    value: Callable[[str, datetime], Decimal | int] = lambda point, now: 0
    fault: SourceFault | Exception | None = None
    opening: SourceFault | None = None
    slow: bool = False
    opened: int = 0
    closed: int = 0
    reads: list[datetime] = field(default_factory=list)
    taken: int = 0
    remarks: tuple[str, ...] = ()


PLANTS: dict[str, Plant] = {}


class Scripted:
    """A source that does what its plant says."""

    def __init__(self, settings: ScriptedSettings) -> None:
        self.settings = settings
        self.plant = PLANTS[settings.name]

    async def open(self) -> None:
        self.plant.opened += 1
        if self.plant.opening is not None:
            raise self.plant.opening

    async def read(self, now: datetime) -> list[Sample]:
        self.plant.reads.append(now)
        if self.plant.slow:
            await asyncio.Event().wait()
        if self.plant.fault is not None:
            raise self.plant.fault
        return [
            Sample(point.name, now, Decimal(self.plant.value(point.name, now)))
            for point in self.settings.points
        ]

    @property
    def remarks(self) -> tuple[str, ...]:
        return self.plant.remarks

    async def taken(self) -> None:
        self.plant.taken += 1

    async def close(self) -> None:
        self.plant.closed += 1


def make(settings: ScriptedSettings, home_dir: Path) -> Source:
    return Scripted(settings)


def gone(text: str = "连接被拒绝") -> SourceFault:
    return SourceFault(FaultKind.UNREACHABLE, text)


def collection_toml(*names: str, poll: float = 10) -> str:
    """A file with sources of these names, each with a point `total`, an item for the first."""
    sources = [
        f'[[source]]\ntype = "scripted"\nname = "{name}"\npoll_seconds = {poll}\n'
        f'points = [{{ name = "total" }}]\n'
        for name in names
    ]
    block = (
        '[[item]]\ndata_code = "00-00-0000-023300-11"\nkind = "counter"\n'
        f'value = "{names[0]}.total"\n'
    )
    return "\n".join([*sources, block])


@pytest.fixture
def plants(monkeypatch: pytest.MonkeyPatch) -> dict[str, Plant]:
    """Plants by the names of their sources; `scripted` is a type of source meanwhile."""
    PLANTS.clear()
    monkeypatch.setitem(registry.SOURCES, "scripted", __name__)
    return PLANTS
