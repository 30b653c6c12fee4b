"""Takes an energy upload in (采集数据入库): all of it, durable before the answer, or nothing.

The batch is packed, remarked and encoded before anything is locked. Then one transaction: lock
the unit's head, read the frames concerned, merge, write what changed, append the receipt with the
body as it came, commit. So the order of merging is the order of receipts.

How records become frames is `packing`'s business, what is odd about them `remarks`', which of two
values stands `store.frames_columns.merge`'s. Nothing here answers: it returns or raises a Refusal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from sqlalchemy import ColumnElement, Connection, select

from nenghao.platform import advice, configuration, dictionary, journal, packing
from nenghao.platform.packing import Batch, Key, Labels
from nenghao.platform.registry import Peer
from nenghao.platform.remarks import Context, Remarks, remark
from nenghao.platform.store import frames_codec
from nenghao.platform.store.engine import Store, upsert
from nenghao.platform.store.frames_codec import FrameCorrupt
from nenghao.platform.store.frames_columns import FrameColumns, merge
from nenghao.platform.store.schema import frame as frame_table
from nenghao.platform.store.schema import unit_setting
from nenghao.standard.findings import AdviceKind
from nenghao.standard.messages.energy_data import EnergyRecord, EnergyUpload

REALTIME_LABEL = "realtime_label"
"""The dated setting of a unit that says what its real-time ticks label (`packing.Labels`)."""

_Item = TypeVar("_Item")

_CHUNK = 400
"""Frames or data codes named in one query; databases limit the parameters of a statement."""

_MANY = 16
"""Data codes from which on a range of them is read instead of naming them."""


class Settings(Protocol):
    """The platform's settings that intake asks for."""

    @property
    def strict(self) -> Collection[AdviceKind]: ...


@dataclass(frozen=True, slots=True)
class IntakeResult:
    """What became of an accepted upload: records = stored + unchanged + lost."""

    sequence: int
    """The number of its receipt within the unit."""
    records: int
    stored: int
    """Values that are new or changed."""
    unchanged: int
    """Values that were there already, or twice in the batch."""
    lost: int
    """Values that a later uploadDate, or a later record of the batch, had replaced already."""
    advice: dict[AdviceKind, int]
    """How many records each kind of advice was found in."""


def upload(
    store: Store,
    settings: Settings,
    peer: Peer,
    upload: EnergyUpload,
    body: bytes,
    now: datetime,
    address: str,
) -> IntakeResult:
    """Store an upload whose form and sender are checked; `body` is what the journal keeps.

    Raises IllegalFormat for advice that a setting made strict, DatabaseFault for a damaged
    stored frame; then nothing of the upload is stored.
    """
    records = upload.data
    with store.read() as conn:
        labels = realtime_labels(conn, peer.unit_id)
        context = _context(conn, peer.unit_id, now)
    batch = packing.pack(records, labels, now)
    remarks = remark(batch, records, context)
    _refuse_strict(remarks, records, settings.strict)
    encoded = frames_codec.encode(batch.columns)
    packed_body = journal.Body.of(body)
    with store.write() as conn:
        sequence = journal.lock(conn, peer.unit_id) + 1
        outcome = _merge(conn, peer.unit_id, batch, encoded, remarks)
        _refuse_strict(remarks, records, settings.strict)
        _write(conn, peer.unit_id, outcome.changed)
        result = IntakeResult(
            sequence=sequence,
            records=len(records),
            stored=len(records) - outcome.unchanged - outcome.lost,
            unchanged=outcome.unchanged,
            lost=outcome.lost,
            advice=remarks.counts(),
        )
        journal.append(
            conn,
            peer,
            journal.ENERGY,
            packed_body,
            records=len(records),
            result=asdict(result),
            now=now,
            address=address,
        )
        said = [one.advice() for one in remarks]
        advice.keep(conn, peer.unit_id, said, sequence, now)
    return result


def realtime_labels(conn: Connection, unit_id: int) -> Labels:
    """What the unit's real-time ticks label, by date (docs/decisions 4)."""
    query = select(unit_setting.c.valid_from, unit_setting.c.value).where(
        unit_setting.c.unit_id == unit_id, unit_setting.c.name == REALTIME_LABEL
    )
    return Labels([(row.valid_from, row.value) for row in conn.execute(query)])


def _context(conn: Connection, unit_id: int, now: datetime) -> Context:
    return Context(
        dictionary=dictionary.vocabulary(conn),
        items=configuration.configured_items(conn, unit_id),
        industry_code=configuration.industry_code(conn, unit_id),
        now=now,
    )


def _refuse_strict(
    remarks: Remarks, records: Sequence[EnergyRecord], strict: Collection[AdviceKind]
) -> None:
    if not strict:
        return
    advice.refuse_strict(
        (said for one in remarks if one.kind in strict for said in one.advices(records)), strict
    )


@dataclass(slots=True)
class _Outcome:
    """What merging a batch into the stored frames comes to."""

    changed: dict[Key, bytes]
    unchanged: int
    lost: int


def _merge(
    conn: Connection, unit_id: int, batch: Batch, encoded: list[bytes], remarks: Remarks
) -> _Outcome:
    changed = dict(zip(batch.keys, encoded, strict=True))
    stored = _stored(conn, unit_id, changed)
    unchanged = batch.repeated
    met = []
    counts = batch.columns.counts.tolist() if stored else []
    for number, key in enumerate(batch.keys if stored else ()):
        before = stored.get(key)
        if before == changed[key]:
            unchanged += counts[number]
            del changed[key]
        elif before is not None:
            met.append(number)
    outcome = _Outcome(changed, unchanged, len(batch.replaced))
    if met:
        _merge_met(batch, met, stored, remarks, outcome)
    return outcome


def _merge_met(
    batch: Batch, met: list[int], stored: dict[Key, bytes], remarks: Remarks, outcome: _Outcome
) -> None:
    """Merge those frames of the batch that are stored already and differ."""
    keys = [batch.keys[number] for number in met]
    befores = [stored[key] for key in keys]
    merged = merge(_opened(keys, befores), batch.columns.take(met))
    for key, before, after in zip(keys, befores, frames_codec.encode(merged.frames), strict=True):
        if after == before:
            del outcome.changed[key]
        else:
            outcome.changed[key] = after
    # A repeated record that comes before its first receipt by a clock set back loses nothing.
    lost = merged.beaten & ~merged.same
    outcome.unchanged += int(merged.same.sum())
    outcome.lost += int(lost.sum())
    if not lost.any():
        return
    begin = 0
    detail = "平台已有 uploadDate 更晚的数据，本条只留在上传日志中"
    for number in met:
        records = batch.records[batch.columns.starts[number] : batch.columns.starts[number + 1]]
        beaten = records[lost[begin : begin + len(records)]]
        begin += len(records)
        if len(beaten):
            code = batch.keys[number].data_code
            remarks.add(AdviceKind.SUPERSEDED, code, detail, "uploadDate", beaten)


def _opened(keys: list[Key], befores: list[bytes]) -> FrameColumns:
    try:
        return frames_codec.decode(befores)
    except FrameCorrupt as error:
        raise packing.damaged(keys[error.number]) from error


def _stored(conn: Connection, unit_id: int, wanted: Collection[Key]) -> dict[Key, bytes]:
    """Those of the wanted frames that the unit has."""
    table = frame_table
    columns = (table.c.stat_type, table.c.frame, table.c.data_code, table.c.source)
    found: dict[Key, bytes] = {}
    for where in _conditions(wanted):
        query = select(*columns, table.c.planes).where(table.c.unit_id == unit_id, *where)
        for *key_columns, planes in conn.execute(query):
            key = Key(*key_columns)
            if key in wanted:
                found[key] = planes
    return found


def _conditions(wanted: Collection[Key]) -> Iterator[list[ColumnElement[bool]]]:
    """Conditions that together find all wanted frames: for each statType one, as a rule.

    An ordinary batch has each of many items on each of few days: then its frames lie close
    together, and a range finds them without naming them. Others are named in chunks.
    """
    table = frame_table
    by_type: dict[int, tuple[set[int], set[str], list[Key]]] = {}
    for key in wanted:
        numbers, codes, keys = by_type.setdefault(key.stat_type, (set(), set(), []))
        numbers.add(key.frame)
        codes.add(key.data_code)
        keys.append(key)
    for stat_type, (numbers, codes, keys) in by_type.items():
        this_type = table.c.stat_type == stat_type
        area = (max(numbers) - min(numbers) + 1) * len(codes)
        if len(codes) >= _MANY and area <= 2 * len(keys):
            yield [
                this_type,
                table.c.frame.between(min(numbers), max(numbers)),
                table.c.data_code.between(min(codes), max(codes)),
            ]
            continue
        for some in _chunks(sorted(numbers)):
            for few in _chunks(sorted(codes)):
                yield [this_type, table.c.frame.in_(some), table.c.data_code.in_(few)]


def _chunks(items: list[_Item]) -> Iterator[list[_Item]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]


def _write(conn: Connection, unit_id: int, changed: dict[Key, bytes]) -> None:
    rows = [
        {"unit_id": unit_id, **key._asdict(), "planes": changed[key]} for key in sorted(changed)
    ]
    upsert(conn, frame_table, rows)
