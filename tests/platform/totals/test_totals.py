"""Totals are kept: marked by the upload, settled by whoever asks, checked against the frames."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import delete, insert, select, update

from nenghao.platform import coefficients, statistics
from nenghao.platform.registry import Peer
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.statistics import Question
from nenghao.platform.store import schema
from nenghao.platform.store.engine import MIGRATIONS, Store
from nenghao.platform.store.totals_schema import roll_up, total_mark, unit_place, unit_total
from nenghao.platform.totals import explain, marks, options, packed, settle, settler, verify
from nenghao.platform.totals.marks import Mark
from nenghao.standard import indicators
from nenghao.standard.energy_amounts import Kind
from nenghao.standard.findings import AdviceKind
from nenghao.standard.indicators import Totals
from nenghao.standard.periods import StatType
from nenghao.standard.replies import IllegalFormat
from tests.platform.energy import ELECTRICITY, NOW, new_peer, record, send
from tests.platform.rebuilding import rebuilt
from tests.platform.world import World, sample, unit_code

COAL = "00-00-0000-010100-11"
DAY = datetime(2026, 11, 21)
MONTH = datetime(2026, 11, 1)
ONE_DAY = timedelta(days=1)


def asked(
    store: Store,
    period: str = "day",
    begin: datetime = DAY,
    end: datetime | None = None,
    *,
    now: datetime = NOW,
    source: str = "online",
    **where: object,
) -> Totals:
    question = Question(period, begin, end or begin, source, **where)  # type: ignore[arg-type]
    return statistics.answer(store, question, now)


def elec(totals: Totals) -> Decimal:
    return indicators.rounded(totals["elec"].origin)


def due(store: Store) -> set[tuple[int, int, int]]:
    with store.read() as conn:
        query = select(total_mark.c.stat_type, total_mark.c.frame, total_mark.c.slots)
        return {tuple(row) for row in conn.execute(query)}


def place(store: Store, peer: Peer, region: str, industry: str, since: datetime = NOW) -> None:
    with store.write() as conn:
        row = {"unit_id": peer.unit_id, "sequence": 1, "since": since}
        conn.execute(insert(unit_place).values(**row, region=region, industry=industry))


@pytest.fixture
def peer(store: Store) -> Peer:
    return new_peer(store)


@pytest.mark.clause("7.3.1-2", "7.3.2-1")
def test_an_answer_includes_every_upload_acknowledged_before(store: Store, peer: Peer) -> None:
    assert elec(asked(store)) == 0
    send(store, peer, [record(100.0)])
    assert elec(asked(store)) == 100
    send(store, peer, [record(40.0, upload_date="2026-11-22 01:20:00")])
    assert elec(asked(store)) == 40
    assert elec(asked(store, "month", MONTH)) == 40
    assert elec(asked(store, "year", datetime(2026, 1, 1))) == 40


def test_an_upload_marks_its_frames_and_settling_takes_the_marks(store: Store, peer: Peer) -> None:
    send(store, peer, [record(1.0), record(2.0, "2026-11-20 00:00:00", code=COAL)])
    assert due(store) == {(1, 322, 1 << 20 | 1 << 19)}
    assert settle.settle(store, NOW) == 1
    assert due(store) == set()
    send(store, peer, [record(1.0)])  # the same again
    assert due(store) == set()


@pytest.mark.parametrize(
    "upload",
    [
        record(1.0, "2026-11-21 00:15:00", stat_type=0),
        record(1.0, code="01-00-0000-023300-11"),
    ],
)
def test_ticks_and_parts_of_a_plant_mark_nothing(store: Store, peer: Peer, upload: object) -> None:
    send(store, peer, [upload])  # type: ignore[list-item]
    assert due(store) == set()


def test_a_refused_upload_marks_nothing(store: Store, peer: Peer) -> None:
    with pytest.raises(IllegalFormat):
        send(store, peer, [record(1.0)], strict=(AdviceKind.NOT_CONFIGURED,))
    assert due(store) == set()


def test_online_and_report_are_apart(store: Store, peer: Peer) -> None:
    send(store, peer, [record(100.0), record(7.0, input_type=5)])
    assert elec(asked(store)) == 100
    assert elec(asked(store, source="report")) == 7


def test_a_period_that_has_not_begun_is_counted_when_it_begins(store: Store, peer: Peer) -> None:
    first, second = DAY + 5 * ONE_DAY, DAY + 6 * ONE_DAY
    send(store, peer, [record(3.0, str(first)), record(4.0, str(second)), record(5.0)])
    whole = {"begin": MONTH, "end": datetime(2026, 12, 1)}
    assert elec(asked(store, **whole)) == 5  # type: ignore[arg-type]
    assert elec(asked(store, **whole, now=first - timedelta(seconds=1))) == 5  # type: ignore[arg-type]
    assert elec(asked(store, **whole, now=first)) == 8  # type: ignore[arg-type]
    assert elec(asked(store, "month", MONTH, now=second)) == 12
    assert due(store) == set()


def test_a_day_that_begins_within_a_day_counts_at_once(store: Store, peer: Peer) -> None:
    send(store, peer, [record(3.0, "2026-11-23 00:00:00")])
    assert elec(asked(store, begin=datetime(2026, 11, 23))) == 3


def test_regions_industries_and_scopes(store: Store) -> None:
    places = (("210102", "C2511"), ("210103", "C3110"), ("210202", "D4411"), ("130102", "C2511"))
    for number, (region, industry) in enumerate(places):
        peer = new_peer(store, unit_code(number))
        place(store, peer, region, industry)
        send(store, peer, [record(10.0**number)])

    def told(**where: object) -> Decimal:
        return elec(asked(store, **where))  # type: ignore[arg-type]

    assert told() == told(region="000000") == 1111
    assert told(region="210000") == 111
    assert told(region="210100") == 11
    assert told(region="210102") == 1
    assert told(industry="C") == 1011
    assert told(industry="C25") == told(industry="C2511") == 1001
    assert told(industry="C", within_region="210000") == 11
    assert told(industry="C", within_region="210100") == 11
    assert told(industry="C31", within_region="210103") == 10
    assert told(region="210000", within_industries=("C25", "D")) == 101
    assert told(region="210100", within_industries=("C", "C31")) == 11
    assert told(region="210102", within_region="210202") == 0
    assert told(industry="D", within_industries=("C",)) == 0
    assert told(region="990000") == told(industry="Z") == 0


def test_periods_are_half_open_by_their_start(store: Store, peer: Peer) -> None:
    send(store, peer, [record(10.0**day, f"2026-11-1{day} 00:00:00") for day in range(4)])

    def told(begin: datetime, end: datetime) -> Decimal:
        return elec(asked(store, begin=begin, end=end))

    eleventh, thirteenth = datetime(2026, 11, 11), datetime(2026, 11, 13)
    assert told(eleventh, thirteenth) == 110
    assert told(eleventh + timedelta(seconds=1), thirteenth) == 100
    assert told(eleventh, thirteenth + timedelta(seconds=1)) == 1110
    assert told(eleventh, eleventh) == 10
    noon = eleventh + timedelta(hours=12)
    assert told(noon, noon) == 10
    assert told(noon, noon + timedelta(seconds=1)) == 0
    assert told(datetime(1970, 1, 1), datetime(2999, 1, 1)) == 1111


def test_a_coefficient_changes_what_it_touches(store: Store, peer: Peer) -> None:
    send(store, peer, [record(100.0, "2025-12-31 00:00:00"), record(100.0)])
    assert asked(store)["elec"].value == 122_900_000_000
    with store.write() as conn:
        coefficients.set_(
            conn, Kind("02", "3300"), Decimal("2"), valid_from=date(2026, 1, 1), now=NOW
        )
    assert {kind for kind, *_ in due(store)} == {int(StatType.DAY)}
    assert asked(store)["elec"].value == 200_000_000_000
    assert asked(store, begin=datetime(2025, 12, 31))["elec"].value == 122_900_000_000
    assert verify.verify(store, NOW).ok


def test_settings_change_what_they_touch(store: Store, peer: Peer) -> None:
    equivalent = PlatformSettings(electricity_equivalent=("2026=3",))
    send(store, peer, [record(100.0), record(5.0, code="00-00-0000-090200-80")])
    before = asked(store)
    with store.write() as conn:
        assert options.note(conn, equivalent)
        assert not options.note(conn, equivalent)
    assert asked(store)["nyxfzl"].value == 300_000_000_000
    assert asked(store)["zhnyxfl"] == before["zhnyxfl"]
    with store.write() as conn:
        options.note(conn, PlatformSettings(output_value_code="00-00-0000-090200-80"))
    told = asked(store)
    assert told["gyzcz"].origin == 5_000_000_000
    assert told["nyxfzl"] == before["nyxfzl"]
    assert verify.verify(store, NOW).ok


def test_a_configuration_moves_the_periods_that_end_after_it(world: World) -> None:
    client = world.client()
    client.register()
    peer = Peer(1, client.issued.credit_code, 1, "", "")  # type: ignore[union-attr]

    def configure(industry: str) -> None:
        message = sample("uploadConfigData.request", deviceId=client.device_id)
        message["enterpriseCode"] = message["enterprise"]["code"] = peer.credit_code
        message["enterprise"] |= {"industryCode": industry, "regionCode": "210102"}
        reply = client.post("/uploadConfigData", message)
        assert reply.code == "0", reply.text

    store = world.store
    send(store, peer, [record(1.0, "2026-11-20 00:00:00"), record(10.0)])
    assert elec(asked(store, industry="C")) == 0
    configure("C2511")
    assert elec(asked(store, industry="C2511")) == 10
    assert elec(asked(store, begin=DAY - ONE_DAY, industry="C2511")) == 1
    world.now = datetime(2026, 11, 21, 12)
    configure("D4411")
    assert elec(asked(store, industry="D44")) == 10
    assert elec(asked(store, begin=DAY - ONE_DAY, industry="C2511")) == 1
    assert elec(asked(store, "month", MONTH, industry="D44")) == 11
    assert elec(asked(store, "month", MONTH, industry="C")) == 0
    assert verify.verify(store, NOW).ok


def test_registering_in_another_county_moves_a_unit_that_told_none(world: World) -> None:
    identity = world.identity()
    world.register(identity)
    send(world.store, Peer(1, identity.credit_code, 1, "", ""), [record(10.0)])
    assert elec(asked(world.store, region="210102")) == 10
    world.register(identity, "210202", "中山区")
    assert elec(asked(world.store, region="210102")) == 0
    assert elec(asked(world.store, region="210202")) == 10


def test_verify_finds_a_wrong_total_and_a_wrong_sum(store: Store, peer: Peer) -> None:
    send(store, peer, [record(10.0)])
    done = verify.verify(store, NOW)
    assert (done.ok, done.units, done.totals) == (True, 1, 3)
    assert done.sums == 3 * 5  # county and no industry; nation, province, city, county
    with store.write() as conn:
        row = conn.execute(select(unit_total).where(unit_total.c.stat_type == 1)).one()
        totals = packed.unit_from(row.totals)
        totals.slots[20][1] += 1
        conn.execute(
            update(unit_total)
            .where(unit_total.c.stat_type == 1)
            .values(totals=packed.unit_bytes(totals))
        )
        conn.execute(delete(roll_up).where(roll_up.c.region == "21*"))
    wrong = verify.verify(store, NOW)
    assert not wrong.ok
    assert {one.what for one in wrong.differences} == {
        peer.credit_code,
        "210102/",
        "*/*",
        "21*/*",
        "2101*/*",
        "210102*/*",
    }
    assert verify.recompute(store, NOW) == 1
    assert verify.verify(store, NOW).ok


def test_a_damaged_frame_is_in_no_total_and_named(store: Store, peer: Peer) -> None:
    send(store, peer, [record(10.0), record(3.0, code=COAL)])
    with store.write() as conn:
        table = schema.frame
        broken = update(table).where(table.c.data_code == COAL).values(planes=b"broken")
        conn.execute(broken)
    told = asked(store)
    assert elec(told) == 10
    assert told["coal"].origin == 0
    done = verify.verify(store, NOW)
    assert [(code, key.data_code) for code, key in done.damaged] == [(peer.credit_code, COAL)]
    assert not done.ok
    rebuilt(store, peer)
    assert asked(store)["coal"].origin == 3_000_000_000
    assert verify.verify(store, NOW).ok


def test_a_coefficient_of_a_year_touches_its_months_and_days() -> None:
    found = set(marks.below(Mark(StatType.YEAR, 0, 1 << 26)))
    assert Mark(StatType.MONTH, 26) in found
    assert {mark.frame for mark in found if mark.stat_type == StatType.DAY} == set(range(312, 324))


def test_the_last_bit_of_a_mark_stands_for_all_later_slots() -> None:
    assert marks.marked(Mark(StatType.YEAR, 0, marks.bits([3, 62]))) == [3, *range(62, 100)]
    assert marks.marked(Mark(StatType.DAY, 13)) == list(range(28))  # February 2001


def test_an_explanation_is_of_what_is_kept(store: Store, peer: Peer) -> None:
    place(store, peer, "210102", "C2511")
    send(store, peer, [record(10.0), record(3.0, code=COAL)])
    told = explain.explain(store, peer.credit_code, StatType.MONTH, DAY, 0, NOW)
    assert told.start == MONTH
    assert told.place == ("210102", "C2511")
    assert told.kept == told.explanation.totals
    assert {line.data_code for line in told.explanation.lines} == {ELECTRICITY, COAL}
    with pytest.raises(explain.UnknownUnit):
        explain.explain(store, unit_code(9), StatType.MONTH, DAY, 0, NOW)


def test_the_settler_settles_by_itself(store: Store, peer: Peer) -> None:
    send(store, peer, [record(10.0)])
    looked = threading.Event()

    def clock() -> datetime:
        if not due(store):
            looked.set()
        return NOW

    with settler.settling(store, clock, pause=0.01):
        assert looked.wait(20)
    assert due(store) == set()


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_older_database_is_counted_from_its_frames(world: World, tmp_path: Path) -> None:
    """The migration marks what is there and reads places from the configurations."""
    client = world.client()
    client.register()
    message = sample("uploadConfigData.request", deviceId=client.device_id)
    assert client.post("/uploadConfigData", message).code == "0"
    store = world.store
    peer = Peer(1, client.issued.credit_code, 1, "", "")  # type: ignore[union-attr]
    send(store, peer, [record(10.0), record(2.0, "2026-01-01 00:00:00", stat_type=3)])
    before = asked(store, "year", DAY)
    with store.read() as conn:
        placed = conn.execute(select(unit_place)).all()
    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    with store.write() as conn:
        config.attributes["connection"] = conn
        command.downgrade(config, "0001")
    store.upgrade()
    with store.read() as conn:
        assert conn.execute(select(unit_place)).all() == placed
    assert asked(store, "year", DAY) == before
    assert verify.verify(store, NOW).ok


def uploads(store: Store, peers: list[Peer]) -> Iterator[threading.Thread]:
    for peer in peers:

        def work(peer: Peer = peer) -> None:
            for day in range(1, 11):
                send(store, peer, [record(1.0, f"2026-11-{day:02d} 00:00:00")])

        yield threading.Thread(target=work)


def test_uploads_and_questions_at_the_same_time(store: Store) -> None:
    peers = [new_peer(store, unit_code(number)) for number in range(3)]
    threads = list(uploads(store, peers))
    for thread in threads:
        thread.start()
    seen = [elec(asked(store, "month", MONTH)) for _ in range(15)]
    for thread in threads:
        thread.join()
    assert seen == sorted(seen)
    assert elec(asked(store, "month", MONTH)) == 30
    assert verify.verify(store, NOW).ok
