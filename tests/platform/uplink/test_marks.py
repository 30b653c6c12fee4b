"""What is not yet up is marked in the transaction that makes it so, and unmarked once it is up."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from nenghao.platform import rebuild
from nenghao.platform.store import schema
from nenghao.platform.uplink import marks
from nenghao.platform.uplink.marks import ALL, UNIT, Held
from nenghao.standard import periods
from nenghao.standard.findings import AdviceKind
from nenghao.standard.periods import StatType
from nenghao.standard.replies import IllegalFormat
from tests.platform.energy import COAL, day, record, send
from tests.platform.uplink.nation import Province
from tests.platform.world import STEEL, World, sample

SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
NOVEMBER = periods.month_number(date(2026, 11, 1))
LATER = datetime(2026, 11, 23, 2, 0)


def held(province: Province, unit_id: int) -> list[Held]:
    with province.store.read() as conn:
        return marks.held(conn, unit_id)


def named(found: list[Held]) -> list[tuple[int, int, int]]:
    return [(one.kind, one.number, one.slots) for one in found]


@SQLITE
def test_an_upload_marks_the_slots_that_it_touched_of_each_frame(province: Province) -> None:
    peer = province.unit()
    noon = record(1, "2026-11-21 12:00:00", stat_type=0)
    tick = record(1, "2026-11-21 00:15:00", stat_type=0, code=COAL)
    year = record(1, "2026-01-01 00:00:00", stat_type=3)
    far = record(1, "2080-01-01 00:00:00", stat_type=3)
    send(province.store, peer, [noon, tick, record(), record(2, "2026-11-03 00:00:00"), year, far])
    today = periods.day_number(date(2026, 11, 21))
    assert named(held(province, peer.unit_id)) == [
        (UNIT, 0, ALL),
        (0, today, 1 << 47 // 2 | 1),
        (1, NOVEMBER, 1 << 20 | 1 << 2),
        (3, 0, 1 << 26 | 1 << 62),
    ]


@SQLITE
def test_the_same_upload_again_marks_nothing(province: Province) -> None:
    peer = province.unit()
    send(province.store, peer, day())
    before = held(province, peer.unit_id)
    send(province.store, peer, day(), now=LATER)
    assert held(province, peer.unit_id) == before


@SQLITE
def test_a_mark_keeps_when_it_was_put_first_and_last(province: Province) -> None:
    peer = province.unit()
    send(province.store, peer, [record(1)])
    send(province.store, peer, [record(2, "2026-11-20 00:00:00")], now=LATER)
    _, only = held(province, peer.unit_id)
    assert (only.since, only.received_at) == (province.now, LATER)
    with province.store.read() as conn:
        assert marks.backlog(conn) == (2, province.now)


@SQLITE
def test_of_a_refused_upload_nothing_is_marked(province: Province) -> None:
    peer = province.unit()
    with pytest.raises(IllegalFormat):
        send(province.store, peer, [record(1)], strict=(AdviceKind.NOT_CONFIGURED,))
    assert [one.kind for one in held(province, peer.unit_id)] == [UNIT]


def test_acknowledging_takes_away_only_what_was_not_marked_again(province: Province) -> None:
    peer = province.unit()
    send(province.store, peer, [record(1), *day()])
    read = held(province, peer.unit_id)
    send(province.store, peer, [record(2)], now=LATER)
    with province.store.write() as conn:
        marks.acknowledged(conn, peer.unit_id, read)
    assert named(held(province, peer.unit_id)) == [(1, NOVEMBER, 1 << 20)]


@SQLITE
def test_units_come_in_the_order_of_their_oldest_mark(province: Province) -> None:
    late = province.unit()
    province.now -= timedelta(days=1)
    early = province.unit("911101010000000002")
    with province.store.read() as conn:
        assert marks.due_units(conn, 10) == [early.unit_id, late.unit_id]
        assert marks.due_units(conn, 1) == [early.unit_id]


def test_the_days_of_a_difference_are_marked_and_no_others(province: Province) -> None:
    peer = province.unit()
    for number in (1, 2, 3):
        send(province.store, peer, day(date(2026, 11, number)))
    send(province.store, peer, [record(n, f"2026-11-{n:02d} 00:00:00") for n in (1, 2, 3)])
    send(province.store, peer, [record(1, "2026-11-01 00:00:00", stat_type=2)])
    send(province.store, peer, [record(1, "2026-01-01 00:00:00", stat_type=3)])
    province.sender.turn()
    with province.store.write() as conn:
        assert marks.mark_days(conn, peer.unit_id, date(2026, 11, 2), date(2026, 11, 3), LATER) == 3
    first = periods.day_number(date(2026, 11, 2))
    assert named(held(province, peer.unit_id)) == [
        (0, first, ALL),
        (0, first + 1, ALL),
        (1, NOVEMBER, 0b110),
    ]
    with province.store.write() as conn:
        marks.mark_days(conn, peer.unit_id, date(2026, 1, 1), date(2026, 11, 1), LATER)
    assert named(held(province, peer.unit_id)) == [
        (0, first - 1, ALL),
        (0, first, ALL),
        (0, first + 1, ALL),
        (1, NOVEMBER, 0b111),
        (2, 26, (1 << 11) - 1),
        (3, 0, 1 << 26),
    ]


@pytest.mark.clause("5.1-2")
def test_a_registration_is_marked_and_marked_again_when_it_changes(world: World) -> None:
    identity = world.identity()
    world.register(identity)

    def kinds() -> list[int]:
        with world.store.read() as conn:
            (unit_id,) = marks.due_units(conn, 10) or [0]
            return [one.kind for one in marks.held(conn, unit_id)]

    assert kinds() == [UNIT]
    with world.store.write() as conn:
        (unit_id,) = marks.due_units(conn, 10)
        marks.acknowledged(conn, unit_id, marks.held(conn, unit_id))
    world.register(identity)
    assert kinds() == []
    world.register(identity, "210103", "沈河区")
    assert kinds() == [UNIT]


@pytest.mark.clause("5.1-2")
def test_what_devices_send_over_the_wire_is_marked(world: World) -> None:
    client = world.client()
    client.register()
    for name in ("uploadConfigData", "uploadEnergyData"):
        message = sample(f"{name}.request", deviceId=client.device_id, enterpriseCode=STEEL)
        assert client.post(f"/{name}", message).code == "0"
    with world.store.read() as conn:
        (unit_id,) = marks.due_units(conn, 10)
        kinds = [one.kind for one in marks.held(conn, unit_id)]
    assert kinds[:2] == [marks.UNIT, marks.CONFIGURATION]
    assert set(kinds[2:]) <= set(map(int, StatType))
    assert len(kinds) > 2


@SQLITE
def test_a_rebuild_marks_what_it_changed(province: Province) -> None:
    peer = province.unit()
    send(province.store, peer, [record(1)])
    province.sender.turn()
    with province.store.write() as conn:
        conn.execute(schema.frame.delete())
    rebuild.rebuild(province.store, peer.credit_code, date(2026, 11, 1), date(2026, 11, 30), LATER)
    assert [one.kind for one in held(province, peer.unit_id)] == [int(StatType.DAY)]
