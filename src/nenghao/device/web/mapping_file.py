"""Changing `[[item]]` blocks of collection.toml and nothing else in it (测点映射的写入).

The file is the engineer's: comments on lines of their own, order and blank lines stay. A change is
made in the text and then proven: the new text is parsed, and everything but the one block must be
as before; otherwise `MappingError` says that the file has to be edited by hand. Whether a block
makes sense is the business of `collection`, which reads the file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Container, Mapping
from typing import Any

Block = Mapping[str, str | int | float | bool]
"""The keys of one `[[item]]`, in the order in which they are written."""

_ITEM = re.compile(r"^[ \t]*\[\[[ \t]*item[ \t]*\]\][ \t]*(#.*)?$")
_HEADER = re.compile(r"^[ \t]*\[")


class MappingError(Exception):
    """A change that cannot be made; the text says why, in Chinese."""


def items(text: str) -> list[dict[str, Any]]:
    """The item blocks of a file's text, in order; MappingError when it is no TOML."""
    found = _parsed(text).get("item", [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise MappingError("collection.toml 的 item 应写成 [[item]] 表")
    return found


def put(text: str, block: Block, managed: Container[str] = ()) -> str:
    """The text with the item of the block's `data_code` replaced, or added at the end.

    Keys of the old block that the new one does not have stay as they were, but for `managed`
    ones, which go.
    """
    code = block["data_code"]
    before = items(text)
    places = [number for number, one in enumerate(before) if one.get("data_code") == code]
    if len(places) > 1:
        raise MappingError(f"collection.toml 中 {code} 出现了 {len(places)} 次，请手工编辑")
    if not places:
        whole = text if not text or text.endswith("\n") else f"{text}\n"
        fresh = f"{whole}{'' if not whole else chr(10)}{literal(block)}"
        return _proven(fresh, text, [*before, dict(block)])
    (number,) = places
    kept = {key: value for key, value in before[number].items() if key not in managed}
    merged = {**block, **{key: value for key, value in kept.items() if key not in block}}
    expected = [*before[:number], merged, *before[number + 1 :]]
    return _proven(_exchanged(text, number, literal(merged), keep=True), text, expected)


def remove(text: str, code: str) -> str:
    """The text without the item of a data code; MappingError when there is none."""
    before = items(text)
    places = [number for number, one in enumerate(before) if one.get("data_code") == code]
    if len(places) != 1:
        raise MappingError(f"collection.toml 中没有唯一的 {code}")
    (number,) = places
    expected = [*before[:number], *before[number + 1 :]]
    return _proven(_exchanged(text, number, ""), text, expected)


def literal(block: Block) -> str:
    """The block as TOML."""
    lines = [f"{key} = {_value(value)}" for key, value in block.items()]
    return "\n".join(["[[item]]", *lines, ""])


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return f'"{"".join(_character(one) for one in value)}"'
    raise MappingError("这个数据项含有本页不能改写的内容，请手工编辑 collection.toml")


def _character(one: str) -> str:
    if one in ('"', "\\"):
        return f"\\{one}"
    return f"\\u{ord(one):04x}" if one < " " or one == "\x7f" else one


def _exchanged(text: str, number: int, fresh: str, *, keep: bool = False) -> str:
    """The text with its item block of that number replaced; `keep` its comments."""
    lines = text.split("\n")
    starts = [place for place, line in enumerate(lines) if _ITEM.match(line)]
    if number >= len(starts):
        raise MappingError("无法定位要修改的 [[item]]，请手工编辑 collection.toml")
    begin = starts[number]
    end = begin + 1
    last = begin + 1  # behind the block's last line that is neither blank nor a comment
    while end < len(lines) and not _HEADER.match(lines[end]):
        end += 1
        content = lines[end - 1].strip()
        if content and not content.startswith("#"):
            last = end
    head, *rest = fresh.split("\n")[:-1] or [""]
    if keep:
        comments = [one for one in lines[begin + 1 : last] if one.lstrip().startswith("#")]
        return "\n".join([*lines[:begin], head, *comments, *rest, *lines[last:]])
    return "\n".join([*lines[:begin], *lines[last:]])


def _proven(fresh: str, before: str, expected: list[dict[str, Any]]) -> str:
    old = _parsed(before) | {"item": expected}
    try:
        new = {"item": [], **_parsed(fresh)}
    except MappingError:
        new = {}
    if old != new:
        raise MappingError("无法只修改这一个数据项，请手工编辑 collection.toml")
    return fresh


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"collection.toml 不是合法的 TOML：{error}") from None
