"""Takes receipts in once more (上传日志重放): into an empty database, by the code that took them.

The scratch database is an SQLite file of its own with the platform's base data and one unit.
Before each receipt it is set to what the receipt says was in force; then `intake` does what it
always does. So a replay cannot know other rules than the intake has. What the outcome is compared
with is `rebuild`'s business.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

from sqlalchemy import Connection, RowMapping, Table, delete, insert, select

from nenghao.platform import configuration, intake, journal
from nenghao.platform.in_force import REALTIME_LABEL, InForce
from nenghao.platform.journal import Body, Receipt
from nenghao.platform.packing import Key
from nenghao.platform.registry import Peer
from nenghao.platform.store import schema
from nenghao.platform.store.engine import Store
from nenghao.standard.findings import AdviceKind
from nenghao.standard.messages import read
from nenghao.standard.messages.config_data import ConfigUpload
from nenghao.standard.messages.energy_data import read_upload

_COPIED = (schema.dictionary_row, schema.platform_state)
"""What the scratch database has of the platform's, besides the unit."""


@dataclass(frozen=True)
class _Settings:
    """The settings of a replayed upload. It was accepted: nothing is refused again."""

    statdate_tolerance: int
    record_limit: int
    strict: Collection[AdviceKind] = ()


class Replay:
    """A scratch database in `folder`, and what was taken into it so far."""

    def __init__(self, folder: Path, source: Connection, unit: RowMapping) -> None:
        self._unit = unit
        self._configured = 0
        self._labels: tuple[tuple[datetime, str], ...] = ()
        self._store = Store.open(f"sqlite:///{folder / 'replay.db'}")
        self._store.upgrade()
        with self._store.write() as conn:
            for table in _COPIED:
                conn.execute(delete(table))  # what a new database begins with
                _copy(source, conn, table)
            conn.execute(insert(schema.unit).values(**unit))
            journal.open_head(conn, unit["id"])

    def __enter__(self) -> Replay:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._store.close()

    def take(self, source: Connection, receipt: Receipt) -> None:
        """Take in the energy upload of one receipt; its body is read from `source`.

        Raises LookupError and JournalDamaged as `journal.body_of`, Refusal or ValueError where
        body or settings are not what the present program can read.
        """
        force = InForce.from_plain(receipt.settings)
        body = journal.body_of(source, self._unit["id"], receipt.sequence)
        upload = read_upload(
            body, record_limit=force.record_limit, statdate_tolerance=force.statdate_tolerance
        )
        self._set_configuration(source, force.configuration)
        self._set_labels(force.realtime_label)
        settings = _Settings(force.statdate_tolerance, force.record_limit)
        peer = self._peer(receipt.device)
        # The scratch journal keeps no second copy of the body.
        intake.upload(
            self._store, settings, peer, upload, Body.of(b""), receipt.received_at,
            receipt.address, force.received_at,
        )  # fmt: skip

    def frames(self, stat_type: int, numbers: range) -> dict[Key, bytes]:
        """The frames of one statType that the receipts so far come to."""
        with self._store.read() as conn:
            return stored_frames(conn, self._unit["id"], stat_type, numbers)

    def _peer(self, device: int) -> Peer:
        unit = self._unit
        return Peer(unit["id"], unit["code"], device, unit["name"], unit["region"])

    def _set_configuration(self, source: Connection, sequence: int) -> None:
        """Put the configuration in force that was when the unit's receipt `sequence` was its last.

        An upload can have been held against an older one than the receipt before it: they are
        read before the unit is locked. Then all of them come in again.
        """
        if sequence == self._configured:
            return
        table = schema.configuration
        with self._store.write() as conn:
            if sequence < self._configured:
                conn.execute(delete(table))
                conn.execute(delete(schema.configured_item))
                self._configured = 0
            query = select(table).where(
                table.c.unit_id == self._unit["id"],
                table.c.sequence > self._configured,
                table.c.sequence <= sequence,
            )
            for row in source.execute(query.order_by(table.c.sequence)):
                request = read(ConfigUpload, row.message.encode())
                peer = self._peer(row.device_number)
                configuration.upload(conn, peer, request, Body.of(b""), row.received_at, "")
        self._configured = sequence

    def _set_labels(self, labels: tuple[tuple[datetime, str], ...]) -> None:
        if labels == self._labels:
            return
        table = schema.unit_setting
        rows = [
            {"unit_id": self._unit["id"], "name": REALTIME_LABEL, "valid_from": since, "value": one}
            for since, one in labels
        ]
        with self._store.write() as conn:
            conn.execute(delete(table))
            if rows:
                conn.execute(insert(table), rows)
        self._labels = labels


def stored_frames(
    conn: Connection, unit_id: int, stat_type: int, numbers: range
) -> dict[Key, bytes]:
    """The unit's stored frames of one statType and those numbers."""
    table = schema.frame
    columns = (table.c.stat_type, table.c.frame, table.c.data_code, table.c.source)
    query = select(*columns, table.c.planes).where(
        table.c.unit_id == unit_id,
        table.c.stat_type == stat_type,
        table.c.frame >= numbers.start,
        table.c.frame < numbers.stop,
    )
    return {Key(*row[:4]): row.planes for row in conn.execute(query)}


def _copy(source: Connection, target: Connection, table: Table) -> None:
    rows = [dict(row) for row in source.execute(select(table)).mappings()]
    if rows:
        target.execute(insert(table), rows)
