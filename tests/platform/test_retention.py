"""Old bodies go when the operator says so: receipts stay, chains verify, the deed is on record."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from nenghao.platform import audit, chain, journal, retention
from nenghao.platform.chain import Fault
from nenghao.platform.registry import Peer
from nenghao.platform.retention import Pruned
from nenghao.platform.store.engine import Store
from nenghao.platform.store.schema import receipt
from tests.platform.energy import CODE, NOW, contents, new_peer, record, send

OTHER = "91210000573973053F"


@pytest.fixture
def peer(store: Store) -> Peer:
    """A unit with an upload a day, ten days long, up to the day before NOW."""
    made = new_peer(store)
    for days in range(10, 0, -1):
        send(store, made, [record(days)], now=NOW - timedelta(days=days))
    return made


def kept(store: Store, peer: Peer) -> list[int]:
    with store.read() as conn:
        return [one.sequence for one in journal.receipts_after(conn, peer.unit_id, 0) if one.kept]


def breaks(store: Store) -> list[tuple[int, Fault]]:
    with store.read() as conn:
        units = chain.units(conn)
    return [(each.sequence, each.fault) for one in chain.check(store, units) for each in one.breaks]


def test_bodies_older_than_that_go_and_receipts_stay(store: Store, peer: Peer) -> None:
    with store.read() as conn:
        before = journal.receipts_after(conn, peer.unit_id, 0)
    (done,) = retention.prune(store, 3, NOW)
    assert (done.credit_code, done.bodies) == (CODE, 7)
    assert done.size > 0
    assert kept(store, peer) == [8, 9, 10, 11]
    with store.read() as conn:
        after = journal.receipts_after(conn, peer.unit_id, 0)
        assert [one.digest for one in after[:10]] == [one.digest for one in before]
        assert journal.body_of(conn, peer.unit_id, 8)
        with pytest.raises(LookupError, match="dropped"):
            journal.body_of(conn, peer.unit_id, 7)
        sizes = select(receipt.c.body).where(receipt.c.sequence <= 7)
        assert set(conn.execute(sizes).scalars()) == {b""}


def test_the_chain_still_verifies_and_says_how_many_went(store: Store, peer: Peer) -> None:
    retention.prune(store, 3, NOW)
    with store.read() as conn:
        found = chain.check_unit(conn, peer.unit_id)
    assert (found.breaks, found.receipts, found.bodies, found.dropped) == ([], 11, 4, 7)


def test_what_went_is_said_by_a_receipt_and_by_the_audit_trail(store: Store, peer: Peer) -> None:
    (done,) = retention.prune(store, 3, NOW)
    with store.read() as conn:
        last = journal.receipts_after(conn, peer.unit_id, 10)[0]
        entry = audit.entries(conn)[0]
    assert (last.kind, last.device, last.records) == ("prune", 0, 0)
    assert last.result == {"before": "2026-11-19 01:30:00", "bodies": 7, "bytes": done.size}
    assert (entry["action"], entry["subject"], entry["actor"]) == (
        "journal.prune",
        CODE,
        "operator",
    )
    assert "7 份原文" in entry["detail"]


def test_one_that_was_to_stay_is_missed(store: Store, peer: Peer) -> None:
    retention.prune(store, 3, NOW)
    with store.write() as conn:
        conn.execute(
            update(receipt).where(receipt.c.sequence == 9).values(encoding="dropped", body=b"")
        )
    assert breaks(store) == [(9, Fault.MISSING_BODY)]


def test_a_forged_receipt_of_pruning_excuses_nothing_unseen(store: Store, peer: Peer) -> None:
    retention.prune(store, 3, NOW)
    with store.write() as conn:
        conn.execute(
            update(receipt).where(receipt.c.sequence == 9).values(encoding="dropped", body=b"")
        )
        conn.execute(
            update(receipt)
            .where(receipt.c.sequence == 11)
            .values(result='{"before":"2026-11-22 01:30:00","bodies":7,"bytes":1}')
        )
    assert breaks(store) == [(11, Fault.CONTENT)]


def test_pruning_again_finds_nothing_and_leaves_no_trace(store: Store, peer: Peer) -> None:
    retention.prune(store, 3, NOW)
    before = contents(store)
    assert retention.prune(store, 3, NOW) == []
    assert contents(store) == before
    (next_day,) = retention.prune(store, 3, NOW + timedelta(days=1))
    assert next_day.bodies == 1
    assert breaks(store) == []


def test_a_dry_run_says_the_same_and_changes_nothing(store: Store, peer: Peer) -> None:
    before = contents(store)
    said = retention.prune(store, 3, NOW, dry_run=True)
    assert contents(store) == before
    assert said == retention.prune(store, 3, NOW)


def test_every_unit_is_pruned_by_itself(store: Store, peer: Peer) -> None:
    other, fresh = new_peer(store, OTHER), new_peer(store, "91330000573973054F")
    send(store, other, [record(1)], now=NOW - timedelta(days=5))
    send(store, fresh, [record(1)])
    told: list[Pruned] = []
    done = retention.prune(store, 3, NOW, progress=told.append)
    assert told == done
    assert [(one.credit_code, one.bodies) for one in done] == [(OTHER, 1), (CODE, 7)]
    assert breaks(store) == []
    assert kept(store, fresh) == [1]


def test_for_ever_is_no_number_of_days(store: Store, peer: Peer) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        retention.prune(store, 0, NOW)
    assert kept(store, peer) == list(range(1, 11))
