"""What the pages of units read is read alike from SQLite and from PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest

from nenghao.console.views import (
    unit_basics,
    unit_calendar,
    unit_curves,
    unit_items,
    unit_totals,
    unit_uploads,
    units,
)
from nenghao.console.views.unit_curves import Against, Asked, Span
from nenghao.console.views.unit_state import UnitState
from nenghao.console.views.units import SORTS, Slice, Wanted
from nenghao.platform import configuration, journal
from nenghao.platform.packing import ONLINE
from nenghao.standard.messages import read
from nenghao.standard.messages.config_data import ConfigUpload
from nenghao.standard.periods import StatType
from tests.console.worlds import BACKENDS, world_on
from tests.platform.energy import ELECTRICITY, record, send
from tests.platform.world import STEEL, World, sample, unit_code

NOW = datetime(2026, 11, 22, 10, 0)


@pytest.fixture(params=BACKENDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A unit with its configuration, a day's value and a tick; and one that only registered."""
    with world_on(request.param, request, tmp_path) as made:
        peer = made.peer()
        made.peer(unit_code(7))
        message = sample("uploadConfigData.request", enterpriseCode=STEEL)
        body = json.dumps(message).encode()
        with made.store.write() as conn:
            request_read = read(ConfigUpload, body)
            configuration.upload(conn, peer, request_read, journal.Body.of(body), NOW, "127.0.0.1")
        sent = [record(), record(2.0, "2026-11-21 00:15:00", stat_type=0)]
        send(made.store, peer, sent, now=NOW)
        yield made


def test_the_list_is_searched_and_sorted(world: World) -> None:
    wanted = [
        Wanted(text=STEEL.lower()),
        Wanted(level=4),
        Wanted(category="159"),
        Wanted(state=UnitState.ONLINE),
        Wanted(region="410481", industry="C31"),
    ]
    with world.store.read() as conn:
        for one in wanted:
            for sort in SORTS:
                found = units.search(conn, one, Slice(sort, True), NOW)
                assert ([row.code for row in found.rows], found.total) == ([STEEL], 1)
        whole = [
            units.search(conn, Wanted(), Slice(sort), NOW) for sort in ("level", "last_upload")
        ]
        told = units.counts(conn, Wanted(), NOW)

    assert [[row.code for row in one.rows] for one in whole] == [[STEEL, unit_code(7)]] * 2
    assert told == {UnitState.ONLINE: 1, UnitState.LATE: 0, UnitState.SILENT: 1}


def test_every_part_of_a_units_page_is_read(world: World) -> None:
    span = Span.of(StatType.DAY, date(2026, 11, 20), date(2026, 11, 22))
    with world.store.read() as conn:
        head = unit_basics.head(conn, STEEL, NOW)
        assert head is not None
        mine = head.unit_id
        told = unit_basics.basics(conn, mine)
        equipment = unit_basics.equipment(conn, head, NOW, with_certificates=True)
        items = unit_items.items(conn, mine)
        curve = unit_curves.curve(conn, Asked(mine, ELECTRICITY, ONLINE, span, Against.YEAR), NOW)
        ticks = unit_calendar.calendar(
            conn, mine, StatType.REALTIME, 2026, datetime(2026, 11, 20), NOW
        )
        days = unit_calendar.calendar(conn, mine, StatType.DAY, 2026, datetime(2026, 11, 20), NOW)
        receipts = unit_uploads.receipts(conn, mine, "", 1, 0)
        advice = unit_uploads.findings(conn, mine, "", 5, 0)
    explained = unit_totals.explained(
        world.store, STEEL, StatType.DAY, datetime(2026, 11, 21), "online", NOW
    )

    assert told is not None
    assert told.enterprise["行业编码"] == "C3120 炼钢"
    assert (len(equipment.devices), len(equipment.certificates)) == (1, 1)
    assert [item.data_code for item in items] == [ELECTRICITY]
    assert (curve.present, curve.missing_count) == (1, 1)
    assert (ticks.items, [day.present for day in days.days]) == (0, [0, 1])
    assert (len(receipts.rows), receipts.total) == (1, 2)
    assert advice.total > 0
    assert explained.agrees
