"""The platform's settings as an operator sees and changes them (平台设置).

`described` tells every setting with its comment, value, default and last change; `change` checks,
writes the file, and leaves an audit record with the old and the new value. A secret (`SECRET`) is
never shown, written down or changed here: whoever may use the platform's folder edits it there.
What the file looks like is `nenghao.settings`' business, what the settings mean `settings`'.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_origin

import msgspec
from msgspec import inspect
from sqlalchemy import Connection, select

from nenghao import settings as settings_files
from nenghao.platform import audit, state
from nenghao.platform.home import settings_file
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store, upsert
from nenghao.platform.store.schema import platform_state
from nenghao.platform.uplink import credentials
from nenghao.settings import Setting, SettingsError
from nenghao.standard import periods

ACTION: Final = "settings.change"
SECRET: Final = frozenset({"database"})
"""Not shown, not logged, not changed here: an address of a database may hold a password."""
CHANGES: Final = "settings_changes"
"""The row of `platform_state` with the last change of each setting (JSON)."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,30}")
_FLAGS = {"true": True, "是": True, "false": False, "否": False}


class Effect(StrEnum):
    """When a change counts; `words` say it in Chinese, `brief` in a few."""

    words: str
    brief: str

    def __new__(cls, value: str, words: str = "", brief: str = "") -> Effect:
        member = str.__new__(cls, value)
        member._value_ = value
        member.words = words
        member.brief = brief
        return member

    AT_ONCE = "at-once", "几秒内生效，不必重新启动", "几秒内"
    NEXT_COMMAND = "next-command", "下一条命令起生效，不必重新启动", "下一条命令起"
    CONSOLE = (
        "console",
        "控制台重新启动后生效；随 platform serve 运行的几秒内自动重启",
        "重启控制台后",
    )
    SERVE = "serve", "重新启动 platform serve 后生效", "重启平台后"


_EFFECTS: Final = {
    **dict.fromkeys(
        ("uplink_to", "uplink_window", "uplink_connections", "uplink_base_data"), Effect.AT_ONCE
    ),
    **dict.fromkeys(("journal_keep_days", "command_line_login"), Effect.NEXT_COMMAND),
    **dict.fromkeys(
        (
            "login_failures",
            "login_lock_minutes",
            "session_idle_minutes",
            "session_hours",
            "login_totp",
        ),
        Effect.AT_ONCE,
    ),
    "console_port": Effect.CONSOLE,
}


class Kind(StrEnum):
    """How a setting is entered."""

    FLAG = "flag"
    CHOICE = "choice"
    NUMBER = "number"
    TEXT = "text"
    LIST = "list"
    """Texts between commas."""


@dataclass(frozen=True)
class Change:
    """The last change of a setting that this module knows of."""

    at: datetime
    actor: str
    value: str
    """What it became; another present value was edited in the file later."""


@dataclass(frozen=True)
class Described:
    """One setting."""

    key: str
    comment: str
    kind: Kind
    choices: tuple[str, ...]
    value: str
    """What the file says, as it is entered; of a secret only its kind."""
    default: str
    is_default: bool
    is_secret: bool
    overridden: bool
    """An environment variable wins over the file, at least in this process."""
    effect: Effect
    change: Change | None


def described(conn: Connection, home: Path, environ: Mapping[str, str]) -> list[Described]:
    """All settings in the order of the file. Raises SettingsError for a file that is wrong."""
    present = settings_files.load(PlatformSettings, settings_file(home), {})
    known = _changes(state.text(conn, CHANGES))
    kinds = _kinds()
    found = []
    for field in msgspec.structs.fields(PlatformSettings):
        key = field.name
        kind, choices = kinds[key]
        value = getattr(present, key)
        found.append(
            Described(
                key=key,
                comment=_comment(field.type),
                kind=kind,
                choices=choices,
                value=shown(key, value),
                default=entered(field.default),
                is_default=value == field.default,
                is_secret=key in SECRET,
                overridden=settings_files.PREFIX + key.upper() in environ,
                effect=_EFFECTS.get(key, Effect.SERVE),
                change=known.get(key),
            )
        )
    return found


def entered(value: object) -> str:
    """A value as it is typed in."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(getattr(value, "value", value))


def shown(key: str, value: object) -> str:
    """A value as it may be shown and written down."""
    if key not in SECRET:
        return entered(value)
    if not value:
        return "平台目录下的 SQLite 文件"
    return f"{str(value).partition(':')[0].partition('+')[0]}（地址不显示）"


def change(
    store: Store,
    home: Path,
    values: Mapping[str, object],
    now: datetime,
    *,
    seen: Mapping[str, str] | None = None,
) -> list[str]:
    """Set these settings, all or none; the keys that became another value.

    A value may be a text as it is typed in. `seen`: what the operator saw before (`entered`);
    another value meanwhile is refused. Raises SettingsError, and CredentialsError for an uplink
    without the province's certificate. Needs no transaction of the caller.
    """
    file = settings_file(home)
    if secret := sorted(SECRET & values.keys()):
        raise SettingsError(f"设置项 {secret[0]} 只能在平台所在的机器上编辑 {file} 来改")
    written: dict[str, object] = {}
    try:
        with store.write() as conn:
            known = _changes(_locked(conn))
            present = settings_files.load(PlatformSettings, file, {})
            wanted = {key: _read(key, value) for key, value in values.items()}
            _check(home, present, wanted, seen or {})
            old = {key: getattr(present, key) for key in wanted}
            new = {
                key: value for key, value in wanted.items() if entered(value) != entered(old[key])
            }
            for key, value in new.items():
                detail = f"{entered(old[key]) or '（空）'} → {entered(value) or '（空）'}"
                audit.record(conn, now, audit.OPERATOR, "", ACTION, key, detail=detail)
                known[key] = Change(now, audit.actor(), entered(value))
            state.put(conn, CHANGES, _written(known))
            for key, value in new.items():
                written[key] = old[key]
                settings_files.set_value(file, key, value, PlatformSettings)
    except BaseException:
        _restore(file, written)
        raise
    return list(written)


def _check(
    home: Path, present: PlatformSettings, wanted: Mapping[str, object], seen: Mapping[str, str]
) -> None:
    """Raise where the new settings would not do; nothing is changed."""
    settings_files.template(PlatformSettings, wanted)  # names what is ill-typed or unknown
    for key, text in seen.items():
        meanwhile = entered(getattr(present, key))
        if meanwhile != text:
            raise SettingsError(
                f"设置项 {key} 其间已被改为 {meanwhile or '（空）'}，请重新打开本页再改"
            )
    before = {name: getattr(present, name) for name in PlatformSettings.__struct_fields__}
    try:
        new = msgspec.convert({**before, **wanted}, PlatformSettings)
    except msgspec.ValidationError as error:
        raise SettingsError(str(error)) from None
    if "uplink_to" in wanted and new.uplink_to:
        if new.role == "national":
            raise SettingsError("国家平台不向上报送（role = national）")
        credentials.of_home(home)


def _restore(file: Path, old: Mapping[str, object]) -> None:
    """The transaction will not be: the file says again what it said."""
    for key, value in old.items():
        with contextlib.suppress(OSError, SettingsError):
            settings_files.set_value(file, key, value, PlatformSettings)


def _read(key: str, value: object) -> object:
    """A typed-in text as the setting's type; left as it is where it is none, to be refused."""
    if not isinstance(value, str):
        return value
    kinds = _kinds()
    kind = kinds[key][0] if key in kinds else Kind.TEXT
    text = value.strip()
    match kind:
        case Kind.FLAG:
            return _FLAGS.get(text, text)
        case Kind.NUMBER:
            return _number(text)
        case Kind.LIST:
            return [one.strip() for one in re.split("[,，]", text) if one.strip()]
    return text


def _number(text: str) -> object:
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text


def _kinds() -> dict[str, tuple[Kind, tuple[str, ...]]]:
    """How each setting is entered, and what there is to choose from."""
    told: Any = inspect.type_info(PlatformSettings)
    return {field.name: _kind(field.type) for field in told.fields}


def _kind(told: inspect.Type) -> tuple[Kind, tuple[str, ...]]:
    match told:
        case inspect.Metadata(type=inner):
            return _kind(inner)
        case inspect.BoolType():
            return Kind.FLAG, ("true", "false")
        case inspect.IntType() | inspect.FloatType():
            return Kind.NUMBER, ()
        case inspect.LiteralType(values=values):
            return Kind.CHOICE, tuple(map(str, values))
        case inspect.EnumType(cls=members):
            return Kind.CHOICE, tuple(str(one.value) for one in members)
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            return Kind.LIST, _kind(item)[1]
    return Kind.TEXT, ()


def _comment(kind: Any) -> str:
    notes = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    return next((note.comment for note in notes if isinstance(note, Setting)), "")


# --- the last changes ----------------------------------------------------------------------------


def _locked(conn: Connection) -> str:
    """The row, made if need be and locked: one change of settings at a time."""
    upsert(conn, platform_state, [{"name": CHANGES, "value": "{}"}], lambda _: {})
    query = select(platform_state.c.value).where(platform_state.c.name == CHANGES)
    return str(conn.execute(query.with_for_update()).scalar_one())


def _changes(text: str | None) -> dict[str, Change]:
    told = json.loads(text or "{}")
    return {
        key: Change(periods.parse_time(one["at"]), one["actor"], one["value"])
        for key, one in told.items()
    }


def _written(changes: Mapping[str, Change]) -> str:
    told = {
        key: {"at": periods.format_time(one.at), "actor": one.actor, "value": one.value}
        for key, one in changes.items()
    }
    return json.dumps(told, ensure_ascii=False, sort_keys=True)
