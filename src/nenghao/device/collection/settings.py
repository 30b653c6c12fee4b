"""The file collection.toml (采集配置): which sources are read, and which items are made of them.

    [[source]]                      [[item]]
    type = "modbus_tcp"             data_code = "00-00-0000-023300-11"
    name = "gate"                   kind = "counter"
    …                               value = "gate.total - gate.export"

Every error is named with its block, key and line, all of them at once. What the blocks mean
together is `plan`'s business; a source's own keys are its module's.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from nenghao.device.sources import registry
from nenghao.standard import data_code

DecimalText = str | int | float
"""A decimal: as text, or as TOML writes numbers (`0.0001` is exactly that)."""

Minutes = Annotated[float, Meta(gt=0, le=7 * 24 * 60)]


class CollectionError(Exception):
    """A collection.toml that cannot be used; `lines` say why, in Chinese."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("；".join(lines))


class ItemSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An `[[item]]`: something to be uploaded, or (without a data code) a name for others."""

    data_code: str = ""
    name: str = ""
    """By which expressions of other items know it; uploaded names stand in config.json."""
    kind: Literal["counter", "interval", "instant"] | None = None
    """None: the expression is over other items only."""
    value: Annotated[str, Meta(min_length=1)]
    unit: str = ""
    """Of the expression's value; "" where the points have units or the dictionary's is meant."""
    scale: DecimalText = "1"
    interval_minutes: Literal[15, 30, 60] = 15
    max_gap_minutes: Minutes | None = None
    """None: as long as the interval."""
    digits: Annotated[int, Meta(ge=1, le=18)] | None = None
    """Digits before the point of the register's display: 6 starts over at 1000000."""
    modulus: DecimalText | None = None
    max_rate: DecimalText | None = None
    """The most that the register can count in an hour, in the point's unit."""
    on_spike: Literal["flag", "spread"] = "flag"
    interpolate: Literal["linear", "step"] = "linear"
    over_time: Literal["auto", "mean", "integral"] = "auto"
    label: Literal["end", "start", "polled"] = "end"
    sample_minutes: Annotated[int, Meta(ge=1, le=60)] | None = None
    """Of kind interval: how long the interval of a sample is; None: as long as the tick's."""
    day_from: Literal["ticks", "register"] = "ticks"
    input_type: Annotated[int, Meta(ge=1, le=7)] | None = None
    """None: as configured (config.json), else as the source's kind suggests."""

    @property
    def title(self) -> str:
        """How messages call it."""
        return self.name or self.data_code or self.value

    @property
    def max_gap(self) -> int:
        """Milliseconds."""
        minutes = self.interval_minutes if self.max_gap_minutes is None else self.max_gap_minutes
        return round(minutes * 60_000)


class SourceBlock(Struct, frozen=True):
    """A `[[source]]`: its type, and its settings as its module has them."""

    type: str
    settings: Any

    @property
    def name(self) -> str:
        return str(self.settings.name)

    @property
    def poll_seconds(self) -> float:
        return float(self.settings.poll_seconds)

    @property
    def timeout_seconds(self) -> float:
        return float(self.settings.timeout_seconds)


class CollectionSettings(Struct, frozen=True):
    """Everything in collection.toml."""

    sources: tuple[SourceBlock, ...] = ()
    items: tuple[ItemSettings, ...] = ()


def load(path: Path) -> CollectionSettings:
    """The settings in a file; nothing where there is no file. CollectionError."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return CollectionSettings()
    except OSError as error:
        raise CollectionError([f"无法读取 {path}：{error.strerror}"]) from error
    except UnicodeDecodeError:
        raise CollectionError([f"{path} 不是 UTF-8 编码"]) from None
    return parse(text)


def parse(text: str) -> CollectionSettings:
    """The settings in a text; CollectionError with everything that is wrong."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CollectionError([f"collection.toml 不是合法的 TOML：{error}"]) from None
    places = _Places(text)
    errors = [
        f"未知的内容 {key}{places.line_of_key(key)}：只能有 [[source]] 和 [[item]]"
        for key in raw
        if key not in ("source", "item")
    ]
    sources = _blocks(raw, "source", _source, places, errors)
    items = _blocks(raw, "item", _item, places, errors)
    names = [source.name for source in sources]
    errors += [f"来源名称重复：{name}" for name in sorted(set(names)) if names.count(name) > 1]
    for key, word in (("data_code", "数据项编码"), ("name", "数据项名称")):
        found = [value for item in items if (value := getattr(item, key))]
        errors += [f"{word}重复：{one}" for one in sorted(set(found)) if found.count(one) > 1]
    if errors:
        raise CollectionError(errors)
    return CollectionSettings(tuple(sources), tuple(items))


def _blocks(
    raw: dict[str, Any],
    table: str,
    read: Callable[[dict[str, Any]], Any],
    places: _Places,
    errors: list[str],
) -> list[Any]:
    blocks = raw.get(table, [])
    if not isinstance(blocks, list) or not all(isinstance(one, dict) for one in blocks):
        errors.append(f"{table} 应写成 [[{table}]]")
        return []
    found = []
    for number, block in enumerate(blocks):
        title = str(block.get("name") or block.get("data_code") or f"第 {number + 1} 个")
        try:
            found.append(read(block))
        except msgspec.ValidationError as error:
            where = places.line(table, number, str(error))
            errors.append(f"[[{table}]] {title}{where}：{in_chinese(str(error))}")
        except (ValueError, registry.MissingLibrary) as error:
            errors.append(f"[[{table}]] {title}{places.line(table, number)}：{error}")
    return found


def _source(block: dict[str, Any]) -> SourceBlock:
    kind = block.get("type")
    if not isinstance(kind, str) or kind not in registry.SOURCES:
        near = difflib.get_close_matches(str(kind), registry.SOURCES, n=1)
        hint = f"，是否应为 {near[0]}" if near else ""
        raise ValueError(
            f"type 应为 {'、'.join(registry.SOURCES)} 之一，收到 {kind!r}{hint}"
            if kind is not None
            else f"缺少 type（{'、'.join(registry.SOURCES)} 之一）"
        )
    settings = msgspec.convert(block, registry.settings_type(kind))
    name = str(settings.name)  # type: ignore[attr-defined]
    if not name.strip() or re.search(r"[\[\].]", name):
        raise ValueError(f"来源名称 {name!r} 不能为空，也不能含有点或方括号")
    return SourceBlock(kind, settings)


def _item(block: dict[str, Any]) -> ItemSettings:
    item = msgspec.convert(block, ItemSettings)
    if item.data_code and not data_code.is_form(item.data_code):
        raise ValueError(f"data_code 应为 {data_code.SHAPE}，收到 {item.data_code}")
    if not item.data_code and not item.name:
        raise ValueError("data_code 和 name 至少要有一个")
    for key in ("scale", "modulus", "max_rate"):
        value = getattr(item, key)
        if value is None:
            continue
        number = exact(value)
        if number is None or number == 0 or (key != "scale" and number < 0):
            raise ValueError(
                f"{key} 应为{'非零' if key == 'scale' else '正的'}数值，收到 {value!r}"
            )
    if item.digits is not None and item.modulus is not None:
        raise ValueError("digits 与 modulus 只能给出一个")
    if item.day_from == "register" and item.kind not in (None, "counter"):
        raise ValueError('day_from = "register" 只适用于 kind = "counter"')
    sample = item.sample_minutes
    if sample is not None and (item.kind != "interval" or item.interval_minutes % sample):
        raise ValueError('sample_minutes 只适用于 kind = "interval"，且应整除 interval_minutes')
    return item


def exact(value: DecimalText) -> Decimal | None:
    """A decimal exactly as it is written; None when it is no finite number."""
    try:
        number = Decimal(value if isinstance(value, str | int) else repr(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


# --- saying what is wrong ------------------------------------------------------------------------

_WORDS: tuple[tuple[str, str], ...] = (
    (r"Object contains unknown field `(.+?)`", r"未知的键 \1"),
    (r"Object missing required field `(.+?)`", r"缺少 \1"),
    (r"Invalid enum value '?(.*?)'?(?= - at|$)", r"值 \1 不在允许的范围内"),
    (r"Expected `(.+?)` matching regex .*?(?= - at|$)", r"格式不对"),
    (r"Expected `(.+?)` of length >= 1", r"不能为空"),
    (r"Expected `(.+?)` (>=|<=|>|<) ([-\d.e+]+)", r"应为\1，且 \2 \3"),
    (r"Expected `(.+?)`, got `(.+?)`", r"应为\1，收到\2"),
)
_TYPES = {
    "str": "文本", "int": "整数", "float": "数字", "bool": "布尔值", "array": "列表",
    "object": "表", "null": "空",
}  # fmt: skip
_AT = re.compile(r" - at `\$?\.?(.*?)`$")
_INDEX = re.compile(r"\[(\d+)\]")


def in_chinese(text: str) -> str:
    """What msgspec says of a value, in Chinese and with its place within the block."""
    at = _AT.search(text)
    for pattern, words in _WORDS:
        match = re.search(pattern, text)
        if match is not None:
            said = match.expand(words)
            for name, chinese in _TYPES.items():
                said = re.sub(
                    rf"(?<=应为){name}\b|(?<=收到){name}\b|(?<=\| ){name}\b", chinese, said
                )
            said = said.replace(" | ", "或")
            break
    else:
        said = text[: at.start()] if at else text
    if at is None or not at[1] or at[1] == "...":
        return said
    path = _INDEX.sub(lambda found: f" 第 {int(found[1]) + 1} 个", at[1])
    return f"{path}：{said}"


class _Places:
    """On which line of the text a block and its keys stand, for messages; best effort."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()

    def line_of_key(self, key: str) -> str:
        for number, line in enumerate(self._lines, start=1):
            if re.match(rf'\s*(\[+\s*)?"?{re.escape(key)}"?\s*[\]=.]', line):
                return f"（第 {number} 行）"
        return ""

    def line(self, table: str, number: int, said: str = "") -> str:
        """`（第 N 行）` of the nth block, or of the key in it that `said` names."""
        heads = [
            place
            for place, line in enumerate(self._lines)
            if re.match(rf"\s*\[\[\s*{table}\s*\]\]", line)
        ]
        if number >= len(heads):
            return ""
        first = heads[number]
        last = next(
            (
                place
                for place in range(first + 1, len(self._lines))
                if re.match(r"\s*\[\[\s*(source|item)\s*\]\]", self._lines[place])
            ),
            len(self._lines),
        )
        names = re.findall(r"`\$?\.?([A-Za-z_]+)[^`]*`|field `(\w+)`", said)
        for key in [one or other for one, other in names][::-1]:
            for place in range(first, last):
                if re.search(rf"(^|[\s{{,]){key}\s*=", self._lines[place]):
                    return f"（第 {place + 1} 行）"
        return f"（第 {first + 1} 行）"
