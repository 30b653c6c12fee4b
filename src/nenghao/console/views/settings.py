"""What the page of settings shows (平台设置): every setting in its group, searched by any word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from nenghao.platform import settings_admin
from nenghao.platform.settings_admin import Described, Effect, Kind

GROUPS: Final = {
    "地址和端口": (
        "role",
        "host",
        "bind",
        "bind_interface",
        "device_port",
        "exchange_port",
        "console_port",
        "enrol_port",
        "sm_port",
        "gateway_port",
        "gateway_bind",
        "gateway_address",
        "health_port",
        "url_style",
    ),
    "数据库和密钥": ("database", "ca_passphrase_file", "exchange_password_scheme"),
    "上报时间和校验": (
        "upload_window_start",
        "upload_window_end",
        "upload_step_seconds",
        "statdate_tolerance",
        "strict",
        "items_per_unit",
    ),
    "操作员和登录": (
        "login_failures",
        "login_lock_minutes",
        "session_idle_minutes",
        "session_hours",
        "login_totp",
        "command_line_login",
    ),
    "上送国家平台": (
        "uplink_to",
        "uplink_window",
        "uplink_connections",
        "uplink_base_data",
    ),
    "能耗计算": ("lng_factor", "output_value_code", "electricity_equivalent"),
    "保留期限": ("refused_keep_days", "refused_keep_mb", "journal_keep_days"),
    "其他应用平台": ("exchange_failure_limit", "allow_nonconforming_plain_exchange"),
    "日志": ("log_level", "log_json"),
}
REST: Final = "容量和时限"
"""The group of all settings that stand in no other."""
FLAGS: Final = {"true": "是", "false": "否"}


@dataclass(frozen=True)
class Line:
    """One setting as a line of the page."""

    key: str
    comment: str
    kind: Kind
    choices: dict[str, str]
    entered: str
    """The value as it is typed in."""
    value: str
    """The same as it is read."""
    default: str
    is_default: bool
    is_secret: bool
    overridden: bool
    effect: Effect
    changed: str
    """Who changed it last and when; "" where nobody is known to have."""


@dataclass(frozen=True)
class Part:
    """A group of settings."""

    title: str
    lines: list[Line]


def parts(conn: Connection, home: Path, environ: Mapping[str, str], word: str = "") -> list[Part]:
    """The settings in their groups; with `word` those that have it in key, comment or value.

    Raises `nenghao.settings.SettingsError` where the file cannot be read.
    """
    lines = {each.key: _line(each) for each in settings_admin.described(conn, home, environ)}
    grouped = {key for keys in GROUPS.values() for key in keys}
    rest = tuple(key for key in lines if key not in grouped)
    found = [
        Part(title, [lines[key] for key in keys if key in lines and _has(lines[key], word)])
        for title, keys in (*GROUPS.items(), (REST, rest))
    ]
    return [part for part in found if part.lines]


def line(conn: Connection, home: Path, environ: Mapping[str, str], key: str) -> Line | None:
    """One setting."""
    found: Iterable[Described] = settings_admin.described(conn, home, environ)
    return next((_line(each) for each in found if each.key == key), None)


def _has(found: Line, word: str) -> bool:
    texts = (found.key, found.comment, found.value)
    return all(any(part in text.lower() for text in texts) for part in word.lower().split())


def _line(told: Described) -> Line:
    return Line(
        key=told.key,
        comment=told.comment.replace("\n  ", "\n· "),
        kind=told.kind,
        choices={one: _read(told.kind, one) for one in told.choices},
        entered=told.value,
        value=_read(told.kind, told.value),
        default=_read(told.kind, told.default) if not told.is_secret else "",
        is_default=told.is_default,
        is_secret=told.is_secret,
        overridden=told.overridden,
        effect=told.effect,
        changed=_changed(told),
    )


def _read(kind: Kind, text: str) -> str:
    return FLAGS[text] if kind is Kind.FLAG else text or "（空）"


def _changed(told: Described) -> str:
    if told.change is None:
        return ""
    words = f"{told.change.actor} 于 {told.change.at:%Y-%m-%d %H:%M}"
    if told.change.value != told.value:
        return f"{words} 改过，其后又在平台的机器上被编辑"
    return words
