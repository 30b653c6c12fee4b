"""Times as text and as numbers, ticks and periods."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nenghao.standard import periods
from nenghao.standard.periods import StatType

times = st.datetimes(min_value=periods.EPOCH, max_value=datetime(2099, 12, 31, 23, 59, 59))
whole_seconds = times.map(lambda time: time.replace(microsecond=0))
stat_types = st.sampled_from(StatType)


# --- text ---------------------------------------------------------------------------------------


def test_a_time_is_read_to_the_second() -> None:
    assert periods.parse_time("2014-10-10 21:58:46") == datetime(2014, 10, 10, 21, 58, 46)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026/11/21 00:00:00",
        "2026-11-21",
        "2026-11-21T00:00:00",
        "2026-11-21 00:00",
        "2026-11-21 00:00:00.0",
        "2026-11-21 00:00:00 ",
        "2026-11-21 00:00:00\n",
        "2026-1-2 00:00:00",
        "2026-11-21  0:00:00",
        "+026-11-21 00:00:00",
        "２０２６-11-21 00:00:00",
        "٢٠٢٦-11-21 00:00:00",
    ],
)
def test_any_other_shape_of_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^应为 YYYY-MM-DD HH:MM:SS$"):
        periods.parse_time(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21 24:00:00",
        "2026-11-21 23:60:00",
        "2026-11-21 23:59:60",
        "2025-02-29 00:00:00",
        "2100-02-29 00:00:00",
        "2026-04-31 00:00:00",
        "2026-13-01 00:00:00",
        "2026-00-01 00:00:00",
        "2026-01-00 00:00:00",
        "0000-01-01 00:00:00",
    ],
)
def test_times_that_no_calendar_has_are_refused_24_o_clock_included(text: str) -> None:
    with pytest.raises(ValueError, match="真实存在"):
        periods.parse_time(text)


def test_leap_days_are_real() -> None:
    assert periods.parse_time("2024-02-29 00:00:00") == datetime(2024, 2, 29)
    assert periods.parse_time("2000-02-29 00:00:00") == datetime(2000, 2, 29)


@settings(deadline=None)
@given(st.datetimes().map(lambda time: time.replace(microsecond=0)))
def test_a_time_survives_being_written_and_read(time: datetime) -> None:
    assert periods.parse_time(periods.format_time(time)) == time


def test_data_may_bear_the_years_2000_to_2099() -> None:
    assert periods.in_years(datetime(2000, 1, 1))
    assert periods.in_years(datetime(2099, 12, 31, 23, 59, 59))
    assert not periods.in_years(datetime(1999, 12, 31, 23, 59, 59))
    assert not periods.in_years(datetime(2100, 1, 1))


# --- numbers ------------------------------------------------------------------------------------


@settings(deadline=None)
@given(whole_seconds)
def test_seconds_count_from_2000_and_come_back(time: datetime) -> None:
    number = periods.seconds(time)
    assert number == (time - datetime(2000, 1, 1)).total_seconds()
    assert periods.from_seconds(number) == time


def test_seconds_cut_a_fraction_off_on_both_sides_of_2000() -> None:
    assert periods.seconds(datetime(2000, 1, 1, 0, 0, 1, 999999)) == 1
    assert periods.seconds(datetime(1999, 12, 31, 23, 59, 59, 1)) == -1


def test_epoch_milliseconds_are_those_of_china() -> None:
    assert periods.from_epoch_ms(1619798400000) == datetime(2021, 5, 1)
    assert periods.from_epoch_ms(1627747200000) == datetime(2021, 8, 1)
    assert periods.to_epoch_ms(datetime(2021, 5, 1)) == 1619798400000


@settings(deadline=None)
@given(st.integers(0, 4_102_444_800_000))
def test_epoch_milliseconds_come_back_exactly(milliseconds: int) -> None:
    assert periods.to_epoch_ms(periods.from_epoch_ms(milliseconds)) == milliseconds


@pytest.mark.parametrize("milliseconds", [10**18, -(10**18), 10**40])
def test_a_timestamp_beyond_the_calendar_is_refused(milliseconds: int) -> None:
    with pytest.raises(ValueError, match="时间戳超出日历范围"):
        periods.from_epoch_ms(milliseconds)


def test_months_and_years_know_leap_years() -> None:
    assert periods.days_in_month(2024, 2) == 29
    assert periods.days_in_month(2100, 2) == 28
    assert periods.days_in_month(2000, 2) == 29
    assert periods.days_in_month(2026, 4) == 30
    assert [periods.days_in_year(year) for year in (2000, 2023, 2024, 2100)] == [
        366,
        365,
        366,
        365,
    ]


@settings(deadline=None)
@given(st.dates(min_value=date(1999, 12, 31), max_value=date(2100, 1, 1)))
def test_day_and_month_numbers_come_back(day: date) -> None:
    assert periods.day_of(periods.day_number(day)) == day
    assert periods.month_of(periods.month_number(day)) == day.replace(day=1)


# --- ticks and periods --------------------------------------------------------------------------


@pytest.mark.clause("6.2.5-3")
def test_a_day_has_96_ticks_from_a_quarter_past_midnight_to_the_next_midnight() -> None:
    ticks = periods.day_ticks(date(2024, 2, 29))
    assert len(ticks) == 96
    assert (ticks[0], ticks[-1]) == (datetime(2024, 2, 29, 0, 15), datetime(2024, 3, 1))
    assert {one - other for one, other in zip(ticks[1:], ticks, strict=False)} == {periods.TICK}
    frame = periods.day_number(date(2024, 2, 29))
    assert [periods.place(StatType.REALTIME, tick) for tick in ticks] == [
        (frame, slot) for slot in range(96)
    ]


@pytest.mark.parametrize(
    ("stat_type", "start", "end"),
    [
        (StatType.REALTIME, datetime(2024, 2, 29, 23, 45), datetime(2024, 3, 1)),
        (StatType.DAY, datetime(2024, 2, 29), datetime(2024, 3, 1)),
        (StatType.MONTH, datetime(2024, 2, 1), datetime(2024, 3, 1)),
        (StatType.YEAR, datetime(2024, 1, 1), datetime(2025, 1, 1)),
    ],
)
def test_a_moment_lies_in_its_period(stat_type: StatType, start: datetime, end: datetime) -> None:
    moment = datetime(2024, 2, 29, 23, 50)
    assert periods.period_start(stat_type, moment) == start
    assert periods.period_end(stat_type, moment) == end


def test_december_ends_with_the_year() -> None:
    moment = datetime(2026, 12, 31, 12)
    assert periods.period_end(StatType.MONTH, moment) == datetime(2027, 1, 1)


@settings(deadline=None)
@given(stat_types, times)
def test_periods_follow_one_another_without_gap(stat_type: StatType, moment: datetime) -> None:
    start, end = periods.period_start(stat_type, moment), periods.period_end(stat_type, moment)
    inside = start < moment <= end if stat_type is StatType.REALTIME else start <= moment < end
    assert inside
    just_after = end + timedelta(microseconds=1)
    assert periods.period_start(stat_type, just_after) == end


# --- tolerance ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stat_type", "text", "tolerance", "moved"),
    [
        (StatType.DAY, "2026-11-21 00:00:59", 60, "2026-11-21 00:00:00"),
        (StatType.DAY, "2026-11-20 23:59:00", 60, "2026-11-21 00:00:00"),
        (StatType.DAY, "2026-11-21 00:01:01", 60, "2026-11-21 00:01:01"),
        (StatType.DAY, "2026-11-21 00:00:01", 0, "2026-11-21 00:00:01"),
        (StatType.MONTH, "2026-02-28 23:59:59", 1, "2026-03-01 00:00:00"),
        (StatType.YEAR, "2026-12-31 23:59:59", 1, "2027-01-01 00:00:00"),
        (StatType.REALTIME, "2026-11-21 00:15:01", 60, "2026-11-21 00:15:01"),
    ],
)
def test_within_the_tolerance_a_stat_date_moves_to_the_start_and_a_tick_never(
    stat_type: StatType, text: str, tolerance: int, moved: str
) -> None:
    time = periods.snap(stat_type, periods.parse_time(text), tolerance)
    assert periods.format_time(time) == moved
