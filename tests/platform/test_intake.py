"""Intake: whole or not at all, whatever the order, the repetition and the company."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select

from nenghao.platform import advice, in_force, intake, journal
from nenghao.platform.packing import ONLINE, Key
from nenghao.platform.registry import Peer
from nenghao.platform.store import schema
from nenghao.platform.store.engine import Store
from nenghao.standard import periods
from nenghao.standard.findings import AdviceKind
from nenghao.standard.messages import write
from nenghao.standard.messages.energy_data import EnergyRecord, EnergyUpload
from tests.platform.energy import (
    ADDRESS,
    COAL,
    DEVICE_ID,
    ELECTRICITY,
    NOW,
    Strict,
    configure,
    contents,
    day,
    fetch,
    new_peer,
    record,
    send,
    stored_frame,
)

NOVEMBER = Key(1, 322, ELECTRICITY, ONLINE)
"""The frame of the daily values of November 2026."""


@pytest.fixture
def peer(store: Store) -> Peer:
    made = new_peer(store)
    configure(store, made, ELECTRICITY)
    configure(store, made, COAL)
    return made


def values(store: Store, peer: Peer, stat_type: int = 1) -> list[float]:
    return [one.data_value for one in fetch(store, peer, stat_type).data]


@pytest.mark.clause("6.2.5-6")
@pytest.mark.clause("6.2.5-2")
def test_a_daily_batch_of_all_stat_types_is_stored_as_sent(store: Store, peer: Peer) -> None:
    sent = [
        *day(),
        record(2),
        record(3, "2026-10-01 00:00:00", stat_type=2),
        record(4, "2025-01-01 00:00:00", stat_type=3),
    ]
    result = send(store, peer, sent)
    assert (result.sequence, result.records, result.stored) == (1, 99, 99)
    assert (result.unchanged, result.lost, result.advice) == (0, 0, {})
    assert [one for kind in range(4) for one in fetch(store, peer, kind).data] == sent


def test_the_receipt_keeps_the_body_and_what_became_of_it(store: Store, peer: Peer) -> None:
    message = EnergyUpload(DEVICE_ID, peer.credit_code, [record()])
    body = b"  " + write(message) + b"\n"
    result = intake.upload(store, Strict(), peer, message, journal.Body.of(body), NOW, ADDRESS)
    with store.read() as conn:
        (receipt,) = journal.receipts(conn, peer.unit_id)
        assert journal.body_of(conn, peer.unit_id, receipt.sequence) == body
    assert (receipt.sequence, receipt.kind, receipt.records) == (result.sequence, "energy", 1)
    assert (receipt.device, receipt.address, receipt.received_at) == (1, ADDRESS, NOW)
    assert receipt.result == {
        "sequence": 1,
        "records": 1,
        "stored": 1,
        "unchanged": 0,
        "lost": 0,
        "advice": {},
    }


@pytest.mark.clause("6.2.5-6")
def test_the_same_batch_again_is_a_success_and_changes_no_value(store: Store, peer: Peer) -> None:
    send(store, peer, day())
    before = contents(store)
    again = send(store, peer, day(), now=NOW + timedelta(minutes=5))
    assert (again.sequence, again.stored, again.unchanged, again.lost) == (2, 0, 96, 0)
    after = contents(store)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"receipt", "unit_head"}


def test_the_same_batch_again_from_the_future_is_unchanged_too(store: Store, peer: Peer) -> None:
    sent = [record(upload_date="2027-01-01 00:00:00")]
    send(store, peer, sent)
    again = send(store, peer, sent, now=NOW + timedelta(minutes=5))
    assert (again.stored, again.unchanged, again.lost) == (0, 1, 0)
    assert fetch(store, peer).data == sent


def test_the_same_batch_again_after_the_clock_was_set_back_loses_nothing(
    store: Store, peer: Peer
) -> None:
    sent = [record(upload_date="2027-01-01 00:00:00")]
    send(store, peer, sent)
    again = send(store, peer, sent, now=NOW - timedelta(days=1))
    assert (again.stored, again.unchanged, again.lost, again.advice) == (0, 1, 0, {})


def test_the_later_upload_date_wins_in_whichever_order_they_come(store: Store, peer: Peer) -> None:
    early = record(1, upload_date="2026-11-22 01:00:00")
    late = record(2, upload_date="2026-11-22 01:00:01")
    for order in permutations([early, late]):
        with store.write() as conn:
            conn.execute(delete(schema.frame))
        for one in order:
            send(store, peer, [one])
        assert fetch(store, peer).data == [late]


def test_of_a_tie_the_later_arrival_wins(store: Store, peer: Peer) -> None:
    for value in (1, 2, 3):
        send(store, peer, [record(value)])
    assert values(store, peer) == [3]


def test_an_upload_that_loses_is_a_success_with_advice_and_stays_in_the_journal(
    store: Store, peer: Peer
) -> None:
    send(store, peer, [record(1)])
    result = send(store, peer, [record(2, upload_date="2026-11-21 23:00:00")])
    assert (result.stored, result.lost) == (0, 1)
    assert result.advice == {AdviceKind.SUPERSEDED: 1}
    assert values(store, peer) == [1]
    with store.read() as conn:
        (kept,) = advice.kept(conn)
        assert b"2026-11-21 23:00:00" in journal.body_of(conn, peer.unit_id, result.sequence)
    assert (kept.kind, kept.subject, kept.times) == (AdviceKind.SUPERSEDED, ELECTRICITY, 1)
    assert kept.detail.startswith("data[0].uploadDate")


def test_a_future_upload_date_cannot_outrank_what_is_received_later(
    store: Store, peer: Peer
) -> None:
    send(store, peer, [record(1, upload_date="2030-01-01 00:00:00")])
    later = NOW + timedelta(days=1)
    send(store, peer, [record(2, upload_date=periods.format_time(later))], now=later)
    assert values(store, peer) == [2]


def test_a_future_upload_date_outranks_what_was_sent_before_its_receipt(
    store: Store, peer: Peer
) -> None:
    ahead = record(1, upload_date="2030-01-01 00:00:00")
    send(store, peer, [ahead])
    result = send(
        store, peer, [record(2, upload_date="2026-11-22 01:29:59")], now=NOW + timedelta(hours=1)
    )
    assert result.lost == 1
    assert fetch(store, peer).data == [ahead]


def test_an_invalid_value_is_stored_and_replaces_the_valid_one(store: Store, peer: Peer) -> None:
    send(store, peer, [record(1)])
    withdrawn = record(1, valid=False, upload_date="2026-11-22 01:10:00")
    assert send(store, peer, [withdrawn]).stored == 1
    assert fetch(store, peer).data == [withdrawn]


def test_what_is_filled_in_never_overwrites_the_meters_nor_they_it(
    store: Store, peer: Peer
) -> None:
    online = record(1, "2026-10-01 00:00:00", stat_type=2)
    report = record(
        2, "2026-10-01 00:00:00", stat_type=2, input_type=5, upload_date="2026-11-22 01:20:00"
    )
    send(store, peer, [report])
    send(store, peer, [online])
    assert fetch(store, peer, 2).data == [online, report]


def test_two_units_do_not_meet(store: Store, peer: Peer) -> None:
    other = new_peer(store, "91210000573973053F")
    send(store, peer, [record(1)])
    send(store, other, [record(2, upload_date="2026-11-22 01:20:00")])
    assert (values(store, peer), values(store, other)) == ([1], [2])


def test_twice_in_one_batch_equal_is_ignored_and_different_the_last_wins(
    store: Store, peer: Peer
) -> None:
    one, two = record(1), record(2, upload_date="2026-11-21 00:00:00")
    assert send(store, peer, [one, one]).advice == {}
    result = send(store, peer, [record(3, upload_date="2026-11-22 01:20:00"), one, one, two])
    assert (result.records, result.unchanged) == (4, 1)
    assert result.advice[AdviceKind.DUPLICATE] == 2
    assert fetch(store, peer).data == [one]  # `two` was last in its batch, and lost to `one`
    assert result.advice[AdviceKind.SUPERSEDED] == 1
    assert result.records == result.stored + result.unchanged + result.lost


UPLOADS = st.lists(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 5), st.integers(0, 3)), max_size=5),
    min_size=1,
    max_size=5,
)


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(UPLOADS)
def test_any_uploads_end_like_a_naive_model(
    store: Store, peer: Peer, uploads: list[list[tuple[int, int, int]]]
) -> None:
    with store.write() as conn:
        conn.execute(delete(schema.frame))
    model: dict[str, tuple[str, float]] = {}
    for upload in uploads:
        records = [
            record(value, f"2026-11-{on:02d} 00:00:00", upload_date=f"2026-11-2{sent} 00:00:00")
            for on, value, sent in upload
        ]
        last = {one.stat_date: one for one in records}
        for one in last.values():
            if one.upload_date >= model.get(one.stat_date, ("",))[0]:
                model[one.stat_date] = (one.upload_date, one.data_value)
        if records:
            result = send(store, peer, records, now=datetime(2026, 12, 1))
            assert result.records == result.stored + result.unchanged + result.lost
    got = {one.stat_date: (one.upload_date, one.data_value) for one in fetch(store, peer).data}
    assert got == model


def test_batches_of_distinct_dates_may_come_in_any_order_and_again(
    store: Store, peer: Peer
) -> None:
    batches = [
        [
            record(
                at + on / 10, f"2026-11-{on:02d} 00:00:00", upload_date=f"2026-11-22 00:0{at}:00"
            )
            for on in range(at + 1, at + 4)
        ]
        for at in range(3)
    ]
    ends = []
    for order in permutations(batches):
        with store.write() as conn:
            conn.execute(delete(schema.frame))
        for batch in (*order, order[0], order[1]):
            send(store, peer, batch)
        ends.append(fetch(store, peer).data)
    assert all(end == ends[0] for end in ends)
    assert [one.data_value for one in ends[0]] == [0.1, 1.2, 2.3, 2.4, 2.5]


def test_two_threads_on_one_frame_lose_nothing(store: Store, peer: Peer) -> None:
    ticks = day()
    barrier = threading.Barrier(2)

    def send_every_other(offset: int) -> None:
        barrier.wait(10)
        for at in range(offset, 96, 12):
            send(store, peer, ticks[at : at + 1])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(send_every_other, (0, 6)))
    assert fetch(store, peer, 0).data == ticks[::6]
    with store.read() as conn:
        sequences = [receipt.sequence for receipt in journal.receipts(conn, peer.unit_id)]
    assert sorted(sequences) == list(range(1, 17))


def test_a_unit_that_labels_the_start_gets_the_end_back(store: Store, peer: Peer) -> None:
    with store.write() as conn:
        conn.execute(
            insert(schema.unit_setting).values(
                unit_id=peer.unit_id,
                name=in_force.REALTIME_LABEL,
                valid_from=datetime(2026, 11, 21),
                value="start:15",
            )
        )
    send(store, peer, [record(1, "2026-11-21 23:45:00", stat_type=0)])
    assert [one.stat_date for one in fetch(store, peer, 0).data] == ["2026-11-22 00:00:00"]


def test_advice_is_kept_once_per_kind_and_item_and_in_each_slot(store: Store, peer: Peer) -> None:
    strange = "00-00-0000-999999-11"
    for _ in range(2):
        send(store, peer, day(codes=(strange,)))
    with store.read() as conn:
        kept = advice.kept(conn)
    assert {(one.kind, one.subject, one.times) for one in kept} == {
        (AdviceKind.UNKNOWN_ENERGY_TYPE, strange, 2),
        (AdviceKind.NOT_CONFIGURED, strange, 2),
    }
    frame = stored_frame(store, Key(0, periods.day_number(datetime(2026, 11, 21)), strange, 0))
    bits = AdviceKind.UNKNOWN_ENERGY_TYPE.bit | AdviceKind.NOT_CONFIGURED.bit
    assert frame.findings == [bits] * 96


def test_a_batch_of_very_many_items_and_days_finds_all_that_is_stored(
    store: Store, peer: Peer
) -> None:
    codes = [f"00-00-0000-02{number:04d}-11" for number in range(450)]
    batch: list[EnergyRecord] = [record(1, code=code) for code in codes]
    batch += [
        record(1, periods.format_time(datetime(2025, 1, 1) + timedelta(days=on)), stat_type=0)
        for on in range(450)
    ]
    send(store, peer, batch)
    again = send(store, peer, batch)
    assert (again.stored, again.unchanged) == (0, 900)


def test_the_sequence_of_an_upload_stands_in_its_advice(store: Store, peer: Peer) -> None:
    send(store, peer, [record(1)])
    send(store, peer, [record(-1)])
    with store.read() as conn:
        assert conn.execute(select(schema.finding.c.last_sequence)).scalars().all() == [2]
    assert stored_frame(store, NOVEMBER).findings == [AdviceKind.NEGATIVE.bit]
