"""downloadEnergyData: what was uploaded comes back as it was sent, in order, page by page."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from sqlalchemy import update

from nenghao.platform.registry import Peer
from nenghao.platform.store import schema
from nenghao.platform.store.engine import Store
from nenghao.standard.messages.energy_data import EnergyRecord
from nenghao.standard.replies import DatabaseFault
from tests.platform.energy import COAL, ELECTRICITY, day, fetch, new_peer, record, send


@pytest.fixture
def peer(store: Store) -> Peer:
    return new_peer(store)


def dates(records: list[EnergyRecord]) -> list[str]:
    return [one.stat_date for one in records]


@pytest.mark.clause("6.3.1.2-i")
def test_every_field_comes_back_as_sent_value_by_value(store: Store, peer: Peer) -> None:
    sent = [
        record(0.000317, "2026-11-01 00:00:00", input_type=2, scope=3, valid=False),
        record(-12345.678, "2026-11-02 00:00:00", upload_date="2026-11-20 07:08:09"),
        record(
            1e300, "2026-12-01 00:00:00", input_type=7, scope=4, upload_date="2031-01-01 00:00:00"
        ),
    ]
    send(store, peer, sent)
    assert fetch(store, peer).data == sent


@pytest.mark.clause("6.3.1.2-i")
def test_the_answer_is_a_success_and_has_no_next_page_when_all_is_said(
    store: Store, peer: Peer
) -> None:
    answer = fetch(store, peer)
    assert (answer.response_code, answer.response_message) == ("0", "RECEIVE SUCCESS")
    assert answer.data == []
    assert answer.next_page is UNSET


@pytest.mark.clause("6.2.5-3")
@pytest.mark.clause("6.3.1.2-i")
def test_a_day_of_ticks_is_asked_for_by_its_two_midnights(store: Store, peer: Peer) -> None:
    whole = day(date(2026, 11, 20)) + day(date(2026, 11, 21))
    send(store, peer, whole)
    answer = fetch(store, peer, 0, "2026-11-20 00:00:00", "2026-11-21 00:00:00")
    assert answer.data == whole[:96]
    assert answer.data[0].stat_date == "2026-11-20 00:15:00"
    assert answer.data[-1].stat_date == "2026-11-21 00:00:00"


def test_a_range_of_ticks_excludes_its_begin_and_includes_its_end(store: Store, peer: Peer) -> None:
    send(store, peer, day())
    answer = fetch(store, peer, 0, "2026-11-21 08:00:00", "2026-11-21 08:30:00")
    assert dates(answer.data) == ["2026-11-21 08:15:00", "2026-11-21 08:30:00"]


@pytest.mark.parametrize(
    ("stat_type", "begin", "middle", "end"),
    [
        (1, "2026-10-31 00:00:00", "2026-11-01 00:00:00", "2026-11-02 00:00:00"),
        (2, "2025-12-01 00:00:00", "2026-01-01 00:00:00", "2026-02-01 00:00:00"),
        (3, "2024-01-01 00:00:00", "2025-01-01 00:00:00", "2026-01-01 00:00:00"),
    ],
)
def test_a_range_of_periods_includes_its_begin_and_excludes_its_end(
    store: Store, peer: Peer, stat_type: int, begin: str, middle: str, end: str
) -> None:
    send(store, peer, [record(1, at, stat_type=stat_type) for at in (begin, middle, end)])
    assert dates(fetch(store, peer, stat_type, begin, end).data) == [begin, middle]
    assert fetch(store, peer, stat_type, middle, middle).data == []


def test_the_order_is_data_code_then_stat_date_then_source(store: Store, peer: Peer) -> None:
    one, two = "2026-11-20 00:00:00", "2026-11-21 00:00:00"
    send(
        store,
        peer,
        [
            record(6, two, code=ELECTRICITY),
            record(2, one, code=COAL, input_type=5),
            record(4, two, code=COAL, input_type=5),
            record(3, two, code=COAL),
            record(5, one, code=ELECTRICITY),
            record(1, one, code=COAL),
        ],
    )
    assert [row.data_value for row in fetch(store, peer).data] == [1, 2, 3, 4, 5, 6]


def test_one_data_code_can_be_asked_for(store: Store, peer: Peer) -> None:
    send(store, peer, [record(1, code=COAL), record(2, code=ELECTRICITY)])
    assert [row.data_value for row in fetch(store, peer, data_code=COAL).data] == [1]


def test_nobody_sees_another_units_data(store: Store, peer: Peer) -> None:
    other = new_peer(store, "91210000573973053F")
    send(store, peer, [record()])
    assert fetch(store, other).data == []


def test_pages_follow_each_other_without_gap_or_overlap(store: Store, peer: Peer) -> None:
    sent = day(codes=(COAL, ELECTRICITY))
    send(store, peer, sent)
    page, pages = 1, []
    while True:
        answer = fetch(store, peer, 0, page=page, page_size=50)
        pages.append(answer.data)
        if answer.next_page is UNSET:
            break
        assert answer.next_page == page + 1
        page += 1
    assert [len(rows) for rows in pages] == [50, 50, 50, 42]
    assert [row for rows in pages for row in rows] == sent


def test_the_last_full_page_names_no_next_one(store: Store, peer: Peer) -> None:
    send(store, peer, day())
    assert fetch(store, peer, 0, page=2, page_size=48).next_page is UNSET


def test_a_page_beyond_the_last_is_empty(store: Store, peer: Peer) -> None:
    send(store, peer, day())
    answer = fetch(store, peer, 0, page=10**9)
    assert (answer.data, answer.next_page) == ([], UNSET)


@pytest.fixture
def two_days(store: Store, peer: Peer) -> list[EnergyRecord]:
    whole = [
        one
        for code in (COAL, ELECTRICITY)
        for on in (date(2026, 11, 20), date(2026, 11, 21))
        for one in day(on, (code,))
    ]
    send(store, peer, whole)
    return whole


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None
)
@given(begin=st.integers(0, 260), length=st.integers(0, 260), page_size=st.integers(20, 200))
def test_paging_a_range_is_cutting_the_filtered_whole(
    store: Store,
    peer: Peer,
    two_days: list[EnergyRecord],
    begin: int,
    length: int,
    page_size: int,
) -> None:
    first, last = _quarter(begin), _quarter(begin + length)
    expected = [one for one in two_days if first < one.stat_date <= last]
    got: list[EnergyRecord] = []
    for page in range(1, len(expected) // page_size + 2):
        got += fetch(store, peer, 0, first, last, page=page, page_size=page_size).data
    assert got == expected


def _quarter(number: int) -> str:
    days, quarter = divmod(number, 96)
    return f"2026-11-{20 + days:02d} {quarter // 4:02d}:{quarter % 4 * 15:02d}:00"


@pytest.mark.parametrize("page", [1, 2])
def test_a_damaged_frame_is_a_database_fault_and_never_data(
    store: Store, peer: Peer, page: int
) -> None:
    send(store, peer, day())
    with store.write() as conn:
        conn.execute(update(schema.frame).values(planes=b"\0" * 20))
    with pytest.raises(DatabaseFault, match="损坏"):
        fetch(store, peer, 0, page=page, page_size=10)


def test_a_damaged_frame_spoils_the_pages_that_need_it_and_no_other(
    store: Store, peer: Peer
) -> None:
    send(store, peer, day(codes=(COAL, ELECTRICITY)))
    with store.write() as conn:
        damaged = schema.frame.c.data_code == ELECTRICITY  # it comes after coal
        conn.execute(update(schema.frame).where(damaged).values(planes=b"damaged frame"))
    assert len(fetch(store, peer, 0, page_size=90).data) == 90
    for page_size in (96, 200):  # whether more follows is seen by looking
        with pytest.raises(DatabaseFault, match=ELECTRICITY):
            fetch(store, peer, 0, page_size=page_size)
