"""A device's directory with a folder that another system drops files into."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from nenghao.device.sources import folder
from nenghao.device.sources.base import Sample
from nenghao.device.sources.folder import FolderSettings, FolderSource

NOW = datetime(2026, 3, 2, 10, 0, 30)


def settings(**changes: Any) -> FolderSettings:
    """As collection.toml would give it: a wide table with the points `gate` and `export`."""
    block: dict[str, Any] = {
        "type": "folder",
        "name": "报表",
        "folder": "in",
        "points": [{"name": "gate"}, {"name": "export"}],
    }
    return msgspec.convert(block | changes, FolderSettings)


class Drop:
    """A device's directory with a folder `in`, and a source that polls it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / "in"
        self.folder.mkdir()
        self._touched = 0

    def put(self, name: str, *rows: str, heading: str = "time,gate,export") -> Path:
        """A CSV file; each one a second newer than the last."""
        return self.put_bytes(name, "\r\n".join((heading, *rows, "")).encode())

    def put_bytes(self, name: str, content: bytes) -> Path:
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        return self.touch(file)

    def touch(self, file: Path) -> Path:
        self._touched += 1
        os.utime(file, (1_700_000_000 + self._touched,) * 2)
        return file

    def source(self, **changes: Any) -> FolderSource:
        return folder.make(settings(**changes), self.home)

    def polls(
        self, source: FolderSource, count: int = 2, *, taken: bool = True, now: datetime = NOW
    ) -> list[list[Sample]]:
        """What so many polls bring; by then a file that does not change has been imported."""

        async def run() -> list[list[Sample]]:
            await source.open()
            found = []
            for _ in range(count):
                found.append(await source.read(now))
                if taken:
                    await source.taken()
            await source.close()
            return found

        return asyncio.run(run())

    def all(self, source: FolderSource, **options: Any) -> list[Sample]:
        return [one for found in self.polls(source, **options) for one in found]


def shown(found: list[Sample]) -> list[tuple[str, str, str]]:
    return [(one.point, f"{one.time:%d %H:%M}", str(one.value)) for one in found]
