"""How complete a unit's data are, day by day, as the calendar shows it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from nenghao.console.views import unit_calendar
from nenghao.console.views.unit_calendar import Calendar, Day
from nenghao.platform.registry import Peer
from nenghao.platform.store.engine import Store
from nenghao.standard import periods
from nenghao.standard.messages.energy_data import EnergyRecord
from nenghao.standard.periods import StatType
from tests.console.seeding import COAL, ELECTRICITY
from tests.platform.energy import configure, new_peer, record, send
from tests.platform.world import fill

TODAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, 9, 30)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A fresh province."""
    url = f"sqlite:///{tmp_path / 'nenghao.db'}"
    fill(url)
    opened = Store.open(url)
    yield opened
    opened.close()


@pytest.fixture
def peer(store: Store) -> Peer:
    """Its only unit."""
    return new_peer(store)


def back(days: int) -> date:
    return TODAY - timedelta(days=days)


def daily(first: int, last: int, code: str = ELECTRICITY) -> list[EnergyRecord]:
    """A value a day, from so many days ago to so many."""
    return [record(1.0, f"{back(day)} 00:00:00", code=code) for day in range(first, last - 1, -1)]


def ticks(day: date, without: range = range(0)) -> list[EnergyRecord]:
    return [
        record(1.0, periods.format_time(tick), stat_type=0)
        for at, tick in enumerate(periods.day_ticks(day))
        if at not in without
    ]


def judged(
    store: Store, peer: Peer, kind: StatType, code: str = "", year: int = 2026, registered: int = 9
) -> Calendar:
    since = datetime.combine(back(registered), datetime.min.time())
    with store.read() as conn:
        return unit_calendar.calendar(conn, peer.unit_id, kind, year, since, NOW, code)


def test_a_day_is_as_complete_as_its_configured_items_are_there(store: Store, peer: Peer) -> None:
    for code in (ELECTRICITY, COAL):
        configure(store, peer, code)
    stranger = daily(6, 1, code="00-00-0000-023200-11")
    send(store, peer, [*daily(5, 3), *daily(4, 4, code=COAL), *stranger], now=NOW)

    told = judged(store, peer, StatType.DAY, registered=6)

    assert told.items == 2
    assert told.days == [
        Day(back(6), 0, 2), Day(back(5), 1, 2), Day(back(4), 2, 2), Day(back(3), 1, 2),
        Day(back(2), 0, 2), Day(back(1), 0, 2),
    ]  # fmt: skip
    assert [day.share for day in told.days[:3]] == [0.0, 50.0, 100.0]
    assert (told.whole, told.share) == (1, 33.33)
    assert judged(store, peer, StatType.DAY, COAL, registered=6).share == 16.67


def test_ticks_of_an_item_without_frequency_are_judged_from_its_first_tick_on(
    store: Store, peer: Peer
) -> None:
    for code in (ELECTRICITY, COAL):
        configure(store, peer, code)
    send(store, peer, [*ticks(back(3)), *ticks(back(1), without=range(40, 64))], now=NOW)

    told = judged(store, peer, StatType.REALTIME)

    assert told.items == 1
    assert told.days == [Day(back(3), 96, 96), Day(back(2), 0, 96), Day(back(1), 72, 96)]
    assert told.days[-1].share == 75.0


@pytest.mark.parametrize("year", [2025, 2027])
def test_years_before_the_registration_and_after_today_have_no_days(
    store: Store, peer: Peer, year: int
) -> None:
    configure(store, peer, ELECTRICITY)

    assert judged(store, peer, StatType.DAY, year=year).days == []


def test_a_unit_without_items_is_expected_to_send_nothing(store: Store, peer: Peer) -> None:
    for kind in (StatType.DAY, StatType.REALTIME):
        told = judged(store, peer, kind)
        assert (told.items, told.days, told.share) == (0, [], None)
