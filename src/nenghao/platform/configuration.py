"""Takes and hands back a unit's basic information and items (用能单位基础信息; 6.2.4, 6.3.4).

An upload replaces the whole set of the device that sends it; items that it drops retire and their
data stay. Every accepted upload is kept, since past periods are counted with the configuration in
force at their end (docs/decisions 6, 7). What is odd about an upload is in `configuration_advice`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Select, insert, select, update

from nenghao.platform import advice, companies, configuration_advice, dictionary, journal
from nenghao.platform.registry import Peer
from nenghao.platform.store.engine import upsert
from nenghao.platform.store.schema import configuration, configured_item
from nenghao.platform.totals import marks, places
from nenghao.platform.uplink import marks as uplink_marks
from nenghao.standard.findings import AdviceKind
from nenghao.standard.messages import read, write
from nenghao.standard.messages.config_data import (
    CollectItemConfig,
    ConfigDownloadAnswer,
    ConfigUpload,
)
from nenghao.standard.periods import StatType

ANY_STAT_TYPE = -1
"""`stat_type` of an item whose upload named none: it stands for every one."""

_EVERY_STAT_TYPE = tuple(map(int, StatType))


class ConfiguredItem(Struct, frozen=True, gc=False):
    """An item in force, as far as uploads are held against it."""

    value_min: float | None
    value_max: float | None
    scope: int


@dataclass(frozen=True)
class ConfigurationResult:
    """What an accepted upload did."""

    sequence: int
    items: int
    retired: int
    advice: int


def upload(
    conn: Connection,
    peer: Peer,
    request: ConfigUpload,
    body: journal.Body,
    now: datetime,
    address: str,
    strict: Collection[AdviceKind] = (),
    effective: datetime | None = None,
) -> ConfigurationResult:
    """Take a device's whole set; on return it is stored, with its receipt, in `conn`'s transaction.

    It is in force from `effective` on: when a province received what it sends up; by default now.

    Raises IllegalFormat for advice of a strict kind, with nothing stored.
    """
    since = effective or now
    odd = configuration_advice.of(request, peer, dictionary.vocabulary(conn))
    advice.refuse_strict(odd, strict)
    journal.lock(conn, peer.unit_id)
    items = {_key(item): item for item in request.collect_item_config}
    retired = _replace_items(conn, peer, items, since)
    result = {"items": len(items), "retired": retired, "advice": len(odd)}
    sequence = journal.append(
        conn,
        peer,
        journal.CONFIGURATION,
        body,
        records=len(request.collect_item_config),
        result=result,
        settings={
            "strict": sorted(kind.value for kind in strict),
            "dicVersion": dictionary.version(conn),
        },
        now=now,
        address=address,
    )
    conn.execute(
        insert(configuration).values(
            unit_id=peer.unit_id,
            device_number=peer.device,
            sequence=sequence,
            received_at=since,
            message=write(request).decode(),
        )
    )
    if effective is None:
        sent_up = uplink_marks.Mark(uplink_marks.CONFIGURATION, peer.device)
        uplink_marks.put(conn, peer.unit_id, [sent_up], now)
    companies.configured(conn, peer.unit_id, request)
    enterprise = request.enterprise
    told = places.Place(enterprise.region_code, enterprise.industry_code)
    if places.note(conn, peer.unit_id, sequence, since, told):
        first = places.is_first(conn, peer.unit_id)
        marks.touch_unit(conn, peer.unit_id, None if first else since)
    advice.keep(conn, peer.unit_id, odd, sequence, now)
    return ConfigurationResult(sequence, **result)


def download(conn: Connection, peer: Peer) -> ConfigDownloadAnswer:
    """What this device uploaded last, every key of A.4 present; nothing yet: empty and nulls."""
    mine = _latest(peer.unit_id).where(configuration.c.device_number == peer.device)
    text = conn.execute(mine).scalar()
    if text is None:
        return ConfigDownloadAnswer()
    message = read(ConfigUpload, text.encode())
    return ConfigDownloadAnswer(
        collect_item_config=message.collect_item_config,
        enterprise=message.enterprise,
        group=message.group,
        process=message.process,
        process_unit=message.process_unit,
    )


def configured_items(
    conn: Connection, unit_id: int
) -> Mapping[tuple[str, int], list[ConfiguredItem]]:
    """The unit's items in force by (dataCode, statType), of all its devices.

    An item that named no statType stands under every one of them.
    """
    table = configured_item
    query = select(
        table.c.data_code, table.c.stat_type, table.c.value_min, table.c.value_max, table.c.scope
    ).where(table.c.unit_id == unit_id, table.c.retired_at.is_(None))
    items: defaultdict[tuple[str, int], list[ConfiguredItem]] = defaultdict(list)
    for data_code, stat_type, value_min, value_max, scope in conn.execute(query).all():
        item = ConfiguredItem(value_min, value_max, scope)
        for kind in _EVERY_STAT_TYPE if stat_type == ANY_STAT_TYPE else (stat_type,):
            items[data_code, kind].append(item)
    return dict(items)


def industry_code(conn: Connection, unit_id: int) -> str:
    """The unit's industry as its devices told last, "" before any did."""
    text = conn.execute(_latest(unit_id)).scalar()
    return "" if text is None else _decoder.decode(text).enterprise.industry_code


class _Unit(Struct, rename="camel"):
    industry_code: str


class _Message(Struct):
    """As much of a stored upload as every energy upload asks for."""

    enterprise: _Unit


_decoder = msgspec.json.Decoder(_Message)


def _latest(unit_id: int) -> Select[Any]:
    """The unit's last upload, as stored."""
    table = configuration
    query = select(table.c.message).where(table.c.unit_id == unit_id)
    return query.order_by(table.c.sequence.desc()).limit(1)


def _key(item: CollectItemConfig) -> tuple[str, int]:
    kind = item.frequency
    return item.data_code, ANY_STAT_TYPE if kind is None else int(kind)


def _replace_items(
    conn: Connection,
    peer: Peer,
    items: Mapping[tuple[str, int], CollectItemConfig],
    now: datetime,
) -> int:
    """Put the set in force; items it lacks retire, items it names again come back."""
    table = configured_item
    mine = (table.c.unit_id == peer.unit_id) & (table.c.device_number == peer.device)
    active = select(table.c.data_code, table.c.stat_type).where(mine, table.c.retired_at.is_(None))
    before = {(row.data_code, row.stat_type) for row in conn.execute(active)}
    dropped = before - items.keys()
    for code, kind in sorted(dropped):
        conn.execute(
            update(table)
            .where(mine, table.c.data_code == code, table.c.stat_type == kind)
            .values(retired_at=now)
        )
    upsert(conn, table, list(_rows(peer, items)))
    return len(dropped)


def _rows(
    peer: Peer, items: Mapping[tuple[str, int], CollectItemConfig]
) -> Iterable[dict[str, Any]]:
    for (code, kind), item in items.items():
        yield {
            "unit_id": peer.unit_id,
            "device_number": peer.device,
            "data_code": code,
            "stat_type": kind,
            "name": item.name,
            "input_type": int(item.input_type),
            "value_min": item.data_value_min,
            "value_max": item.data_value_max,
            "scope": item.covers,
            "retired_at": None,
        }
