"""What an operator does about the uplink (上送的操作): retry, compare, take base data, prepare.

Each leaves an audit record. What goes over the line, and what is marked, is the business of
`national.verify`, `national.base_data` and `marks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, func, select

from nenghao.platform import audit
from nenghao.platform.dictionary_csv import TableError
from nenghao.platform.home import Home
from nenghao.platform.national import base_data
from nenghao.platform.national import verify as comparison
from nenghao.platform.national.verify import Difference
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store
from nenghao.platform.store.schema import unit
from nenghao.platform.uplink import credentials, line, marks
from nenghao.platform.uplink.line import HttpsLine, NotSent, RefusedUp, TooLarge

MOST_DAYS: Final = 366


class UplinkError(Exception):
    """It could not be done; the text says why, in Chinese."""


@contextmanager
def to_nation(home: Path, settings: PlatformSettings) -> Iterator[tuple[str, HttpsLine]]:
    """The province's deviceId and an open line; what the line raises becomes UplinkError."""
    if not settings.uplink_to:
        raise UplinkError("没有设置上送，请先运行 nenghao platform uplink set")
    try:
        told = credentials.of_home(home)
        with line.open_line(home, settings.uplink_to, 1) as way:
            yield told.device_id, way
    except (credentials.CredentialsError, NotSent, RefusedUp, TableError) as error:
        raise UplinkError(str(error)) from error
    except TooLarge:
        raise UplinkError("国家平台答 HTTP 413：请求体过大") from None


def retry(store: Store, now: datetime, code: str = "") -> int:
    """Mark again what was refused, of one unit or of all; how many marks that are."""
    with store.write() as conn:
        count = marks.retry(conn, now, code)
        if count:
            audit.record(conn, now, audit.OPERATOR, "", "uplink.retry", code, detail=f"{count} 条")
    return count


def compare(
    store: Store,
    home: Home,
    first: date,
    last: date,
    now: datetime,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Difference]:
    """The differences of these days to the nation, which are marked to be sent again.

    `on_progress(done, total)` is told in units and stretches of days; what it raises ends this,
    and what was marked by then stays marked.
    """
    if first > last:
        raise UplinkError("第一天应不晚于最后一天")
    if (last - first).days >= MOST_DAYS:
        raise UplinkError(f"一次至多核对 {MOST_DAYS} 天")
    with store.read() as conn:
        total = _units(conn) * len(list(comparison.stretches(first, last)))
    done = 0

    def tell(units: int) -> None:
        nonlocal done
        done += units
        on_progress(done, total)

    with to_nation(home.path, home.settings) as (device_id, way):
        found = comparison.verify(store, way, device_id, first, last, now, tell)
    with store.write() as conn:
        detail = f"{len(found)} 处不一致，已列入上送" if found else "一致"
        period = f"{first} 至 {last}"
        audit.record(conn, now, audit.OPERATOR, "", "uplink.verify", period, detail=detail)
    return found


def approve(store: Store, home: Home, now: datetime) -> list[str] | None:
    """Take the nation's base data; the tables that changed, None where they were taken already."""
    with to_nation(home.path, home.settings) as (device_id, way):
        changed = base_data.approve(store, way, device_id, now)
    if changed is not None:
        detail = "、".join(changed) or "内容与现有的相同"
        with store.write() as conn:
            audit.record(
                conn, now, audit.OPERATOR, "", "uplink.approve", "base-data", detail=detail
            )
    return changed


def _units(conn: Connection) -> int:
    return int(conn.execute(select(func.count()).select_from(unit)).scalar_one())
