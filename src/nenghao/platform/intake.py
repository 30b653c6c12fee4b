"""Takes an energy upload in (采集数据入库): all of it, durable before the answer, or nothing.

The batch is packed, remarked and encoded before anything is locked. Then one transaction: lock
the unit's head, read the frames concerned, merge, write what changed, append the receipt with the
body as it came, commit. So the order of merging is the order of receipts.

How records become frames is `packing`'s business, what is odd about them `remarks`', which of two
values stands `store.frames.merge`'s. Nothing here answers: it returns or raises a Refusal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, select

from nenghao.platform import advice, configuration, dictionary, in_force, journal, packing
from nenghao.platform.packing import Batch, Key
from nenghao.platform.registry import Peer
from nenghao.platform.remarks import Context, Remarks, remark
from nenghao.platform.store import frames
from nenghao.platform.store.engine import Store, upsert
from nenghao.platform.store.schema import frame as frame_table
from nenghao.standard import periods
from nenghao.standard.findings import AdviceKind
from nenghao.standard.messages.energy_data import EnergyRecord, EnergyUpload
from nenghao.standard.periods import StatType

_Item = TypeVar("_Item")

_CHUNK = 400
"""Frames or data codes named in one query; databases limit the parameters of a statement."""


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
    settings: in_force.Settings,
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
        force = in_force.of(conn, peer.unit_id, settings)
        context = _context(conn, peer.unit_id, now)
    batch = packing.pack(records, force.labels(), now)
    remarks = remark(batch, records, context)
    _refuse_strict(remarks, records, settings.strict)
    encoded = {key: frames.encode(packed.frame) for key, packed in batch.frames.items()}
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
            settings=force.to_plain(),
            covers=_covers(batch),
            now=now,
            address=address,
        )
        said = [one.advice() for one in remarks]
        advice.keep(conn, peer.unit_id, said, sequence, now)
    return result


def _covers(batch: Batch) -> journal.Covers:
    """The first and the last time that the batch has values for, by statType."""
    ends: dict[int, tuple[tuple[int, int], tuple[int, int]]] = {}
    for key, packed in batch.frames.items():
        present = packed.frame.presence
        first = (key.frame, (present & -present).bit_length() - 1)
        last = (key.frame, present.bit_length() - 1)
        held = ends.get(key.stat_type, (first, last))
        ends[key.stat_type] = (min(held[0], first), max(held[1], last))
    return {
        kind: (
            periods.time_of(StatType(kind), *first),
            periods.time_of(StatType(kind), *last),
        )
        for kind, (first, last) in ends.items()
    }


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
    conn: Connection, unit_id: int, batch: Batch, encoded: dict[Key, bytes], remarks: Remarks
) -> _Outcome:
    outcome = _Outcome({}, batch.repeated, len(batch.replaced))
    stored = _stored(conn, unit_id, encoded)
    for key, data in encoded.items():
        before = stored.get(key)
        packed = batch.frames[key]
        if before is None:
            outcome.changed[key] = data
            continue
        if before == data:
            outcome.unchanged += len(packed.records)
            continue
        held = packing.opened(key, before)
        merged, beaten = frames.merge(held, packed.frame)
        same = frames.agreeing(held, packed.frame)
        after = data if merged is packed.frame else frames.encode(merged)
        if after != before:
            outcome.changed[key] = after
        # A repeated record that comes before its first receipt by a clock set back loses nothing.
        lost = {slot for slot in beaten if slot not in same}
        outcome.unchanged += len(same)
        outcome.lost += len(lost)
        if lost:
            slots = packed.frame.positions()
            indexes = [index for at, index in enumerate(packed.records) if slots[at] in lost]
            detail = "平台已有 uploadDate 更晚的数据，本条只留在上传日志中"
            remarks.add(AdviceKind.SUPERSEDED, key.data_code, detail, "uploadDate", indexes)
    return outcome


def _stored(conn: Connection, unit_id: int, wanted: Collection[Key]) -> dict[Key, bytes]:
    """Those of the wanted frames that the unit has."""
    table = frame_table
    found: dict[Key, bytes] = {}
    by_type: dict[int, tuple[set[int], set[str]]] = {}
    for key in wanted:
        numbers, codes = by_type.setdefault(key.stat_type, (set(), set()))
        numbers.add(key.frame)
        codes.add(key.data_code)
    columns = (table.c.stat_type, table.c.frame, table.c.data_code, table.c.source)
    for stat_type, (numbers, codes) in by_type.items():
        for some in _chunks(sorted(numbers)):
            for few in _chunks(sorted(codes)):
                query = select(*columns, table.c.planes).where(
                    table.c.unit_id == unit_id,
                    table.c.stat_type == stat_type,
                    table.c.frame.in_(some),
                    table.c.data_code.in_(few),
                )
                for *key_columns, planes in conn.execute(query):
                    key = Key(*key_columns)
                    if key in wanted:
                        found[key] = planes
    return found


def _chunks(items: list[_Item]) -> Iterator[list[_Item]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]


def _write(conn: Connection, unit_id: int, changed: dict[Key, bytes]) -> None:
    rows = [
        {"unit_id": unit_id, **key._asdict(), "planes": changed[key]} for key in sorted(changed)
    ]
    upsert(conn, frame_table, rows)
