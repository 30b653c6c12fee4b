"""What the overview shows: kept sums, fair comparisons, arrivals, alarms."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import insert, update

from nenghao.console.views import overview_alarms, overview_arrival, overview_energy, overview_words
from nenghao.console.views.overview_alarms import Alarm
from nenghao.console.views.overview_energy import MONTH, YEAR, Energy
from nenghao.console.views.overview_kept import LIFE, Kept, kept
from nenghao.console.views.unit_state import UnitState
from nenghao.platform import journal
from nenghao.platform.journal import Body
from nenghao.platform.registry import Peer
from nenghao.platform.store import schema
from nenghao.platform.store.engine import Store
from nenghao.platform.store.totals_schema import total_mark
from nenghao.platform.totals import places, settle
from nenghao.platform.totals.places import Place
from nenghao.platform.uplink import lease, marks
from nenghao.platform.uplink.marks import Mark
from nenghao.standard.indicators import NANO
from tests.platform.energy import new_peer, record, send
from tests.platform.world import fill, unit_code
from tests.postgres import Server

NOW = datetime(2026, 11, 22, 10, 0)
COAL_OF_DAY = 122.9
"""Tonnes of standard coal of 100 万千瓦时."""


@pytest.fixture(scope="module")
def fresh_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a fresh province's database, to be copied."""
    path = tmp_path_factory.mktemp("overview") / "fresh.db"
    fill(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="module")
def fresh_template(postgres: Server) -> Iterator[str]:
    """The name of a fresh province's database, to be copied."""
    name = postgres.create()
    fill(postgres.url(name))
    yield name
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    """A fresh province's, once on each kind of database."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            path = tmp_path / "nenghao.db"
            shutil.copy(request.getfixturevalue("fresh_file"), path)
            url = f"sqlite:///{path}"
        else:
            server: Server = request.getfixturevalue("postgres")
            url = stack.enter_context(server.database(request.getfixturevalue("fresh_template")))
        opened = Store.open(url)
        yield opened
        opened.close()


def a_unit(store: Store, number: int, region: str = "210102", industry: str = "C3120") -> Peer:
    """A unit with a device that uploads at 02:00, counted in a region and an industry."""
    peer = new_peer(store, unit_code(number))
    with store.write() as conn:
        conn.execute(
            update(schema.unit)
            .where(schema.unit.c.id == peer.unit_id)
            .values(name=f"单位{number}", region=region)
        )
        times = {"registered_at": NOW - timedelta(days=400), "last_registered_at": NOW}
        named = {"device_id": f"{number:032x}", "ordinal": number, "upload_time": "02:00:00"}
        conn.execute(insert(schema.device).values(unit_id=peer.unit_id, number=1, **named, **times))
        places.note(conn, peer.unit_id, 1, datetime(2020, 1, 1), Place(region, industry))
    return peer


def bought(
    store: Store, peer: Peer, days: Sequence[date], amount: float = 100.0, stat_type: int = 1
) -> None:
    """Electricity that a unit bought on these days (in these months)."""
    records = [record(amount, f"{day} 00:00:00", stat_type=stat_type) for day in days]
    send(store, peer, records, now=NOW - timedelta(days=30))


def november(year: int, *days: int) -> list[date]:
    return [date(year, 11, day) for day in days]


def energy(store: Store, period: str = MONTH, now: datetime = NOW) -> Energy:
    settle.settle(store, now)
    with store.read() as conn:
        return overview_energy.read(conn, now, "nyxfzl", YEAR if period == YEAR else MONTH)


def coal(amount: int) -> float:
    return round(amount / NANO, 4)


# --- energy ---------------------------------------------------------------------------------------


def test_an_empty_platform_has_nothing_and_compares_nothing(store: Store) -> None:
    found = energy(store)
    assert found.month.total is None
    assert found.year.total is None
    assert found.month.change is None
    assert len(found.cities) == 14
    assert not any(one.total for one in found.cities)
    assert found.industries == ()
    assert found.elsewhere == 0
    assert found.other_industries == 0
    assert "暂不比较" in overview_words.basis_text(found.month)


def test_the_same_days_of_both_years_are_compared_and_no_others(store: Store) -> None:
    peer = a_unit(store, 1)
    bought(store, peer, november(2026, 1, 2, 3), 110.0)
    bought(store, peer, november(2025, 2, 3, 4, 5), 100.0)
    month = energy(store).month
    assert month.days == tuple(november(2026, 2, 3))
    assert month.total is not None
    assert coal(month.total) == pytest.approx(3.3 * COAL_OF_DAY)
    assert coal(month.same) == pytest.approx(2.2 * COAL_OF_DAY)
    assert coal(month.before) == pytest.approx(2 * COAL_OF_DAY)
    assert month.change == pytest.approx(10.0)


def test_a_day_that_many_units_have_not_sent_yet_is_not_compared(store: Store) -> None:
    for number in (1, 2, 3):
        peer = a_unit(store, number)
        bought(store, peer, november(2026, *([20, 21] if number == 1 else [20])))
        bought(store, peer, november(2025, 20, 21))
    month = energy(store).month
    assert month.days == tuple(november(2026, 20))
    assert month.units == 3
    assert (month.units_now, month.units_before) == (3, 3)
    assert month.change == pytest.approx(0.0)


def test_today_is_never_compared(store: Store) -> None:
    peer = a_unit(store, 1)
    for year in (2025, 2026):
        bought(store, peer, november(year, 21, 22))
    assert energy(store).month.days == tuple(november(2026, 21))


def test_the_leap_day_has_no_counterpart(store: Store) -> None:
    peer = a_unit(store, 1)
    bought(store, peer, [date(2028, 2, 28), date(2028, 2, 29)])
    bought(store, peer, [date(2027, 2, 28), date(2027, 3, 1)])
    now = datetime(2028, 3, 1, 10)
    year = energy(store, YEAR, now).year
    assert year.days == (date(2028, 2, 28),)


def test_months_without_days_are_compared_as_a_whole(store: Store) -> None:
    peer = a_unit(store, 1)
    bought(store, peer, [date(2026, 3, 1), date(2026, 4, 1)], 3300.0, stat_type=2)
    bought(store, peer, [date(2025, 3, 1), date(2025, 4, 1)], 3000.0, stat_type=2)
    year = energy(store, YEAR).year
    assert (year.months, year.days) == ((3, 4), ())
    assert year.change == pytest.approx(10.0)
    assert "3 至 4 月" in overview_words.basis_text(year)


def test_half_a_month_of_days_is_not_held_against_a_whole_month(store: Store) -> None:
    peer = a_unit(store, 1)
    bought(store, peer, [date(2026, 3, day) for day in range(10, 25)])
    bought(store, peer, [date(2025, 3, 1)], 3000.0, stat_type=2)
    year = energy(store, YEAR).year
    assert (year.months, year.days) == ((), ())
    assert year.change is None


def test_a_month_of_whole_days_may_be_held_against_a_monthly_value(store: Store) -> None:
    peer = a_unit(store, 1)
    bought(store, peer, [date(2026, 3, day) for day in range(1, 32)])
    bought(store, peer, [date(2025, 3, 1)], 3100.0, stat_type=2)
    year = energy(store, YEAR).year
    assert year.months == (3,)
    assert year.change == pytest.approx(0.0)


def test_months_that_are_over_count_whole_or_by_their_whole_days(store: Store) -> None:
    peer = a_unit(store, 1)
    for year, amount in ((2026, 130.0), (2025, 100.0)):
        bought(store, peer, [date(year, 4, day) for day in range(1, 31)], amount)
        bought(store, peer, [date(year, 5, day) for day in range(1, 31 if year == 2026 else 32)])
    found = energy(store, YEAR).year
    assert found.months == (4,)
    assert found.days == tuple(date(2026, 5, day) for day in range(1, 31))
    assert found.change == pytest.approx(15.0)


def test_what_is_filled_in_is_not_added(store: Store) -> None:
    peer = a_unit(store, 1)
    reported = record(500.0, "2026-11-01 00:00:00", stat_type=2, input_type=5)
    send(store, peer, [reported], now=NOW)
    assert energy(store).month.total is None


def test_more_units_than_a_year_before_are_said_loudly(store: Store) -> None:
    for number in (1, 2):
        peer = a_unit(store, number)
        bought(store, peer, november(2026, 5))
        if number == 1:
            bought(store, peer, november(2025, 5))
    month = energy(store).month
    assert month.is_uneven
    assert "单位数相差较大" in overview_words.basis_text(month)


def test_cities_industries_and_energy_types_add_up(store: Store) -> None:
    bought(store, a_unit(store, 1, "210102", "C3120"), november(2026, 5), 100.0)
    bought(store, a_unit(store, 2, "210202", "C2511"), november(2026, 5), 200.0)
    bought(store, a_unit(store, 3, "110101", ""), november(2026, 5), 400.0)
    found = energy(store)
    cities = {one.name: coal(one.total) for one in found.cities if one.total}
    assert cities == {"沈阳市": COAL_OF_DAY, "大连市": 2 * COAL_OF_DAY}
    assert coal(found.elsewhere) == 4 * COAL_OF_DAY
    assert [one.code for one in found.industries] == ["C25", "C31"]
    assert coal(found.other_industries) == 4 * COAL_OF_DAY
    fuels = {one.code: one for one in found.fuels}
    assert coal(fuels["elec"].total) == pytest.approx(7 * COAL_OF_DAY)
    assert (fuels["elec"].amount, fuels["elec"].unit) == (700 * NANO, "万千瓦时")
    assert fuels["coal"].total == 0


def test_absurd_amounts_are_told_and_drawn() -> None:
    absurd = 10**309 * NANO
    assert overview_words.number_text(absurd) == "1.00E+309"
    assert overview_words.plain(absurd, NANO) == 10**12
    assert overview_energy.change_of(absurd, NANO) is None
    assert overview_words.coal_text(12_345 * NANO) == ("1.23", "万吨标准煤")
    assert overview_words.coal_text(252_000_000 * NANO) == ("2.52", "亿吨标准煤")
    assert overview_words.coal_text(9_999 * NANO) == ("9,999.00", "吨标准煤")
    assert overview_words.change_text(-3.21) == "同比 −3.2%"
    shown = [overview_words.short_text(one * NANO // 1000) for one in (99_994, 100_040, 10**8)]
    assert shown == ["99.99", "100.0", "100,000"]
    assert overview_words.short_text(absurd) == "1.00E+309"


# --- arrivals -------------------------------------------------------------------------------------


def came(store: Store, peer: Peer, *moments: datetime, device: int = 1) -> None:
    """Energy data of a unit were accepted then."""
    for moment in moments:
        sender = Peer(peer.unit_id, peer.credit_code, device, peer.name, peer.region)
        with store.write() as conn:
            journal.append(
                conn, sender, journal.ENERGY, Body.of(b"{}"),
                records=1, result={}, now=moment, address="",
            )  # fmt: skip


def arrival(store: Store, now: datetime = NOW) -> overview_arrival.Arrival:
    with store.read() as conn:
        return overview_arrival.read(conn, now)


def at(hour: int, minute: int = 0, days_ago: int = 0) -> datetime:
    return datetime(2026, 11, 22, hour, minute) - timedelta(days=days_ago)


def test_nothing_arrives_on_an_empty_platform(store: Store) -> None:
    found = arrival(store)
    assert (found.units, found.devices, found.batches) == (0, 0, 0)
    assert set(found.states.values()) == {0}
    assert (found.due_now, found.arrived_now) == (0, 0)
    assert overview_alarms.of_arrival(found) == []


def test_units_are_counted_by_state_and_the_silent_ones_named(store: Store) -> None:
    online, late, silent, never = (a_unit(store, number) for number in (1, 2, 3, 4))
    came(store, online, at(2, 5))
    came(store, late, at(2, 5, days_ago=1))
    came(store, silent, at(2, 5, days_ago=9))
    found = arrival(store)
    assert found.states == {UnitState.ONLINE: 1, UnitState.LATE: 1, UnitState.SILENT: 2}
    assert [one.code for one in found.silent] == [silent.credit_code, never.credit_code]
    assert found.silent[1].last is None
    assert found.troubled == {"2101": 3}
    bad, warn = overview_alarms.of_arrival(found)
    assert (bad.kind, bad.link) == ("bad", "/units?state=silent")
    assert "2 家" in bad.title
    assert "单位3" in bad.detail
    assert (warn.kind, warn.link) == ("warn", "/units?state=late")


def test_the_curve_counts_devices_once_against_their_upload_times(store: Store) -> None:
    first, second = a_unit(store, 1), a_unit(store, 2)
    came(store, first, at(23, 50, days_ago=1), at(2, 5), at(2, 20), at(9, 0))
    came(store, second, at(3, 0), device=0)  # filled in: no arrival
    found = arrival(store)
    assert found.batches == 3
    by_label = dict(zip(found.labels, zip(found.due, found.arrived, strict=True), strict=True))
    assert by_label["02:00"] == (0, 0)
    assert by_label["02:15"] == (2, 1)
    assert by_label["10:15"] == (2, 1)
    assert (found.due_now, found.arrived_now) == (2, 1)
    assert found.labels[0] == "02:00"
    assert by_label["10:30"] == (2, None)


def test_who_sends_very_often_is_followed_to_midnight(store: Store) -> None:
    peer = a_unit(store, 1)
    came(store, peer, *(at(0, minute) for minute in range(3, 60)), *(at(1, m) for m in range(40)))
    found = arrival(store)
    assert found.batches == 97
    assert dict(zip(found.labels, found.arrived, strict=True))["00:15"] == 1


def test_before_anything_is_due_the_curve_ends_at_now(store: Store) -> None:
    a_unit(store, 1)
    found = arrival(store, at(0, 1))
    assert (found.due_now, found.arrived_now) == (0, 0)
    assert found.arrived[0] == 0
    assert found.arrived[-1] is None


# --- alarms ---------------------------------------------------------------------------------------


def titles(alarms: Sequence[Alarm]) -> list[str]:
    return [one.title for one in alarms]


def test_uploads_refused_today_are_told_with_the_unit(store: Store) -> None:
    peer = a_unit(store, 1)
    rows = [
        {
            "unit_id": peer.unit_id, "number": number, "device_number": 1, "received_at": moment,
            "address": "", "path": "/uploadEnergyData", "code": "E2002", "text": "…",
            "encoding": "zstd", "size": 1, "body": b"",
        }
        for number, moment in enumerate((at(3, days_ago=1), at(3), at(4)), start=1)
    ]  # fmt: skip
    with store.write() as conn:
        conn.execute(insert(schema.refused_upload), rows)
    with store.read() as conn:
        (alarm,) = overview_alarms.of_refused(conn, NOW)
    assert alarm.title == "今日拒收 2 个批次，涉及 1 家单位"
    assert "04:00" in alarm.detail
    assert "E2002" in alarm.detail
    assert alarm.link.startswith(f"/units/{peer.credit_code}")


def a_certificate(
    store: Store, number: int, ends: timedelta, *, device: int = 1, revoked: bool = False
) -> None:
    with store.write() as conn:
        conn.execute(
            insert(schema.certificate).values(
                serial=f"{number:040x}", purpose="device", credit_code=unit_code(1),
                device_number=device, name="单位1", region="210102", not_before=NOW,
                not_after=NOW + ends, issued_at=NOW, revoked_at=NOW if revoked else None, pem="",
            )
        )  # fmt: skip


def test_certificates_that_end_without_a_successor_are_told(store: Store) -> None:
    day = timedelta(days=1)
    a_certificate(store, 1, 10 * day)
    a_certificate(store, 2, 400 * day)  # its successor
    a_certificate(store, 3, 12 * day, device=2)
    a_certificate(store, 4, 500 * day, device=2, revoked=True)
    a_certificate(store, 5, -2 * day, device=3)
    a_certificate(store, 6, -200 * day, device=4)  # given up long ago
    a_certificate(store, 7, 31 * day, device=5)
    with store.read() as conn:
        alarms = overview_alarms.of_certificates(conn, NOW)
    assert titles(alarms) == [
        "1 张证书已到期且没有新证书",
        "1 张证书将在 30 天内到期且没有新证书",
    ]
    assert [one.kind for one in alarms] == ["bad", "warn"]
    assert "2026-12-04" in alarms[1].detail
    assert [one.link for one in alarms] == [
        "/certificates?state=expired",
        "/certificates?expiring=30",
    ]


def test_the_uplink_tells_its_backlog_the_oldest_item_and_what_failed(store: Store) -> None:
    peer = a_unit(store, 1)
    before = NOW - timedelta(days=2)
    with store.write() as conn:
        marks.put(conn, peer.unit_id, [Mark(marks.CONFIGURATION, 1)], NOW)
        marks.put(conn, peer.unit_id, [Mark(marks.UNIT, 0)], before)
    with store.read() as conn:
        found = overview_alarms.uplink(conn, NOW, "https://nation:9443")
        none = overview_alarms.uplink(conn, NOW, "")
    assert (found.backlog, found.oldest, found.refused) == (2, before, 0)
    assert found.oldest_item == "单位1 用能单位登记"
    assert titles(overview_alarms.of_uplink(found, NOW)) == ["上送积压"]
    assert not none.configured
    assert overview_alarms.of_uplink(none, NOW) == []
    with store.write() as conn:
        (first, _) = marks.held(conn, peer.unit_id)
        marks.refused(conn, peer.unit_id, first, "E2002", "不对", NOW)
    lease.tell(store, NOW, sent=False, failure="连接被拒绝")
    later = NOW + LIFE
    with store.read() as conn:
        found = overview_alarms.uplink(conn, later, "https://nation:9443")
    assert (found.backlog, found.refused, found.oldest) == (1, 1, NOW)
    assert titles(overview_alarms.of_uplink(found, later)) == [
        "国家平台拒收 1 项",
        "上送国家平台失败",
    ]


def test_the_disk_and_totals_that_are_behind_are_told(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = SimpleNamespace(free=10**8, total=10**12)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
    rows = [
        {"unit_id": number, "stat_type": 1, "frame": 322, "slots": 1, "due": due}
        for number in range(1, overview_alarms.MANY_WAITING + 2)
        for due in [NOW if number > 1 else NOW + timedelta(days=1)]
    ]
    with store.write() as conn:
        conn.execute(insert(total_mark), rows)
    with store.read() as conn:
        disk, totals = overview_alarms.of_platform(conn, tmp_path, NOW)
    assert (disk.kind, disk.title, disk.link) == ("bad", "磁盘空间", "/health")
    assert totals.title == f"{overview_alarms.MANY_WAITING} 家单位的合计待结算"


# --- what is kept ---------------------------------------------------------------------------------


def test_a_result_is_shown_for_a_minute_and_not_longer(store: Store) -> None:
    some, made = Kept(), iter(range(9))
    with store.read() as conn:
        asked = [NOW, NOW + LIFE - timedelta(seconds=1), NOW + LIFE, NOW]
        assert [some.of(conn, "x", now, lambda: next(made)) for now in asked] == [0, 0, 1, 2]
        assert some.of(conn, "y", NOW, lambda: "another") == "another"
        assert len(some) == 2
        some.of(conn, "y", NOW + 2 * LIFE, lambda: "anew")
        assert len(some) == 1


def test_what_failed_is_asked_for_again(store: Store) -> None:
    some = Kept()

    def fail() -> int:
        raise RuntimeError

    with store.read() as conn:
        with pytest.raises(RuntimeError):
            some.of(conn, "x", NOW, fail)
        assert some.of(conn, "x", NOW, lambda: 7) == 7


def test_looking_twice_asks_the_database_once(store: Store) -> None:
    kept.forget()
    with store.read() as conn:
        first = overview_energy.look(conn, NOW, "nyxfzl", MONTH)
        again = overview_energy.look(conn, NOW + timedelta(seconds=30), "nyxfzl", MONTH)
        other = overview_energy.look(conn, NOW, "zhnyxfl", MONTH)
        assert overview_arrival.look(conn, NOW) is overview_arrival.look(conn, NOW)
    assert again is first
    assert other is not first
