"""How messages become bytes and bytes become messages (报文编解码).

`read` is the definitive way: it takes the body apart with the standard library, looks at every
field and raises one refusal that names all that is wrong (`replies.refuse`). Unknown fields are
ignored. What is read fast lives with its message (`energy_data.read_upload`) and falls back to
this. `write` gives names, order and types as the annexes print them.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from math import inf, nan
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from nenghao.standard.findings import Finding, Findings, quote
from nenghao.standard.forms import FormError
from nenghao.standard.messages.fields import Answer, FieldPlan, Message, fields_of
from nenghao.standard.replies import SUCCESS_CODE, refuse

M = TypeVar("M", bound=Message)

CONTAINER_LIMIT = 4_000_000
"""Objects and arrays of the largest body that is taken apart; a legal upload has 200,002."""

DEPTH_LIMIT = 32
"""Objects and arrays inside each other; the deepest message of the annexes has four levels."""

_NO_JSON = "请求体不是合法的 JSON"
# It matches wherever a string begins, also one without an end: so it never looks at a byte twice.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)', re.DOTALL)
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))
_OTHERS_BUT_QUOTES = bytes(set(_OTHERS) - set(b'"'))
_INTEGER_DIGITS = 400
_encoder = msgspec.json.Encoder()


def read(cls: type[M], body: bytes) -> M:
    """The message of class `cls` that `body` holds.

    Raises MissingItem or IllegalFormat with every finding. An answer (`fields.Answer`) whose code
    is not "0" is read by its head alone, and its text may be anything: one goes by the code.
    """
    findings = Findings()
    return read_tree(cls, parse(body, findings), findings)


def read_tree(cls: type[M], tree: Tree, findings: Findings) -> M:
    """The message that a body taken apart holds; what was found before refuses it by itself."""
    message = None if findings else _read_object(cls, tree.value, "", findings)
    if not findings and tree.odd_numbers:  # in a field that nobody reads
        findings.add(Finding("", f"{_NO_JSON}：含有 NaN 或 Infinity"))
    if findings or message is None:
        raise refuse(findings)
    return message


def read_value(cls: type[M], value: object, path: str = "") -> M:
    """The object of class `cls` that an already decoded JSON value is; refusals as `read`.

    `path` goes before the paths of the findings.
    """
    findings = Findings()
    message = _read_object(cls, value, path, findings)
    if findings or message is None:
        raise refuse(findings)
    return message


def write(message: Message) -> bytes:
    """The message as UTF-8 JSON. A number that is not finite is written as null: check before."""
    return _encoder.encode(message)


class Tree:
    """A body taken apart: the JSON value, the pairs of its top level, how often NaN or Infinity."""

    def __init__(self) -> None:
        self.value: Any = None
        self.odd_numbers = 0
        self._pairs: list[tuple[str, Any]] = []

    def load(self, text: str) -> None:
        """Decode; raises what the standard library raises."""
        self.value = json.loads(
            text,
            object_pairs_hook=self._object,
            parse_constant=self._constant,
            parse_float=float,
            parse_int=_bounded_integer,
        )

    def duplicates(self) -> list[str]:
        """Keys that stand more than once at the top level, each once."""
        if not isinstance(self.value, dict) or len(self.value) == len(self._pairs):
            return []
        times = Counter(name for name, _ in self._pairs)
        return [name for name in self.value if times[name] > 1]

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        self._pairs = pairs  # objects end inside out: the last is the top level
        return dict(pairs)

    def _constant(self, name: str) -> float:
        self.odd_numbers += 1
        return {"NaN": nan, "Infinity": inf}.get(name, -inf)


def _bounded_integer(digits: str) -> int | float:
    """Integers that no double can hold become infinite, before Python spends time on them."""
    if len(digits) > _INTEGER_DIGITS:
        return -inf if digits.startswith("-") else inf
    return int(digits)


def drop_bom(body: bytes) -> bytes:
    """The body without one leading byte order mark."""
    return body.removeprefix(codecs.BOM_UTF8)


def parse(body: bytes, findings: Findings) -> Tree:
    """Take a body apart; what keeps it from being read at all goes to `findings`.

    That is: no UTF-8, no JSON, nested too deep, too many containers, a top-level key twice.
    """
    tree = Tree()
    body = drop_bom(body)
    if body.count(b"{") + body.count(b"[") > CONTAINER_LIMIT:
        findings.add(Finding("", f"请求体内的对象和数组应为至多 {CONTAINER_LIMIT} 个"))
        return tree
    if is_deeper(body, DEPTH_LIMIT):
        findings.add(_too_deep())
        return tree
    try:
        tree.load(body.decode())
    except UnicodeDecodeError as error:
        findings.add(Finding("", f"{_NO_JSON}：第 {error.start + 1} 字节不是 UTF-8 编码"))
    except json.JSONDecodeError as error:
        where = f"第 {error.lineno} 行第 {error.colno} 列有误" if body.strip() else "内容为空"
        findings.add(Finding("", f"{_NO_JSON}：{where}"))
    except RecursionError:
        findings.add(_too_deep())
    else:
        for name in tree.duplicates():
            findings.add(Finding(quote(name).strip('"'), "在顶层重复出现"))
    return tree


def is_deeper(body: bytes, limit: int) -> bool:
    """Whether objects and arrays stand inside each other more than `limit` deep.

    Before anything is made of the body, and in time that grows with its length alone: all but the
    brackets outside strings goes, then each pass takes the innermost pairs away.
    """
    rest = _brackets(body)
    for _ in range(limit):
        before = len(rest)
        rest = rest.replace(b"[]", b"")
        if len(rest) == before:
            break
    # What is left is deeper still, or was never closed, or closes what was never opened.
    return b"[]" in rest or rest.count(b"[") > limit


def _brackets(body: bytes) -> bytes:
    """The brackets of a body that do not stand in strings, all of them square."""
    if b"\\" not in body:
        # The quotes of strings that hold no bracket stand side by side now. Where one holds any,
        # an odd number of quotes comes before it, and one is left.
        rest = body.translate(_BRACKETS, _OTHERS_BUT_QUOTES).replace(b'""', b"")
        if b'"' not in rest:
            return rest
    return _STRING.sub(b"", body).translate(_BRACKETS, _OTHERS)


def _too_deep() -> Finding:
    return Finding("", f"{_NO_JSON}：嵌套过深", limit="json_depth")


def _read_object(cls: type[M], value: object, path: str, findings: Findings) -> M | None:
    if not isinstance(value, dict):
        findings.illegal(path, "应为对象" if path else "请求体应为 JSON 对象", value)
        return None
    before = findings.total
    values: dict[str, Any] = {"response_message": ""} if issubclass(cls, Answer) else {}
    for plan in _fields_to_read(cls, value):
        raw, where = _find(plan, value, path)
        if _absent(plan, raw):
            if plan.field.needed:
                findings.add(Finding(where, missing=True))
        else:
            values[plan.name] = _READERS[plan.shape](plan, raw, where, findings)
    if findings.total > before:
        return None
    message = cls(**values)
    for wire, reason in message.contradictions():
        findings.illegal(f"{path}.{wire}" if path else wire, reason, value.get(wire))
    return message


def _fields_to_read(cls: type[Message], value: dict[str, Any]) -> tuple[FieldPlan, ...]:
    """All fields; of an answer that is no success only its head."""
    plans = fields_of(cls)
    if issubclass(cls, Answer) and value.get("responseCode") != SUCCESS_CODE:
        return plans[:2]
    return plans


def _find(plan: FieldPlan, value: dict[str, Any], path: str) -> tuple[Any, str]:
    """A field's raw value and its path; a field that may stand in a sibling is looked up there."""
    raw = value.get(plan.wire)
    name = plan.wire
    inside = plan.field.also_in
    if inside is not None and (raw is None or raw == ""):
        sibling = value.get(inside)
        if isinstance(sibling, dict) and plan.wire in sibling:
            raw = sibling[plan.wire]
            name = f"{inside}.{plan.wire}"
    return raw, f"{path}.{name}" if path else name


def _absent(plan: FieldPlan, raw: object) -> bool:
    if raw is None or raw == "":
        return True
    if not plan.field.needed:
        return False
    return raw == [] if plan.shape == "array" else isinstance(raw, str) and not raw.strip()


def _read_plain(plan: FieldPlan, raw: object, path: str, findings: Findings) -> Any:
    assert plan.field.form is not None  # noqa: S101  (fields_of saw to it)
    try:
        return plan.field.form.check(raw)
    except FormError as error:
        findings.illegal(path, error.reason, raw)
        return UNSET


def _read_nested(plan: FieldPlan, raw: object, path: str, findings: Findings) -> Any:
    assert plan.inner is not None  # noqa: S101
    return _read_object(plan.inner, raw, path, findings)


def _read_array(plan: FieldPlan, raw: object, path: str, findings: Findings) -> Any:
    assert plan.inner is not None  # noqa: S101
    if not isinstance(raw, list):
        findings.illegal(path, "应为数组", raw)
        return UNSET
    if len(raw) > plan.field.most:
        findings.add(too_long(path, plan.field.most, len(raw)))
        return UNSET
    inner = plan.inner
    return [
        _read_object(inner, element, f"{path}[{index}]", findings)
        for index, element in enumerate(raw)
    ]


def _read_map(plan: FieldPlan, raw: object, path: str, findings: Findings) -> Any:
    assert plan.inner is not None  # noqa: S101
    if not isinstance(raw, dict):
        findings.illegal(path, "应为对象", raw)
        return UNSET
    inner = plan.inner
    return {
        name: _read_object(inner, element, f"{path}.{name}", findings)
        for name, element in raw.items()
    }


def too_long(path: str, most: int, length: int) -> Finding:
    """The finding that an array has more elements than are accepted."""
    limit = "record_limit" if path == "data" else ""
    return Finding(path, f"应为至多 {most} 项", f"{length} 项", limit=limit)


_READERS = {
    "value": _read_plain,
    "object": _read_nested,
    "array": _read_array,
    "map": _read_map,
}
