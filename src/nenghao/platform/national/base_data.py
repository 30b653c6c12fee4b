"""Takes the nation's base data on a province's platform (国家平台基础数据下发; 6.3.3).

The nation's dicVersion is asked for daily. Another one than was taken last is taken at once, or
waits for an operator's approval (setting `uplink_base_data`). What is taken replaces the tables,
raises the province's own dicVersion once, and so reaches its devices (`dictionary`).
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Final, Literal, Protocol

from nenghao.platform import dictionary, state
from nenghao.platform.dictionary_csv import TableError, write
from nenghao.platform.store.engine import Store
from nenghao.platform.uplink.line import HttpsLine, NotSent, RefusedUp, TooLarge
from nenghao.standard import messages
from nenghao.standard.messages.base_data import ROW_TYPES, BaseDataAnswer, BaseDataRequest
from nenghao.standard.messages.version_check import VersionAnswer, VersionRequest
from nenghao.standard.replies import Refusal

ACTOR: Final = "national"
"""Who changed the tables, as the audit trail writes it."""

APPROVE: Final = "nenghao platform uplink dictionary approve"


class Settings(Protocol):
    """What of the settings is asked here."""

    @property
    def uplink_base_data(self) -> Literal["automatic", "approve", "off"]: ...


def look(
    store: Store, settings: Settings, line: HttpsLine, device_id: str, now: datetime
) -> str | None:
    """Ask for the nation's version and do what the setting says; what to tell the log, if anything.

    `device_id` is the province's own. Failures are told, not raised: the next look tries again.
    """
    if settings.uplink_base_data == "off":
        return None
    try:
        offered = _offered(store, line, device_id)
        if offered is None:
            return None
        if settings.uplink_base_data == "approve":
            with store.write() as conn:
                state.put(conn, state.NATIONAL_OFFERED, offered)
            return f"国家平台的基础数据有新版本 {offered}，等待批准：{APPROVE}"
        changed = _take(store, line, device_id, offered, now)
    except (NotSent, RefusedUp, TooLarge, TableError) as failure:
        return f"国家平台的基础数据未能更新：{failure or '应答过大'}"
    return f"已采用国家平台的基础数据，版本 {offered}：{_shown(changed)}"


def approve(store: Store, line: HttpsLine, device_id: str, now: datetime) -> list[str] | None:
    """Take what the nation has now; the tables that changed, None where it was taken already.

    Raises NotSent, RefusedUp, TooLarge, TableError.
    """
    offered = _offered(store, line, device_id)
    return None if offered is None else _take(store, line, device_id, offered, now)


def _offered(store: Store, line: HttpsLine, device_id: str) -> str | None:
    """The nation's version, if it is another than was taken."""
    there = line.ask("/versionCheck", VersionRequest(device_id), VersionAnswer).dic_version
    with store.read() as conn:
        return None if state.text(conn, state.NATIONAL_VERSION) == there else there


def _take(store: Store, line: HttpsLine, device_id: str, version: str, now: datetime) -> list[str]:
    body = line.post("/downloadBaseData", messages.write(BaseDataRequest(device_id, "all")))
    texts = _texts(body)
    with store.write() as conn:
        done = dictionary.import_tables(conn, texts, now, actor=ACTOR)
        state.put(conn, state.NATIONAL_VERSION, version)
        state.put(conn, state.NATIONAL_OFFERED, "")
    return [table for table, one in done.items() if one.raised]


def _texts(body: bytes) -> dict[str, str]:
    """The tables as CSV, by which an import checks them. Raises TableError."""
    try:
        messages.read(BaseDataAnswer, body)
    except Refusal as refusal:
        raise TableError(f"应答不可用：{refusal.text}") from refusal
    tables = json.loads(body)["data"]
    return {name: write(name, tables[name]) for name in ROW_TYPES if name in tables}


def _shown(changed: list[str]) -> str:
    return "、".join(changed) if changed else "与现有的相同"
