"""Times and periods (统计周期): how statDate names a period, and where a frame keeps it.

All times are naive datetimes of China Standard Time. For days, months and years `statDate` is the
START of the period; for real-time values (statType 0) it is the tick that labels the interval,
its END, so the 96 ticks of a day are 00:15 … 23:45 and the next day's 00:00 (docs/decisions 4).
What a unit that labels the start sends is shifted before it comes here.

A *frame* is what one stored row covers, a *slot* its place in there:

| stat_type | frame number                     | slots | slot 0             |
|-----------|----------------------------------|-------|--------------------|
| REALTIME  | the day, days since 2000-01-01   | 96    | the tick of 00:15  |
| DAY       | the month, months since 2000-01  | 31    | the first          |
| MONTH     | the year, years since 2000       | 12    | January            |
| YEAR      | 0, the century                   | 100   | 2000               |

The tick 2000-01-01 00:00 closes the day before, so the real-time frame -1 exists.
"""

import calendar
import re
from datetime import date, datetime, timedelta
from enum import IntEnum

EPOCH = datetime(2000, 1, 1)
"""The zero of frame numbers and of `seconds`."""

END = datetime(2100, 1, 1)
"""The first moment that no frame holds (as a period's start; it is still a tick's label)."""

FIRST_YEAR, LAST_YEAR = 2000, 2099
"""The years that data may bear (docs/decisions 1)."""

TIME_SHAPE = "YYYY-MM-DD HH:MM:SS"

TICK = timedelta(minutes=15)
"""The standard interval of real-time collection (6.2.5)."""

_DAY = timedelta(days=1)
_DAY_SECONDS = 86400
_TICK_SECONDS = 900
_TICKS = 96
_UNIX_EPOCH = datetime(1970, 1, 1, 8)
"""The Unix epoch as a clock in China showed it."""

_TIME = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})", re.ASCII)


class StatType(IntEnum):
    """Collection frequency (数据采集频率, statType)."""

    REALTIME = 0
    DAY = 1
    MONTH = 2
    YEAR = 3

    @property
    def label(self) -> str:
        """The Chinese name: 实时, 日, 月, 年."""
        return _LABELS[self]


_LABELS = {
    StatType.REALTIME: "实时",
    StatType.DAY: "日",
    StatType.MONTH: "月",
    StatType.YEAR: "年",
}


class OffGrid(ValueError):
    """A time that names no period of its stat type; the text says in Chinese what is expected."""


_EXPECTED = {
    StatType.REALTIME: (
        "应为 15 分钟的整刻度（00:15:00、00:30:00、00:45:00、01:00:00……次日 00:00:00）"
    ),
    StatType.DAY: "应为该日的起始时间 YYYY-MM-DD 00:00:00",
    StatType.MONTH: "应为该月的起始时间 YYYY-MM-01 00:00:00",
    StatType.YEAR: "应为该年的起始时间 YYYY-01-01 00:00:00",
}
_OUT_OF_YEARS = f"年份应在 {FIRST_YEAR} 至 {LAST_YEAR} 之间"

_SLOTS = {StatType.REALTIME: _TICKS, StatType.DAY: 31, StatType.MONTH: 12, StatType.YEAR: 100}


def parse_time(text: str) -> datetime:
    """The time that `YYYY-MM-DD HH:MM:SS` names, in ASCII digits and on the real calendar.

    Any year from 1 to 9999; which years data may bear is `in_years`. ValueError with a Chinese
    reason for anything else, `24:00:00` included.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"应为 {TIME_SHAPE}")
    try:
        return datetime(*map(int, match.groups()))  # type: ignore[arg-type]
    except ValueError:
        raise ValueError(f"应为 {TIME_SHAPE} 且是真实存在的日期和时间") from None


def format_time(time: datetime) -> str:
    """`time` as the wire spells it, to the second."""
    return (
        f"{time.year:04d}-{time.month:02d}-{time.day:02d}"
        f" {time.hour:02d}:{time.minute:02d}:{time.second:02d}"
    )


def in_years(time: datetime) -> bool:
    """Whether `time` lies in the years 2000 to 2099 that data may bear."""
    return FIRST_YEAR <= time.year <= LAST_YEAR


def seconds(time: datetime) -> int:
    """Whole seconds since 2000-01-01 00:00:00; a fraction of a second is cut off."""
    since = time - EPOCH
    return since.days * _DAY_SECONDS + since.seconds


def from_seconds(number: int) -> datetime:
    """The time `number` seconds after 2000-01-01 00:00:00; the inverse of `seconds`."""
    return EPOCH + timedelta(seconds=number)


def from_epoch_ms(milliseconds: int) -> datetime:
    """The China Standard Time of a Unix time in milliseconds (毫秒时间戳), exact.

    ValueError when no calendar year has it.
    """
    try:
        return _UNIX_EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise ValueError("时间戳超出日历范围") from None


def to_epoch_ms(time: datetime) -> int:
    """The Unix time in milliseconds of a China Standard Time; the inverse of `from_epoch_ms`."""
    return (time - _UNIX_EPOCH) // timedelta(milliseconds=1)


def days_in_month(year: int, month: int) -> int:
    """28 to 31."""
    return calendar.monthrange(year, month)[1]


def days_in_year(year: int) -> int:
    """365 or 366."""
    return 366 if calendar.isleap(year) else 365


def day_number(day: date) -> int:
    """Days since 2000-01-01: the real-time frame of that day."""
    return day.toordinal() - EPOCH.toordinal()


def day_of(number: int) -> date:
    """The day of a real-time frame; the inverse of `day_number`."""
    return date.fromordinal(EPOCH.toordinal() + number)


def month_number(day: date) -> int:
    """Months since 2000-01: the daily frame of that day's month."""
    return (day.year - FIRST_YEAR) * 12 + day.month - 1


def month_of(number: int) -> date:
    """The first day of the month of a daily frame; the inverse of `month_number`."""
    years, month = divmod(number, 12)
    return date(FIRST_YEAR + years, month + 1, 1)


def day_ticks(day: date) -> list[datetime]:
    """The 96 END labels of a day: 00:15 … 23:45 and the next day's 00:00."""
    start = datetime(day.year, day.month, day.day)
    return [start + TICK * number for number in range(1, _TICKS + 1)]


def slots(stat_type: StatType) -> int:
    """How many slots a frame of this type has: 96, 31, 12 or 100."""
    return _SLOTS[stat_type]


def slots_in(stat_type: StatType, frame: int) -> int:
    """How many of a frame's slots are real: a month of 30 days leaves the last one unused."""
    if stat_type is StatType.DAY:
        first = month_of(frame)
        return days_in_month(first.year, first.month)
    return _SLOTS[stat_type]


def place(stat_type: StatType, time: datetime) -> tuple[int, int]:
    """The frame and the slot of the period that `time` names as its statDate.

    Raises OffGrid when `time` is no label of that type, or lies outside 2000 … 2099 (the closing
    tick 2100-01-01 00:00 of the last day still has a place).
    """
    if not EPOCH <= time <= END or (time == END and stat_type is not StatType.REALTIME):
        raise OffGrid(_OUT_OF_YEARS)
    if not _on_grid(stat_type, time):
        raise OffGrid(_EXPECTED[stat_type])
    if stat_type is StatType.REALTIME:
        return divmod(seconds(time) // _TICK_SECONDS - 1, _TICKS)
    if stat_type is StatType.DAY:
        return month_number(time), time.day - 1
    if stat_type is StatType.MONTH:
        return time.year - FIRST_YEAR, time.month - 1
    return 0, time.year - FIRST_YEAR


def _on_grid(stat_type: StatType, time: datetime) -> bool:
    if stat_type is StatType.REALTIME:
        return not (time.minute % 15 or time.second or time.microsecond)
    return time == period_start(stat_type, time)


def time_of(stat_type: StatType, frame: int, slot: int) -> datetime:
    """The statDate of a slot; the inverse of `place`. ValueError when the frame has no such."""
    if not 0 <= slot < slots_in(stat_type, frame):
        raise ValueError(f"{stat_type.name} frame {frame} has no slot {slot}")
    if stat_type is StatType.REALTIME:
        return from_seconds((frame * _TICKS + slot + 1) * _TICK_SECONDS)
    if stat_type is StatType.DAY:
        first = month_of(frame)
        return datetime(first.year, first.month, slot + 1)
    if stat_type is StatType.MONTH:
        return datetime(FIRST_YEAR + frame, slot + 1, 1)
    if frame != 0:
        raise ValueError(f"{stat_type.name} has the frame 0 only, not {frame}")
    return datetime(FIRST_YEAR + slot, 1, 1)


def period_start(stat_type: StatType, time: datetime) -> datetime:
    """The start of the period that holds the moment `time`.

    Days, months and years hold their start and not their end; the 15 minutes of a tick hold
    their end, the label, and not their start.
    """
    if stat_type is StatType.REALTIME:
        return period_end(stat_type, time) - TICK
    midnight = datetime(time.year, time.month, time.day)
    if stat_type is StatType.DAY:
        return midnight
    if stat_type is StatType.MONTH:
        return midnight.replace(day=1)
    return midnight.replace(month=1, day=1)


def period_end(stat_type: StatType, time: datetime) -> datetime:
    """The end of the period that holds the moment `time`: the next one's start, or the label."""
    if stat_type is StatType.REALTIME:
        past = (time - EPOCH) % TICK
        return time if not past else time - past + TICK
    start = period_start(stat_type, time)
    if stat_type is StatType.DAY:
        return start + _DAY
    if stat_type is StatType.MONTH:
        return start + _DAY * days_in_month(start.year, start.month)
    return start.replace(year=start.year + 1)


def snap(stat_type: StatType, time: datetime, tolerance: int) -> datetime:
    """`time` moved to the start of a day, month or year that lies within `tolerance` seconds.

    The setting `statdate_tolerance` (docs/decisions 4) for devices whose statDate is not quite a
    period's start. Ticks are never moved, and what is too far away comes back as it was.
    """
    if stat_type is StatType.REALTIME or tolerance <= 0:
        return time
    start, end = period_start(stat_type, time), period_end(stat_type, time)
    nearest = start if time - start <= end - time else end
    return nearest if abs(time - nearest) <= timedelta(seconds=tolerance) else time


def in_download_range(
    stat_type: StatType, stat_date: datetime, begin: datetime, end: datetime
) -> bool:
    """Whether a download from `begin` to `end` returns the period that `stat_date` names.

    [begin, end) for days, months and years and (begin, end] for ticks, so that a day is asked for
    by its two midnights either way (docs/decisions 6).
    """
    if stat_type is StatType.REALTIME:
        return begin < stat_date <= end
    return begin <= stat_date < end


def frames_between(stat_type: StatType, begin: datetime, end: datetime) -> range:
    """The frames that can hold what a download from `begin` to `end` returns.

    Empty when the range is; a frame may hold more than the range, never less.
    """
    if begin >= end:
        return range(0)
    if stat_type is StatType.REALTIME:
        return range(seconds(begin) // _DAY_SECONDS, -(-seconds(end) // _DAY_SECONDS))
    last = end - timedelta(microseconds=1)
    if stat_type is StatType.DAY:
        return range(month_number(begin), month_number(last) + 1)
    if stat_type is StatType.MONTH:
        return range(begin.year - FIRST_YEAR, last.year - FIRST_YEAR + 1)
    return range(1) if begin.year <= LAST_YEAR and last.year >= FIRST_YEAR else range(0)
