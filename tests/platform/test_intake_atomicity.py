"""An upload that is refused, or fails half way, leaves nothing of itself in the data."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from nenghao.platform import journal
from nenghao.platform.registry import Peer
from nenghao.platform.store import schema
from nenghao.platform.store.engine import Store
from nenghao.standard.findings import AdviceKind
from nenghao.standard.replies import DatabaseFault, IllegalFormat
from tests.platform.energy import (
    ADDRESS,
    COAL,
    ELECTRICITY,
    NOW,
    configure,
    contents,
    new_peer,
    record,
    send,
)


@pytest.fixture
def peer(store: Store) -> Peer:
    made = new_peer(store)
    configure(store, made, ELECTRICITY)
    configure(store, made, COAL)
    return made


def test_a_strict_kind_refuses_the_whole_batch_and_names_every_place(
    store: Store, peer: Peer
) -> None:
    send(store, peer, [record(1)])
    before = contents(store)
    batch = [record(5, "2026-11-01 00:00:00"), record(-1), record(-2, code=COAL)]
    with pytest.raises(IllegalFormat) as refused:
        send(store, peer, batch, strict=(AdviceKind.NEGATIVE,))
    assert [one.path for one in refused.value.findings] == [
        "data[1].dataValue",
        "data[2].dataValue",
    ]
    assert refused.value.findings[0].received == "-1"
    assert contents(store) == before


def test_a_kind_that_is_not_strict_refuses_nothing(store: Store, peer: Peer) -> None:
    result = send(store, peer, [record(-1)], strict=(AdviceKind.OUT_OF_RANGE,))
    assert result.advice == {AdviceKind.NEGATIVE: 1}


def test_superseded_made_strict_refuses_after_merging_and_leaves_nothing(
    store: Store, peer: Peer
) -> None:
    send(store, peer, [record(1)])
    before = contents(store)
    beaten = record(2, upload_date="2026-11-21 23:00:00")
    with pytest.raises(IllegalFormat, match=r"data\[1\]\.uploadDate"):
        send(store, peer, [record(code=COAL), beaten], strict=(AdviceKind.SUPERSEDED,))
    assert contents(store) == before


@pytest.mark.parametrize("step", ["_write", "journal.append", "advice.keep"])
def test_a_failure_in_mid_transaction_leaves_nothing(
    store: Store, peer: Peer, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    send(store, peer, [record(1)])
    before = contents(store)

    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("the disk is gone")

    monkeypatch.setattr(f"nenghao.platform.intake.{step}", fail)
    with pytest.raises(ConnectionError):
        send(store, peer, [record(-2, upload_date="2026-11-22 01:10:00"), record(3, code=COAL)])
    monkeypatch.undo()
    assert contents(store) == before
    assert send(store, peer, [record(2, upload_date="2026-11-22 01:10:00")]).sequence == 2


def test_a_refused_batch_leaves_no_trace_but_its_kept_body(store: Store, peer: Peer) -> None:
    before = contents(store)
    with pytest.raises(IllegalFormat) as refused:
        send(store, peer, [record(-1)], strict=(AdviceKind.NEGATIVE,))
    journal.keep_refused(
        store,
        peer,
        path="/uploadEnergyData",
        code=refused.value.code,
        text=refused.value.text,
        body=b"{}",
        now=NOW,
        address=ADDRESS,
    )
    after = contents(store)
    assert {name for name in after if after[name] != before[name]} <= {"unit_head"}
    with store.read() as conn:
        assert [kept.code for kept in journal.refused_uploads(conn)] == ["E2002"]
        assert journal.receipts(conn) == []


def test_a_damaged_stored_frame_is_a_database_fault_and_is_not_overwritten(
    store: Store, peer: Peer
) -> None:
    send(store, peer, [record(1)])
    with store.write() as conn:
        conn.execute(update(schema.frame).values(planes=b"damaged frame"))
    before = contents(store)
    with pytest.raises(DatabaseFault, match=ELECTRICITY):
        send(store, peer, [record(2)])
    assert contents(store) == before
