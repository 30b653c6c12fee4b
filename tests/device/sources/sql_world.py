"""A metering system's database, and how tests poll it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nenghao.device.sources.base import Sample, SourceFault
from nenghao.device.sources.sql import SqlSettings, SqlSource

NOW = datetime(2026, 3, 2, 10, 0, 30)
WIDE = "SELECT time, gate, export FROM meter WHERE time > :since ORDER BY time"
LONG = "SELECT time, tag, value FROM history WHERE time > :since ORDER BY time"


def settings(url: str, query: str = WIDE, **changes: Any) -> SqlSettings:
    """As collection.toml would give it; points `gate` and `export` unless changed."""
    block: dict[str, Any] = {
        "type": "sql",
        "name": "MES",
        "url": url,
        "query": query,
        "points": [{"name": "gate"}, {"name": "export"}],
    }
    return msgspec.convert(block | changes, SqlSettings)


def fault(source: SqlSource, now: datetime = NOW) -> SourceFault:
    """What opening or reading fails with; the source is closed again."""

    async def run() -> None:
        try:
            await source.open()
            await source.read(now)
        finally:
            await source.close()

    with pytest.raises(SourceFault) as caught:
        asyncio.run(run())
    return caught.value


def poll(source: SqlSource, now: datetime = NOW, *, taken: bool = True) -> list[Sample]:
    """Opens, reads once, tells whether the samples are durable, closes."""

    async def run() -> list[Sample]:
        await source.open()
        try:
            found = await source.read(now)
            if taken:
                await source.taken()
            return found
        finally:
            await source.close()

    return asyncio.run(run())


def shown(found: list[Sample]) -> list[tuple[str, str, str]]:
    return [(one.point, f"{one.time:%d %H:%M}", str(one.value)) for one in found]


class Meters:
    """A SQLite database of a metering system, in both layouts."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.url = f"sqlite:///{file}"
        self.run("CREATE TABLE meter (time TEXT, gate NUMERIC, export NUMERIC)")
        self.run("CREATE TABLE history (time TEXT, tag TEXT, value NUMERIC)")

    def run(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute(statement, values)

    def wide(self, time: str, gate: object, export: object) -> None:
        self.run("INSERT INTO meter VALUES (?, ?, ?)", f"2026-03-{time}:00", gate, export)

    def long(self, time: str, tag: str, value: object) -> None:
        self.run("INSERT INTO history VALUES (?, ?, ?)", f"2026-03-{time}:00", tag, value)
