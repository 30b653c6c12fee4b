"""Whatever is done to the journal behind the platform's back is found, by unit and number."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SM3, Hash
from sqlalchemy import Connection, delete, insert, select, update

from nenghao.platform import chain, journal
from nenghao.platform.chain import Break, Checked, Content, Fault
from nenghao.platform.journal import Body
from nenghao.platform.registry import Peer
from nenghao.platform.store.engine import Store
from nenghao.platform.store.schema import receipt, unit, unit_head
from tests.platform.energy import ADDRESS, CODE, NOW, day, new_peer, record, send

PAGE = Path(__file__).parents[2] / "docs" / "journal.md"


@pytest.fixture
def peer(store: Store) -> Peer:
    return new_peer(store)


@pytest.fixture
def chained(store: Store, peer: Peer) -> Peer:
    """A unit with five receipts."""
    for minutes in range(5):
        send(store, peer, [record(minutes)], now=NOW + timedelta(minutes=minutes))
    return peer


def checked(store: Store, **more: Any) -> Checked:
    """The walk along the only chain."""
    with store.read() as conn:
        units = chain.units(conn)
    (one,) = chain.check(store, units, **more)
    return one


def faults(store: Store, **more: Any) -> list[tuple[int, Fault]]:
    return [(one.sequence, one.fault) for one in checked(store, **more).breaks]


def change(store: Store, sequence: int, **values: object) -> None:
    with store.write() as conn:
        conn.execute(update(receipt).where(receipt.c.sequence == sequence).values(**values))


def test_an_untouched_chain_is_right_from_its_first_receipt_to_its_head(
    store: Store, chained: Peer
) -> None:
    found = checked(store)
    assert (found.credit_code, found.receipts, found.bodies, found.dropped) == (CODE, 5, 5, 0)
    assert found.breaks == []
    with store.read() as conn:
        last = journal.receipt_of(conn, chained.unit_id, 5)
    assert (found.sequence, found.digest) == (5, last.digest)


def test_a_unit_without_receipts_has_nothing_wrong(store: Store, peer: Peer) -> None:
    assert checked(store) == Checked(CODE)


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "config"},
        {"device_number": 2},
        {"received_at": NOW},
        {"address": "10.0.0.9"},
        {"size": 1},
        {"records": 2},
        {"covers": '{"1":["2026-11-21 00:00:00","2026-11-22 00:00:00"]}'},
        {"settings": "{}"},
        {"result": '{"stored":9}'},
        {"result": "no JSON"},
        {"sha256": bytes(32)},
        {"digest": bytes(32)},
        {"previous_digest": bytes(32)},
    ],
    ids=lambda values: "-".join(values),
)
def test_a_changed_field_of_a_receipt_is_found_there_first(
    store: Store, chained: Peer, values: dict[str, object]
) -> None:
    change(store, 3, **values)
    assert faults(store, bodies=False)[0][0] == 3


def test_a_receipt_sealed_anew_no_longer_fits_the_next(store: Store, chained: Peer) -> None:
    with store.write() as conn:
        row = conn.execute(select(receipt).where(receipt.c.sequence == 3)).one()
        content = Content(
            unit=CODE,
            sequence=3,
            kind=row.kind,
            device=row.device_number,
            received_at=row.received_at,
            address="10.0.0.9",
            sha256=row.sha256,
            size=row.size,
            records=row.records,
            covers=json.loads(row.covers),
            settings=json.loads(row.settings),
            result=json.loads(row.result),
        )
        sealed = chain.digest(content, row.previous_digest)
    change(store, 3, address="10.0.0.9", digest=sealed)
    assert faults(store) == [(4, Fault.LINK)]


def test_a_body_that_is_another_is_found_unless_bodies_are_skipped(
    store: Store, chained: Peer
) -> None:
    with store.read() as conn:
        other = journal.body_of(conn, chained.unit_id, 1).replace(b"0.0", b"9.0")
    change(store, 2, body=Body.of(other).packed)
    change(store, 4, body=b"garbage")
    assert faults(store) == [(2, Fault.BODY), (4, Fault.BODY)]
    assert faults(store, bodies=False) == []


def test_a_body_that_would_unpack_to_more_than_was_received_is_not_unpacked(
    store: Store, chained: Peer
) -> None:
    change(store, 2, body=Body.of(bytes(100_000_000)).packed)
    (found,) = checked(store).breaks
    assert found == Break(2, Fault.BODY, "原文的长度不符")


def test_a_body_taken_away_without_a_receipt_for_it_is_found(store: Store, chained: Peer) -> None:
    change(store, 2, body=b"", encoding=chain.DROPPED)
    assert faults(store) == [(2, Fault.MISSING_BODY)]
    assert faults(store, bodies=False) == [(2, Fault.MISSING_BODY)]


def _remove(conn: Connection, *sequences: int) -> None:
    conn.execute(delete(receipt).where(receipt.c.sequence.in_(sequences)))


def _remove_all(conn: Connection) -> None:
    _remove(conn, 1, 2, 3, 4, 5)
    conn.execute(update(unit_head).values(sequence=0, receipt_digest=None))


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda conn: _remove(conn, 3), [Break(3, Fault.GAP, "缺少编号 3")]),
        (lambda conn: _remove(conn, 1, 2, 3), [Break(1, Fault.GAP, "缺少编号 1 至 3")]),
        (
            lambda conn: _remove(conn, 4, 5),
            [Break(4, Fault.TAIL, "链头编号为 5，最后一份回执为 3")],
        ),
        (_remove_all, [Break(1, Fault.TAIL, "有数据而没有任何回执")]),
        (
            lambda conn: conn.execute(update(unit_head).values(receipt_digest=bytes(32))),
            [Break(5, Fault.HEAD)],
        ),
        (
            lambda conn: conn.execute(update(unit_head).values(sequence=4)),
            [Break(5, Fault.HEAD)],
        ),
        (lambda conn: conn.execute(delete(unit_head)), [Break(5, Fault.HEAD, "链头不在")]),
    ],
    ids=["gap", "first-missing", "tail", "everything", "head-digest", "head-number", "no-head"],
)
def test_what_is_missing_is_found_where_it_is_missing(
    store: Store, chained: Peer, damage: Callable[[Connection], object], expected: list[Break]
) -> None:
    with store.write() as conn:
        damage(conn)
    assert checked(store).breaks == expected


def test_a_tail_cut_off_with_its_head_is_found_against_a_digest_kept_elsewhere(
    store: Store, chained: Peer
) -> None:
    before = checked(store)
    noted = {CODE: (before.sequence, before.digest)}
    send(store, chained, [record(9)], now=NOW + timedelta(hours=1))
    assert faults(store, noted=noted) == []
    with store.write() as conn:
        _remove(conn, 5, 6)
        third = conn.execute(select(receipt.c.digest).where(receipt.c.sequence == 4)).scalar_one()
        conn.execute(update(unit_head).values(sequence=4, receipt_digest=third))
    assert faults(store) == []
    assert faults(store, noted=noted) == [(5, Fault.NOTED)]


def test_a_receipt_under_another_unit_is_found(store: Store, chained: Peer) -> None:
    other = new_peer(store, "91210000573973053F")
    with store.write() as conn:
        row = dict(conn.execute(select(receipt).where(receipt.c.sequence == 1)).mappings().one())
        conn.execute(insert(receipt).values(row | {"unit_id": other.unit_id}))
        conn.execute(
            insert(unit_head).values(
                unit_id=other.unit_id, sequence=1, receipt_digest=row["digest"]
            )
        )
    with store.read() as conn:
        units = chain.units(conn)
    right, wrong = chain.check(store, units)
    assert right.breaks == []
    assert (wrong.credit_code, wrong.breaks) == ("91210000573973053F", [Break(1, Fault.CONTENT)])


def test_receipts_of_a_unit_that_is_no_longer_registered_are_found(
    store: Store, chained: Peer
) -> None:
    with store.write() as conn:
        conn.execute(delete(unit))
    assert faults(store)[0] == (1, Fault.CONTENT)


def test_a_chain_longer_than_a_page_is_walked_to_its_end(store: Store, peer: Peer) -> None:
    for _ in range(chain._PAGE + 3):
        send(store, peer, [record(1)])
    assert (checked(store).receipts, checked(store).breaks) == (chain._PAGE + 3, [])
    change(store, chain._PAGE + 2, records=7)
    assert faults(store) == [(chain._PAGE + 2, Fault.CONTENT)]


def test_a_receipt_says_what_was_in_force_and_what_it_covers(store: Store, peer: Peer) -> None:
    send(store, peer, [*day(), record(1), record(2, "2026-11-01 00:00:00", stat_type=2)])
    with store.read() as conn:
        (one,) = journal.receipts(conn, peer.unit_id)
    assert one.settings == {
        "statdateTolerance": 0,
        "recordLimit": 200_000,
        "strict": [],
        "realtimeLabel": [],
        "configuration": 0,
        "dicVersion": 1,
    }
    assert {kind: tuple(map(str, ends)) for kind, ends in one.covers.items()} == {
        0: ("2026-11-21 00:15:00", "2026-11-22 00:00:00"),
        1: ("2026-11-21 00:00:00", "2026-11-21 00:00:00"),
        2: ("2026-11-01 00:00:00", "2026-11-01 00:00:00"),
    }
    assert one.size > 0


def test_floats_have_no_one_spelling_and_are_refused(store: Store, peer: Peer) -> None:
    with pytest.raises(TypeError, match="no floats"), store.write() as conn:
        journal.append(
            conn,
            peer,
            journal.ENERGY,
            Body.of(b""),
            records=0,
            result={"share": [{"of": 0.5}]},
            now=NOW,
            address=ADDRESS,
        )


def test_the_documented_receipt_has_the_documented_digest() -> None:
    text = PAGE.read_text("utf-8")
    (canonical,) = re.findall(r"```json\n(\{.*\})\n```", text)
    (documented,) = re.findall(r"`([0-9a-f]{64})` is its SM3", text)
    told = json.loads(canonical)
    content = Content(
        unit=told["unit"],
        sequence=told["sequence"],
        kind=told["kind"],
        device=told["device"],
        received_at=NOW.fromisoformat(told["receivedAt"]),
        address=told["address"],
        sha256=bytes.fromhex(told["sha256"]),
        size=told["size"],
        records=told["records"],
        covers=told["covers"],
        settings=told["settings"],
        result=told["result"],
    )
    assert chain.digest(content, bytes.fromhex(told["previous"])).hex() == documented
    hashed = Hash(SM3())
    hashed.update(canonical.encode())
    assert hashed.finalize().hex() == documented
