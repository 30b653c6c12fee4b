"""Processes that write to one unit, one frame, one register at the same time lose nothing."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from multiprocessing.synchronize import Barrier
from typing import Any

import pytest

from nenghao.platform import chain, intake, journal, registry, state
from nenghao.platform.registry import Peer
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store
from nenghao.security.identity import PeerIdentity
from nenghao.standard.messages import write
from nenghao.standard.messages.energy_data import EnergyUpload
from nenghao.standard.messages.registration import RegistrationRequest
from tests.platform.energy import (
    ADDRESS,
    COAL,
    DEVICE_ID,
    ELECTRICITY,
    NOW,
    Strict,
    day,
    fetch,
    new_peer,
    record,
)
from tests.platform.world import STEEL, World, unit_code

ON = date(2026, 11, 21)


def together(work: Callable[..., None], database: str, parts: Sequence[tuple[Any, ...]]) -> None:
    """Run `work(database, barrier, *part)` for every part in a process of its own, at once."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(len(parts))
    processes = [context.Process(target=work, args=(database, barrier, *part)) for part in parts]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * len(parts)


def send_ticks(
    database: str, barrier: Barrier, peer: Peer, offset: int, step: int, rounds: int
) -> None:
    """Every `step`-th tick of the day, in `rounds` batches, each of all items."""
    ticks = [one for code in (ELECTRICITY, COAL) for one in day(ON, (code,))]
    mine = [one for at, one in enumerate(ticks) if at % step == offset]
    store = Store.open(database)
    barrier.wait(60)
    for number in range(rounds):
        message = EnergyUpload(DEVICE_ID, peer.credit_code, mine[number::rounds])
        intake.upload(store, Strict(), peer, message, journal.Body.of(write(message)), NOW, ADDRESS)
    store.close()


def test_batches_of_the_same_unit_and_frame_lose_nothing(fresh_database: str, store: Store) -> None:
    peer = new_peer(store)
    together(send_ticks, fresh_database, [(peer, offset, 3, 8) for offset in range(3)])
    expected = sorted(day(ON, (ELECTRICITY, COAL)), key=lambda one: (one.data_code, one.stat_date))
    assert fetch(store, peer, 0).data == expected
    with store.read() as conn:
        found = chain.check_unit(conn, peer.unit_id)
    assert (found.receipts, found.sequence, found.breaks) == (24, 24, [])


def send_corrections(database: str, barrier: Barrier, peer: Peer, number: int) -> None:
    """The same day's value over and over, each later than the one before."""
    store = Store.open(database)
    barrier.wait(60)
    for step in range(15):
        sent = datetime(2026, 11, 22) + timedelta(minutes=2 * step + number)
        message = EnergyUpload(
            DEVICE_ID, peer.credit_code, [record(2 * step + number, upload_date=str(sent))]
        )
        intake.upload(store, Strict(), peer, message, journal.Body.of(write(message)), NOW, ADDRESS)
    store.close()


def test_of_values_of_one_key_the_latest_stands_whoever_came_first(
    fresh_database: str, store: Store
) -> None:
    peer = new_peer(store)
    together(send_corrections, fresh_database, [(peer, 0), (peer, 1)])
    assert [one.data_value for one in fetch(store, peer).data] == [29.0]
    with store.read() as conn:
        sequences = [one.sequence for one in journal.receipts_after(conn, peer.unit_id, 0)]
        results = [one.result for one in journal.receipts(conn, peer.unit_id)]
    assert sequences == list(range(1, 31))
    assert all(one["stored"] + one["lost"] == 1 for one in results)


def register(
    database: str, barrier: Barrier, identities: Sequence[PeerIdentity], rounds: int
) -> None:
    store = Store.open(database)
    barrier.wait(60)
    for identity in identities:
        request = RegistrationRequest(identity.credit_code, "某厂", "210102", "和平区")
        for _ in range(rounds):
            with store.write() as conn:
                registry.register(conn, PlatformSettings(), identity, request, NOW, ADDRESS)
    store.close()


def test_devices_that_register_at_once_get_one_unit_and_a_time_each(
    fresh_database: str, world: World
) -> None:
    codes = [STEEL, *(unit_code(number) for number in range(4))]
    parts = [([world.identity(code, number) for code in codes], 2) for number in (1, 2)]
    together(register, fresh_database, parts)
    with world.store.read() as conn:
        devices = registry.devices(conn)
        assert state.number(conn, state.NEXT_ORDINAL, 0) == 10
        assert len(chain.units(conn)) == 5
    assert sorted((one["code"], one["number"]) for one in devices) == sorted(
        (code, number) for code in codes for number in (1, 2)
    )
    times = [one["upload_time"] for one in devices]
    assert times == [f"01:00:{4 * ordinal:02d}" for ordinal in range(10)]


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_a_batch_of_one_unit_does_not_wait_for_another_units(store: Store) -> None:
    first, second = new_peer(store), new_peer(store, "91210000573973053F")
    message = EnergyUpload(DEVICE_ID, second.credit_code, [record(1)])
    with store.write() as conn:
        journal.lock(conn, first.unit_id)
        result = intake.upload(
            store, Strict(), second, message, journal.Body.of(write(message)), NOW, ADDRESS
        )
    assert result.stored == 1
