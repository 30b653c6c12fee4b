"""What a unit uploaded arrives upstairs once, in order, whatever happens on the way."""

from __future__ import annotations

import contextlib
import json
import random
from datetime import date, timedelta

import pytest

from nenghao.platform import configuration
from nenghao.platform.journal import Body
from nenghao.platform.registry import Peer
from nenghao.platform.store import schema
from nenghao.platform.store.uplink_schema import uplink_mark
from nenghao.platform.uplink import marks
from nenghao.platform.uplink.line import NotSent, RefusedUp
from nenghao.platform.uplink.sender import FEWEST
from nenghao.standard.messages import read, uplink
from nenghao.standard.messages.config_data import ConfigUpload
from nenghao.standard.messages.energy_data import EnergyRecord, read_upload
from tests.platform import energy
from tests.platform.energy import COAL, ELECTRICITY, day, record, send
from tests.platform.uplink.nation import PROVINCE, Province, cut
from tests.platform.world import sample

SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


def configure(province: Province, peer: Peer, name: str = "示例钢铁") -> None:
    """Upload the annex's configuration."""
    message = sample("uploadConfigData.request", enterpriseCode=peer.credit_code)
    message["enterprise"] |= {"code": peer.credit_code, "name": name}
    message["deviceId"] = "9" * 32
    request = read(ConfigUpload, json.dumps(message).encode())
    with province.store.write() as conn:
        configuration.upload(conn, peer, request, Body.of(b"{}"), province.now, "")


@pytest.mark.clause("5.1-2")
def test_a_unit_goes_up_announced_first_then_configured_then_its_values(
    province: Province,
) -> None:
    peer = province.unit()
    send(province.store, peer, day(codes=[COAL, ELECTRICITY]))
    send(
        province.store,
        peer,
        [record(7), record(8, input_type=5), record(9, valid=False, code=COAL)],
    )
    configure(province, peer)
    done = province.sender.turn()
    assert province.nation.paths == [uplink.ANNOUNCE, uplink.CONFIGURATION, uplink.DATA]
    assert (done.sent, done.records, done.refused, done.failed) == (3, 195, 0, {})
    assert province.backlog() == 0
    assert len(province.upstairs(peer)) == 195
    assert province.upstairs(peer) == province.values(peer)


@SQLITE
def test_a_unit_is_announced_as_it_registered_and_speaks_with_its_own_device_id(
    province: Province,
) -> None:
    peer = province.unit()
    configure(province, peer)
    send(province.store, peer, [record(1)])
    province.sender.turn()
    announced = read(uplink.Announcement, province.nation.bodies[0])
    own = f"{peer.unit_id:032d}"
    assert announced.device_id == PROVINCE
    assert (announced.enterprise_code, announced.region) == (peer.credit_code, "210102")
    assert [(one.device, one.device_id) for one in announced.devices] == [(1, own)]
    configured = read(uplink.ConfigurationUp, province.nation.bodies[1])
    assert configured.device_id == own
    assert configured.received_at == "2026-11-22 01:30:00"
    assert configured.enterprise.name == "示例钢铁"
    assert read_upload(province.nation.bodies[2]).device_id == own


@SQLITE
def test_a_second_pass_sends_nothing(province: Province) -> None:
    send(province.store, province.unit(), [record(1)])
    province.sender.turn()
    again = province.sender.turn()
    assert again.sent == 0
    assert len(province.nation.paths) == 2


@pytest.mark.clause("5.1-2")
def test_a_correction_goes_up_again_and_only_what_it_touched(province: Province) -> None:
    peer = province.unit()
    send(province.store, peer, day())
    send(province.store, peer, [record(1), record(2, "2026-11-20 00:00:00")])
    province.sender.turn()
    correction = record(5, "2026-11-20 00:00:00", upload_date="2026-11-22 01:10:00")
    send(province.store, peer, [correction])
    province.sender.turn()
    assert [one.stat_date for one in read_upload(province.nation.bodies[-1]).data] == [
        "2026-11-20 00:00:00"
    ]
    assert province.upstairs(peer) == province.values(peer)


@SQLITE
def test_what_loses_or_repeats_downstairs_does_not_go_up(province: Province) -> None:
    peer = province.unit()
    send(province.store, peer, [record(1)])
    province.sender.turn()
    send(province.store, peer, [record(1)])
    send(province.store, peer, [record(0, upload_date="2026-11-21 01:00:00")])
    assert province.backlog() == 0


@SQLITE
def test_a_line_that_is_down_loses_nothing(province: Province) -> None:
    peer = province.unit()
    send(province.store, peer, day())
    before = province.backlog()
    province.nation.weather = cut
    done = province.sender.turn()
    assert list(done.failed) == [peer.unit_id]
    assert province.backlog() == before == 2
    province.nation.weather = lambda path, body: None
    province.sender.turn()
    assert province.backlog() == 0
    assert province.upstairs(peer) == province.values(peer)


@SQLITE
def test_a_lost_answer_is_asked_for_again_and_changes_nothing(province: Province) -> None:
    peer = province.unit()
    send(province.store, peer, day())
    province.nation.after = cut
    province.sender.turn()
    province.nation.after = lambda path: None
    province.sender.turn()
    assert province.nation.paths == [uplink.ANNOUNCE, uplink.ANNOUNCE, uplink.DATA]
    assert province.upstairs(peer) == province.values(peer)


def test_a_mark_that_is_put_again_while_it_is_sent_stays(province: Province) -> None:
    peer = province.unit()
    send(province.store, peer, [record(1)])

    def meanwhile(path: str) -> None:
        if path == uplink.DATA:
            province.nation.after = lambda path: None
            send(province.store, peer, [record(2, upload_date="2026-11-22 01:20:00")])

    province.nation.after = meanwhile
    province.sender.turn()
    assert province.backlog() == 1
    province.sender.turn()
    assert province.backlog() == 0
    assert [one.data_value for one in province.upstairs(peer).values()] == [2]


@pytest.mark.clause("5.1-2")
def test_an_attempt_that_arrives_after_its_repetition_is_refused(province: Province) -> None:
    """With equal uploadDates the later arrival would win: the older value must not."""
    peer = province.unit()
    send(province.store, peer, [record(1)])

    def late(path: str, body: bytes) -> None:
        if path == uplink.DATA:
            cut()

    province.nation.weather = late
    province.sender.turn()
    on_its_way = province.nation.bodies[-1]
    province.nation.weather = lambda path, body: None
    send(province.store, peer, [record(2)])
    province.sender.turn()
    with pytest.raises(RefusedUp) as refusal:
        province.nation.take(uplink.DATA, on_its_way)
    assert uplink.stale_after(refusal.value.words) is not None
    assert [one.data_value for one in province.upstairs(peer).values()] == [2]


@SQLITE
def test_a_sender_whose_clock_was_set_back_goes_on_after_the_nations_number(
    province: Province,
) -> None:
    peer = province.unit()
    province.sender.turn()
    province.nation.units[peer.credit_code].order = 10**14
    send(province.store, peer, [record(1)])
    done = province.sender.turn()
    assert (done.refused, province.backlog()) == (0, 0)
    assert province.nation.units[peer.credit_code].order > 10**14


@pytest.mark.clause("5.1-2")
def test_a_refused_frame_goes_to_the_list_with_the_nations_words_and_holds_up_no_other(
    province: Province,
) -> None:
    peer = province.unit()
    for number in range(1, 6):
        send(province.store, peer, day(date(2026, 11, number), start=number))
    province.nation.refuse_values = lambda one: one.stat_date == "2026-11-03 12:00:00"
    done = province.sender.turn()
    assert (done.refused, province.backlog()) == (1, 0)
    (only,) = province.refused()
    assert (only.code, only.kind, only.response_code) == (peer.credit_code, 0, "E2002")
    assert "不合适" in only.words
    assert len(province.upstairs(peer)) == 4 * 96


@SQLITE
def test_what_was_refused_goes_up_with_the_next_mark_of_its_frame(province: Province) -> None:
    peer = province.unit()
    send(province.store, peer, [record(1, "2026-11-20 00:00:00")])
    province.nation.refuse_values = lambda one: True
    province.sender.turn()
    assert len(province.refused()) == 1
    province.nation.refuse_values = lambda one: False
    send(province.store, peer, [record(2, "2026-11-21 00:00:00")])
    province.sender.turn()
    assert province.refused() == []
    assert province.upstairs(peer) == province.values(peer)
    assert len(province.values(peer)) == 2


@SQLITE
def test_the_operator_sends_what_was_refused_again(province: Province) -> None:
    peer = province.unit()
    send(province.store, peer, [record(1)])
    province.nation.refuse_values = lambda one: True
    province.sender.turn()
    province.nation.refuse_values = lambda one: False
    with province.store.write() as conn:
        assert marks.retry(conn, province.now, "91330000573973053G") == 0
        assert marks.retry(conn, province.now) == 1
    assert province.refused() == []
    province.sender.turn()
    assert province.upstairs(peer) == province.values(peer)


@SQLITE
def test_of_a_unit_whose_registration_is_refused_nothing_follows(province: Province) -> None:
    peer, other = province.unit(), province.unit("911101010000000002")
    for one in (peer, other):
        send(province.store, one, [record(1)])

    def foreign(path: str, body: bytes) -> None:
        if peer.credit_code.encode() in body:
            raise RefusedUp("E2002", "enterpriseCode 已由 220000 报送")

    province.nation.weather = foreign
    province.sender.turn()
    assert [one.words for one in province.refused()] == ["enterpriseCode 已由 220000 报送"]
    assert province.backlog() == 1
    assert len(province.upstairs(other)) == 1
    asked = len(province.nation.paths)
    province.sender.turn()
    assert len(province.nation.paths) == asked
    province.nation.weather = lambda path, body: None
    with province.store.write() as conn:
        marks.retry(conn, province.now)
    province.sender.turn()
    assert province.upstairs(peer) == province.values(peer)


@SQLITE
def test_a_nation_that_lost_a_unit_is_told_of_it_again(province: Province) -> None:
    peer = province.unit()
    configure(province, peer)
    province.sender.turn()
    province.nation.units.clear()
    send(province.store, peer, [record(1)])
    done = province.sender.turn()
    assert (done.refused, province.backlog()) == (0, 0)
    assert list(province.nation.units[peer.credit_code].configurations) == [f"{peer.unit_id:032d}"]
    assert province.upstairs(peer) == province.values(peer)


@SQLITE
def test_a_nation_that_takes_less_gets_smaller_batches(province: Province) -> None:
    peer = province.unit()
    codes = [f"00-00-0000-02{number:04d}-11" for number in range(30)]
    send(province.store, peer, day(codes=codes))
    province.nation.limit = 1000
    province.sender.turn()
    assert province.backlog() == 0
    assert province.upstairs(peer) == province.values(peer)
    assert len(province.values(peer)) == 2880


@SQLITE
def test_what_is_too_large_even_in_small_batches_is_refused(province: Province) -> None:
    peer = province.unit()
    send(province.store, peer, day(codes=[COAL, *(f"00-00-0000-02{n:04d}-11" for n in range(9))]))
    send(province.store, peer, [record(1)])
    province.nation.limit = 10
    assert province.nation.limit < FEWEST
    province.sender.turn()
    assert [(one.response_code, one.kind) for one in province.refused()] == [("413", 0)]
    assert len(province.upstairs(peer)) == 1


@SQLITE
def test_a_damaged_frame_is_listed_and_the_others_go_up(province: Province) -> None:
    peer = province.unit()
    for number in (1, 2, 3):
        send(province.store, peer, day(date(2026, 11, number)))
    table = schema.frame
    with province.store.write() as conn:
        days = sorted(row.frame for row in conn.execute(table.select()))
        conn.execute(table.update().where(table.c.frame == days[1]).values(planes=b"\x00"))
    province.sender.turn()
    (only,) = province.refused()
    assert (only.number, only.response_code) == (days[1], "E1002")
    assert len(province.upstairs(peer)) == 2 * 96


@SQLITE
def test_an_upload_date_ahead_of_the_clock_ranks_upstairs_as_it_did_here(
    province: Province,
) -> None:
    peer = province.unit()
    ahead = "2026-11-25 00:00:00"
    send(province.store, peer, [record(1, upload_date=ahead)])
    send(
        province.store,
        peer,
        [record(2, code=COAL, upload_date=ahead), record(3, "2026-11-20 00:00:00")],
        now=province.now + timedelta(hours=1),
    )
    province.sender.turn()
    told = [uplink.read_extension(body) for body in province.nation.bodies[1:]]
    assert sorted(one.received_at for one in told) == [
        "2026-11-22 01:30:00",
        "2026-11-22 02:30:00",
        "2026-11-22 02:30:00",
    ]
    ranks = province.nation.units[peer.credit_code].values
    assert sorted(rank for _, rank in ranks.values()) == [
        "2026-11-22 01:00:00",
        "2026-11-22 01:30:00",
        "2026-11-22 02:30:00",
    ]
    send(province.store, peer, [record(9, upload_date="2026-11-22 01:40:00")])
    province.sender.turn()
    assert province.upstairs(peer) == province.values(peer)


@SQLITE
def test_real_time_labels_go_up_as_the_end_of_their_interval(province: Province) -> None:
    peer = province.unit()
    with province.store.write() as conn:
        values = {"unit_id": peer.unit_id, "name": "realtime_label", "value": "start:15"}
        conn.execute(
            schema.unit_setting.insert().values(valid_from=energy.NOW.replace(year=2020), **values)
        )
    send(province.store, peer, [record(1, "2026-11-20 00:00:00", stat_type=0)])
    province.sender.turn()
    assert [one.stat_date for one in province.upstairs(peer).values()] == ["2026-11-20 00:15:00"]


@pytest.mark.parametrize("_again", range(3))
def test_after_any_weather_both_have_the_same(province: Province, _again: int) -> None:
    seed = random.SystemRandom().randrange(2**32)
    dice = random.Random(seed)
    peers = [province.unit(), province.unit("911101010000000002")]
    late: list[tuple[str, bytes]] = []

    def weather(path: str, body: bytes) -> None:
        if dice.random() < 0.3:
            if dice.random() < 0.7:
                late.append((path, body))
            cut()
        if late and dice.random() < 0.3:
            arrive(late.pop())

    def arrive(message: tuple[str, bytes]) -> None:
        with contextlib.suppress(RefusedUp):
            province.nation.take(*message)

    def after(path: str) -> None:
        if dice.random() < 0.2:
            raise NotSent("应答丢失", reached=dice.random() < 0.5)
        if dice.random() < 0.2:
            upload()

    def upload() -> None:
        at = province.now + timedelta(minutes=dice.randrange(-30, 30))
        records = [some_record(dice) for _ in range(dice.randrange(1, 6))]
        send(province.store, dice.choice(peers), records, now=at)

    province.nation.weather, province.nation.after = weather, after
    for _ in range(12):
        upload()
        province.now += timedelta(minutes=dice.randrange(-5, 15))
        province.sender.turn()
    province.nation.after = lambda path: None
    for _ in range(200):
        if not province.backlog():
            break
        province.sender.turn()
    assert province.backlog() == 0
    for message in late:
        arrive(message)
    for peer in peers:
        if province.values(peer):
            assert province.upstairs(peer) == province.values(peer), f"seed {seed}"


def some_record(dice: random.Random) -> EnergyRecord:
    """One of few keys, so that they meet; uploadDates tie and run ahead."""
    stat_type = dice.choice([0, 1])
    date_of = f"2026-11-{dice.randrange(20, 22)} 00:00:00"
    return record(
        dice.randrange(1000) / 8,
        date_of,
        stat_type=stat_type,
        upload_date=f"2026-11-22 0{dice.choice([1, 1, 1, 3])}:00:00",
        valid=dice.random() < 0.8,
    )


def test_marks_of_a_migrated_database_are_sent(province: Province) -> None:
    """What was there before the uplink is marked like anything else."""
    peer = province.unit()
    send(province.store, peer, [*day(), record(1)])
    with province.store.write() as conn:
        conn.execute(uplink_mark.delete())
        marks.mark_unit(conn, peer.unit_id, province.now)
    province.sender.turn()
    assert province.upstairs(peer) == province.values(peer)
