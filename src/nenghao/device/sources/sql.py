"""Readings from a database (数据库来源): a query, asked again for what came since.

The query is the site's own and may hold two parameters: `:since`, the time of the newest row that
was taken, and `:now`. A row gives one value (`name_column`, `value_column`) or one per point
(`field`). The bookmark moves when the samples are on the disk (`taken`), so a crash repeats rows
and never skips any; rows that are written late are found within `overlap_seconds`. Nothing the
query does is kept: SQLite is opened read-only, PostgreSQL reads in a read-only transaction, and
whatever else is rolled back.

Any database that SQLAlchemy has a driver for; SQLite and PostgreSQL are tested.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar
from urllib.parse import quote

import sqlalchemy
from msgspec import Meta, Struct
from sqlalchemy import URL, NullPool, exc

from nenghao.device.sources.background import in_background
from nenghao.device.sources.base import FaultKind, Sample, SourceFault, secret
from nenghao.device.sources.discreet import Discreet
from nenghao.device.sources.remarks import Remarks
from nenghao.device.sources.rows import (
    BadLayout,
    Label,
    Layout,
    Row,
    Rows,
    Zone,
    layout_of,
    scalings,
)
from nenghao.device.sources.sql_faults import fault_of
from nenghao.device.sources.sql_line import SqlLine
from nenghao.device.sources.state_file import StateFile

T = TypeVar("T")

AHEAD = timedelta(minutes=5)
"""Rows that hold later than now by more than this wait until their time has come."""

_PARAMETERS = frozenset({"since", "now"})
_LIMITS = sqlalchemy.text(
    "SELECT set_config('statement_timeout', :timeout, true), set_config('TimeZone', :zone, true)"
)
"""PostgreSQL's, for one transaction: how long, and what times without a zone mean."""
_TIME_ZONES = {"cst": "Asia/Shanghai", "utc": "UTC"}


class SqlPoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One point (采集点) of the query."""

    name: Annotated[str, Meta(min_length=1)]
    field: str = ""
    """One column per point: its name. A name column: the text in it. Empty: the point's name."""
    scale: str = "1"
    offset: str = "0"
    unit: str = ""


class SqlSettings(
    Discreet, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="sql", tag_field="type"
):
    """A `[[source]]` block with `type = "sql"`."""

    secrets: ClassVar[frozenset[str]] = frozenset({"password"})

    name: Annotated[str, Meta(min_length=1)]
    url: str
    """As SQLAlchemy has it, without a password: `postgresql+psycopg://reader@10.1.2.3/mes`."""
    query: str
    points: Annotated[list[SqlPoint], Meta(min_length=1)]
    poll_seconds: Annotated[float, Meta(gt=0)] = 10
    timeout_seconds: Annotated[float, Meta(gt=0)] = 5
    password: str = ""
    password_file: str = ""
    time_column: str = "time"
    """Empty: rows hold now, as in a table of present values."""
    time_format: str = ""
    time_zone: Zone = "cst"
    label: Label = "end"
    interval_minutes: Annotated[int, Meta(ge=1, le=1440)] = 15
    name_column: str = ""
    value_column: str = ""
    first_hours: Annotated[float, Meta(ge=0)] = 24
    """How far back the very first query goes."""
    overlap_seconds: Annotated[float, Meta(ge=0)] = 300
    """How late a row may be written and still be found."""
    most_rows: Annotated[int, Meta(ge=1, le=1_000_000)] = 20_000
    """Rows taken in one poll; the rest follows in the next ones, given an ORDER BY time."""

    def __post_init__(self) -> None:
        self.layout.check()
        scalings(self.points)
        parameters = self.parameters
        if unknown := sorted(parameters - _PARAMETERS):
            raise ValueError(
                f"查询中的参数 :{'、:'.join(unknown)} 不认识，只可用 :since 和 :now"
                "（文字中的冒号写作 \\:）"
            )
        if "since" in parameters and not self.time_column:
            raise ValueError("查询用到 :since，需要给出 time_column")

    @property
    def parameters(self) -> frozenset[str]:
        """The names that stand with a colon in the query."""
        return frozenset(sqlalchemy.text(self.query).compile().params)

    @property
    def layout(self) -> Layout:
        """Where times, names and values stand in a row."""
        return layout_of(self)


class Bookmark(Struct, frozen=True, kw_only=True):
    """How far the query has been read."""

    since: datetime


class _Answer(Struct, frozen=True):
    heading: list[str]
    rows: Sequence[Sequence[Any]]


class _Taking(Struct, frozen=True):
    """What becomes of the bookmark once the samples are durable."""

    since: datetime | None
    seen: dict[tuple[str, datetime], Decimal]


class SqlSource:
    """See the module; one connection, kept between polls."""

    def __init__(self, settings: SqlSettings, home_dir: Path) -> None:
        self._settings = settings
        self._home_dir = home_dir
        self._state = StateFile(home_dir, "sql", settings.name, Bookmark)
        self._layout = settings.layout
        self._remarks = Remarks()
        self._password = ""  # none yet  # nosec B105
        self._where = ""
        self._line: SqlLine | None = None
        self._statement = sqlalchemy.text(settings.query)
        self._parameters = settings.parameters
        self._since: datetime | None = None
        self._seen: dict[tuple[str, datetime], Decimal] = {}
        self._taking: _Taking | None = None

    @property
    def remarks(self) -> tuple[str, ...]:
        """Rows and cells of the last read that could not be taken."""
        return self._remarks.lines

    async def open(self) -> None:
        """Connect; the first bookmark is read. SourceFault."""
        settings = self._settings
        self._password = secret(settings.password, settings.password_file, self._home_dir)
        saved = await in_background(self._state.load)
        self._since = saved.since if saved else None
        url = self._address()
        self._where = url.render_as_string(hide_password=True)
        self._line = line = SqlLine()
        await self._ask(self._connect, line, url)

    async def read(self, now: datetime) -> list[Sample]:
        """The rows since the bookmark; SourceFault."""
        line = self._line
        if line is None:
            raise SourceFault(FaultKind.UNREACHABLE, "数据库尚未连接")
        first = now - timedelta(hours=self._settings.first_hours)
        overlap = timedelta(seconds=self._settings.overlap_seconds)
        # never beyond now: a clock that was wrong must not hide rows until that time comes
        since = first if self._since is None else min(self._since, now) - overlap
        answer = await self._ask(self._select, line, since, now)
        try:
            reader = Rows(self._layout, self._settings.points, answer.heading, any_case=True)
        except BadLayout as error:
            raise SourceFault(FaultKind.CONFIGURATION, f"查询结果的{error}") from None
        rows = [reader.read(cells) for cells in answer.rows]
        found = self._samples(self._within_limit(rows), now)
        if not found:
            await self.taken()  # nothing to wait for: rows of other points are behind us
        return found

    async def taken(self) -> None:
        """The samples are on the disk: move the bookmark. SourceFault when it cannot be kept."""
        taking, self._taking = self._taking, None
        if taking is None:
            return
        if taking.since is not None and taking.since != self._since:
            await in_background(self._state.save, Bookmark(since=taking.since))
            self._since = taking.since
        self._seen = taking.seen

    async def close(self) -> None:
        """Let go of the connection, of a hanging query too."""
        line, self._line = self._line, None
        self._taking = None
        if line is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await in_background(line.leave)

    # --- the query -------------------------------------------------------------------------------

    def _address(self) -> URL:
        try:
            url = sqlalchemy.make_url(self._settings.url)
        except exc.ArgumentError:
            raise SourceFault(FaultKind.CONFIGURATION, "url 不是合法的数据库地址") from None
        if url.password is not None:
            raise SourceFault(
                FaultKind.CONFIGURATION, "url 中不要写口令，请写在 password 或 password_file"
            )
        if url.get_backend_name() == "sqlite" and url.database and "uri" not in url.query:
            file = self._home_dir / url.database
            if not file.is_file():
                raise SourceFault(FaultKind.UNREACHABLE, f"数据库文件 {file} 不存在")
            # read-only: a reader must not create, lock for writing or repair somebody's database
            return url.set(database=f"file:{quote(str(file))}", query={"mode": "ro", "uri": "true"})
        return url.set(password=self._password) if self._password else url

    def _connect(self, line: SqlLine, url: URL) -> None:
        timeout = self._settings.timeout_seconds
        arguments: dict[str, Any] = {}
        if url.get_backend_name() == "sqlite":
            arguments = {"timeout": timeout / 2, "check_same_thread": False}
        elif url.get_backend_name() == "postgresql" and url.get_driver_name() == "psycopg":
            arguments = {
                "connect_timeout": max(2, round(timeout)),
                "tcp_user_timeout": round(timeout * 1000),
            }
        with line.used():
            engine = sqlalchemy.create_engine(url, connect_args=arguments, poolclass=NullPool)
            line.connection = engine.connect()

    def _select(self, line: SqlLine, since: datetime, now: datetime) -> _Answer:
        times = self._layout.times
        values: dict[str, Any] = {"since": times.write(since), "now": times.write(now)}
        with line.used():
            connection = line.connection
            assert connection is not None  # noqa: S101 - `open` has made it
            dialect = connection.dialect.name
            if dialect == "sqlite":  # has no type for times: text in order of time
                values = {name: _as_text(value) for name, value in values.items()}
            if dialect == "postgresql":
                connection.execution_options(postgresql_readonly=True)
            with connection.begin() as transaction:
                if dialect == "postgresql":
                    connection.execute(_LIMITS, self._limits())
                parameters = {name: values[name] for name in self._parameters}
                result = connection.execute(
                    self._statement, parameters, execution_options={"stream_results": True}
                )
                heading = list(result.keys())
                rows = result.fetchmany(self._settings.most_rows + 1)
                result.close()
                transaction.rollback()
            return _Answer(heading, rows)

    async def _ask(self, function: Callable[..., T], *arguments: Any) -> T:
        seconds = self._settings.timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                return await in_background(function, *arguments)
        except TimeoutError:
            raise SourceFault(
                FaultKind.TIMEOUT, f"数据库（{self._where}）在 {seconds:g} 秒内没有应答"
            ) from None
        except exc.ResourceClosedError:
            raise SourceFault(FaultKind.CONFIGURATION, "查询没有结果集，应为 SELECT") from None
        except (exc.SQLAlchemyError, ModuleNotFoundError, OSError, ValueError) as error:
            # from None: what SQLAlchemy raises spells out statement and parameters
            raise fault_of(error, self._where, self._password) from None

    def _limits(self) -> dict[str, str]:
        return {
            "timeout": str(round(self._settings.timeout_seconds * 1000)),
            "zone": _TIME_ZONES[self._layout.times.zone],
        }

    # --- the rows --------------------------------------------------------------------------------

    def _within_limit(self, rows: list[Row]) -> list[Row]:
        """The rows of this poll: a cut result is taken up to the last moment that is complete."""
        most = self._settings.most_rows
        if len(rows) <= most:
            return rows
        if "since" not in self._parameters:
            raise SourceFault(
                FaultKind.CONFIGURATION,
                f"查询结果超过 {most} 行，请用 :since 限制范围或提高 most_rows",
            )
        moments = [row.moment for row in rows if row.moment is not None]
        if moments != sorted(moments):
            raise SourceFault(
                FaultKind.CONFIGURATION,
                f"查询结果超过 {most} 行而未按时间排序，请在查询中加 ORDER BY",
            )
        last = moments[-1] if moments else None
        kept = [row for row in rows if row.moment != last]
        newest = max((row.moment for row in kept if row.moment is not None), default=None)
        if newest is None or (self._since is not None and newest <= self._since):
            raise SourceFault(
                FaultKind.CONFIGURATION,
                f"同一时刻或 overlap_seconds 之内的行超过 {most} 行，请提高 most_rows",
            )
        return kept

    def _samples(self, rows: list[Row], now: datetime) -> list[Sample]:
        times = self._layout.times
        timed = bool(self._settings.time_column)
        remarks: list[str] = []
        found: list[Sample] = []
        present: dict[tuple[str, datetime], Decimal] = {}
        newest = self._since
        early: datetime | None = None
        for count, row in enumerate(rows, start=1):
            remarks += [f"第 {count} 行“{column}”列：{reason}" for column, reason in row.errors]
            if timed and row.moment is None:
                continue
            moment = now if row.moment is None else row.moment
            stamp = times.sample_time(moment) if timed else now
            if stamp > now + AHEAD:
                early = min(early or moment, moment)
                remarks.append(f"第 {count} 行的时间 {stamp} 晚于现在，暂不采用")
                continue
            newest = moment if newest is None else max(newest, min(moment, now))
            for name, value in row.values:
                known = (name, moment)
                present[known] = value
                if not timed or self._seen.get(known) != value:
                    found.append(Sample(name, stamp, value))
        if newest is not None and early is not None and early <= newest:
            newest = early - timedelta(microseconds=1)  # what waits must be found again
        self._remarks.tell(remarks)
        self._taking = _Taking(
            newest if "since" in self._parameters else None, present if timed else {}
        )
        return found


def _as_text(value: object) -> object:
    return value.isoformat(sep=" ") if isinstance(value, datetime) else value


def make(settings: SqlSettings, home_dir: Path) -> SqlSource:
    """The source of a settings block, not yet open."""
    return SqlSource(settings, home_dir)
