"""What was found in a message (检查结果): findings of form refuse it, advice does not.

Form is law, membership is advice (docs/decisions 1). A `Finding` says where a message breaks the
form and becomes part of a refusal (`replies.refuse`); an `Advice` says what is odd about a message
that was accepted, and is stored beside the data. Which advice an operator turns into a refusal is
the platform's business, not this module's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum

from msgspec import Struct

RECEIVED_LENGTH = 60
"""Characters of a received value that are quoted back."""

MOST_SHOWN = 20
"""Findings that an answer names; the rest it counts (docs/decisions 2)."""

MOST_KEPT = 10_000
"""Findings of one message that are kept; beyond them only the count goes on."""

_UNPRINTABLE = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


class Finding(Struct, frozen=True, gc=False):
    """One place where a message breaks the form (格式问题).

    `path` is written as the sender would index it, `collectItemConfig[2].statType`; it is empty
    when the whole body is meant. `reason` goes on from the path: `应为 6 位数字`. `received` is the
    JSON text of what came, already cut (`quote`).

    >>> Finding("data[17].statDate", "应为 YYYY-MM-DD HH:MM:SS", '"2026/11/21"').text()
    'data[17].statDate 应为 YYYY-MM-DD HH:MM:SS，收到 "2026/11/21"'
    """

    path: str
    reason: str = "缺失"
    received: str | None = None
    missing: bool = False
    limit: str = ""
    """Which limit of docs/limits it is that was exceeded; "" for a matter of form."""

    def text(self) -> str:
        """The finding as one clause of a reply, in Chinese."""
        head = f"{self.path} {self.reason}" if self.path else self.reason
        return head if self.received is None else f"{head}，收到 {self.received}"


def missing(path: str) -> Finding:
    """The finding that a required item is absent, null or empty (缺少必填项, E2001)."""
    return Finding(path, "缺失", None, True)


class Findings:
    """Findings as they are collected: the first `MOST_KEPT` themselves, then only their number.

    A batch of 200,000 empty records would otherwise make 1.6 million objects to say one thing.
    """

    def __init__(self, findings: Iterable[Finding] = ()) -> None:
        self.kept: list[Finding] = []
        self.total = 0
        self.any_missing = False
        for finding in findings:
            self.add(finding)

    def add(self, finding: Finding) -> None:
        """Take one more finding."""
        self.total += 1
        self.any_missing = self.any_missing or finding.missing
        if self.total <= MOST_KEPT:
            self.kept.append(finding)

    def illegal(self, path: str, reason: str, received: object) -> None:
        """Take the finding that the value `received` at `path` breaks the form."""
        self.add(Finding(path, reason, quote(received)))

    def __bool__(self) -> bool:
        return self.total > 0

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.kept)


def summarize(findings: Iterable[Finding], most: int = MOST_SHOWN) -> str:
    """Join findings by `；`: the first `most` in full, then how many more there are."""
    collected = findings if isinstance(findings, Findings) else Findings(findings)
    texts = [finding.text() for finding in collected.kept[:most]]
    if collected.total > len(texts):
        texts.append(f"另有 {collected.total - len(texts)} 处")
    return "；".join(texts)


def quote(value: object) -> str:
    """The JSON text of a received value, at most `RECEIVED_LENGTH` characters and an ellipsis.

    Objects and arrays are only hinted at: their insides have findings of their own. Characters
    that would disturb a log or an answer (controls, lone surrogates, direction marks) are escaped.
    """
    if isinstance(value, dict):
        return "{…}" if value else "{}"
    if isinstance(value, list):
        return "[…]" if value else "[]"
    if isinstance(value, str):
        value = value[: RECEIVED_LENGTH + 1]
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return text if len(text) <= RECEIVED_LENGTH else text[:RECEIVED_LENGTH] + "…"


class AdviceKind(StrEnum):
    """What can be odd about a message whose form is right (提示类别; docs/decisions 1 and 7).

    Each kind has a Chinese `label`. Kinds that a single value can have also have a `bit`, the
    mask of one bit in a frame's findings plane; it is stored, so it never changes. Kinds that
    belong to a message or a unit have the bit 0.
    """

    label: str
    bit: int

    def __new__(cls, value: str, label: str = "", bit_number: int | None = None) -> AdviceKind:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        member.bit = 0 if bit_number is None else 1 << bit_number
        return member

    UNKNOWN_REGION = "unknown_region", "行政区划代码未收录", None
    UNKNOWN_INDUSTRY = "unknown_industry", "行业代码未收录", None
    UNKNOWN_UNIT_CATEGORY = "unknown_unit_category", "单位类别编码未收录", None
    UNKNOWN_PROCESS = "unknown_process", "生产工序编码未收录", 0
    UNKNOWN_ENERGY_TYPE = "unknown_energy_type", "能源品种编码未收录", 1
    UNKNOWN_USAGE = "unknown_usage", "用途编码未收录", 2
    NOT_CONFIGURED = "not_configured", "数据项未配置", 3
    OUT_OF_RANGE = "out_of_range", "数值超出配置范围", 4
    NEGATIVE = "negative", "数值为负", 5
    CHECK_DIGIT = "check_digit", "统一社会信用代码校验位不符", None
    CODE_MISMATCH = "code_mismatch", "统一社会信用代码不一致", None
    ODD_COMBINATION = "odd_combination", "分类、品种与用途组合异常", 6
    SCOPE_MISMATCH = "scope_mismatch", "数据范围与数据项编码不符", 7
    FUTURE_PERIOD = "future_period", "统计周期尚未开始", 8
    DUPLICATE = "duplicate", "同一批次内重复", 9
    SUPERSEDED = "superseded", "已有更新的数据", 10

    @classmethod
    def from_bits(cls, bits: int) -> tuple[AdviceKind, ...]:
        """The kinds whose bits are set in `bits`, in the order of the enumeration."""
        return tuple(kind for kind in cls if kind.bit & bits)


class Advice(Struct, frozen=True, gc=False):
    """One odd thing about an accepted message (提示), stored with the data.

    `path` is the field in the message; `subject` what the advice is about, the same for all the
    messages that have it (a data code, a region code); `detail` says it to the operator.
    """

    kind: AdviceKind
    path: str
    subject: str
    detail: str
    received: str | None = None

    def as_finding(self) -> Finding:
        """The advice as a finding of form: what a strict setting turns it into."""
        return Finding(self.path, self.detail, self.received)
