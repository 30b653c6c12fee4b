from __future__ import annotations

from datetime import date, datetime

import msgspec
import pytest

from nenghao.device import outbox
from nenghao.device.outbox import BatchState, NewBatch
from nenghao.device.packing import Packer
from nenghao.device.store import DeviceStore

NOW = datetime(2026, 2, 1, 1, 5)
LATER = datetime(2026, 2, 2, 1, 5)


def add(store: DeviceStore, day: int, *records: int, refused: str = "") -> int:
    packer = Packer()
    for number in records:
        packer.add(b'{"n":%d}' % number)
    new = NewBatch(date(2026, 1, day), packer.finish(), "2026-02-01 01:05:00", refused)
    with store.write() as connection:
        return outbox.add(connection, new, "CODE", NOW)


def body(store: DeviceStore, number: int) -> dict[str, object] | None:
    with store.read() as connection:
        raw = outbox.body(connection, number, "d" * 32)
    return None if raw is None else msgspec.json.decode(bytes(raw), type=dict[str, object])


def get(store: DeviceStore, number: int) -> outbox.Batch:
    with store.read() as connection:
        batch = outbox.get(connection, number)
    assert batch is not None
    return batch


def queued(store: DeviceStore) -> tuple[int, ...]:
    with store.read() as connection:
        return outbox.queued(connection)


@pytest.mark.clause("6.3.5.1-a")
def test_the_device_id_is_written_at_sending(store: DeviceStore) -> None:
    number = add(store, 5, 1, 2)
    assert body(store, number) == {
        "deviceId": "d" * 32,
        "enterpriseCode": "CODE",
        "data": [{"n": 1}, {"n": 2}],
    }


@pytest.mark.clause("6.2.5-8")
def test_the_oldest_day_goes_first_and_of_one_day_the_first_made(store: DeviceStore) -> None:
    late, first, second, early = (
        add(store, 9, 1),
        add(store, 5, 1),
        add(store, 5, 1),
        add(store, 2, 1),
    )
    assert queued(store) == (early, first, second, late)


def test_an_accepted_batch_keeps_its_row_and_loses_its_body(store: DeviceStore) -> None:
    number = add(store, 5, 1)
    with store.write() as connection:
        outbox.attempt(connection, number, NOW)
        outbox.failed(connection, number, "超时")
    assert (get(store, number).attempts, get(store, number).last_error) == (1, "超时")
    with store.write() as connection:
        outbox.accept(connection, number, LATER)
    batch = get(store, number)
    assert (batch.state, batch.closed_at) == (BatchState.ACCEPTED, "2026-02-02 01:05:00")
    assert body(store, number) is None
    with store.read() as connection:
        (kept,) = connection.execute("SELECT data FROM batch").fetchone()
        assert kept is None
        assert outbox.waiting(connection) == []


def test_a_refused_batch_is_kept_shown_not_queued_and_can_be_queued_again(
    store: DeviceStore,
) -> None:
    number, other = add(store, 5, 1), add(store, 6, 1)
    with store.write() as connection:
        outbox.refuse(connection, number, "E2002 …", NOW)
    assert queued(store) == (other,)
    with store.read() as connection:
        assert [batch.id for batch in outbox.waiting(connection)] == [number, other]
    assert (get(store, number).state, get(store, number).reason) == ("refused", "E2002 …")
    with store.write() as connection:
        assert outbox.retry(connection, number)
        assert not outbox.retry(connection, other)
    assert queued(store) == (number, other)


def test_a_discarded_batch_leaves_the_queue_and_stays_on_file(store: DeviceStore) -> None:
    number = add(store, 5, 1, refused="form")
    with store.write() as connection:
        assert outbox.discard(connection, number, LATER)
        assert not outbox.discard(connection, number, LATER)
        assert outbox.waiting(connection) == []
        assert outbox.counts(connection)[BatchState.DISCARDED] == 1
        (kept,) = connection.execute("SELECT data FROM batch").fetchone()
    assert kept is not None


def test_a_split_batch_keeps_its_place_and_every_record(store: DeviceStore) -> None:
    before, number, after = add(store, 5, 0), add(store, 5, 1, 2, 3), add(store, 5, 9)
    with store.write() as connection:
        left, right = outbox.split(connection, number, NOW)
    assert queued(store) == (before, left, right, after)
    parts = [body(store, left), body(store, right)]
    assert [part["data"] for part in parts if part] == [[{"n": 1}], [{"n": 2}, {"n": 3}]]
    assert get(store, left).upload_date == "2026-02-01 01:05:00"
    with store.write() as connection:
        assert outbox.split(connection, left, NOW) == ()
        assert outbox.split(connection, number, NOW) == ()
    assert queued(store) == (before, left, right, after)


def test_records_of_a_batch_are_found_by_their_place(store: DeviceStore) -> None:
    number = add(store, 5, *range(10))
    with store.write() as connection:
        found = outbox.records(connection, number, {3, 9, 10})
        assert found == {3: b'{"n":3}', 9: b'{"n":9}'}
        outbox.accept(connection, number, NOW)
        assert outbox.records(connection, number, {3}) == {}


def test_what_is_done_with_is_not_changed_by_a_late_word(store: DeviceStore) -> None:
    number = add(store, 5, 1)
    with store.write() as connection:
        outbox.accept(connection, number, NOW)
        outbox.refuse(connection, number, "E2002", LATER)
        outbox.failed(connection, number, "超时")
    batch = get(store, number)
    assert (batch.state, batch.reason, batch.last_error) == (BatchState.ACCEPTED, "", "")
