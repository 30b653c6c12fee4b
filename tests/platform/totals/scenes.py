"""What happens to a few units' data, as hypothesis makes it up, and what it must come to.

A scene is played at the services in one transaction that is rolled back: nothing is synchronised
to the disk, so thousands of scenes are cheap. The model knows the values that stand and says by
`tests.standard.naive_energy` what each unit comes to; sums over units are added up here, plainly.
"""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from unittest.mock import patch

from sqlalchemy import Connection, select, update

from nenghao.platform import coefficients, configuration, intake
from nenghao.platform.journal import Body
from nenghao.platform.registry import Peer
from nenghao.platform.store import schema
from nenghao.platform.store.engine import Store
from nenghao.platform.store.schema import unit
from nenghao.platform.store.totals_schema import roll_up, unit_total
from nenghao.platform.totals import marks, packed, settle
from nenghao.standard import credit_code, periods
from nenghao.standard.energy_amounts import Kind
from nenghao.standard.indicators import INDICATORS
from nenghao.standard.messages import read
from nenghao.standard.messages.config_data import ConfigUpload
from nenghao.standard.messages.energy_data import EnergyRecord, EnergyUpload
from nenghao.standard.periods import StatType
from tests.platform.energy import ADDRESS, DEVICE_ID, Strict, new_peer
from tests.platform.totals.events import (
    BEGIN,
    REGISTERED,
    UNITS,
    Coefficient,
    Configured,
    Event,
    Registered,
    Settled,
    Upload,
)
from tests.platform.world import sample
from tests.standard import naive_energy
from tests.standard.naive_energy import DAY, MONTH, YEAR, Book, Value


class Standing(NamedTuple):
    """A value that stands under its key."""

    rank: datetime
    value: Value
    early: bool
    """Received more than a day before its period began."""


Key = tuple[int, str, int, datetime]
"""Source, data code, statType, statDate."""


@dataclass
class Member:
    """A unit of the model."""

    peer: Peer
    region: str
    values: dict[Key, Standing] = field(default_factory=dict)
    told: list[tuple[datetime, str, str]] = field(default_factory=list)

    def place(self, end: datetime) -> tuple[str, str]:
        """Region and industry in a period that ends then."""
        if not self.told:
            return self.region, ""
        before = [one for one in self.told if one[0] <= end]
        _, region, industry = before[-1] if before else self.told[0]
        is_city = region[4:] == "00" and region[2:4] != "00"
        if is_city and self.region[:4] == region[:4]:
            region = self.region
        return region, industry


Period = tuple[int, int, datetime]
"""Source, statType, start."""


class Scene:
    """Units in a database, and the model beside them. `now` is what the clock says."""

    def __init__(self, store: Store, conn: Connection, peers: Sequence[Peer], book: Book) -> None:
        self.store = store
        self.conn = conn
        self.members = [
            Member(peer, region) for peer, region in zip(peers, REGISTERED, strict=True)
        ]
        self.book: Book = {kind: list(rows) for kind, rows in book.items()}
        self.now = BEGIN

    def play(self, event: Event) -> None:
        """Let it happen, in the database and in the model; a minute later."""
        self.now += timedelta(minutes=1)
        match event:
            case Upload():
                self._upload(event)
            case Configured():
                self._configure(event)
            case Registered():
                self._register(event)
            case Coefficient():
                self._set(event)
            case Settled():
                self.now += timedelta(hours=event.hours)
                self.settle()

    def settle(self) -> None:
        """Settle all that is due, as `settle.settle` does."""
        unit_ids = [member.peer.unit_id for member in self.members]
        settle.settle_units(self.conn, unit_ids, self.now)

    def _upload(self, event: Upload) -> None:
        member = self.members[event.unit]
        message = EnergyUpload(DEVICE_ID, member.peer.credit_code, list(event.records))
        prepared = intake.prepare(self.store, Strict(), member.peer, message, self.now)
        intake.take(self.conn, prepared, Body.of(b""), self.now, ADDRESS)
        last = {_key(record): record for record in event.records}
        for key, record in last.items():
            rank = min(periods.parse_time(record.upload_date), self.now)
            held = member.values.get(key)
            if held is None or rank >= held.rank:
                early = key[3] - self.now > timedelta(days=1)
                value = Value(*key[1:], record.data_value, record.valid)
                member.values[key] = Standing(rank, value, early)

    def _configure(self, event: Configured) -> None:
        member = self.members[event.unit]
        message = sample("uploadConfigData.request", enterpriseCode=member.peer.credit_code)
        message["collectItemConfig"] = message["collectItemConfig"][:1]
        message["enterprise"] |= {"regionCode": event.region, "industryCode": event.industry}
        request = read(ConfigUpload, json.dumps(message).encode())
        body = Body.of(b"")
        configuration.upload(self.conn, member.peer, request, body, self.now, ADDRESS)
        member.told.append((self.now, event.region, event.industry))

    def _register(self, event: Registered) -> None:
        member = self.members[event.unit]
        named = unit.c.id == member.peer.unit_id
        self.conn.execute(update(unit).where(named).values(region=event.region))
        marks.touch_unit(self.conn, member.peer.unit_id)
        member.region = event.region

    def _set(self, event: Coefficient) -> None:
        coefficients.set_(
            self.conn,
            Kind(*event.kind),
            Decimal(event.zbckz),
            valid_from=event.since,
            now=self.now,
        )
        rows = self.book[event.kind]
        known = max(
            (row for row in rows if (row.since or date.min) <= event.since),
            key=lambda row: row.since or date.min,
        )
        rows[:] = [row for row in rows if row.since != event.since]
        rows.append(known._replace(zbckz=event.zbckz, since=event.since, range=""))

    # --- what it must come to -----------------------------------------------------------

    def expected(self) -> dict[tuple[int, Period], tuple[tuple[str, str], list[int]]]:
        """By unit and period: its place and its twenty numbers."""
        return {
            (number, period): (member.place(_end(period)), numbers)
            for number, member in enumerate(self.members)
            for period, numbers in self._totals(member)
        }

    def _totals(self, member: Member) -> Iterator[tuple[Period, list[int]]]:
        for source in (0, 1):
            values = [
                one.value
                for (its, *_), one in member.values.items()
                if its == source and not (one.early and one.value.stat_date > self.now)
            ]
            with only_known_parts(values):
                for stat_type, start in periods_of(values):
                    _, industry = member.place(naive_energy.end_of(stat_type, start))
                    totals = naive_energy.totals(
                        values, stat_type, start, industry or None, self.book
                    )
                    numbers = [number for code in INDICATORS for number in totals[code]]
                    yield (source, stat_type, start), numbers


def _key(record: EnergyRecord) -> Key:
    source = 1 if record.input_type == 5 else 0
    return source, record.data_code, record.stat_type, periods.parse_time(record.stat_date)


def _end(period: Period) -> datetime:
    return naive_energy.end_of(period[1], period[2])


def _counts(code: str) -> bool:
    if code == "00-00-0000-090100-80":
        return True
    whole, kind = code[:11] == "00-00-0000-", code[11:13]
    return whole and kind in ("01", "02") and code[13:15] != "40"


def periods_of(values: Sequence[Value]) -> set[tuple[int, datetime]]:
    """The periods in which there is something to count."""
    found = set()
    for one in values:
        if one.valid and _counts(one.data_code):
            for stat_type in range(one.stat_type, YEAR + 1):
                found.add((stat_type, naive_energy.start_of(stat_type, one.stat_date)))
    return found


@contextmanager
def only_known_parts(values: Sequence[Value]) -> Iterator[None]:
    """Spare the naive implementation the days and months of which it knows nothing."""
    known = {
        (stat_type, naive_energy.start_of(stat_type, one.stat_date))
        for one in values
        for stat_type in (DAY, MONTH)
    }
    ordered = sorted(known)

    def parts_of(stat_type: int, start: datetime) -> list[datetime]:
        end = naive_energy.end_of(stat_type, start)
        return [one for kind, one in ordered if kind == stat_type - 1 and start <= one < end]

    with patch.object(naive_energy, "parts_of", functools.cache(parts_of)):
        yield


# --- what is kept ------------------------------------------------------------------------


def kept(scene: Scene) -> dict[tuple[int, Period], tuple[tuple[str, str], list[int]]]:
    """What `unit_total` says, in the model's words."""
    numbers = {member.peer.unit_id: number for number, member in enumerate(scene.members)}
    found = {}
    for row in scene.conn.execute(select(unit_total)):
        totals = packed.unit_from(row.totals)
        for slot in totals.slots:
            place, twenty = totals.at(slot) or ((), [])
            start = periods.time_of(StatType(row.stat_type), row.frame, slot)
            period = (row.source, row.stat_type, start)
            found[numbers[row.unit_id], period] = (tuple(place), twenty)
    return found  # type: ignore[return-value]


def kept_sums(scene: Scene) -> dict[tuple[Period, str, str], list[int]]:
    """What `roll_up` says: by period and cell how many units, and the twenty sums."""
    found = {}
    for row in scene.conn.execute(select(roll_up)):
        for slot, sums in packed.sums_from(row.totals).items():
            start = periods.time_of(StatType(row.stat_type), row.frame, slot)
            found[(row.source, row.stat_type, start), row.region, row.industry] = sums
    return found


def sums_of(
    totals: Mapping[tuple[int, Period], tuple[tuple[str, str], list[int]]],
    region: str,
    industry: str,
) -> dict[Period, list[int]]:
    """The units of a cell, added up by period; how many they are comes first."""
    added: defaultdict[Period, list[int]] = defaultdict(lambda: [0] * 21)
    for (_, period), (place, numbers) in totals.items():
        if _matches(region, place[0]) and _matches(industry, place[1]):
            held = added[period]
            added[period] = [a + b for a, b in zip(held, [1, *numbers], strict=True)]
    return dict(added)


def _matches(node: str, code: str) -> bool:
    return code.startswith(node[:-1]) if node.endswith("*") else code == node


def contents(conn: Connection) -> dict[str, list[Any]]:
    """Both tables of totals, byte for byte."""
    return {
        table.name: sorted(tuple(row) for row in conn.execute(select(table)))
        for table in (unit_total, roll_up)
    }


def stage(store: Store) -> list[Peer]:
    """Units for scenes to be played with."""
    peers = [
        new_peer(store, credit_code.complete(f"91210102MC{number:07d}")) for number in range(UNITS)
    ]
    with store.write() as conn:
        for peer, region in zip(peers, REGISTERED, strict=True):
            named = unit.c.id == peer.unit_id
            conn.execute(update(unit).where(named).values(region=region))
            conn.execute(schema.unit_head.insert().values(unit_id=peer.unit_id, sequence=0))
    return peers


class Over(Exception):
    """Ends a scene: what it wrote is rolled back."""


@contextmanager
def playing(store: Store, peers: Sequence[Peer]) -> Iterator[Scene]:
    """A scene whose traces are gone at the end."""
    with suppress(Over), store.write() as conn:
        yield Scene(store, conn, peers, BOOK)
        raise Over


BOOK = naive_energy.packaged_book()
