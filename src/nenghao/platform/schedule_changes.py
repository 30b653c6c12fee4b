"""Changing upload times (上报时间点的调整): one device's, or all of them by a new window.

Devices hear of it because regVersion rises: at their next look at the versions they register again
and get their times (6.2.3-1). What the nth device of a window gets is `schedule`'s arithmetic, how
times are handed out in order `registry`'s.
"""

from __future__ import annotations

import re
from datetime import datetime, time
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, select, update

from nenghao import settings as settings_files
from nenghao.platform import audit, registry, state
from nenghao.platform.home import Home
from nenghao.platform.schedule import UploadWindow
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store
from nenghao.platform.store.schema import device, unit

_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?", re.ASCII)


class ScheduleError(Exception):
    """The times cannot be changed as asked; the text says why, in Chinese."""


class Reissued(NamedTuple):
    """What handing all times out anew did."""

    devices: int
    version: int
    """regVersion now."""


def time_of(text: str) -> str:
    """An upload time as it is handed out, `HH:MM:SS`, from what was typed. Raises ScheduleError."""
    text = text.strip()
    if not _TIME.fullmatch(text):
        raise ScheduleError(f"上报时间点应为 HH:MM:SS，收到 {text!r}")
    return text if len(text) == 8 else f"{text}:00"


def window_of(start: str, end: str, step: int) -> UploadWindow:
    """A window from what was typed. Raises ScheduleError."""
    try:
        return UploadWindow(
            time.fromisoformat(time_of(start)), time.fromisoformat(time_of(end)), step
        )
    except ValueError as error:
        raise ScheduleError(str(error)) from None


def assign(conn: Connection, code: str, number: int, upload_time: str, now: datetime) -> int:
    """Give one device another upload time; regVersion then, 0 where it had that time already.

    It holds until all times are handed out anew. Needs a write transaction. Raises ScheduleError.
    """
    wanted = time_of(upload_time)
    query = (
        select(device.c.unit_id, device.c.upload_time)
        .join(unit, unit.c.id == device.c.unit_id)
        .where(unit.c.code == code, device.c.number == number)
        .with_for_update(of=device)
    )
    found = conn.execute(query).first()
    who = registry.actor(code, number)
    if found is None:
        raise ScheduleError(f"端设备 {who} 尚未注册，没有上报时间点")
    if found.upload_time == wanted:
        return 0
    mine = (device.c.unit_id == found.unit_id) & (device.c.number == number)
    conn.execute(update(device).where(mine).values(upload_time=wanted))
    version = state.locked(conn, state.REG_VERSION, 1) + 1
    state.put(conn, state.REG_VERSION, version)
    detail = f"由 {found.upload_time} 改为 {wanted}；regVersion {version}"
    audit.record(conn, now, audit.OPERATOR, "", "schedule.assign", who, detail=detail)
    return version


def changed_settings(settings: PlatformSettings, changes: dict[str, str | int]) -> PlatformSettings:
    """The settings with another window. Raises ScheduleError."""
    try:
        return msgspec.structs.replace(settings, **changes)
    except ValueError as error:
        raise ScheduleError(str(error)) from None


def reissue(home: Home, store: Store, changes: dict[str, str | int], now: datetime) -> Reissued:
    """Hand all times out anew, by the settings with `changes`, which platform.toml then has.

    `changes` are keys of the settings: `upload_window_start`, `upload_window_end`,
    `upload_step_seconds`. Raises ScheduleError, SettingsError where the file cannot be changed.
    """
    settings = changed_settings(home.settings, changes)
    for key, value in changes.items():
        settings_files.set_value(home.settings_file, key, value, PlatformSettings)
    with store.write() as conn:
        count = registry.replan(conn, settings, now)
        return Reissued(count, registry.versions(conn)[0])
