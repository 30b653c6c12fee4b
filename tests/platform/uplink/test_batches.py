"""Batches are chapter 6's, small enough, alike record by record, and say the values exactly."""

from __future__ import annotations

import math
import random
from datetime import date, timedelta

import pytest

from nenghao.platform import bulk
from nenghao.platform.registry import Peer
from nenghao.platform.uplink import batches, marks
from nenghao.platform.uplink.batches import Values
from nenghao.standard.messages import read, uplink
from nenghao.standard.messages.energy_data import ColumnRecords, EnergyUpload
from tests.platform.energy import DEVICE_ID, day, record, send
from tests.platform.uplink.nation import Province, value_key

CODES = [f"00-00-0000-02{number:04d}-11" for number in range(40)]

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


def load(province: Province, peer: Peer, most: int = batches.RECORDS) -> Values:
    with province.store.read() as conn:
        held = [mark for mark in marks.held(conn, peer.unit_id) if mark.kind >= 0]
        return batches.load(conn, peer.unit_id, held, most)


def body(batch: batches.Batch, peer: Peer) -> bytes:
    return batch.body(DEVICE_ID, peer.credit_code, 1)


@pytest.mark.clause("6.2.5-1")
def test_a_batch_is_chapter_6s_and_read_by_column(province: Province) -> None:
    peer = province.unit()
    send(province.store, peer, day(codes=CODES))
    (batch,) = batches.batches(load(province, peer))
    upload = bulk.read_upload(body(batch, peer))
    assert isinstance(upload.data, ColumnRecords)
    assert {value_key(one): one for one in upload.data} == province.values(peer)
    plain = read(EnergyUpload, body(batch, peer))
    assert (plain.device_id, plain.enterprise_code) == (DEVICE_ID, peer.credit_code)
    told = uplink.read_extension(body(batch, peer))
    assert (told.received_at, told.order) == ("2026-11-22 01:30:00", 1)


def test_any_value_comes_out_as_it_went_in(province: Province) -> None:
    peer, dice = province.unit(), random.Random()
    odd = [0.0, -0.0, 1e300, 5e-324, -1.5, 0.1 + 0.2, 1e22, 123456789012345678.0, 1e-7]
    odd += [dice.uniform(-1, 1) * 10 ** dice.randrange(-20, 20) for _ in range(200)]
    records = [
        record(
            value,
            f"2026-{number % 12 + 1:02d}-{number // 12 + 1:02d} 00:00:00",
            input_type=dice.randrange(1, 8),
            scope=dice.randrange(1, 5),
            valid=dice.random() < 0.5,
            upload_date=f"2026-11-{dice.randrange(1, 22):02d} 01:00:00",
        )
        for number, value in enumerate(odd)
    ]
    send(province.store, peer, records)
    (batch,) = batches.batches(load(province, peer))
    came = {value_key(one): one for one in bulk.read_upload(body(batch, peer)).data}
    assert came == {value_key(one): one for one in records}
    for one in records:
        sign = math.copysign(1, came[value_key(one)].data_value)
        assert sign == math.copysign(1, one.data_value)


def test_batches_end_at_the_limits_of_records_and_bytes(province: Province) -> None:
    peer = province.unit()
    send(province.store, peer, day(codes=CODES))
    values = load(province, peer)
    few = list(batches.batches(values, most=1000))
    assert [batch.records for batch in few] == [1000, 1000, 1000, 840]
    small = list(batches.batches(values, limit=100_000))
    assert all(len(batch.array) <= 100_000 for batch in small)
    for some in (few, small):
        keys = [value_key(one) for part in some for one in bulk.read_upload(body(part, peer)).data]
        assert len(keys) == len(set(keys)) == 3840


def test_a_load_takes_whole_marks_and_about_as_many_values_as_asked(province: Province) -> None:
    peer = province.unit()
    for number in range(6):
        send(province.store, peer, day(date(2026, 11, 1) + timedelta(days=number), CODES[:2]))
    send(province.store, peer, [record(1)])
    assert [len(load(province, peer, most)) for most in (1, 192, 400, 10_000)] == [
        *(192, 192, 384, 6 * 192 + 1)
    ]
    assert [len(load(province, peer, most).covered) for most in (1, 400, 10_000)] == [1, 2, 7]
