"""Curves, exported values and totals of a unit, as pages show them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from nenghao.console.views import unit_curves, unit_totals, unit_values
from nenghao.console.views.unit_curves import MOST_POINTS, Against, Asked, Curve, Span
from nenghao.platform.packing import ONLINE, REPORT
from nenghao.platform.registry import Peer
from nenghao.platform.store.engine import Store
from nenghao.platform.totals import settle
from nenghao.platform.totals.explain import UnknownUnit
from nenghao.standard import periods
from nenghao.standard.messages.energy_data import EnergyRecord
from nenghao.standard.periods import StatType
from tests.console.seeding import COAL, ELECTRICITY
from tests.platform.energy import new_peer, record, send
from tests.platform.world import fill

TODAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, 9, 30)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A fresh province."""
    url = f"sqlite:///{tmp_path / 'nenghao.db'}"
    fill(url)
    opened = Store.open(url)
    yield opened
    opened.close()


@pytest.fixture
def peer(store: Store) -> Peer:
    """Its only unit."""
    return new_peer(store)


def back(days: int) -> date:
    return TODAY - timedelta(days=days)


def daily(
    first: int, last: int, *, valid: bool = True, code: str = ELECTRICITY
) -> list[EnergyRecord]:
    """A value a day, from so many days ago to so many: 100 and the days."""
    return [
        record(100.0 + day, f"{back(day)} 00:00:00", valid=valid, code=code)
        for day in range(first, last - 1, -1)
    ]


def ticks(day: date, *, start: float = 1.0, without: range = range(0)) -> list[EnergyRecord]:
    return [
        record(start + at / 100, periods.format_time(tick), stat_type=0)
        for at, tick in enumerate(periods.day_ticks(day))
        if at not in without
    ]


def curve(
    store: Store,
    peer: Peer,
    span: Span,
    against: Against = Against.NOTHING,
    now: datetime = NOW,
    source: int = ONLINE,
) -> Curve:
    with store.read() as conn:
        asked = Asked(peer.unit_id, ELECTRICITY, source, span, against)
        return unit_curves.curve(conn, asked, now)


def days(first: int, last: int) -> Span:
    return Span.of(StatType.DAY, back(first), back(last))


# --- curves -------------------------------------------------------------------------------------


def test_a_curve_has_every_period_of_the_range_and_no_other(store: Store, peer: Peer) -> None:
    send(store, peer, daily(40, 1), now=NOW)

    shown = curve(store, peer, days(30, 28))

    assert shown.points == [
        (f"{back(30)} 00:00", 130.0),
        (f"{back(29)} 00:00", 129.0),
        (f"{back(28)} 00:00", 128.0),
    ]
    assert (shown.low, shown.high, shown.thinned) == (128.0, 130.0, False)


def test_missing_stretches_are_marked_and_today_is_not_missed(store: Store, peer: Peer) -> None:
    send(store, peer, [*daily(10, 7), *daily(4, 2)], now=NOW)

    shown = curve(store, peer, days(10, -3))

    assert (shown.periods, shown.due, shown.present, shown.missing_count) == (14, 10, 7, 3)
    assert shown.missing == [
        (f"{back(7)} 12:00", f"{back(5)} 12:00"),
        (f"{back(2)} 12:00", f"{back(1)} 12:00"),
    ]
    assert [value for _, value in shown.points[4:6]] == [None, None]


def test_invalid_values_are_shown_and_marked(store: Store, peer: Peer) -> None:
    send(store, peer, [*daily(5, 4), *daily(3, 3, valid=False), *daily(2, 1)], now=NOW)

    shown = curve(store, peer, days(5, 1))

    assert shown.invalid == [(f"{back(3)} 00:00", 103.0)]
    assert (shown.invalid_count, shown.present, shown.missing_count) == (1, 5, 0)


def test_ticks_of_a_day_end_with_the_midnight_after_it(store: Store, peer: Peer) -> None:
    send(store, peer, ticks(back(1), without=range(40, 44)), now=NOW)

    shown = curve(store, peer, Span.of(StatType.REALTIME, back(1), back(1)))

    assert (shown.periods, shown.present, shown.missing_count) == (96, 92, 4)
    assert shown.points[0] == (f"{back(1)} 00:15", 1.0)
    assert shown.points[-1] == (f"{TODAY} 00:00", 1.95)
    assert shown.missing == [(f"{back(1)} 10:07", f"{back(1)} 11:07")]


def test_the_week_before_is_drawn_at_the_places_of_this_one(store: Store, peer: Peer) -> None:
    send(store, peer, daily(12, 1), now=NOW)

    shown = curve(store, peer, days(5, 1), Against.WEEK)

    assert [time for time, _ in shown.compared] == [time for time, _ in shown.points]
    assert [value for _, value in shown.compared] == [112.0, 111.0, 110.0, 109.0, 108.0]


@pytest.mark.parametrize(
    ("kind", "begin", "before"),
    [
        (StatType.DAY, date(2024, 3, 1), date(2023, 3, 1)),
        (StatType.DAY, date(2024, 2, 10), date(2023, 2, 10)),
        (StatType.DAY, date(2025, 3, 1), date(2024, 3, 1)),
        (StatType.MONTH, date(2024, 2, 29), date(2023, 2, 1)),
        (StatType.MONTH, date(2025, 1, 1), date(2024, 1, 1)),
    ],
)
def test_the_year_before_begins_on_the_same_day_of_the_calendar(
    kind: StatType, begin: date, before: date
) -> None:
    assert Span.of(kind, begin, begin + timedelta(days=20)).earlier(Against.YEAR).begin == before


def test_months_are_compared_with_the_year_before_and_not_with_a_week(
    store: Store, peer: Peer
) -> None:
    sent = [
        record(10.0 * year + month, f"20{year}-{month:02d}-01 00:00:00", stat_type=2)
        for year in (24, 25)
        for month in range(1, 13)
    ]
    send(store, peer, sent, now=NOW)
    span = Span.of(StatType.MONTH, date(2025, 2, 15), date(2025, 12, 31))

    assert curve(store, peer, span, Against.WEEK).compared == []
    shown = curve(store, peer, span, Against.YEAR)
    assert shown.points[0] == ("2025-02-01 00:00", 252.0)
    assert [value for _, value in shown.compared] == [240.0 + month for month in range(2, 13)]


def test_a_long_curve_is_thinned_out_and_keeps_its_peaks(store: Store, peer: Peer) -> None:
    sent = [one for day in range(60, 0, -1) for one in ticks(back(day))]
    peak = record(999.0, f"{back(33)} 07:30:00", stat_type=0)
    dip = record(-5.0, f"{back(12)} 21:15:00", stat_type=0)
    taken = {peak.stat_date, dip.stat_date}
    sent = [one for one in sent if one.stat_date not in taken]
    send(store, peer, [*sent, peak, dip], now=NOW)
    span = Span.of(StatType.REALTIME, back(60), back(1))

    alone, compared = curve(store, peer, span), curve(store, peer, span, Against.WEEK)

    assert alone.thinned
    assert alone.present == 60 * 96
    assert MOST_POINTS / 2 < len(alone.points) <= MOST_POINTS
    assert len(compared.points) + len(compared.compared) <= MOST_POINTS
    for shown in (alone, compared):
        assert (f"{back(33)} 07:30", 999.0) in shown.points
        assert (f"{back(12)} 21:15", -5.0) in shown.points
        assert [time for time, _ in shown.points] == sorted(time for time, _ in shown.points)


def test_an_item_without_values_is_an_empty_curve(store: Store, peer: Peer) -> None:
    shown = curve(store, peer, days(5, 1))

    assert (shown.present, shown.missing_count, shown.low) == (0, 5, None)
    assert {value for _, value in shown.points} == {None}


def test_what_was_filled_in_is_a_curve_of_its_own(store: Store, peer: Peer) -> None:
    sent = [record(7.0, f"{back(1)} 00:00:00", input_type=5), *daily(1, 1)]
    send(store, peer, sent, now=NOW)

    assert curve(store, peer, days(1, 1)).points[0][1] == 101.0
    assert curve(store, peer, days(1, 1), source=REPORT).points[0][1] == 7.0


def test_a_range_is_put_in_order_and_bounded() -> None:
    turned = Span.of(StatType.DAY, back(1), back(9))
    longest = Span.of(StatType.REALTIME, date(1990, 1, 1), date(2200, 1, 1))

    assert (turned.begin, turned.end) == (back(9), back(1))
    assert longest.end == date(2099, 12, 31)
    assert longest.size == 366 * 96
    assert longest.time(longest.size - 1) == datetime(2100, 1, 1)


# --- values as a file ---------------------------------------------------------------------------


def exported(store: Store, peer: Peer, span: Span, name: str = "电力") -> list[dict[str, str]]:
    with store.read() as conn:
        asked = Asked(peer.unit_id, ELECTRICITY, ONLINE, span)
        content = unit_values.export(conn, asked, name, "万千瓦时", ".csv")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def test_the_file_has_just_the_values_of_the_range(store: Store, peer: Peer) -> None:
    send(store, peer, [*daily(40, 3), *daily(2, 2, valid=False), *daily(1, 1)], now=NOW)

    rows = exported(store, peer, days(25, 2))

    assert [row["统计时间"][:10] for row in rows] == [str(back(day)) for day in range(25, 1, -1)]
    assert (rows[-1]["是否有效"], rows[-1]["数值"]) == ("无效", "102")
    assert {row["计量单位"] for row in rows} == {"万千瓦时"}
    assert rows[0]["提示"] == "数据项未配置"


def test_a_name_that_a_spreadsheet_would_compute_is_guarded(store: Store, peer: Peer) -> None:
    send(store, peer, daily(1, 1), now=NOW)

    assert exported(store, peer, days(1, 1), "=1+1")[0]["数据项"] == "'=1+1"


class CalledOff(Exception):
    """What a progress raises when the operator has had enough."""


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_an_export_can_be_called_off(store: Store, peer: Peer, suffix: str) -> None:
    send(store, peer, [one for day in (3, 2, 1) for one in ticks(back(day))], now=NOW)
    span = Span.of(StatType.REALTIME, back(3), back(1))

    def told(done: int, total: int) -> None:
        assert total == 3
        if done:
            raise CalledOff

    asked = Asked(peer.unit_id, ELECTRICITY, ONLINE, span)
    with store.read() as conn, pytest.raises(CalledOff):
        unit_values.export(conn, asked, "电力", "", suffix, told)


# --- totals -------------------------------------------------------------------------------------


def test_totals_are_those_that_are_kept_and_say_what_waits(store: Store, peer: Peer) -> None:
    send(store, peer, [*daily(12, 10), *daily(12, 10, code=COAL)], now=NOW)
    with store.read() as conn:
        waiting = unit_totals.kept(conn, peer.unit_id, StatType.DAY, 2026, 11, ONLINE, NOW)
    settle.settle(store, NOW)
    with store.read() as conn:
        told = unit_totals.kept(conn, peer.unit_id, StatType.DAY, 2026, 11, ONLINE, NOW)
        month = unit_totals.kept(conn, peer.unit_id, StatType.MONTH, 2026, 1, ONLINE, NOW)
        year = unit_totals.kept(conn, peer.unit_id, StatType.YEAR, 2026, 1, ONLINE, NOW)
        filled_in = unit_totals.kept(conn, peer.unit_id, StatType.MONTH, 2026, 1, REPORT, NOW)

    assert (waiting.rows, waiting.pending) == ([], True)
    assert not told.pending
    assert [row.period for row in told.rows] == [str(back(day)) for day in (12, 11, 10)]
    assert told.rows[0].origin["elec"] == 112.0
    assert told.rows[0].value["elec"] == round(112 * 1.229, 2)
    assert [row.period for row in month.rows] == ["2026-11"]
    assert month.rows[0].origin["elec"] == 333.0
    assert [row.period for row in year.rows] == ["2026"]
    assert filled_in.rows == []


def test_the_year_before_stands_beside_the_same_month(store: Store, peer: Peer) -> None:
    sent = [record(100.0, f"{year}-03-01 00:00:00", stat_type=2) for year in (2025, 2026)]
    send(store, peer, sent, now=NOW)
    settle.settle(store, NOW)
    with store.read() as conn:
        month = unit_totals.kept(conn, peer.unit_id, StatType.MONTH, 2026, 1, ONLINE, NOW)
        year = unit_totals.kept(conn, peer.unit_id, StatType.YEAR, 2026, 1, ONLINE, NOW)

    assert month.before == {"2026-03": month.rows[0].value["nyxfzl"]}
    assert year.before["2026"] == year.rows[0].value["nyxfzl"]


def test_an_explanation_settles_first_and_its_lines_add_up_to_the_figure(
    store: Store, peer: Peer
) -> None:
    send(store, peer, [*daily(12, 10), *daily(12, 10, code=COAL)], now=NOW)

    told = unit_totals.explained(
        store, peer.credit_code, StatType.MONTH, datetime(2026, 11, 5), "online", NOW
    )

    figures = {one.code: one for one in told.figures}
    assert told.period == "2026-11"
    assert told.agrees
    assert figures["elec"].origin == "333.00"
    for code in ("nyxfzl", "elec", "coal"):
        mine = [Decimal(one.contribution) for one in told.reasons if code in one.counted_in]
        assert mine
        assert f"{sum(mine, Decimal(0)).quantize(Decimal('0.01')):,}" == figures[code].value
    (electricity,) = (one for one in told.reasons if one.data_code == ELECTRICITY)
    assert electricity.name == "全厂-二次能源-电力-购进已消费"
    assert electricity.amount == "333 万千瓦时"
    assert electricity.summed == "各分期之和（缺 27 期）"


def test_a_period_without_values_is_explained_as_nothing(store: Store, peer: Peer) -> None:
    told = unit_totals.explained(
        store, peer.credit_code, StatType.DAY, datetime(2026, 1, 5), "report", NOW
    )

    assert told.reasons == []
    assert told.agrees


def test_nobody_explains_a_unit_that_never_registered(store: Store) -> None:
    with pytest.raises(UnknownUnit, match="没有注册过的用能单位"):
        unit_totals.explained(store, "9" * 18, StatType.DAY, NOW, "online", NOW)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (StatType.DAY, "2026-03-01", datetime(2026, 3, 1)),
        (StatType.MONTH, "2026-03", datetime(2026, 3, 1)),
        (StatType.YEAR, "2026", datetime(2026, 1, 1)),
        (StatType.DAY, "2026-3-1", None),
        (StatType.MONTH, "2026-03-01", None),
        (StatType.YEAR, "1999", None),
        (StatType.DAY, "", None),
    ],
)
def test_a_period_is_read_from_the_address_or_not_at_all(
    kind: StatType, text: str, expected: datetime | None
) -> None:
    assert unit_totals.parse(kind, text) == expected
