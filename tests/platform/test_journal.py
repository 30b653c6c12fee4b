"""The upload journal: receipts without gaps, bodies that come back, refused ones within limits."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
import zstandard
from sqlalchemy import func, select, update

from nenghao.platform import journal
from nenghao.platform.chain import JournalDamaged
from nenghao.platform.journal import Body
from nenghao.platform.registry import Peer
from nenghao.platform.store import schema
from nenghao.platform.store.engine import Store
from tests.platform.energy import ADDRESS, CODE, NOW, new_peer


@pytest.fixture
def peer(store: Store) -> Peer:
    return new_peer(store)


def _append(store: Store, peer: Peer, body: bytes, kind: str = journal.ENERGY) -> int:
    with store.write() as conn:
        return journal.append(
            conn,
            peer,
            kind,
            Body.of(body),
            records=3,
            result={"stored": 3},
            now=NOW,
            address=ADDRESS,
        )


def _refuse(store: Store, peer: Peer, body: bytes, *, days: int = 0, keep_mb: int = 64) -> int:
    return journal.keep_refused(
        store,
        peer,
        path="/uploadEnergyData",
        code="E2002",
        text="请求参数异常，参数格式不合法：data[0].statDate 应为 …",
        body=body,
        now=NOW + timedelta(days=days),
        address=ADDRESS,
        keep_mb=keep_mb,
    )


def test_receipts_of_a_unit_are_numbered_without_a_gap(store: Store, peer: Peer) -> None:
    other = new_peer(store, "91210000573973053F")
    numbers = [_append(store, who, b"{}") for who in (peer, peer, other, peer)]
    assert numbers == [1, 2, 1, 3]


def test_a_failed_transaction_takes_no_number(store: Store, peer: Peer) -> None:
    with pytest.raises(LookupError):
        _append_and_fail(store, peer)
    assert _append(store, peer, b"{}") == 1


def _append_and_fail(store: Store, peer: Peer) -> None:
    with store.write() as conn:
        number = journal.append(
            conn, peer, "energy", Body.of(b"x"), records=1, result={}, now=NOW, address=ADDRESS
        )
        assert number == 1
        raise LookupError


@pytest.mark.parametrize("body", [b"", b"{}", '{"名":"值"}'.encode() * 10_000, bytes(range(256))])
def test_a_body_comes_back_byte_by_byte(store: Store, peer: Peer, body: bytes) -> None:
    number = _append(store, peer, body)
    with store.read() as conn:
        assert journal.body_of(conn, peer.unit_id, number) == body


def test_a_body_that_came_as_zstd_is_kept_as_it_came_if_it_tells_its_size() -> None:
    body = random.Random(1).randbytes(5000) + b"0" * 5000
    sized = zstandard.ZstdCompressor(level=19).compress(body)
    unsized = zstandard.ZstdCompressor(level=19, write_content_size=False).compress(body)
    assert Body.of(body, sized).packed == sized
    assert Body.of(body, unsized) == Body.of(body)
    assert Body.of(body, sized).sha256 == Body.of(body).sha256


def test_a_receipt_says_who_when_from_where_what_and_with_which_result(
    store: Store, peer: Peer
) -> None:
    _append(store, peer, b"one")
    _append(store, peer, b"two", journal.CONFIGURATION)
    with store.read() as conn:
        latest, first = journal.receipts(conn, peer.unit_id)
        assert journal.receipts(conn) == [latest, first]
        assert journal.receipts(conn, kind=journal.ENERGY) == [first]
        assert journal.receipts(conn, limit=1) == [latest]
        assert journal.receipts(conn, peer.unit_id + 1) == []
    assert (latest.credit_code, latest.sequence, latest.kind) == (CODE, 2, "config")
    assert (latest.device, latest.received_at, latest.address) == (1, NOW, ADDRESS)
    assert (latest.records, latest.result) == (3, {"stored": 3})
    assert latest.sha256 == "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"


def test_the_head_bears_the_digest_of_the_last_receipt(store: Store, peer: Peer) -> None:
    _append(store, peer, b"one")
    _append(store, peer, b"two")
    with store.read() as conn:
        assert conn.execute(select(schema.unit_head.c.sequence)).scalar_one() == 2
        digest = conn.execute(select(schema.unit_head.c.receipt_digest)).scalar_one()
        latest, first = journal.receipts(conn, peer.unit_id)
    assert (latest.digest, latest.previous) == (digest.hex(), first.digest)
    assert first.previous == "00" * 32


def test_an_exchanged_body_is_noticed(store: Store, peer: Peer) -> None:
    number = _append(store, peer, b"one")
    with store.write() as conn:
        conn.execute(update(schema.receipt).values(body=Body.of(b"two").packed))
    with store.read() as conn, pytest.raises(JournalDamaged, match="SHA-256"):
        journal.body_of(conn, peer.unit_id, number)


def test_a_broken_body_is_noticed(store: Store, peer: Peer) -> None:
    number = _append(store, peer, b"one")
    with store.write() as conn:
        conn.execute(update(schema.receipt).values(body=b"garbage"))
    with store.read() as conn, pytest.raises(JournalDamaged, match="无法解压"):
        journal.body_of(conn, peer.unit_id, number)


def test_a_receipt_that_is_not_there_is_an_error(store: Store, peer: Peer) -> None:
    with store.read() as conn, pytest.raises(LookupError, match="no receipt 9"):
        journal.body_of(conn, peer.unit_id, 9)


def test_a_refused_body_is_kept_with_code_and_text(store: Store, peer: Peer) -> None:
    number = _refuse(store, peer, b'{"data": 1}')
    with store.read() as conn:
        (kept,) = journal.refused_uploads(conn, peer.unit_id)
        assert journal.refused_body(conn, peer.unit_id, number) == b'{"data": 1}'
        assert journal.refused_uploads(conn) == [kept]
        assert journal.receipts(conn) == []
    assert (kept.credit_code, kept.number, kept.device) == (CODE, 1, 1)
    assert (kept.path, kept.code, kept.size) == ("/uploadEnergyData", "E2002", 11)
    assert kept.kept
    assert "data[0].statDate" in kept.text


def test_a_refused_body_is_dropped_after_thirty_days(store: Store, peer: Peer) -> None:
    _refuse(store, peer, b"old")
    _refuse(store, peer, b"month", days=30)
    with store.read() as conn:
        assert [kept.number for kept in journal.refused_uploads(conn)] == [2, 1]
    _refuse(store, peer, b"new", days=31)
    with store.read() as conn:
        assert [kept.number for kept in journal.refused_uploads(conn)] == [3, 2]


def test_refused_bodies_of_a_unit_stay_within_their_megabytes(store: Store, peer: Peer) -> None:
    noise = [random.Random(seed).randbytes(400_000) for seed in range(4)]  # does not compress
    other = new_peer(store, "91210000573973053F")
    _refuse(store, other, noise[0], keep_mb=1)
    for body in noise:
        _refuse(store, peer, body, keep_mb=1)
    with store.read() as conn:
        mine = [kept.number for kept in journal.refused_uploads(conn, peer.unit_id)]
        theirs = [kept.number for kept in journal.refused_uploads(conn, other.unit_id)]
        size = func.sum(func.length(schema.refused_upload.c.body))
        table = schema.refused_upload
        kept = conn.execute(select(size).where(table.c.unit_id == peer.unit_id)).scalar_one()
    assert mine == [4, 3]
    assert theirs == [1]
    assert kept <= 1024 * 1024


def test_a_body_larger_than_all_that_may_be_kept_is_noted_without_its_bytes(
    store: Store, peer: Peer
) -> None:
    number = _refuse(store, peer, random.Random(1).randbytes(1_100_000), keep_mb=1)
    with store.read() as conn:
        (noted,) = journal.refused_uploads(conn)
        assert (noted.size, noted.kept) == (1_100_000, False)
        with pytest.raises(LookupError, match="too large"):
            journal.refused_body(conn, peer.unit_id, number)


def test_tiny_refused_bodies_do_not_pile_up_without_end(store: Store, peer: Peer) -> None:
    for _ in range(300):
        _refuse(store, peer, b"x", keep_mb=1)
    with store.read() as conn:
        assert len(journal.refused_uploads(conn, limit=1000)) == 256
