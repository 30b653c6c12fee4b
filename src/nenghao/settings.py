"""Settings files (设置文件): how they are written, read and overridden.

A settings class is a msgspec Struct whose fields carry their Chinese comment:

    class DeviceSettings(msgspec.Struct, frozen=True):
        attempts: Annotated[int, Setting("发送次数"), msgspec.Meta(ge=1)] = 4

`template` writes it as TOML with the comment above every key, `load` reads it back and lets
`NENGHAO_<KEY>` of the environment win over the file, `set_value` changes one key of a file and
keeps the rest as it stands. Keys are flat. Types: bool, int, float, str, Literal and StrEnum,
lists and tuples of those, each optionally `| None`; TOML knows no null, so an empty text (`""`) is
what stands for "not set" where None is allowed. `msgspec.Meta` limits are honoured. What the
settings mean is the business of the classes.

All failures are `SettingsError`, in Chinese and naming the key.
"""

import difflib
import math
import os
import re
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

PREFIX = "NENGHAO_"
"""What an overriding environment variable begins with; the rest is the key in capitals."""

NO_SETTINGS = ("NENGHAO_TEST_", "NENGHAO_CA_PASSPHRASE")
"""How variables begin that are no settings and cause no warning: of the test suite, a secret."""

S = TypeVar("S", bound=msgspec.Struct)


class SettingsError(Exception):
    """A settings file or an override that cannot be used; the text is Chinese and complete."""


@dataclass(frozen=True)
class Setting:
    """The comment (中文注释) of a settings field, one or several lines, without "#"."""

    comment: str


def template(cls: type[msgspec.Struct], values: Mapping[str, object] | None = None) -> str:
    """The TOML text of a settings file: every key of `cls`, its comment above it.

    `values` replace defaults by key. SettingsError for an unknown key, an ill-typed value or a
    key without a default that `values` leaves out.
    """
    values = values or {}
    keys = _keys(cls)
    faults = [_unknown(key, keys) for key in values if key not in keys]
    parts = []
    for key, field in keys.items():
        if key not in values and field.required:
            faults.append(f"缺少设置项 {key}")
            continue
        value = values[key] if key in values else _default(field)
        try:
            literal = _toml(_checked(key, value, field))
        except SettingsError as error:
            faults.append(str(error))
            continue
        parts.append("".join(f"# {line}\n" for line in _comment(field)) + f"{key} = {literal}\n")
    if faults:
        raise SettingsError("；".join(faults))
    return "\n".join(parts)


def load(
    cls: type[S],
    path: Path | None,
    environ: Mapping[str, str],
    warn: Callable[[str], None] | None = None,
) -> S:
    """The settings of `path` (None: defaults only), overridden by `environ`.

    A key that the file leaves out has its default. Unknown keys of the file, ill-typed values and
    overrides that do not parse are SettingsError, all named at once; an unknown `NENGHAO_…`
    variable is only told to `warn`, since other programs of the house share the prefix.
    """
    keys = _keys(cls)
    raw = {} if path is None else _read(path)
    in_file = [_unknown(key, keys) for key in raw if key not in keys]
    outside: list[str] = []
    values: dict[str, object] = {}
    for key, field in keys.items():
        variable = PREFIX + key.upper()
        faults = outside if variable in environ else in_file
        try:
            if variable in environ:
                values[key] = _from_environment(variable, environ[variable], field)
            elif key in raw:
                values[key] = _checked(key, raw[key], field)
            elif field.required:
                faults.append(f"缺少设置项 {key}")
        except SettingsError as error:
            faults.append(str(error))
    if in_file and path is not None:
        in_file[0] = f"设置文件 {path}：{in_file[0]}"
    if in_file or outside:
        raise SettingsError("；".join(in_file + outside))
    if warn is not None:
        for name in _unknown_variables(environ, keys):
            warn(f"环境变量 {name} 不对应任何设置项，已忽略")
    try:
        return cls(**values)
    except (ValueError, TypeError) as error:  # what the class's own __post_init__ refuses
        raise SettingsError(str(error)) from error


def set_value(path: Path, key: str, value: object, cls: type[msgspec.Struct]) -> None:
    """Rewrite one key of the settings file at `path`; comments and other keys stay as they are.

    A key that the file lacks is added at its end with its comment. The file is replaced in one
    step, so that a reader sees the old or the new one. SettingsError for an unknown key, an
    ill-typed value or a file that does not parse.
    """
    keys = _keys(cls)
    if key not in keys:
        raise SettingsError(_unknown(key, keys))
    literal = _toml(_checked(key, value, keys[key]))
    before = _read(path)
    text = _decode(path)
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.replace("\r\n", "\n").split("\n")
    found = _find_statement(lines, key) if key in before else None
    if found is None:
        while lines and not lines[-1].strip():
            lines.pop()
        comments = [f"# {line}" for line in _comment(keys[key])]
        lines += [*([""] if lines else []), *comments, f"{key} = {literal}", ""]
    else:
        first, after = found
        tail = _trailing_comment(lines[first:after])
        lines[first:after] = [f"{key} = {literal}{tail}"]
    _replace(path, newline.join(lines))


def _keys(cls: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.name: field for field in msgspec.structs.fields(cls)}


def _default(field: msgspec.structs.FieldInfo) -> object:
    if field.default is not msgspec.NODEFAULT:
        return field.default
    return field.default_factory()


def _comment(field: msgspec.structs.FieldInfo) -> list[str]:
    if get_origin(field.type) is Annotated:
        for note in get_args(field.type)[1:]:
            if isinstance(note, Setting):
                return note.comment.splitlines()
    raise SettingsError(f"设置项 {field.name} 没有注释（Setting）")


def _unknown(key: str, keys: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, list(keys), n=1)
    return f"未知的设置项 {key}" + (f"（是否应为 {near[0]}？）" if near else "")


def _unknown_variables(environ: Iterable[str], keys: Iterable[str]) -> list[str]:
    known = {PREFIX + key.upper() for key in keys}
    ours = (name for name in environ if name.startswith(PREFIX) and name not in known)
    return sorted(name for name in ours if not name.startswith(NO_SETTINGS))


def _without_none(kind: Any) -> tuple[Any, bool]:
    """The type without its notes and its None, and whether it had the None."""
    bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if get_origin(bare) not in (Union, UnionType):
        return bare, False
    (kind,) = (one for one in get_args(bare) if one is not NoneType)
    return kind, True


def _checked(key: str, value: object, field: msgspec.structs.FieldInfo) -> object:
    """`value` as the field's type has it; SettingsError naming the key otherwise."""
    if _without_none(field.type)[1] and value in ("", None):
        return None
    try:
        converted: object = msgspec.convert(_plain(value), field.type)
    except msgspec.ValidationError:
        converted = math.nan
    if isinstance(converted, float) and not math.isfinite(converted):
        raise SettingsError(f"设置项 {key} 应为{_describe(field.type)}，收到 {_shown(value)}")
    return converted


def _plain(value: object) -> object:
    """`value` with every Enum member as the value that a file has for it."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.value if isinstance(value, Enum) else value


def _shown(value: object) -> str:
    try:
        return _toml(value)
    except SettingsError:
        return str(value)


def _describe(kind: Any) -> str:
    """The type in Chinese, with the limits that msgspec.Meta gives it."""
    bare, _ = _without_none(kind)
    if get_origin(kind) is Annotated:
        return _describe(bare) + _limits(kind)
    simple = {bool: "布尔值（true 或 false）", int: "整数", float: "数字", str: "文本"}
    if bare in simple:
        return simple[bare]
    if get_origin(bare) is Literal:
        return "以下之一：" + "、".join(str(one) for one in get_args(bare))
    if isinstance(bare, type) and issubclass(bare, Enum):
        return "以下之一：" + "、".join(str(one.value) for one in bare)
    if get_origin(bare) in (list, tuple):
        return f"列表，其中每项为{_describe(get_args(bare)[0])}"
    if get_origin(bare) is Annotated:
        return _describe(bare)
    raise TypeError(f"settings cannot have the type {kind!r}")


_NUMBERS = {"ge": "不小于 {}", "gt": "大于 {}", "le": "不大于 {}", "lt": "小于 {}"}
_TEXTS = {"min_length": "长度不小于 {}", "max_length": "长度不大于 {}", "pattern": "形如 {}"}
_LIMITS = {**_NUMBERS, **_TEXTS}


def _limits(kind: Any) -> str:
    """What msgspec.Meta asks of the value, in Chinese: `（不小于 1，不大于 65535）`."""
    notes = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    words = [
        text.format(getattr(note, name))
        for note in notes
        if isinstance(note, msgspec.Meta)
        for name, text in _LIMITS.items()
        if getattr(note, name) is not None
    ]
    return f"（{'，'.join(words)}）" if words else ""


_INTEGER = re.compile(r"[+-]?[0-9]{1,30}")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def _from_environment(variable: str, text: str, field: msgspec.structs.FieldInfo) -> object:
    """The value that an environment variable's text stands for."""
    kind, nullable = _without_none(field.type)
    value = None if nullable and not text else _parsed(text, kind)
    try:
        return _checked(field.name, value, field)
    except SettingsError as error:
        raise SettingsError(f"环境变量 {variable}：{error}") from None


def _parsed(text: str, kind: Any) -> object:
    """`text` read by the type; left as text where it does not parse, for `_checked` to refuse."""
    kind, _ = _without_none(kind)
    if kind is bool:
        return _FLAGS.get(text.strip().lower(), text)
    if kind is int:
        return int(text) if _INTEGER.fullmatch(text.strip()) else text
    if kind is float:
        try:
            return float(text)
        except ValueError:
            return text
    if get_origin(kind) in (list, tuple):
        return _parsed_list(text, get_args(kind)[0])
    if get_origin(kind) is Literal and text not in get_args(kind):
        return next((one for one in get_args(kind) if str(one) == text), text)
    return text


def _parsed_list(text: str, item: Any) -> object:
    """Items between commas, blanks around them dropped, or a TOML array in brackets."""
    if text.strip().startswith("["):
        try:
            return tomllib.loads(f"list = {text}")["list"]
        except tomllib.TOMLDecodeError:
            return text
    return [_parsed(one.strip(), item) for one in text.split(",") if one.strip()]


_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _toml(value: object) -> str:
    """The TOML literal of a settings value; None is the empty text."""
    value = _plain(value)
    if value is None:
        return '""'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(_toml(one) for one in value)}]"
    if isinstance(value, str):
        if any("\ud800" <= one <= "\udfff" for one in value):
            raise SettingsError(f"文本 {value!r} 含有无法写入的字符")
        return f'"{"".join(_escaped(one) for one in value)}"'
    raise SettingsError(f"{value!r} 不能写入设置文件")


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character < " " or character == "\x7f":
        return f"\\u{ord(character):04x}"
    return character


_POSITION = re.compile(r" \(at line ([0-9]+), column [0-9]+\)$")


def _decode(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise SettingsError(f"找不到设置文件 {path}") from None
    except OSError as error:
        raise SettingsError(f"无法读取设置文件 {path}：{error.strerror}") from error
    except UnicodeDecodeError:
        raise SettingsError(f"设置文件 {path} 不是 UTF-8 编码") from None


def _read(path: Path) -> dict[str, Any]:
    text = _decode(path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason = str(error)
        position = _POSITION.search(reason)
        # Without a position the end of the document came too early: look at its last line.
        line = position[1] if position else text.rstrip().count("\n") + 1
        reason = reason[: position.start()] if position else reason
        raise SettingsError(f"设置文件 {path} 第 {line} 行不是合法的 TOML：{reason}") from None


def _find_statement(lines: list[str], key: str) -> tuple[int, int] | None:
    """The lines, from and up to, of the statement that sets `key`; None when none does.

    A statement ends with the first line that makes it whole, so a line that looks like a key
    inside a text of several lines is never taken for one.
    """
    first = 0
    while first < len(lines):
        after = first + 1
        while (statement := _parse_or_none(lines[first:after])) is None and after < len(lines):
            after += 1
        if statement and key in statement:
            return first, after
        first = after
    return None


def _parse_or_none(lines: list[str]) -> dict[str, Any] | None:
    try:
        return tomllib.loads("\n".join(lines))
    except tomllib.TOMLDecodeError:
        return None


def _trailing_comment(lines: list[str]) -> str:
    """The comment behind the value of a statement, blanks before it included; "" if none."""
    whole = _parse_or_none(lines)
    last = lines[-1]
    for position in (place for place, one in enumerate(last) if one == "#"):
        if _parse_or_none([*lines[:-1], last[:position]]) == whole:
            value = last[:position].rstrip()
            return last[len(value) :].rstrip()
    return ""


def _replace(path: Path, text: str) -> None:
    """Put `text` where `path` is, in one step and with the file's own mode."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    fresh = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.chmod(path.stat().st_mode & 0o7777)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
