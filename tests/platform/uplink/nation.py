"""A national platform in memory: takes messages as the contract says, and fails as it is told.

What it keeps is simple on purpose: by unit the values with the later rank, the last of two that
tie, so that it can be held against the province's database.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from nenghao.platform import packing
from nenghao.platform.packing import Key
from nenghao.platform.registry import Peer
from nenghao.platform.store import schema
from nenghao.platform.store.engine import Store
from nenghao.platform.uplink import marks
from nenghao.platform.uplink.line import NotSent, RefusedUp, TooLarge
from nenghao.platform.uplink.sender import Sender
from nenghao.standard.findings import Finding
from nenghao.standard.messages import read, uplink
from nenghao.standard.messages.energy_data import EnergyRecord, read_upload
from nenghao.standard.replies import refuse
from nenghao.standard.sources import source_of
from tests.platform import energy

PROVINCE = "f" * 32

ValueKey = tuple[str, int, str, str]
"""dataCode, statType, statDate, source."""


@dataclass
class Known:
    """A unit as the nation has it."""

    announcement: uplink.Announcement
    order: int
    configurations: dict[str, uplink.ConfigurationUp] = field(default_factory=dict)
    values: dict[ValueKey, tuple[EnergyRecord, str]] = field(default_factory=dict)
    """Each with its rank."""


class Nation:
    """A `line.Line`. Before each message `weather` may raise what the line raises."""

    def __init__(self) -> None:
        self.units: dict[str, Known] = {}
        self.paths: list[str] = []
        self.bodies: list[bytes] = []
        self.weather: Callable[[str, bytes], None] = lambda path, body: None
        self.after: Callable[[str], None] = lambda path: None
        self.refuse_values: Callable[[EnergyRecord], bool] = lambda record: False
        self.limit = 200_000

    def post(self, path: str, body: bytes, *, packed: bool = False) -> bytes:
        plain = zlib.decompress(body, 31) if packed else body
        self.paths.append(path)
        self.bodies.append(plain)
        self.weather(path, plain)
        self.take(path, plain)
        self.after(path)
        return b'{"responseCode":"0","responseMessage":"RECEIVE SUCCESS"}'

    def take(self, path: str, plain: bytes) -> None:
        """Take a message in; also for one that arrives late."""
        if path == uplink.ANNOUNCE:
            self._announce(read(uplink.Announcement, plain))
        elif path == uplink.CONFIGURATION:
            configured = read(uplink.ConfigurationUp, plain)
            known = self._known(configured.enterprise_code, configured.device_id)
            self._in_order(known, configured.order)
            known.configurations[configured.device_id] = configured
        else:
            self._values(plain)

    def _announce(self, told: uplink.Announcement) -> None:
        assert told.device_id == PROVINCE
        known = self.units.get(told.enterprise_code)
        if known is None:
            self.units[told.enterprise_code] = Known(told, told.order)
            return
        self._in_order(known, told.order)
        known.announcement = told

    def _values(self, plain: bytes) -> None:
        upload = read_upload(plain)
        told = uplink.read_extension(plain)
        known = self._known(upload.enterprise_code, upload.device_id)
        if len(upload.data) > self.limit:
            raise TooLarge
        self._in_order(known, told.order)
        if any(map(self.refuse_values, upload.data)):
            raise refused(Finding("data[0].dataValue", "不合适"))
        for record in upload.data:
            key = value_key(record)
            rank = min(record.upload_date, told.received_at)
            if key not in known.values or rank >= known.values[key][1]:
                known.values[key] = record, rank

    def _known(self, code: str, device_id: str) -> Known:
        known = self.units.get(code)
        if known is None or device_id not in {one.device_id for one in known.announcement.devices}:
            raise refused(Finding("deviceId", "所属的端设备尚未注册"))
        return known

    def _in_order(self, known: Known, order: int) -> None:
        if order <= known.order:
            raise refused(uplink.stale(order, known.order))
        known.order = order


def refused(finding: Finding) -> RefusedUp:
    """The refusal as the line gives it."""
    refusal = refuse([finding])
    return RefusedUp(refusal.code, refusal.text)


def cut(path: str = "", body: bytes = b"") -> None:
    """A line that is down."""
    raise NotSent("无法连接", reached=False)


def value_key(record: EnergyRecord) -> ValueKey:
    source = source_of(record.input_type)
    return record.data_code, record.stat_type, record.stat_date, source


@dataclass
class Province:
    """A store and what sends from it; the clock is what the test says."""

    store: Store
    nation: Nation = field(default_factory=Nation)
    now: datetime = energy.NOW

    def __post_init__(self) -> None:
        self.sender = Sender(self.store, self.nation, PROVINCE, lambda: self.now)

    def unit(self, code: str = energy.CODE) -> Peer:
        """A registered unit with device 1."""
        peer = energy.new_peer(self.store, code)
        with self.store.write() as conn:
            conn.execute(
                schema.device.insert().values(
                    unit_id=peer.unit_id,
                    number=1,
                    device_id=f"{peer.unit_id:032d}",
                    ordinal=0,
                    upload_time="01:00:00",
                    registered_at=self.now,
                    last_registered_at=self.now,
                )
            )
            marks.put(conn, peer.unit_id, [marks.Mark(marks.UNIT, 0)], self.now)
        return peer

    def backlog(self) -> int:
        with self.store.read() as conn:
            return marks.backlog(conn)[0]

    def refused(self) -> list[marks.Refused]:
        with self.store.read() as conn:
            return marks.all_refused(conn)

    def values(self, peer: Peer) -> dict[ValueKey, EnergyRecord]:
        """All that the province has of the unit."""
        table = schema.frame
        columns = (table.c.stat_type, table.c.frame, table.c.data_code, table.c.source)
        query = select(*columns, table.c.planes).where(table.c.unit_id == peer.unit_id)
        found = {}
        with self.store.read() as conn:
            for *key, planes in conn.execute(query):
                frame = packing.opened(Key(*key), planes)
                for _, record in packing.unpack(Key(*key), frame):
                    found[value_key(record)] = record
        return found

    def upstairs(self, peer: Peer) -> dict[ValueKey, EnergyRecord]:
        """All that the nation has of it."""
        known = self.nation.units[peer.credit_code]
        return {key: record for key, (record, _) in known.values.items()}
