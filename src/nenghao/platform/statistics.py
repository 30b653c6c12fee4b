"""Energy statistics of a region or an industry (能耗统计; 7.3.1, 7.3.2): totals that are kept.

Every upload that was acknowledged before the question is in the answer: what is still dirty of the
periods asked for is settled first. Nobody sums raw values here; how totals are kept is `totals`'
business, who may ask what `accounts`'.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct
from sqlalchemy import Connection

from nenghao.platform.packing import ONLINE, REPORT
from nenghao.platform.store.engine import Store
from nenghao.platform.totals import packed, roll_ups, settle
from nenghao.standard import industries, periods, regions
from nenghao.standard.indicators import Totals
from nenghao.standard.periods import StatType

KINDS: Final[Mapping[str, StatType]] = {
    "day": StatType.DAY,
    "month": StatType.MONTH,
    "year": StatType.YEAR,
}
"""`periodCode`."""

SOURCES: Final[Mapping[str, int]] = {"online": ONLINE, "report": REPORT}
"""`onlinORreport`."""

_MOMENT = timedelta(microseconds=1)


class Question(Struct, frozen=True):
    """What is asked. Periods whose START lies in [begin, end); begin = end: the one around it."""

    period: Literal["day", "month", "year"]
    begin: datetime
    """Naive China Standard Time, like `end`."""
    end: datetime
    source: Literal["online", "report"]
    region: str | None = None
    """Six digits, with all below; None or 000000: everywhere."""
    industry: str | None = None
    """A letter and digits, with all below; None: every one."""
    within_region: str | None = None
    """Nothing outside of it is told (数据范围 of the account); None: no limit."""
    within_industries: tuple[str, ...] = ()
    """Nothing outside of these is told; empty: no limit."""


def answer(store: Store, question: Question, now: datetime) -> Totals:
    """All ten indicators, added up over units and periods; nothing there: zeros.

    Raises sqlalchemy's errors, and what settling raises.
    """
    kind = KINDS[question.period]
    span = _span(kind, question.begin, question.end)
    area = _area(question)
    if span is None or area is None:
        return packed.totals_of([0] * packed.NUMBERS)
    concerned = [settle.concerning(kind, *span)]
    with store.read() as conn:
        if not settle.pending(conn, now, concerned):
            return _answer(conn, question, span, area)
    settle.settle(store, now, concerned)
    with store.read() as conn:
        return _answer(conn, question, span, area)


def _answer(
    conn: Connection,
    question: Question,
    span: tuple[datetime, datetime],
    area: tuple[str, Sequence[str]],
) -> Totals:
    kind = KINDS[question.period]
    first, last = (periods.place(kind, time) for time in span)
    frames = range(first[0], last[0] + 1)
    found = roll_ups.sums_of(conn, int(kind), SOURCES[question.source], frames, *area)
    inside = (sums for frame, slot, sums in found if first <= (frame, slot) <= last)
    return packed.totals_of(roll_ups.total(inside))


def _span(kind: StatType, begin: datetime, end: datetime) -> tuple[datetime, datetime] | None:
    """Start of the first and of the last period asked for; None when there is none."""
    first = periods.period_start(kind, begin)
    if begin == end:
        last = first
    else:
        if first < begin:
            first = periods.period_end(kind, begin)
        last = periods.period_start(kind, end - _MOMENT)
    first = max(first, periods.EPOCH)
    last = min(last, periods.period_start(kind, periods.END - _MOMENT))
    return (first, last) if first <= last else None


def _area(question: Question) -> tuple[str, Sequence[str]] | None:
    """Digits of the region and letters of the industries asked for; None: nothing in common."""
    region = _narrower(
        [
            regions.prefix(code or regions.NATION)
            for code in (question.region, question.within_region)
        ]
    )
    asked = _letters(question.industry)
    allowed = [_letters(code) for code in question.within_industries] or [""]
    common = {_narrower([asked, one]) for one in allowed} - {None}
    kept = sorted(one for one in common if one is not None)
    apart = list(_apart(kept))
    return None if region is None or not apart else (region, apart)


def _letters(code: str | None) -> str:
    return "" if code is None or code == industries.TOP else code


def _narrower(prefixes: Sequence[str]) -> str | None:
    """Of nested prefixes the longest; None when they are not nested."""
    longest = max(prefixes, key=len)
    return longest if all(longest.startswith(one) for one in prefixes) else None


def _apart(codes: Sequence[str]) -> Iterator[str]:
    """The sorted codes without those that lie under another."""
    last: str | None = None
    for code in codes:
        if last is None or not code.startswith(last):
            yield code
            last = code
