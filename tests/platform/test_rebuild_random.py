"""The journal gives back what is stored, slot by slot, whatever was uploaded and set before."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nenghao.platform import configuration, intake
from nenghao.platform.in_force import REALTIME_LABEL
from nenghao.platform.journal import Body
from nenghao.platform.registry import Peer
from nenghao.platform.store import frames
from nenghao.platform.store.engine import Store, upsert
from nenghao.platform.store.schema import (
    unit_setting,
)
from nenghao.standard import credit_code
from nenghao.standard.messages import read, write
from nenghao.standard.messages.config_data import ConfigUpload
from nenghao.standard.messages.energy_data import EnergyRecord, EnergyUpload, read_upload
from tests.platform.energy import (
    ADDRESS,
    COAL,
    DEVICE_ID,
    ELECTRICITY,
    NOW,
    Strict,
    new_peer,
    record,
)
from tests.platform.rebuilding import STRANGE, rebuilt, stored, wipe
from tests.platform.world import sample

_numbers = count(1)


def set_label(store: Store, peer: Peer, since: datetime, value: str) -> None:
    row = {"unit_id": peer.unit_id, "name": REALTIME_LABEL, "valid_from": since, "value": value}
    with store.write() as conn:
        upsert(conn, unit_setting, [row])


def set_configuration(store: Store, peer: Peer, codes: list[str], least: float = 0.0) -> None:
    whole = sample("uploadConfigData.request")
    items = [
        {**whole["collectItemConfig"][0], "dataCode": code, "dataValueMin": least} for code in codes
    ]
    body = json.dumps(whole | {"collectItemConfig": items}).encode()
    with store.write() as conn:
        configuration.upload(conn, peer, read(ConfigUpload, body), Body.of(body), NOW, ADDRESS)


def send_late(store: Store, peer: Peer, batch: list[EnergyRecord], now: datetime, by: int) -> None:
    """Upload as the web layer does, under a tolerance of `by` seconds."""
    body = write(EnergyUpload(DEVICE_ID, peer.credit_code, batch))
    upload = read_upload(body, statdate_tolerance=by)
    intake.upload(store, Strict(statdate_tolerance=by), peer, upload, Body.of(body), now, ADDRESS)


@dataclass(frozen=True)
class Upload:
    batch: list[EnergyRecord]
    hours: int
    late: int


@dataclass(frozen=True)
class Label:
    since: datetime
    value: str


@dataclass(frozen=True)
class Configured:
    codes: list[str] = field(default_factory=list)
    least: float = 0.0


TICKS = [datetime(2026, 11, 21, 23) + timedelta(minutes=15 * step) for step in range(12)]
DATES = {
    0: [str(tick) for tick in TICKS] + ["2026-12-24 00:00:00"],
    1: ["2026-11-20 00:00:00", "2026-11-21 00:00:00", "2026-12-31 00:00:00"],
    2: ["2026-10-01 00:00:00", "2026-11-01 00:00:00", "2027-01-01 00:00:00"],
    3: ["2025-01-01 00:00:00", "2026-01-01 00:00:00"],
}


@st.composite
def a_record(draw: st.DrawFn, late: int) -> EnergyRecord:
    stat_type = draw(st.sampled_from([0, 0, 1, 1, 2, 3]))
    stat_date = draw(st.sampled_from(DATES[stat_type]))
    if late and stat_type and draw(st.booleans()):
        stat_date = stat_date.replace("00:00:00", f"00:00:{late:02d}")
    return record(
        draw(st.sampled_from([-1.5, 0.0, 1.0, 2.25, 1e-10, 12345.678])),
        stat_date,
        code=draw(st.sampled_from([ELECTRICITY, COAL, STRANGE])),
        stat_type=stat_type,
        upload_date=f"2026-11-2{draw(st.integers(0, 9))} 0{draw(st.integers(0, 3))}:00:00",
        input_type=draw(st.sampled_from([1, 1, 4, 5])),
        scope=draw(st.sampled_from([1, 1, 2])),
        valid=draw(st.booleans()),
    )


@st.composite
def an_upload(draw: st.DrawFn) -> Upload:
    late = draw(st.sampled_from([0, 0, 5]))
    batch = draw(st.lists(a_record(late), min_size=1, max_size=12))
    again = draw(st.lists(st.sampled_from(batch), max_size=3))
    return Upload([*batch, *again], draw(st.integers(-48, 48)), late)


LABELS = st.builds(
    Label,
    st.sampled_from([datetime(2026, 1, 1), datetime(2026, 11, 22), datetime(2026, 11, 22, 0, 30)]),
    st.sampled_from(["end", "start:15", "start:30", "start:60"]),
)
CONFIGURATIONS = st.builds(
    Configured,
    st.lists(st.sampled_from([ELECTRICITY, COAL, STRANGE]), min_size=1, max_size=3, unique=True),
    st.sampled_from([0.0, 2.0]),
)
EVENTS = st.lists(
    st.one_of(an_upload(), an_upload(), an_upload(), LABELS, CONFIGURATIONS),
    min_size=1,
    max_size=10,
)


def play(store: Store, peer: Peer, events: list[Upload | Label | Configured]) -> None:
    for event in events:
        if isinstance(event, Upload):
            send_late(store, peer, event.batch, NOW + timedelta(hours=event.hours), event.late)
        elif isinstance(event, Label):
            set_label(store, peer, event.since, event.value)
        else:
            set_configuration(store, peer, event.codes, event.least)


def new_unit(store: Store) -> Peer:
    """Another unit for each example: the database stays."""
    return new_peer(store, credit_code.complete(f"91210102MB{next(_numbers):07d}"))


PROPERTY = settings(
    deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@PROPERTY
@given(EVENTS)
def test_wiped_frames_come_back_byte_for_byte(
    store: Store, events: list[Upload | Label | Configured]
) -> None:
    peer = new_unit(store)
    play(store, peer, events)
    before = stored(store, peer)
    assert rebuilt(store, peer, dry_run=True).differences == []
    wipe(store, peer)
    done = rebuilt(store, peer)
    assert stored(store, peer) == before
    assert done.frames_written == len(before)
    assert rebuilt(store, peer, dry_run=True).differences == []


@PROPERTY
@given(EVENTS, st.integers(0, 5), st.integers(0, 3))
def test_a_rebuild_of_some_days_touches_no_others(
    store: Store, events: list[Upload | Label | Configured], after: int, length: int
) -> None:
    peer = new_unit(store)
    play(store, peer, events)
    first = date(2026, 11, 18) + timedelta(days=after)
    days = (first, first + timedelta(days=length))
    assert rebuilt(store, peer, days).differences == []
    before = stored(store, peer)
    wipe(store, peer)
    rebuilt(store, peer, days)
    part = stored(store, peer)
    everything = rebuilt(store, peer)
    assert stored(store, peer) == before
    inside = rebuilt(store, peer, days).compared
    held = sum(frames.count(planes) for planes in part.values())
    assert held == inside
    assert everything.compared == inside + len(everything.differences)
