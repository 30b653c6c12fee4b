"""Frames: where a statDate is kept, and which of them a download asks for."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nenghao.standard import periods
from nenghao.standard.periods import OffGrid, StatType

times = st.datetimes(min_value=periods.EPOCH, max_value=datetime(2099, 12, 31, 23, 59, 59))
whole_seconds = times.map(lambda time: time.replace(microsecond=0))
stat_types = st.sampled_from(StatType)


@st.composite
def labels(draw: st.DrawFn) -> tuple[StatType, datetime]:
    """A stat type and a statDate of it."""
    stat_type = draw(stat_types)
    time = draw(times)
    if stat_type is StatType.REALTIME:
        return stat_type, periods.period_end(stat_type, time)
    return stat_type, periods.period_start(stat_type, time)


@st.composite
def places(draw: st.DrawFn) -> tuple[StatType, int, int]:
    """A stat type, a frame of it and a slot that the frame has."""
    stat_type = draw(stat_types)
    frames = {
        StatType.REALTIME: (-1, 36524),
        StatType.DAY: (0, 1199),
        StatType.MONTH: (0, 99),
        StatType.YEAR: (0, 0),
    }
    frame = draw(st.integers(*frames[stat_type]))
    first = 95 if frame == -1 else 0
    slot = draw(st.integers(first, periods.slots_in(stat_type, frame) - 1))
    return stat_type, frame, slot


# --- places -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stat_type", "text", "place"),
    [
        (StatType.REALTIME, "2000-01-01 00:15:00", (0, 0)),
        (StatType.REALTIME, "2000-01-01 00:00:00", (-1, 95)),
        (StatType.REALTIME, "2000-01-02 00:00:00", (0, 95)),
        (StatType.REALTIME, "2000-01-02 00:15:00", (1, 0)),
        (StatType.REALTIME, "2100-01-01 00:00:00", (36524, 95)),
        (StatType.DAY, "2000-01-01 00:00:00", (0, 0)),
        (StatType.DAY, "2024-02-29 00:00:00", (289, 28)),
        (StatType.DAY, "2099-12-31 00:00:00", (1199, 30)),
        (StatType.MONTH, "2026-12-01 00:00:00", (26, 11)),
        (StatType.YEAR, "2000-01-01 00:00:00", (0, 0)),
        (StatType.YEAR, "2099-01-01 00:00:00", (0, 99)),
    ],
)
def test_a_stat_date_has_its_place(stat_type: StatType, text: str, place: tuple[int, int]) -> None:
    assert periods.place(stat_type, periods.parse_time(text)) == place


@pytest.mark.clause("6.2.5-3")
def test_the_tick_of_midnight_closes_the_day_before() -> None:
    frame, slot = periods.place(StatType.REALTIME, datetime(2026, 11, 22))
    assert (frame, slot) == (periods.day_number(date(2026, 11, 21)), 95)


@settings(deadline=None)
@given(labels())
def test_time_of_undoes_place(label: tuple[StatType, datetime]) -> None:
    stat_type, time = label
    assert periods.time_of(stat_type, *periods.place(stat_type, time)) == time


@settings(deadline=None)
@given(places())
def test_place_undoes_time_of(one: tuple[StatType, int, int]) -> None:
    stat_type, frame, slot = one
    assert periods.place(stat_type, periods.time_of(stat_type, frame, slot)) == (frame, slot)


@settings(deadline=None)
@given(stat_types, whole_seconds)
def test_a_time_has_a_place_exactly_when_it_is_a_label(stat_type: StatType, time: datetime) -> None:
    start, end = periods.period_start(stat_type, time), periods.period_end(stat_type, time)
    if time == (end if stat_type is StatType.REALTIME else start):
        assert 0 <= periods.place(stat_type, time)[1] < periods.slots(stat_type)
    else:
        with pytest.raises(OffGrid):
            periods.place(stat_type, time)


@pytest.mark.clause("6.2.5-3")
@pytest.mark.parametrize("text", ["2026-11-21 00:01:00", "2026-11-21 00:15:01"])
def test_a_tick_off_the_15_minutes_is_refused_and_told_what_is_expected(text: str) -> None:
    with pytest.raises(OffGrid, match="15 分钟的整刻度"):
        periods.place(StatType.REALTIME, periods.parse_time(text))


def test_a_fraction_of_a_second_is_off_the_grid() -> None:
    with pytest.raises(OffGrid):
        periods.place(StatType.REALTIME, datetime(2026, 11, 21, 0, 15, 0, 1))


@pytest.mark.parametrize(
    ("stat_type", "text", "expected"),
    [
        (StatType.DAY, "2026-11-21 00:15:00", "该日的起始时间 YYYY-MM-DD 00:00:00"),
        (StatType.MONTH, "2026-11-02 00:00:00", "该月的起始时间 YYYY-MM-01 00:00:00"),
        (StatType.MONTH, "2026-11-01 00:00:01", "该月的起始时间 YYYY-MM-01 00:00:00"),
        (StatType.YEAR, "2026-02-01 00:00:00", "该年的起始时间 YYYY-01-01 00:00:00"),
    ],
)
def test_what_is_no_start_of_a_period_is_refused_and_told_what_is_expected(
    stat_type: StatType, text: str, expected: str
) -> None:
    with pytest.raises(OffGrid, match=expected):
        periods.place(stat_type, periods.parse_time(text))


@pytest.mark.parametrize("stat_type", StatType)
@pytest.mark.parametrize("time", [datetime(1999, 1, 1), datetime(2100, 1, 1), datetime(2101, 1, 1)])
def test_outside_2000_to_2099_there_is_no_place(stat_type: StatType, time: datetime) -> None:
    if stat_type is StatType.REALTIME and time.year == 2100:
        assert periods.place(stat_type, time) == (36524, 95)
        return
    with pytest.raises(OffGrid, match="2000 至 2099"):
        periods.place(stat_type, time)


@pytest.mark.parametrize(
    ("stat_type", "frame", "slot"),
    [
        (StatType.REALTIME, 0, 96),
        (StatType.REALTIME, 0, -1),
        (StatType.DAY, 1, 29),
        (StatType.DAY, 13, 28),
        (StatType.MONTH, 0, 12),
        (StatType.YEAR, 0, 100),
        (StatType.YEAR, 1, 0),
    ],
)
def test_a_slot_that_the_frame_has_not_is_refused(
    stat_type: StatType, frame: int, slot: int
) -> None:
    with pytest.raises(ValueError, match="has"):
        periods.time_of(stat_type, frame, slot)


def test_frames_have_96_31_12_and_100_slots() -> None:
    assert [periods.slots(stat_type) for stat_type in StatType] == [96, 31, 12, 100]
    assert [periods.slots_in(StatType.DAY, month) for month in (0, 1, 13)] == [31, 29, 28]


def test_stat_types_have_their_numbers_and_chinese_names() -> None:
    assert [(int(one), one.label) for one in StatType] == [
        (0, "实时"),
        (1, "日"),
        (2, "月"),
        (3, "年"),
    ]


# --- download -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stat_type", StatType)
def test_a_day_is_asked_for_by_its_two_midnights(stat_type: StatType) -> None:
    begin, end = datetime(2026, 1, 1), datetime(2026, 1, 2)
    takes = [
        periods.in_download_range(stat_type, time, begin, end)
        for time in (begin, begin + periods.TICK, end)
    ]
    if stat_type is StatType.REALTIME:
        assert takes == [False, True, True]
    else:
        assert takes == [True, True, False]


def test_the_two_midnights_ask_for_one_frame_of_ticks() -> None:
    begin, end = datetime(2026, 11, 21), datetime(2026, 11, 22)
    frame = periods.day_number(date(2026, 11, 21))
    assert periods.frames_between(StatType.REALTIME, begin, end) == range(frame, frame + 1)


def test_the_two_ends_of_a_month_ask_for_one_frame_of_days() -> None:
    begin, end = datetime(2026, 12, 1), datetime(2027, 1, 1)
    assert list(periods.frames_between(StatType.DAY, begin, end)) == [26 * 12 + 11]
    assert list(periods.frames_between(StatType.MONTH, begin, end)) == [26]
    assert list(periods.frames_between(StatType.YEAR, begin, end)) == [0]


@pytest.mark.parametrize("stat_type", StatType)
def test_an_empty_range_asks_for_no_frame(stat_type: StatType) -> None:
    moment = datetime(2026, 11, 21)
    assert not periods.frames_between(stat_type, moment, moment)
    assert not periods.frames_between(stat_type, moment, moment - periods.TICK)


def test_a_range_outside_the_century_asks_for_no_frame_of_years() -> None:
    years = StatType.YEAR
    assert not periods.frames_between(years, datetime(1990, 1, 1), datetime(2000, 1, 1))
    assert not periods.frames_between(years, datetime(2100, 1, 1), datetime(2101, 1, 1))


@settings(deadline=None)
@given(labels(), times, times)
def test_whatever_a_range_returns_lies_in_the_frames_it_asks_for(
    label: tuple[StatType, datetime], begin: datetime, end: datetime
) -> None:
    stat_type, time = label
    if periods.in_download_range(stat_type, time, begin, end):
        frame, _ = periods.place(stat_type, time)
        assert frame in periods.frames_between(stat_type, begin, end)


@settings(deadline=None)
@given(labels(), st.timedeltas(timedelta(microseconds=1), timedelta(days=40)))
def test_a_range_whose_closed_end_is_a_label_finds_it_in_few_frames(
    label: tuple[StatType, datetime], width: timedelta
) -> None:
    stat_type, time = label
    ticks = stat_type is StatType.REALTIME
    begin, end = (time - width, time) if ticks else (time, time + width)
    frames = periods.frames_between(stat_type, begin, end)
    assert periods.in_download_range(stat_type, time, begin, end)
    assert periods.place(stat_type, time)[0] in frames
    assert len(frames) <= width / timedelta(days=1) + 2
