"""The answers of table 1 (返回码说明) and the exceptions that stand for them.

    Refusal
    ├── PlatformFault   E1001 平台服务异常
    │   └── Busy              …：稍后重试
    ├── DatabaseFault   E1002 服务器数据库异常，联系省级平台管理员
    └── RequestError
        ├── MissingItem    E2001 请求参数异常，缺少必填项
        └── IllegalFormat  E2002 请求参数异常，参数格式不合法

Services raise; the web layer's endpoint is the only place that turns a refusal into an answer.
Every refusal has a `code`, the `findings` behind it and its `text`: table 1's words, then `：` and
what is wrong, by record and field (docs/decisions 2).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from nenghao.standard.findings import Finding, Findings, summarize

SUCCESS_CODE: Final = "0"
SUCCESS_TEXT: Final = "RECEIVE SUCCESS"
"""Exactly so: devices in the field compare it."""

TABLE_1: Final[dict[str, str]] = {
    "0": "请求成功",
    "E1001": "平台服务异常",
    "E1002": "服务器数据库异常，联系省级平台管理员",
    "E2001": "请求参数异常，缺少必填项",
    "E2002": "请求参数异常，参数格式不合法",
}
"""The five codes of table 1 and their words; there are no more."""


class Refusal(Exception):
    """A request that is not answered with success. Raise one of the kinds below."""

    code: ClassVar[str] = "E1001"

    def __init__(self, detail: str = "", findings: tuple[Finding, ...] = ()) -> None:
        self.findings = findings
        words = TABLE_1[self.code]
        self.text = f"{words}：{detail}" if detail else words
        super().__init__(self.text)


class PlatformFault(Refusal):
    """E1001: something unforeseen; `reference` is the number that the log carries too."""

    code = "E1001"

    def __init__(self, detail: str = "", *, reference: str = "") -> None:
        self.reference = reference
        super().__init__(_with_reference(detail, reference))


class Busy(PlatformFault):
    """E1001 稍后重试: too many requests, or no memory for the body; try again later."""

    def __init__(self, limit: str = "") -> None:
        """`limit`: which limit of docs/limits was reached; the answer does not tell."""
        self.limit = limit
        super().__init__("稍后重试")


class DatabaseFault(Refusal):
    """E1002: trouble with the database; nothing of the request was stored."""

    code = "E1002"

    def __init__(self, detail: str = "", *, reference: str = "") -> None:
        self.reference = reference
        super().__init__(_with_reference(detail, reference))


class RequestError(Refusal):
    """The request itself is at fault: one of E2001 and E2002.

    `findings` are at most the first `findings.MOST_KEPT`; `total` is how many there were.
    """

    code = "E2002"

    def __init__(self, findings: Iterable[Finding]) -> None:
        collected = findings if isinstance(findings, Findings) else Findings(findings)
        self.total = collected.total
        super().__init__(summarize(collected), tuple(collected.kept))


class MissingItem(RequestError):
    """E2001: a required item is absent, null or empty."""

    code = "E2001"


class IllegalFormat(RequestError):
    """E2002: an item breaks the form."""

    code = "E2002"


def refuse(findings: Iterable[Finding]) -> RequestError:
    """The refusal for these findings, to be raised: E2001 if any is missing, else E2002.

    >>> refuse([Finding("region", "应为 6 位数字", '"21"')]).text
    '请求参数异常，参数格式不合法：region 应为 6 位数字，收到 "21"'
    """
    collected = findings if isinstance(findings, Findings) else Findings(findings)
    if not collected:
        raise ValueError("a refusal needs a finding")
    return MissingItem(collected) if collected.any_missing else IllegalFormat(collected)


def _with_reference(detail: str, reference: str) -> str:
    number = f"参考号 {reference}" if reference else ""
    return "，".join(part for part in (detail, number) if part)
