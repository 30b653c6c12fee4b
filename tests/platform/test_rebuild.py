"""The journal gives back what is stored, slot by slot, whatever was uploaded and set in between."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update

from nenghao.platform import audit, chain, configuration, intake, journal, rebuild, retention
from nenghao.platform.in_force import REALTIME_LABEL
from nenghao.platform.journal import Body
from nenghao.platform.rebuild import RebuildRefused, Rebuilt
from nenghao.platform.registry import Peer
from nenghao.platform.store import frames
from nenghao.platform.store.engine import Store, upsert
from nenghao.platform.store.schema import (
    dictionary_row,
    frame,
    platform_state,
    receipt,
    unit_setting,
)
from nenghao.standard import credit_code
from nenghao.standard.messages import read, write
from nenghao.standard.messages.config_data import ConfigUpload
from nenghao.standard.messages.energy_data import EnergyRecord, EnergyUpload, read_upload
from tests.platform.energy import (
    ADDRESS,
    COAL,
    CODE,
    DEVICE_ID,
    ELECTRICITY,
    NOW,
    Strict,
    contents,
    day,
    fetch,
    new_peer,
    record,
    send,
)
from tests.platform.world import sample

EVERYTHING = (date(2000, 1, 1), date(2099, 12, 31))
STRANGE = "00-00-0000-999999-11"
"""An energy type that the base data do not know."""

_numbers = count(1)


def stored(store: Store, peer: Peer) -> dict[tuple[object, ...], bytes]:
    query = select(frame).where(frame.c.unit_id == peer.unit_id)
    with store.read() as conn:
        return {tuple(row)[:-1]: row.planes for row in conn.execute(query)}


def wipe(store: Store, peer: Peer) -> None:
    with store.write() as conn:
        conn.execute(delete(frame).where(frame.c.unit_id == peer.unit_id))


def rebuilt(
    store: Store, peer: Peer, days: tuple[date, date] = EVERYTHING, *, dry_run: bool = False
) -> Rebuilt:
    return rebuild.rebuild(store, peer.credit_code, *days, NOW, dry_run=dry_run)


def set_label(store: Store, peer: Peer, since: datetime, value: str) -> None:
    row = {"unit_id": peer.unit_id, "name": REALTIME_LABEL, "valid_from": since, "value": value}
    with store.write() as conn:
        upsert(conn, unit_setting, [row])


def set_configuration(store: Store, peer: Peer, codes: list[str], least: float = 0.0) -> None:
    whole = sample("uploadConfigData.request")
    items = [
        {**whole["collectItemConfig"][0], "dataCode": code, "dataValueMin": least} for code in codes
    ]
    body = json.dumps(whole | {"collectItemConfig": items}).encode()
    with store.write() as conn:
        configuration.upload(conn, peer, read(ConfigUpload, body), Body.of(body), NOW, ADDRESS)


def send_late(store: Store, peer: Peer, batch: list[EnergyRecord], now: datetime, by: int) -> None:
    """Upload as the web layer does, under a tolerance of `by` seconds."""
    body = write(EnergyUpload(DEVICE_ID, peer.credit_code, batch))
    upload = read_upload(body, statdate_tolerance=by)
    intake.upload(store, Strict(statdate_tolerance=by), peer, upload, body, now, ADDRESS)


@pytest.fixture
def peer(store: Store) -> Peer:
    return new_peer(store)


@dataclass(frozen=True)
class Upload:
    batch: list[EnergyRecord]
    hours: int
    late: int


@dataclass(frozen=True)
class Label:
    since: datetime
    value: str


@dataclass(frozen=True)
class Configured:
    codes: list[str] = field(default_factory=list)
    least: float = 0.0


TICKS = [datetime(2026, 11, 21, 23) + timedelta(minutes=15 * step) for step in range(12)]
DATES = {
    0: [str(tick) for tick in TICKS] + ["2026-12-24 00:00:00"],
    1: ["2026-11-20 00:00:00", "2026-11-21 00:00:00", "2026-12-31 00:00:00"],
    2: ["2026-10-01 00:00:00", "2026-11-01 00:00:00", "2027-01-01 00:00:00"],
    3: ["2025-01-01 00:00:00", "2026-01-01 00:00:00"],
}


@st.composite
def a_record(draw: st.DrawFn, late: int) -> EnergyRecord:
    stat_type = draw(st.sampled_from([0, 0, 1, 1, 2, 3]))
    stat_date = draw(st.sampled_from(DATES[stat_type]))
    if late and stat_type and draw(st.booleans()):
        stat_date = stat_date.replace("00:00:00", f"00:00:{late:02d}")
    return record(
        draw(st.sampled_from([-1.5, 0.0, 1.0, 2.25, 1e-10, 12345.678])),
        stat_date,
        code=draw(st.sampled_from([ELECTRICITY, COAL, STRANGE])),
        stat_type=stat_type,
        upload_date=f"2026-11-2{draw(st.integers(0, 9))} 0{draw(st.integers(0, 3))}:00:00",
        input_type=draw(st.sampled_from([1, 1, 4, 5])),
        scope=draw(st.sampled_from([1, 1, 2])),
        valid=draw(st.booleans()),
    )


@st.composite
def an_upload(draw: st.DrawFn) -> Upload:
    late = draw(st.sampled_from([0, 0, 5]))
    batch = draw(st.lists(a_record(late), min_size=1, max_size=12))
    again = draw(st.lists(st.sampled_from(batch), max_size=3))
    return Upload([*batch, *again], draw(st.integers(-48, 48)), late)


LABELS = st.builds(
    Label,
    st.sampled_from([datetime(2026, 1, 1), datetime(2026, 11, 22), datetime(2026, 11, 22, 0, 30)]),
    st.sampled_from(["end", "start:15", "start:30", "start:60"]),
)
CONFIGURATIONS = st.builds(
    Configured,
    st.lists(st.sampled_from([ELECTRICITY, COAL, STRANGE]), min_size=1, max_size=3, unique=True),
    st.sampled_from([0.0, 2.0]),
)
EVENTS = st.lists(
    st.one_of(an_upload(), an_upload(), an_upload(), LABELS, CONFIGURATIONS),
    min_size=1,
    max_size=10,
)


def play(store: Store, peer: Peer, events: list[Upload | Label | Configured]) -> None:
    for event in events:
        if isinstance(event, Upload):
            send_late(store, peer, event.batch, NOW + timedelta(hours=event.hours), event.late)
        elif isinstance(event, Label):
            set_label(store, peer, event.since, event.value)
        else:
            set_configuration(store, peer, event.codes, event.least)


def new_unit(store: Store) -> Peer:
    """Another unit for each example: the database stays."""
    return new_peer(store, credit_code.complete(f"91210102MB{next(_numbers):07d}"))


PROPERTY = settings(
    deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@PROPERTY
@given(EVENTS)
def test_wiped_frames_come_back_byte_for_byte(
    store: Store, events: list[Upload | Label | Configured]
) -> None:
    peer = new_unit(store)
    play(store, peer, events)
    before = stored(store, peer)
    assert rebuilt(store, peer, dry_run=True).differences == []
    wipe(store, peer)
    done = rebuilt(store, peer)
    assert stored(store, peer) == before
    assert done.frames_written == len(before)
    assert rebuilt(store, peer, dry_run=True).differences == []


@PROPERTY
@given(EVENTS, st.integers(0, 5), st.integers(0, 3))
def test_a_rebuild_of_some_days_touches_no_others(
    store: Store, events: list[Upload | Label | Configured], after: int, length: int
) -> None:
    peer = new_unit(store)
    play(store, peer, events)
    first = date(2026, 11, 18) + timedelta(days=after)
    days = (first, first + timedelta(days=length))
    assert rebuilt(store, peer, days).differences == []
    before = stored(store, peer)
    wipe(store, peer)
    rebuilt(store, peer, days)
    part = stored(store, peer)
    everything = rebuilt(store, peer)
    assert stored(store, peer) == before
    inside = rebuilt(store, peer, days).compared
    held = sum(frames.count(planes) for planes in part.values())
    assert held == inside
    assert everything.compared == inside + len(everything.differences)


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
