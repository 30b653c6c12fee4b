"""Samples out of rows (行数据): what SQL results, spreadsheets and JSON records have in common.

Two layouts. Wide (宽表): a row is a moment, one column per point. Long (长表): a row is one value,
with a column that names the point and one that holds the value. Empty cells are missing values,
never 0. What is wrong is named by column and reason; whether a wrong cell costs the row or the
whole file is the source's business.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Literal, Protocol

from msgspec import Struct

from nenghao.clock import CST
from nenghao.device.sources import values
from nenghao.device.sources.base import Sample
from nenghao.device.sources.csv_file import check_format
from nenghao.device.sources.values import Scaling

Label = Literal["end", "start"]
"""What the time of a row means: the interval ends there (the standard's way) or begins there."""

Zone = Literal["cst", "utc"]
"""What times without a zone of their own are in."""

BLANKS = ("", "-", "--", "—", "/", "null", "NULL", "None", "N/A")
"""What spreadsheets and systems write where there is no value."""

EPOCH = "epoch"
EPOCH_MS = "epoch_ms"
ISO = ""

_MOST_EXPONENT = 100
"""A decimal beyond 10¹⁰⁰ is no reading, and arithmetic with it would overflow."""

_TWENTY_FOUR = re.compile(r"(?<![0-9:])24(:?)00(?=(:?00)?(?![0-9]))", re.ASCII)
_FIRST = datetime(2000, 1, 1)
_LAST = datetime(2100, 1, 1)
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
MIDNIGHT = time(0, 0)


class BadValue(ValueError):
    """A cell that cannot be read; says why in Chinese."""


class BadLayout(ValueError):
    """A heading in which columns are missing or stand twice; says which, in Chinese."""


class ScaledPoint(Protocol):
    """What every point has."""

    @property
    def name(self) -> str: ...
    @property
    def scale(self) -> str: ...
    @property
    def offset(self) -> str: ...


class RowPoint(ScaledPoint, Protocol):
    """What a point of rows has."""

    @property
    def field(self) -> str:
        """Wide: heading of its column; long: its text in the name column. Empty: its name."""


# --- cells ---------------------------------------------------------------------------------------


def number(cell: object) -> Decimal | None:
    """The number in a cell, exactly; None for an empty one; BadValue for anything else."""
    match cell:
        case None:
            return None
        case bool() | int():
            value: Decimal | None = Decimal(int(cell))
        case Decimal():
            value = cell if cell.is_finite() and cell.adjusted() <= _MOST_EXPONENT else None
        case float():
            value = values.of_float64(cell)
        case str():
            if cell.strip() in BLANKS:
                return None
            value = values.number(cell)
        case _:
            value = None
    if value is None:
        raise BadValue(f"{_shown(cell)} 不是数值")
    return value


def scalings(points: Sequence[ScaledPoint]) -> dict[str, Scaling]:
    """Scale and offset by point; BadLayout for an ill-written one, or for a name given twice."""
    found: dict[str, Scaling] = {}
    for one in points:
        if one.name in found:
            raise BadLayout(f"采集点名称重复：{one.name}")
        try:
            found[one.name] = values.scaling(one.scale, one.offset)
        except ValueError as error:
            raise BadLayout(f"采集点 {one.name}：{error}") from None
    return found


class Times(Struct, frozen=True, kw_only=True):
    """How the time of a row is written and what it means."""

    format: str = ISO
    """As `datetime.strptime` has it; `epoch`, `epoch_ms`; empty: a date-time type or ISO 8601."""
    zone: Zone = "cst"
    label: Label = "end"
    interval: timedelta = timedelta(minutes=15)
    """How long after a `start` label the value's interval ends."""

    def check(self) -> None:
        """BadLayout for a format of no use."""
        if self.format not in (ISO, EPOCH, EPOCH_MS) and (fault := check_format(self.format)):
            raise BadLayout(f"time_format：{fault}")

    def read(self, cell: object) -> datetime:
        """The time in a cell as naive China Standard Time, before the label's meaning."""
        if isinstance(cell, str):
            cell = self._from_text(cell.strip())
        elif isinstance(cell, int | float | Decimal) and not isinstance(cell, bool):
            cell = self._from_number(Decimal(str(cell)))
        elif isinstance(cell, date) and not isinstance(cell, datetime):
            cell = datetime.combine(cell, MIDNIGHT)
        if not isinstance(cell, datetime):
            raise BadValue("时间为空" if cell is None else f"{_shown(cell)} 不是时间")
        moment = self._local(cell)
        if not _FIRST <= moment < _LAST:
            raise BadValue(f"时间 {moment} 的年份应在 2000 至 2099 之间")
        return moment

    def sample_time(self, moment: datetime) -> datetime:
        """When the value holds: at the label, or at the end of the interval that begins there."""
        return moment + self.interval if self.label == "start" else moment

    def write(self, moment: datetime) -> datetime | str | int:
        """The inverse of `read`, for a bookmark in a query; text in the format of the column."""
        if self.format in (EPOCH, EPOCH_MS):
            past = moment.replace(tzinfo=CST) - _UNIX
            return past // timedelta(milliseconds=1 if self.format == EPOCH_MS else 1000)
        local = moment
        if self.zone == "utc":
            local = moment.replace(tzinfo=CST).astimezone(UTC).replace(tzinfo=None)
        return local.strftime(self.format) if self.format else local

    def _from_text(self, text: str) -> datetime:
        if text in BLANKS:
            raise BadValue("时间为空")
        if self.format in (EPOCH, EPOCH_MS):
            stamp = values.number(text)
            if stamp is None:
                raise BadValue(f"时间 {_shown(text)} 不是自 1970 年起的秒或毫秒数")
            return self._from_number(stamp)
        try:
            return self._parse(text)
        except ValueError:
            pass
        moment = self._twenty_four(text)
        if moment is None:
            shape = self.format or "YYYY-MM-DD HH:MM:SS"
            raise BadValue(f"时间 {_shown(text)} 不符合格式 {shape}")
        return moment

    def _parse(self, text: str) -> datetime:
        if self.format:
            return datetime.strptime(text, self.format)
        return datetime.fromisoformat(text.replace("/", "-"))

    def _twenty_four(self, text: str) -> datetime | None:
        """24:00 is the next day's 00:00."""
        found = list(_TWENTY_FOUR.finditer(text))
        if self.label != "end" or not found:
            return None
        last = found[-1]
        try:
            moment = self._parse(f"{text[: last.start()]}00{last[1]}00{text[last.end() :]}")
        except ValueError:
            return None
        return moment + timedelta(days=1) if moment.time() == MIDNIGHT else None

    def _from_number(self, value: Decimal) -> datetime:
        if self.format not in (EPOCH, EPOCH_MS):
            raise BadValue(
                f"时间 {_shown(str(value))} 是数值，请把 time_format 写作 epoch 或 epoch_ms"
            )
        factor = 1000 if self.format == EPOCH_MS else 1_000_000
        too_far = not value.is_finite() or value.adjusted() > _MOST_EXPONENT
        if too_far or abs(value) * factor >= Decimal(10) ** 16:
            raise BadValue(f"时间 {_shown(str(value))} 的年份应在 2000 至 2099 之间")
        return _UNIX + timedelta(microseconds=int(value * factor))

    def _local(self, moment: datetime) -> datetime:
        if moment.tzinfo is None:
            if self.zone == "cst":
                return moment
            moment = moment.replace(tzinfo=UTC)
        return moment.astimezone(CST).replace(tzinfo=None)


# --- rows ----------------------------------------------------------------------------------------


class Layout(Struct, frozen=True, kw_only=True):
    """Where times, names and values stand."""

    times: Times = Times()
    time_column: str
    """Empty: rows have no time of their own and hold now."""
    name_column: str = ""
    value_column: str = ""
    """Both: a long table. Neither: a wide one."""

    def check(self) -> None:
        """BadLayout when the settings contradict themselves."""
        self.times.check()
        if bool(self.name_column) != bool(self.value_column):
            raise BadLayout("name_column 与 value_column 应同时给出或同时留空")


class LayoutSettings(Protocol):
    """The keys of a source's settings that say how its rows are laid out."""

    @property
    def time_format(self) -> str: ...
    @property
    def time_zone(self) -> Zone: ...
    @property
    def label(self) -> Label: ...
    @property
    def interval_minutes(self) -> int: ...
    @property
    def time_column(self) -> str: ...
    @property
    def name_column(self) -> str: ...
    @property
    def value_column(self) -> str: ...


def layout_of(settings: LayoutSettings) -> Layout:
    """Where times, names and values stand, as a source's settings say."""
    return Layout(
        times=Times(
            format=settings.time_format,
            zone=settings.time_zone,
            label=settings.label,
            interval=timedelta(minutes=settings.interval_minutes),
        ),
        time_column=settings.time_column,
        name_column=settings.name_column,
        value_column=settings.value_column,
    )


class Row(Struct, frozen=True):
    """What stands in a row: its own time (None: it has none), values by point, what is wrong."""

    moment: datetime | None
    values: tuple[tuple[str, Decimal], ...]
    errors: tuple[tuple[str, str], ...] = ()
    """Pairs of column and reason."""
    series: str = ""
    """The name in a long table; rows of one series follow each other in time."""


class Rows:
    """Reads the rows of one table; BadLayout when its heading lacks a column."""

    def __init__(
        self,
        layout: Layout,
        points: Sequence[RowPoint],
        heading: Sequence[str],
        *,
        any_case: bool = False,
    ) -> None:
        self._layout = layout
        self._heading = heading
        self._any_case = any_case
        self._time_at = self._column(layout.time_column) if layout.time_column else None
        self._by_name: Mapping[str, list[tuple[str, Scaling]]] = {}
        self._by_column: list[tuple[int, str, Scaling]] = []
        by_point = scalings(points)
        ready = [(one.field or one.name, one.name, by_point[one.name]) for one in points]
        if layout.name_column:
            self._name_at = self._column(layout.name_column)
            self._value_at = self._column(layout.value_column)
            by_name: dict[str, list[tuple[str, Scaling]]] = {}
            for field, name, scaling in ready:
                by_name.setdefault(field, []).append((name, scaling))
            self._by_name = by_name
        else:
            self._by_column = [
                (self._column(field), name, scaling) for field, name, scaling in ready
            ]

    def read(self, cells: Sequence[object]) -> Row:
        """One row; what is wrong with it is told, never raised."""
        errors: list[tuple[str, str]] = []
        series = ""
        wanted: list[tuple[int, str, Scaling]] = self._by_column
        if self._layout.name_column:
            cell = _cell(cells, self._name_at)
            series = "" if cell is None else str(cell).strip()
            known = self._by_name.get(series, [])
            wanted = [(self._value_at, name, scaling) for name, scaling in known]
        moment = self._moment(cells, errors)
        found: list[tuple[str, Decimal]] = []
        for at, name, scaling in wanted:
            try:
                value = number(_cell(cells, at))
                if value is not None:
                    found.append((name, scaling.apply(value)))
            except ValueError as bad:  # BadValue is one
                errors.append((self._heading[at], str(bad)))
        return Row(moment, tuple(found), tuple(dict.fromkeys(errors)), series)

    def knows(self, series: str) -> bool:
        """Whether a name of a long table is one of the points'."""
        return series in self._by_name

    def _moment(self, cells: Sequence[object], errors: list[tuple[str, str]]) -> datetime | None:
        if self._time_at is None:
            return None
        try:
            return self._layout.times.read(_cell(cells, self._time_at))
        except BadValue as bad:
            errors.append((self._layout.time_column, str(bad)))
            return None

    def _column(self, name: str) -> int:
        wanted = name.strip()
        found = [at for at, one in enumerate(self._heading) if one.strip() == wanted]
        if not found and self._any_case:
            folded = wanted.casefold()
            found = [at for at, one in enumerate(self._heading) if one.casefold() == folded]
        if len(found) == 1:
            return found[0]
        if found:
            raise BadLayout(f"表头中 {name!r} 列出现 {len(found)} 次")
        shown = "、".join(self._heading[:20]) or "（空）"
        raise BadLayout(f"表头中没有 {name!r} 列，现有：{shown}")


def samples(row: Row, times: Times, now: datetime) -> list[Sample]:
    """The samples of a row without a wrong time: at its own time, or `now` if it has none."""
    moment = now if row.moment is None else times.sample_time(row.moment)
    return [Sample(name, moment, value) for name, value in row.values]


def close_days(labels: Sequence[datetime]) -> list[datetime]:
    """The labels of one series in the order of the file, day ends put where they belong.

    A 00:00 that follows later times of its own date is that date's 24:00: some systems close a
    day with its own date, and only the order of the file tells. A series that runs backwards is
    read from the bottom.
    """
    backwards = _newest_first(labels)
    begun: set[date] = set()
    closed: list[datetime] = []
    for label in reversed(labels) if backwards else labels:
        if label.time() != MIDNIGHT:
            begun.add(label.date())
        closes = label.time() == MIDNIGHT and label.date() in begun
        closed.append(label + timedelta(days=1) if closes else label)
    return closed[::-1] if backwards else closed


def _newest_first(labels: Sequence[datetime]) -> bool:
    own = [label for label in labels if label.time() != MIDNIGHT]
    pairs = list(itertools.pairwise(own))
    return bool(pairs) and all(later < earlier for earlier, later in pairs)


def _cell(cells: Sequence[object], at: int) -> object:
    return cells[at] if at < len(cells) else None


def _shown(value: object) -> str:
    """What was received, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
