"""Readings from files that another system puts into a folder (文件夹来源): CSV and Excel.

A file is imported once: its name, size and SHA-256 are remembered, in a state file that is
written when its samples are on the disk. A file that grows or is replaced is imported again as a
whole; samples that were there already change nothing. A file that is still being written waits
until its size and time of change are the same in two polls. A bad file is taken in no part: it is
moved to `rejected/` beside it with a `.txt` of the reasons (or left where it is, as configured or
when the folder is read-only) and not looked at again until it changes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Annotated, Literal, ParamSpec, TypeVar

from msgspec import Meta, Struct, field

from nenghao.device.sources import excel, folder_files, table_file
from nenghao.device.sources.background import in_background
from nenghao.device.sources.base import FaultKind, Sample, SourceFault
from nenghao.device.sources.folder_files import Stamp
from nenghao.device.sources.remarks import Remarks
from nenghao.device.sources.rows import Label, Layout, Zone, layout_of, scalings
from nenghao.device.sources.state_file import StateFile
from nenghao.device.sources.table_file import Rejected

P = ParamSpec("P")
T = TypeVar("T")

ENOUGH = 20_000
"""Samples after which a poll begins no further file: the rest follows in the next."""

POLL_SECONDS = 15.0
"""After so long a poll begins no further file either."""

SHOWN = timedelta(days=1)
"""How long a rejected file stays among the remarks."""

MOST_GONE = 2_000
"""Files that are remembered though they are not in the folder any more."""

_WORKBOOKS = (".xlsx", ".xlsm", ".xls")
_MOST_REASONS = 1_000
_REASONS_SHOWN = 3


class FolderPoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One point (采集点) in the files."""

    name: Annotated[str, Meta(min_length=1)]
    field: str = ""
    """One column per point: its heading. A name column: the text in it. Empty: the name."""
    scale: str = "1"
    offset: str = "0"
    unit: str = ""


class FolderSettings(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="folder", tag_field="type"
):
    """A `[[source]]` block with `type = "folder"`."""

    name: Annotated[str, Meta(min_length=1)]
    folder: Annotated[str, Meta(min_length=1)]
    """Relative paths lie in the device's directory."""
    points: Annotated[list[FolderPoint], Meta(min_length=1)]
    poll_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 10
    timeout_seconds: Annotated[float, Meta(gt=0, le=300)] = 5
    """For looking into the folder; a share in the network may hang."""
    file_seconds: Annotated[float, Meta(gt=0, le=40)] = 30
    """For reading one file."""
    patterns: Annotated[list[str], Meta(min_length=1)] = field(
        default_factory=lambda: ["*.csv", "*.xlsx"]
    )
    subfolders: bool = False
    encoding: str = ""
    """Empty: UTF-8 or GB 18030, as the file is."""
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    sheet: str = ""
    """Empty: the first."""
    heading_row: Annotated[int, Meta(ge=1, le=1000)] = 1
    time_column: Annotated[str, Meta(min_length=1)] = "time"
    time_format: str = ""
    time_zone: Zone = "cst"
    label: Label = "end"
    interval_minutes: Annotated[int, Meta(ge=1, le=1440)] = 15
    name_column: str = ""
    value_column: str = ""
    bad_files: Literal["move", "leave"] = "move"
    most_rows: Annotated[int, Meta(ge=1, le=1_000_000)] = 100_000
    most_megabytes: Annotated[float, Meta(gt=0, le=1000)] = 32

    def __post_init__(self) -> None:
        self.layout.check()
        scalings(self.points)
        try:
            "".encode(self.encoding or "utf-8")
        except LookupError:
            raise ValueError(f"encoding：没有名为 {self.encoding!r} 的编码") from None

    @property
    def layout(self) -> Layout:
        """Where times, names and values stand in a row."""
        return layout_of(self)


class Done(Struct, frozen=True, kw_only=True):
    """A file that was imported, or rejected."""

    stamp: Stamp
    sha256: str
    rejected: bool = False


class Files(Struct, frozen=True):
    """What is remembered of the folder, by path in it; the newest last."""

    files: dict[str, Done] = field(default_factory=dict)


class FolderSource:
    """See the module."""

    def __init__(self, settings: FolderSettings, home_dir: Path) -> None:
        self._settings = settings
        self._folder = home_dir / settings.folder
        self._state = StateFile(home_dir, "folder", settings.name, Files)
        self._remarks = Remarks()
        self._done: dict[str, Done] = {}
        """As it is on the disk."""
        self._taking: dict[str, Done] = {}
        """What is to be remembered when the samples are durable."""
        self._before: dict[str, Stamp] = {}
        """The files of the last poll."""
        self._bad: list[tuple[datetime, str]] = []
        self._only_looks = False

    @property
    def remarks(self) -> tuple[str, ...]:
        """The files that were rejected within a day."""
        return self._remarks.lines

    def only_look(self) -> None:
        """From now on bad files stay where they are and nothing is remembered: a probe."""
        self._only_looks = True

    async def open(self) -> None:
        """What is done is read, and the folder is looked at; SourceFault."""
        timeout = self._settings.timeout_seconds
        saved = await self._within(timeout, self._state.load)
        self._done = dict(saved.files) if saved else {}
        self._taking = {}
        await self._scan()

    async def read(self, now: datetime) -> list[Sample]:
        """The samples of files that are new and complete; SourceFault."""
        present = await self._scan()
        before, self._before = self._before, present
        self._taking = {}
        found: list[Sample] = []
        clock = asyncio.get_running_loop().time
        end = clock() + POLL_SECONDS
        for name, stamp in present.items():
            if len(found) >= ENOUGH or clock() > end:
                break
            known = self._done.get(name)
            if known is not None and known.stamp == stamp:
                continue
            if stamp.size and before.get(name) == stamp:
                found += await self._import(name, stamp, now)
        self._bad = [(when, line) for when, line in self._bad if now - when < SHOWN]
        self._remarks.tell([line for _, line in self._bad])
        if not found:
            await self.taken()  # nothing to wait for: what was rejected is remembered
        return found

    async def taken(self) -> None:
        """The samples are on the disk: their files are done. SourceFault when it cannot be kept."""
        if not self._taking:
            return
        done = {name: one for name, one in self._done.items() if name not in self._taking}
        done |= self._taking
        gone = [name for name in done if name not in self._before]
        for name in gone[: max(0, len(gone) - MOST_GONE)]:
            del done[name]
        if not self._only_looks:
            await self._within(self._settings.timeout_seconds, self._state.save, Files(done))
        self._done = done
        self._taking = {}

    async def close(self) -> None:
        """Nothing is held between two polls."""

    # --- one file --------------------------------------------------------------------------------

    async def _import(self, name: str, stamp: Stamp, now: datetime) -> list[Sample]:
        """The samples of a file; none when it changed meanwhile, was done before, or is bad."""
        opened = await self._opened(name, stamp)
        if opened is None:
            return []
        stream, digest = opened
        known = self._done.get(name)
        with stream:
            if known is not None and (known.stamp.size, known.sha256) == (stamp.size, digest):
                self._taking[name] = Done(stamp=stamp, sha256=digest, rejected=known.rejected)
                return []
            try:
                found = await self._samples(name, stamp, stream)
            except Rejected as rejected:
                await self._reject(name, stamp, digest, rejected.lines, now)
                return []
        self._taking[name] = Done(stamp=stamp, sha256=digest)
        return found

    async def _opened(self, name: str, stamp: Stamp) -> tuple[IO[bytes], str] | None:
        seconds = self._settings.file_seconds
        try:
            return await self._within(seconds, folder_files.open_whole, self._folder / name, stamp)
        except PermissionError:
            raise SourceFault(FaultKind.CREDENTIALS, f"没有权限读取文件 {name}") from None
        except OSError as error:
            raise SourceFault(
                FaultKind.UNREACHABLE, f"无法读取文件 {name}：{error.strerror}"
            ) from error

    async def _samples(self, name: str, stamp: Stamp, stream: IO[bytes]) -> list[Sample]:
        settings = self._settings
        if stamp.size > settings.most_megabytes * 1024 * 1024:
            raise Rejected([f"文件超过 {settings.most_megabytes:g} MB，请拆分"])
        if not name.casefold().endswith(_WORKBOOKS):
            return await self._within(settings.file_seconds, self._from_csv, stream)
        # a workbook's process is ended after `file_seconds`; this only waits for that
        return await self._within(settings.file_seconds + 5, self._from_workbook, stream)

    def _from_csv(self, stream: IO[bytes]) -> list[Sample]:
        settings = self._settings
        rows = table_file.csv_rows(
            stream.read(),
            encoding=settings.encoding,
            delimiter=settings.delimiter,
            most_rows=settings.most_rows,
        )
        return self._from_rows(rows)

    def _from_workbook(self, stream: IO[bytes]) -> list[Sample]:
        settings = self._settings
        rows = excel.rows_of(
            stream,
            sheet=settings.sheet,
            most_rows=settings.most_rows,
            seconds=settings.file_seconds,
        )
        with contextlib.closing(rows):
            try:
                return self._from_rows(enumerate(rows, start=1))
            except excel.Unreadable as error:
                raise Rejected([str(error)]) from None

    def _from_rows(self, rows: Iterable[tuple[int, Sequence[object]]]) -> list[Sample]:
        settings = self._settings
        return table_file.samples_of(rows, settings.layout, settings.points, settings.heading_row)

    async def _reject(
        self, name: str, stamp: Stamp, digest: str, reasons: tuple[str, ...], now: datetime
    ) -> None:
        shown = list(reasons[:_MOST_REASONS])
        if len(reasons) > len(shown):
            shown.append(f"另有 {len(reasons) - len(shown)} 处错误")
        settings = self._settings
        moves = settings.bad_files == "move" and not self._only_looks
        aside = moves and await self._within(
            settings.timeout_seconds, folder_files.put_aside, self._folder, name, stamp, shown
        )
        line = f"文件 {name} 未导入：{'；'.join(reasons[:_REASONS_SHOWN])}"
        if len(reasons) > _REASONS_SHOWN:
            line += f"；共 {len(reasons)} 处错误"
        if aside:
            line += f"（已移到 {folder_files.REJECTED} 文件夹）"
        self._bad.append((now, line))
        self._taking[name] = Done(stamp=stamp, sha256=digest, rejected=True)

    # --- calls that may hang ---------------------------------------------------------------------

    async def _scan(self) -> dict[str, Stamp]:
        settings = self._settings
        return await self._within(
            settings.timeout_seconds,
            folder_files.scan,
            self._folder,
            settings.patterns,
            deep=settings.subfolders,
        )

    async def _within(
        self, seconds: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The outcome of a call in the background, given up when the folder hangs."""
        try:
            async with asyncio.timeout(seconds):
                return await in_background(function, *args, **kwargs)
        except TimeoutError:
            raise SourceFault(
                FaultKind.TIMEOUT, f"文件夹 {self._folder} 在 {seconds:g} 秒内没有应答"
            ) from None


def make(settings: FolderSettings, home_dir: Path) -> FolderSource:
    """The source of a settings block, not yet open."""
    return FolderSource(settings, home_dir)
