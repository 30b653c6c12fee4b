"""Sums of the units' totals (汇总): the cells a total is added to, and how they are kept.

A cell is a county and an industry, or all that begins alike: `2101*` and `C25*` are Shenyang and
all of C25. Kept are

    the base      each county (or what else a unit gave) with each industry
    regions       every node of the regions, all industries
    industries    every node of the industries, in the nation and in each province

so that whatever is asked of a region, of an industry, or of an industry of a province is one cell.
An industry of a city or county is the sum of the base within it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, or_, select, tuple_

from nenghao.platform.store.engine import upsert
from nenghao.platform.store.totals_schema import roll_up as table
from nenghao.platform.totals import packed
from nenghao.platform.totals.packed import NUMBERS, Numbers, Sums
from nenghao.platform.totals.places import Place
from nenghao.standard import regions

ANY: Final = "*"
PROVINCE_DIGITS: Final = 2
_REGION_DIGITS = (0, 2, 4, 6)
_INDUSTRY_LETTERS = (1, 3, 4, 5)
_CHUNK = 100


class Cell(NamedTuple):
    """Where sums are kept: a region and an industry, or what begins with what stands before *."""

    region: str
    industry: str


class Row(NamedTuple):
    """A row of the table; rows are written in this order."""

    stat_type: int
    source: int
    region: str
    industry: str
    frame: int


@lru_cache(maxsize=65_536)
def cells(place: Place) -> tuple[Cell, ...]:
    """All cells that a unit at that place is added to."""
    digits = regions.prefix(place.region)
    within = [digits[:some] for some in _REGION_DIGITS if some <= len(digits)]
    under = [place.industry[:some] for some in _INDUSTRY_LETTERS if some <= len(place.industry)]
    made = [Cell(*place)]
    made += [Cell(one + ANY, ANY) for one in within]
    for one in within:
        if len(one) <= PROVINCE_DIGITS:
            made += [Cell(one + ANY, other + ANY) for other in under]
    return tuple(made)


class Changes:
    """What is to be added to the sums."""

    def __init__(self) -> None:
        self._rows: defaultdict[Row, Sums] = defaultdict(dict)

    def add(
        self, kind: tuple[int, int, int], slot: int, place: Place, numbers: Numbers, sign: int
    ) -> None:
        """Add a unit's total (`sign` 1) or take it away (−1); `kind`: statType, frame, source."""
        self._add(kind, slot, place, [sign, *(sign * number for number in numbers)])

    def move(
        self,
        kind: tuple[int, int, int],
        slot: int,
        old: tuple[Place, Numbers] | None,
        new: tuple[Place, Numbers] | None,
    ) -> None:
        """A unit's total was `old` and is `new`."""
        if old is not None and new is not None and old[0] == new[0]:
            change = [after - before for before, after in zip(old[1], new[1], strict=True)]
            if any(change):
                self._add(kind, slot, new[0], [0, *change])
            return
        if old is not None:
            self.add(kind, slot, *old, -1)
        if new is not None:
            self.add(kind, slot, *new, 1)

    def _add(self, kind: tuple[int, int, int], slot: int, place: Place, change: list[int]) -> None:
        stat_type, frame, source = kind
        for cell in cells(place):
            sums = self._rows[Row(stat_type, source, *cell, frame)]
            held = sums.get(slot)
            sums[slot] = change if held is None else _sum(held, change)

    def rows(self, *, keep_zeros: bool = False) -> dict[Row, Sums]:
        """What is to be added, by row; whatever adds nothing is left out."""
        if keep_zeros:
            return dict(self._rows)
        kept = {
            row: {slot: change for slot, change in sums.items() if any(change)}
            for row, sums in self._rows.items()
        }
        return {row: sums for row, sums in kept.items() if sums}

    def apply(self, conn: Connection) -> int:
        """Bring the table up to date; how many rows that took. Nobody else may be at it."""
        changed = self.rows()
        stored = dict(_stored(conn, sorted(changed)))
        written, gone = [], []
        for row in sorted(changed):
            sums = stored.get(row, {})
            for slot, change in changed[row].items():
                held = sums.get(slot)
                after = change if held is None else _sum(held, change)
                sums[slot] = after
                if not after[0]:
                    if any(after):
                        raise AssertionError(f"no unit is left in {row} and yet a sum")
                    del sums[slot]
            if sums:
                written.append({**row._asdict(), "totals": packed.sums_bytes(sums)})
            elif row in stored:
                gone.append(row)
        upsert(conn, table, written)
        for row in gone:
            conn.execute(delete(table).where(*_is(row)))
        return len(written) + len(gone)


def _sum(some: Sequence[int], others: Sequence[int]) -> list[int]:
    return [one + other for one, other in zip(some, others, strict=True)]


def _is(row: Row) -> list[ColumnElement[bool]]:
    return [table.c[name] == part for name, part in row._asdict().items()]


def _stored(conn: Connection, rows: Sequence[Row]) -> Iterator[tuple[Row, Sums]]:
    """Those of the rows that there are."""
    key = [table.c[name] for name in Row._fields]
    for start in range(0, len(rows), _CHUNK):
        some = rows[start : start + _CHUNK]
        for *named, totals in conn.execute(
            select(*key, table.c.totals).where(tuple_(*key).in_([tuple(row) for row in some]))
        ):
            yield Row(*named), packed.sums_from(totals)


def sums_of(
    conn: Connection,
    stat_type: int,
    source: int,
    frames: range,
    region: str,
    industries: Sequence[str],
) -> Iterator[tuple[int, int, list[int]]]:
    """Frame, slot and sums (units first) of all that lies in a region and in industries.

    `region` and `industries` are digits and letters to begin with, "" for all; the industries do
    not contain one another. A period may come several times, in parts.
    """
    base: Select[Any] = select(table.c.frame, table.c.totals).where(
        table.c.stat_type == stat_type,
        table.c.source == source,
        table.c.frame >= frames.start,
        table.c.frame < frames.stop,
    )
    for frame, totals in conn.execute(base.where(_within(region, industries))):
        for slot, sums in packed.sums_from(totals).items():
            yield frame, slot, sums


def _within(region: str, industries: Sequence[str]) -> ColumnElement[bool]:
    if "" in industries:
        return and_(table.c.region == region + ANY, table.c.industry == ANY)
    if len(region) <= PROVINCE_DIGITS:
        named = [industry + ANY for industry in industries]
        return and_(table.c.region == region + ANY, table.c.industry.in_(named))
    # The base: six digits, so that no node of the regions is among them.
    return and_(
        table.c.region >= _first(region),
        table.c.region <= _last(region),
        or_(
            *(
                and_(table.c.industry >= industry, table.c.industry < industry + "~")
                for industry in industries
            )
        ),
    )


def _first(digits: str) -> str:
    return digits.ljust(6, "0")


def _last(digits: str) -> str:
    return digits.ljust(6, "9")


def total(sums: Iterable[Sequence[int]]) -> Numbers:
    """The twenty numbers of all of them together."""
    columns = list(zip(*sums, strict=True))
    return [sum(column) for column in columns[1:]] if columns else [0] * NUMBERS
