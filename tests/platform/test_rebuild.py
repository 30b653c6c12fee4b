"""A rebuild reports what differs from the journal, puts it right, and refuses what it cannot."""

from __future__ import annotations

import json
from datetime import date, datetime

import pytest
from sqlalchemy import insert, select, update

from nenghao.platform import audit, chain, journal, rebuild, retention
from nenghao.platform.journal import Body
from nenghao.platform.rebuild import RebuildRefused
from nenghao.platform.registry import Peer
from nenghao.platform.store import frames
from nenghao.platform.store.engine import Store
from nenghao.platform.store.schema import (
    dictionary_row,
    frame,
    platform_state,
    receipt,
)
from tests.platform.energy import (
    COAL,
    CODE,
    ELECTRICITY,
    NOW,
    contents,
    day,
    fetch,
    new_peer,
    record,
    send,
)
from tests.platform.rebuilding import EVERYTHING, STRANGE, rebuilt, stored, wipe


@pytest.fixture
def peer(store: Store) -> Peer:
    return new_peer(store)


def test_a_changed_value_is_reported_and_put_right(store: Store, peer: Peer) -> None:
    send(store, peer, day(codes=(ELECTRICITY, COAL)))
    before = stored(store, peer)
    (key,) = (key for key in before if ELECTRICITY in key)
    held = frames.decode(before[key])
    held.value[7] = 99.0
    with store.write() as conn:
        conn.execute(
            update(frame).where(frame.c.data_code == ELECTRICITY).values(planes=frames.encode(held))
        )
    forged = contents(store)
    seen = rebuilt(store, peer, dry_run=True)
    assert contents(store) == forged
    (difference,) = seen.differences
    assert difference.plain()["dataCode"] == ELECTRICITY
    assert difference.plain()["statDate"] == "2026-11-21 02:00:00"
    assert difference.plain()["stored"]["dataValue"] == 99.0
    assert difference.plain()["rebuilt"]["dataValue"] == 0.32
    assert (seen.receipts, seen.compared, seen.frames_written) == (1, 192, 0)
    done = rebuilt(store, peer)
    assert (done.differences, done.frames_written) == (seen.differences, 1)
    assert stored(store, peer) == before


def test_a_value_that_nobody_uploaded_goes(store: Store, peer: Peer) -> None:
    send(store, peer, [record(1)])
    (planes,) = stored(store, peer).values()
    with store.write() as conn:
        row = {"stat_type": 1, "frame": 322, "data_code": COAL, "source": 0, "planes": planes}
        conn.execute(insert(frame).values(unit_id=peer.unit_id, **row))
    (difference,) = rebuilt(store, peer).differences
    assert (difference.key.data_code, difference.rebuilt) == (COAL, None)
    assert [key[3] for key in stored(store, peer)] == [ELECTRICITY]


def test_a_damaged_frame_is_made_anew_from_its_first_slot_to_its_last(
    store: Store, peer: Peer
) -> None:
    for on in (1, 15, 21):
        send(store, peer, [record(on, f"2026-11-{on:02d} 00:00:00")])
    before = stored(store, peer)
    with store.write() as conn:
        conn.execute(update(frame).values(planes=b"damaged frame"))
    done = rebuilt(store, peer, (date(2026, 11, 15), date(2026, 11, 15)))
    assert [(key.data_code, key.frame) for key in done.damaged] == [(ELECTRICITY, 322)]
    assert done.receipts == 3
    assert stored(store, peer) == before


def test_only_receipts_that_concern_the_days_are_replayed(store: Store, peer: Peer) -> None:
    for on in range(1, 11):
        send(store, peer, [*day(date(2026, 11, on)), record(on, f"2026-11-{on:02d} 00:00:00")])
    done = rebuilt(store, peer, (date(2026, 11, 3), date(2026, 11, 4)))
    assert (done.receipts, done.compared) == (2, 2 * 97)


def test_missing_bodies_are_no_hindrance_unless_they_concern_the_days(
    store: Store, peer: Peer
) -> None:
    for on in range(1, 11):
        at = datetime(2026, 11, on + 1, 1)
        send(store, peer, day(date(2026, 11, on)), now=at)
    retention.prune(store, 15, NOW)  # what came up to the 7th: the first six
    before = contents(store)
    with pytest.raises(RebuildRefused, match=r"2 份相关原文已清除（编号 5 起）"):
        rebuilt(store, peer, (date(2026, 11, 5), date(2026, 11, 8)))
    assert contents(store) == before
    wipe(store, peer)
    rebuilt(store, peer, (date(2026, 11, 7), date(2026, 11, 10)))
    assert len(fetch(store, peer, 0).data) == 4 * 96


def test_a_rebuild_is_on_record_with_what_it_replaced(store: Store, peer: Peer) -> None:
    send(store, peer, [record(1)])
    wipe(store, peer)
    done = rebuilt(store, peer, (date(2026, 11, 21), date(2026, 11, 21)))
    with store.read() as conn:
        last = journal.receipt_of(conn, peer.unit_id, done.sequence)
        body = json.loads(journal.body_of(conn, peer.unit_id, done.sequence))
        entry = audit.entries(conn)[0]
        assert chain.check_unit(conn, peer.unit_id).breaks == []
    assert (last.kind, last.records, last.sequence) == ("rebuild", 1, 2)
    assert last.result == {
        "from": "2026-11-21",
        "to": "2026-11-21",
        "receipts": 1,
        "differences": 1,
        "frames": 1,
    }
    assert body["differences"][0]["stored"] is None
    assert body["differences"][0]["rebuilt"]["dataValue"] == 1.0
    assert (entry["action"], entry["subject"]) == ("journal.rebuild", CODE)


def test_a_rebuild_that_finds_nothing_leaves_no_trace(store: Store, peer: Peer) -> None:
    send(store, peer, [record(1)])
    before = contents(store)
    assert (rebuilt(store, peer).compared, contents(store)) == (1, before)


def test_what_comes_in_during_a_rebuild_is_not_lost(
    store: Store, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(store, peer, [record(1)])
    wipe(store, peer)
    late = record(2, "2026-11-20 00:00:00")
    write_lock = store.write
    waiting = [late]

    def write_after_one_more():  # type: ignore[no-untyped-def]
        while waiting:
            one = waiting.pop()
            send(store, peer, [one])
        return write_lock()

    monkeypatch.setattr(store, "write", write_after_one_more)
    done = rebuilt(store, peer)
    assert done.receipts == 2
    assert [one.data_value for one in fetch(store, peer).data] == [2.0, 1.0]


def test_a_broken_chain_is_not_replayed(store: Store, peer: Peer) -> None:
    for value in (1, 2, 3):
        send(store, peer, [record(value)])
    with store.write() as conn:
        conn.execute(update(receipt).where(receipt.c.sequence == 2).values(settings="{}"))
    before = contents(store)
    with pytest.raises(RebuildRefused, match=r"编号 2 处有问题（回执内容与其摘要不符）"):
        rebuilt(store, peer)
    assert contents(store) == before


def test_a_body_that_is_another_is_not_replayed(store: Store, peer: Peer) -> None:
    send(store, peer, [record(1)])
    wipe(store, peer)
    with store.write() as conn:
        conn.execute(update(receipt).values(body=Body.of(b"{}").packed))
    with pytest.raises(RebuildRefused, match=r"编号 1 的原文无法重放"):
        rebuilt(store, peer)
    assert stored(store, peer) == {}


@pytest.mark.parametrize(
    ("code", "days", "said"),
    [
        ("91210000573973053F", EVERYTHING, "没有注册过的用能单位"),
        (CODE, EVERYTHING[::-1], "结束日期早于开始日期"),
    ],
)
def test_what_cannot_be_rebuilt_is_refused(
    store: Store, peer: Peer, code: str, days: tuple[date, date], said: str
) -> None:
    with pytest.raises(RebuildRefused, match=said):
        rebuild.rebuild(store, code, *days, NOW)


def test_findings_by_other_base_data_are_no_difference_but_all_else_is(
    store: Store, peer: Peer
) -> None:
    send(store, peer, [record(1, code=STRANGE)])
    before = stored(store, peer)
    with store.write() as conn:
        added = {"pclass": "99", "code": "9999", "name": "新品种"}
        query = select(dictionary_row.c.row).where(dictionary_row.c.table_name == "collectItem")
        known = json.loads(conn.execute(query.limit(1)).scalar_one())
        text = json.dumps(known | added)
        conn.execute(
            insert(dictionary_row).values(table_name="collectItem", position=99_999, row=text)
        )
        conn.execute(
            update(platform_state).where(platform_state.c.name == "dic_version").values(value="2")
        )
    assert rebuilt(store, peer).differences == []
    assert stored(store, peer) == before
    with store.write() as conn:
        held = frames.decode(next(iter(before.values())))
        held.value[0] = 2.0
        conn.execute(update(frame).values(planes=frames.encode(held)))
    (difference,) = rebuilt(store, peer).differences
    assert difference.rebuilt is not None
    assert difference.rebuilt.value == 1.0
