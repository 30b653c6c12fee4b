"""The versions of base data on the console (基础数据版本): who, when, what, and who has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from nenghao.console.views.base_data_draft import Differing, differing
from nenghao.console.views.base_data_words import TABLES
from nenghao.platform import base_data_held, base_data_versions, dictionary
from nenghao.platform.base_data_held import Holders
from nenghao.platform.base_data_versions import Changed


@dataclass(frozen=True)
class Version:
    """One version."""

    number: int
    at: datetime
    actor: str
    what: str
    devices: int
    """That have it, or a newer one."""
    share: float | None
    """That of all devices, 0 to 1; None without any."""


@dataclass(frozen=True)
class Versions:
    """Some versions, newest first."""

    rows: Sequence[Version]
    total: int
    current: int
    holders: Holders

    @property
    def unrecorded(self) -> int:
        """The last version of which nothing is recorded; 0: all are, from the first."""
        before = self.current - self.total
        return before if before > 1 else 0


def versions(conn: Connection, limit: int = 20, offset: int = 0) -> Versions:
    """The latest versions."""
    holders = base_data_held.holders(conn)
    found = base_data_versions.listing(conn, limit, offset)
    rows = [_version(one, holders) for one in found]
    return Versions(rows, base_data_versions.count(conn), dictionary.version(conn), holders)


@dataclass(frozen=True)
class Detail:
    """One version with what it changed."""

    version: Version
    tables: Sequence[Differing]


def detail(conn: Connection, number: int) -> Detail | None:
    """What a version changed; None where nothing is recorded of it."""
    found = base_data_versions.of(conn, number)
    if not found:
        return None
    made = [
        differing(conn, one.table, difference)
        for one in found
        if (difference := base_data_versions.difference(conn, number, one.table)) is not None
    ]
    return Detail(_version(found, base_data_held.holders(conn)), made)


def _version(found: Sequence[Changed], holders: Holders) -> Version:
    first = found[0]
    return Version(
        first.version,
        first.at,
        first.actor,
        "；".join(f"{TABLES.get(one.table, one.table)} {one.words()}" for one in found),
        holders.since(first.version),
        holders.share(first.version),
    )
