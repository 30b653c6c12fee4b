"""Takes an energy upload in (采集数据入库): all of it, durable before the answer, or nothing.

The batch is packed, remarked and encoded before anything is locked. Then one transaction: lock
the unit's head, read the frames concerned, merge, write what changed, mark the totals that are
made of it, append the receipt with the body as it came, commit. So the order of merging is the
order of receipts.

How records become frames is `packing`'s business, what is odd about them `remarks`', which of two
values stands `store.frames_columns.merge`'s. Nothing here answers: it returns or raises a Refusal.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from nenghao.platform import advice, configuration, dictionary, in_force, journal, packing
from nenghao.platform.packing import Batch, Key
from nenghao.platform.registry import PLATFORM_DEVICE, Peer
from nenghao.platform.remarks import Context, Remarks, remark
from nenghao.platform.store import frames_codec, frames_table
from nenghao.platform.store.engine import Store
from nenghao.platform.store.frames_columns import merge
from nenghao.platform.totals import marks
from nenghao.platform.uplink import marks as uplink_marks
from nenghao.standard import periods
from nenghao.standard.findings import AdviceKind
from nenghao.standard.messages.energy_data import EnergyRecord
from nenghao.standard.periods import StatType


class Upload(Protocol):
    """A batch as `bulk.read_upload` or `energy_data.read_upload` gives it."""

    @property
    def data(self) -> Sequence[EnergyRecord]: ...


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
    upload: Upload,
    body: journal.Body,
    now: datetime,
    address: str,
    received_at: datetime | None = None,
) -> IntakeResult:
    """Store an upload whose form and sender are checked; `body` is what the journal keeps.

    Raises IllegalFormat for advice that a setting made strict, DatabaseFault for a damaged
    stored frame; then nothing of the upload is stored.
    """
    prepared = prepare(store, settings, peer, upload, now, received_at)
    with store.write() as conn:
        return take(conn, prepared, body, now, address)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An upload as far as it can be made ready before anything is locked."""

    peer: Peer
    records: Sequence[EnergyRecord]
    force: in_force.InForce
    strict: Collection[AdviceKind]
    batch: Batch
    remarks: Remarks
    encoded: list[bytes]

    @property
    def received_at(self) -> datetime | None:
        """When the province received it that sends it up; None of what comes from a device."""
        return self.force.received_at


def prepare(
    store: Store,
    settings: in_force.Settings,
    peer: Peer,
    upload: Upload,
    now: datetime,
    received_at: datetime | None = None,
) -> Prepared:
    """Pack, remark and encode an upload; raises IllegalFormat for advice made strict.

    `received_at` is when a province received what it sends up: it caps uploadDate in place of
    `now`, so that both decide alike (docs/decisions 6).
    """
    records = upload.data
    with store.read() as conn:
        force = in_force.of(conn, peer.unit_id, settings, received_at)
        context = context_of(conn, peer, now)
    batch = packing.pack(records, force.labels(), received_at or now)
    remarks = remark(batch, records, context)
    _refuse_strict(remarks, records, settings.strict)
    encoded = frames_codec.encode(batch.columns)
    return Prepared(peer, records, force, settings.strict, batch, remarks, encoded)


def take(
    conn: Connection, prepared: Prepared, body: journal.Body, now: datetime, address: str
) -> IntakeResult:
    """Merge a prepared upload into what is stored, with its receipt, in `conn`'s transaction.

    Whoever takes several in one transaction takes them in the order of their units' ids.
    """
    peer, batch, remarks = prepared.peer, prepared.batch, prepared.remarks
    sequence = journal.lock(conn, peer.unit_id) + 1
    outcome = _merge(conn, peer.unit_id, batch, prepared.encoded, remarks)
    _refuse_strict(remarks, prepared.records, prepared.strict)
    _write(conn, peer.unit_id, outcome.changed)
    marks.uploaded(conn, peer.unit_id, _slots(batch, outcome.changed))
    if prepared.force.received_at is None:  # else a province sent it: nobody is above us
        _mark_for_uplink(conn, peer.unit_id, batch, outcome.changed, now)
    result = IntakeResult(
        sequence=sequence,
        records=len(prepared.records),
        stored=len(prepared.records) - outcome.unchanged - outcome.lost,
        unchanged=outcome.unchanged,
        lost=outcome.lost,
        advice=remarks.counts(),
    )
    journal.append(
        conn,
        peer,
        journal.ENERGY,
        body,
        records=len(prepared.records),
        result=asdict(result),
        settings=prepared.force.to_plain(),
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
    columns = batch.columns
    firsts = columns.slot[columns.starts[:-1]].tolist()
    lasts = columns.slot[columns.starts[1:] - 1].tolist()
    for key, first_slot, last_slot in zip(batch.keys, firsts, lasts, strict=True):
        first, last = (key.frame, first_slot), (key.frame, last_slot)
        held = ends.get(key.stat_type, (first, last))
        ends[key.stat_type] = (min(held[0], first), max(held[1], last))
    return {
        kind: (
            periods.time_of(StatType(kind), *first),
            periods.time_of(StatType(kind), *last),
        )
        for kind, (first, last) in ends.items()
    }


def context_of(conn: Connection, peer: Peer, now: datetime) -> Context:
    """What the values of a unit are held against."""
    return Context(
        dictionary=dictionary.vocabulary(conn),
        items=configuration.configured_items(conn, peer.unit_id),
        industry_code=configuration.industry_code(conn, peer.unit_id),
        now=now,
        filled_in=peer.device == PLATFORM_DEVICE,
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


def _stored(conn: Connection, unit_id: int, keys: Collection[Key]) -> dict[Key, bytes]:
    """Those of the frames that the unit has."""
    wanted: Collection[frames_table.Row] = keys
    return {Key(*row): planes for row, planes in frames_table.stored(conn, unit_id, wanted)}


def _merge(
    conn: Connection, unit_id: int, batch: Batch, encoded: list[bytes], remarks: Remarks
) -> _Outcome:
    changed = dict(zip(batch.keys, encoded, strict=True))
    stored = _stored(conn, unit_id, batch.keys)
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
    held = packing.opened_columns(list(zip(keys, befores, strict=True)))
    merged = merge(held, batch.columns.take(met))
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


def _slots(batch: Batch, changed: Collection[Key]) -> dict[Key, int]:
    """The slots of the changed frames that totals may be made of."""
    columns = batch.columns
    return {
        key: marks.bits(columns.slot[columns.starts[number] : columns.starts[number + 1]].tolist())
        for number, key in enumerate(batch.keys)
        if key.stat_type != StatType.REALTIME and marks.counts(key.data_code) and key in changed
    }


def _mark_for_uplink(
    conn: Connection, unit_id: int, batch: Batch, changed: Collection[Key], now: datetime
) -> None:
    keys, columns = batch.keys, batch.columns
    if len(changed) < len(keys):
        numbers = [number for number, key in enumerate(keys) if key in changed]
        keys, columns = [keys[number] for number in numbers], columns.take(numbers)
    uplink_marks.uploaded(conn, unit_id, [key[:2] for key in keys], columns, now)


def _write(conn: Connection, unit_id: int, changed: dict[Key, bytes]) -> None:
    frames_table.write(conn, unit_id, [(*key, changed[key]) for key in sorted(changed)])
