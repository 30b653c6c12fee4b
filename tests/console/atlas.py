"""Every page of the console (页面一览): where it is, who may see it, what its parameters may be.

`MAY` says by hand who may see each page, so that a page registered with a wrong act is found.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from nenghao.console import pages
from nenghao.console.page import PAGES, Entry
from nenghao.platform.permissions import Role
from tests.console.seeding import PARTNER, PROJECT, STEEL

for _module in pkgutil.iter_modules(pages.__path__):
    importlib.import_module(f"{pages.__name__}.{_module.name}")

ENTRIES: Final = sorted(PAGES, key=lambda entry: entry.path)
IDS: Final = [entry.path for entry in ENTRIES]

PARAMETERS: Final = {
    "code": STEEL.code,
    "month": "2026-03",
    "number": "4",
    "table": "energyType",
    "kind": "023300",
    "name": PARTNER,
    "project": PROJECT,
}
"""A value for each parameter of a path."""
QUERIES: Final = {"/partners/account": {"name": PARTNER}}
"""What a page needs in its query to show something."""

_LETTERS: Final = {
    "s": Role.SYSTEM,
    "c": Role.SECURITY,
    "a": Role.AUDITOR,
    "b": Role.CLERK,
    "u": Role.UNIT,
}
KEYS: Final = (
    "action", "against", "category", "changed", "class", "code", "date", "day", "desc", "device",
    "draft", "expiring", "figure", "from", "indicator", "industry", "item", "kind", "level",
    "month", "name", "page", "period", "q", "region", "renew", "result", "role", "size", "sort",
    "source", "state", "tab", "to", "uploads", "version", "what", "who", "year",
)  # fmt: skip
"""Keys of addresses that pages read."""

MAY: Final = {
    "/": "scabu",
    "/account": "scabu",
    "/audit": "a",
    "/base-data": "sbu",
    "/base-data/draft": "b",
    "/base-data/versions": "sbu",
    "/base-data/{table}": "sbu",
    "/certificates": "sca",
    "/certificates/new": "c",
    "/coefficients": "ab",
    "/coefficients/{kind}": "ab",
    "/devices": "scab",
    "/enrolment": "sca",
    "/health": "s",
    "/partners": "ca",
    "/partners/account": "ca",
    "/partners/new": "c",
    "/permissions": "scabu",
    "/projects": "b",
    "/reports": "b",
    "/reports/{code}": "bu",
    "/reports/{code}/{month}": "bu",
    "/schedule": "sb",
    "/screen": "scab",
    "/settings": "s",
    "/units": "scab",
    "/units/{code}": "scabu",
    "/uplink": "sab",
    "/users": "sca",
    "/users/{number}": "sca",
}
"""By path: s 系统管理员, c 安全管理员, a 审计员, b 业务员, u 企业用户 (of his own unit)."""

ORDER: Final = (Role.CLERK, Role.SYSTEM, Role.SECURITY, Role.AUDITOR, Role.UNIT)
"""As whom a page is opened where one role is enough: the first who may."""


def who_may(entry: Entry) -> set[Role]:
    """The roles that may see the page."""
    assert entry.path in MAY, f"{entry.path}: say in atlas.MAY who may see it"
    return {_LETTERS[letter] for letter in MAY[entry.path]}


def first_who_may(entry: Entry) -> Role:
    """One of them."""
    allowed = who_may(entry)
    return next(role for role in ORDER if role in allowed)


def address(entry: Entry, query: Mapping[str, str] | None = None, **given: str) -> str:
    """The page's address with its parameters filled in, `given` or those of `PARAMETERS`."""
    values = PARAMETERS | given

    def value(found: re.Match[str]) -> str:
        assert found[1] in values, f"{entry.path}: say in atlas.PARAMETERS what {found[1]} may be"
        return values[found[1]]

    path = re.sub(r"{(\w+)(?::\w+)?}", value, entry.path)
    asked = {**(query or {}), **QUERIES.get(entry.path, {})}
    return f"{path}?{urlencode(asked)}" if asked else path
