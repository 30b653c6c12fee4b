"""Rebuilds a unit's values from the journal (按上传日志重建), and says what differs.

The receipts that concern the period are taken in once more (`replay`); what that comes to is held
against what is stored, slot by slot. Values of other periods stay untouched. A rebuild that
changes frames is itself a receipt, with what it replaced in its body (docs/journal).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, select

from nenghao.platform import audit, chain, dictionary, journal
from nenghao.platform.chain import JournalDamaged
from nenghao.platform.in_force import InForce
from nenghao.platform.journal import Body, Receipt
from nenghao.platform.packing import Key
from nenghao.platform.replay import Replay, stored_frames
from nenghao.platform.retention import Operator
from nenghao.platform.store import frames
from nenghao.platform.store.engine import Store, upsert
from nenghao.platform.store.frames import Frame, FrameCorrupt
from nenghao.platform.store.schema import frame as frame_table
from nenghao.platform.store.schema import unit as unit_table
from nenghao.platform.totals import marks
from nenghao.platform.uplink import marks as uplink_marks
from nenghao.standard import periods
from nenghao.standard.findings import AdviceKind
from nenghao.standard.periods import StatType
from nenghao.standard.replies import Refusal

_DICTIONARY = (
    AdviceKind.UNKNOWN_PROCESS.bit
    | AdviceKind.UNKNOWN_ENERGY_TYPE.bit
    | AdviceKind.UNKNOWN_USAGE.bit
)
"""The findings that go by base data, of which only the present version is there."""

_SOURCES = ("online", "report")


class RebuildRefused(Exception):
    """The journal does not allow the rebuild; the text says why, in Chinese."""


@dataclass(frozen=True)
class Value:
    """Everything that a slot holds."""

    value: float
    valid: int
    upload_date: int
    rank: int
    input_type: int
    scope: int
    findings: int

    def plain(self) -> dict[str, Any]:
        """For a report: names of the wire, times as text."""
        return {
            "dataValue": self.value,
            "valid": bool(self.valid),
            "uploadDate": periods.format_time(periods.from_seconds(self.upload_date)),
            "inputType": self.input_type,
            "scope": self.scope,
            "findings": [kind.value for kind in AdviceKind.from_bits(self.findings)],
        }


Slots = dict[int, Value]


@dataclass(frozen=True)
class Difference:
    """One slot in which the database and the journal disagree; None: there is no value."""

    key: Key
    slot: int
    stored: Value | None
    rebuilt: Value | None

    def plain(self) -> dict[str, Any]:
        """For a report."""
        kind = StatType(self.key.stat_type)
        return {
            "dataCode": self.key.data_code,
            "statType": int(kind),
            "statDate": periods.format_time(periods.time_of(kind, self.key.frame, self.slot)),
            "source": _SOURCES[self.key.source],
            "stored": None if self.stored is None else self.stored.plain(),
            "rebuilt": None if self.rebuilt is None else self.rebuilt.plain(),
        }


@dataclass
class Rebuilt:
    """What a rebuild found and did."""

    credit_code: str
    first: date
    last: date
    receipts: int = 0
    """Receipts replayed."""
    compared: int = 0
    """Slots that hold a value in the database, in the journal, or in both."""
    differences: list[Difference] = field(default_factory=list)
    damaged: list[Key] = field(default_factory=list)
    """Stored frames that cannot be read at all."""
    frames_written: int = 0
    sequence: int = 0
    """The receipt that records the rebuild, 0 where nothing was written."""

    def plain(self) -> dict[str, Any]:
        """For a report."""
        return {
            "code": self.credit_code,
            "from": self.first.isoformat(),
            "to": self.last.isoformat(),
            "receipts": self.receipts,
            "compared": self.compared,
            "differences": [one.plain() for one in self.differences],
            "damaged": [
                {"dataCode": key.data_code, "statType": key.stat_type, "frame": key.frame}
                for key in self.damaged
            ],
            "framesWritten": self.frames_written,
            "sequence": self.sequence,
        }


def rebuild(
    store: Store, credit_code: str, first: date, last: date, now: datetime, *, dry_run: bool = False
) -> Rebuilt:
    """Rebuild the periods that begin on the days `first` to `last`, of every statType.

    With `dry_run` only compares. Raises RebuildRefused, with nothing changed, when the unit is
    unknown, its chain is broken, or bodies that concern the period are missing or damaged.
    """
    if last < first:
        raise RebuildRefused("结束日期早于开始日期")
    done = Rebuilt(credit_code, first, last)
    with tempfile.TemporaryDirectory(prefix="nenghao-rebuild-") as folder, store.read() as conn:
        work = _Work(conn, Path(folder), done)
        with work.replay:
            work.catch_up(conn)
            if dry_run:
                work.compare(conn)
                return done
            # Replaying takes its time; the unit is locked only for what came in meanwhile.
            with store.write() as writing:
                journal.lock(writing, work.unit["id"])
                work.catch_up(writing)
                work.write(writing, work.compare(writing), now)
    return done


class _Work:
    """One rebuild on its way."""

    def __init__(self, conn: Connection, folder: Path, done: Rebuilt) -> None:
        self.done = done
        self.unit = _unit(conn, done.credit_code)
        begin = datetime(done.first.year, done.first.month, done.first.day)
        end = datetime(done.last.year, done.last.month, done.last.day) + timedelta(days=1)
        self._period = (begin, end)
        self._windows = {kind: self._window(conn, kind) for kind in StatType}
        self._sequence = 0
        self._dictionary_changed = False
        checked = chain.check_unit(conn, self.unit["id"], bodies=False)
        if checked.breaks:
            broken = checked.breaks[0]
            raise RebuildRefused(
                f"{done.credit_code} 的回执链在编号 {broken.sequence} 处有问题"
                f"（{broken.fault.text}），请先查看 nenghao platform journal verify"
            )
        self.replay = Replay(folder, conn, self.unit)

    def catch_up(self, conn: Connection) -> None:
        """Replay what concerns the period and was not replayed yet."""
        receipts = journal.receipts_after(conn, self.unit["id"], self._sequence)
        concerned = [one for one in receipts if self._concerns(one)]
        gone = [one.sequence for one in concerned if not one.kept]
        if gone:
            raise RebuildRefused(
                f"{self.done.credit_code} 有 {len(gone)} 份相关原文已清除"
                f"（编号 {gone[0]} 起），无法重建"
            )
        version = dictionary.version(conn)
        for one in concerned:
            try:
                self.replay.take(conn, one)
                self._dictionary_changed |= InForce.from_plain(one.settings).dic_version != version
            except (JournalDamaged, Refusal, LookupError, TypeError, ValueError) as error:
                raise RebuildRefused(f"编号 {one.sequence} 的原文无法重放：{error}") from error
        self.done.receipts += len(concerned)
        if receipts:
            self._sequence = receipts[-1].sequence

    def compare(self, conn: Connection) -> dict[Key, bytes]:
        """Note every difference; the frames to be written, empty where there is nothing left."""
        changed: dict[Key, bytes] = {}
        for kind in StatType:
            numbers = periods.frames_between(kind, *self._windows[kind])
            stored = stored_frames(conn, self.unit["id"], kind, numbers)
            rebuilt = self.replay.frames(kind, numbers)
            for key in sorted(stored.keys() | rebuilt.keys()):
                new = self._compare_frame(key, stored.get(key), rebuilt.get(key))
                if new is not None:
                    changed[key] = new
        return changed

    def write(self, conn: Connection, changed: dict[Key, bytes], now: datetime) -> None:
        """Write the frames, the receipt and the audit record."""
        if not changed:
            return
        done, unit_id = self.done, self.unit["id"]
        kept = {key: data for key, data in changed.items() if data}
        upsert(
            conn,
            frame_table,
            [{"unit_id": unit_id, **key._asdict(), "planes": kept[key]} for key in sorted(kept)],
        )
        for key in changed.keys() - kept.keys():
            named = [frame_table.c[name] == part for name, part in key._asdict().items()]
            conn.execute(delete(frame_table).where(frame_table.c.unit_id == unit_id, *named))
        marks.uploaded(conn, unit_id, dict.fromkeys(changed, marks.ALL))
        sent_up = (uplink_marks.Mark(key.stat_type, key.frame) for key in changed)
        uplink_marks.put(conn, unit_id, sent_up, now)
        done.frames_written = len(changed)
        done.sequence = journal.append(
            conn,
            Operator(unit_id, done.credit_code),
            journal.REBUILD,
            Body.of(json.dumps(done.plain(), ensure_ascii=False).encode()),
            records=len(done.differences),
            result={
                "from": done.first.isoformat(),
                "to": done.last.isoformat(),
                "receipts": done.receipts,
                "differences": len(done.differences),
                "frames": len(changed),
            },
            now=now,
            address="",
        )
        detail = (
            f"{done.first} 至 {done.last}：重放 {done.receipts} 份回执，"
            f"{len(done.differences)} 处不同，改写 {len(changed)} 帧"
        )
        audit.record(
            conn, now, audit.OPERATOR, "", "journal.rebuild", done.credit_code, detail=detail
        )

    def _window(self, conn: Connection, kind: StatType) -> tuple[datetime, datetime]:
        """The times of one statType to replay: all of a damaged frame's, since none can be kept."""
        begin, end = self._period
        numbers = periods.frames_between(kind, begin, end)
        for key, data in stored_frames(conn, self.unit["id"], kind, numbers).items():
            try:
                frames.decode(data)
            except FrameCorrupt:
                self.done.damaged.append(key)
                slots = range(periods.slots_in(kind, key.frame))
                opening = periods.time_of(kind, key.frame, slots[0])
                closing = periods.time_of(kind, key.frame, slots[-1])
                begin = min(begin, periods.period_start(kind, opening))
                end = max(end, periods.period_end(kind, closing))
        return begin, end

    def _concerns(self, receipt: Receipt) -> bool:
        """Whether the receipt brought values that the period may hold."""
        if receipt.kind != journal.ENERGY:
            return False
        for kind, (first, last) in receipt.covers.items():
            begin, end = self._windows[StatType(kind)]
            if periods.period_start(StatType(kind), first) < end and (
                begin <= periods.period_start(StatType(kind), last)
            ):
                return True
        return False

    def _compare_frame(self, key: Key, stored: bytes | None, rebuilt: bytes | None) -> bytes | None:
        """The frame as it should be (b"" for none), or None where nothing differs."""
        replayed = {} if rebuilt is None else _slots_of(frames.decode(rebuilt))
        damaged = key in self.done.damaged
        held = {} if stored is None or damaged else _slots_of(frames.decode(stored))
        inside = set(self._inside(key)) if not damaged else set(replayed)
        before = {slot: value for slot, value in held.items() if slot in inside}
        after = {slot: value for slot, value in replayed.items() if slot in inside}
        slots = sorted(before.keys() | after.keys())
        self.done.compared += len(slots)
        differing = [slot for slot in slots if not self._same(before.get(slot), after.get(slot))]
        self.done.differences += [
            Difference(key, slot, before.get(slot), after.get(slot)) for slot in differing
        ]
        if not differing and not damaged:
            return None
        whole = {slot: value for slot, value in held.items() if slot not in inside} | after
        if whole == replayed and rebuilt is not None:
            return rebuilt
        return frames.encode(_frame_of(key, whole)) if whole else b""

    def _inside(self, key: Key) -> Iterator[int]:
        """The slots of a frame whose period begins on the days asked for."""
        kind = StatType(key.stat_type)
        for slot in range(periods.slots_in(kind, key.frame)):
            time = periods.time_of(kind, key.frame, slot)
            if periods.in_download_range(kind, time, *self._period):
                yield slot

    def _same(self, stored: Value | None, rebuilt: Value | None) -> bool:
        if stored == rebuilt:
            return True
        if stored is None or rebuilt is None or not self._dictionary_changed:
            return False
        unlike = stored.findings ^ rebuilt.findings
        return not unlike & ~_DICTIONARY and _but_findings(stored) == _but_findings(rebuilt)


def _but_findings(value: Value) -> tuple[float, int, int, int, int, int]:
    return (
        value.value,
        value.valid,
        value.upload_date,
        value.rank,
        value.input_type,
        value.scope,
    )


def _unit(conn: Connection, credit_code: str) -> RowMapping:
    query = select(unit_table).where(unit_table.c.code == credit_code)
    found = conn.execute(query).mappings().one_or_none()
    if found is None:
        raise RebuildRefused(f"没有注册过的用能单位 {credit_code}")
    return found


def _slots_of(frame: Frame) -> Slots:
    planes = zip(
        map(float, frame.value),
        map(int, frame.valid),
        map(int, frame.upload_date),
        map(int, frame.rank),
        map(int, frame.input_type),
        map(int, frame.scope),
        map(int, frame.findings),
        strict=True,
    )
    return {slot: Value(*row) for slot, row in zip(frame.positions(), planes, strict=True)}


def _frame_of(key: Key, slots: Slots) -> Frame:
    values = [slots[slot] for slot in sorted(slots)]
    return Frame(
        slots=periods.slots(StatType(key.stat_type)),
        presence=sum(1 << slot for slot in slots),
        value=[one.value for one in values],
        valid=[one.valid for one in values],
        upload_date=[one.upload_date for one in values],
        rank=[one.rank for one in values],
        input_type=[one.input_type for one in values],
        scope=[one.scope for one in values],
        findings=[one.findings for one in values],
    )
