"""The province holds its data against the nation's and sends again what differs."""

from __future__ import annotations

import hashlib
import struct
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select

from nenghao.platform.national import digests
from nenghao.platform.national.verify import Difference, stretches, verify
from nenghao.platform.store.national_schema import province_unit
from nenghao.platform.store.schema import device, frame, receipt, unit, unit_head
from nenghao.platform.uplink import marks
from nenghao.platform.uplink.line import HttpsLine
from nenghao.platform.uplink.sender import Sender
from tests.platform.national.world import UNIT, Nation, Province, record
from tests.platform.world import Client, World, unit_code

CODE = "00-00-0000-023300-11"
FIRST, LAST = date(2026, 11, 1), date(2026, 11, 30)


def ticks(day: date, value: float = 1.0) -> list[dict[str, Any]]:
    begin = datetime(day.year, day.month, day.day)
    return [
        record(
            statType=0,
            statDate=f"{begin + timedelta(minutes=15 * number):%Y-%m-%d %H:%M:%S}",
            dataValue=value * number,
        )
        for number in range(1, 97)
    ]


def upload(client: Client, data: list[dict[str, Any]]) -> None:
    assert client.issued is not None
    code = client.issued.credit_code
    body = {"deviceId": client.device_id, "enterpriseCode": code, "data": data}
    reply = client.post("/uploadEnergyData", body)
    assert reply.code == "0", reply.text


@pytest.fixture
def steel(below: World) -> Client:
    client = below.client(UNIT)
    client.register()
    upload(client, [*ticks(date(2026, 11, 3)), *ticks(date(2026, 11, 4)), record()])
    return client


def send(below: World, line: HttpsLine, liaoning: Province) -> None:
    turn = Sender(below.store, line, liaoning.device_id, lambda: below.now).turn()
    assert (turn.failed, turn.refused) == ({}, 0)


def compare(below: World, line: HttpsLine, liaoning: Province) -> list[Difference]:
    return verify(below.store, line, liaoning.device_id, FIRST, LAST, below.now)


@pytest.mark.clause("5.1-2")
def test_what_was_sent_is_the_same_on_both_sides(
    below: World, steel: Client, line: HttpsLine, liaoning: Province
) -> None:
    assert compare(below, line, liaoning) == [
        Difference(UNIT, date(2026, 11, 3), 96, 0),
        Difference(UNIT, date(2026, 11, 4), 96, 0),
        Difference(UNIT, date(2026, 11, 20), 1, 0),
    ]
    send(below, line, liaoning)
    assert compare(below, line, liaoning) == []


def test_day_that_got_lost_upstairs_is_named_and_sent_again(
    below: World, steel: Client, nation: Nation, line: HttpsLine, liaoning: Province
) -> None:
    send(below, line, liaoning)
    day = (date(2026, 11, 4) - date(2000, 1, 1)).days
    with nation.store.write() as conn:
        conn.execute(delete(frame).where(frame.c.stat_type == 0, frame.c.frame == day))
    lost = [Difference(UNIT, date(2026, 11, 4), 96, 0)]
    assert compare(below, line, liaoning) == lost
    with below.store.read() as conn:
        assert marks.backlog(conn)[0] > 0
    send(below, line, liaoning)
    assert compare(below, line, liaoning) == []


def test_one_other_value_upstairs_is_a_difference_of_its_day(
    below: World, steel: Client, nation: Nation, line: HttpsLine, liaoning: Province
) -> None:
    """The counts agree; the nation's value has a lower rank, so that sending again heals it."""
    send(below, line, liaoning)
    with nation.store.write() as conn:
        conn.execute(delete(frame).where(frame.c.stat_type == 1))
    liaoning.last_order = 10**14
    other = record(dataValue=9.0, uploadDate="2026-11-21 01:00:00")
    told = {"deviceId": steel.device_id}
    assert liaoning.upload([other], **told).code == "0"
    assert compare(below, line, liaoning) == [Difference(UNIT, date(2026, 11, 20), 1, 1)]
    send(below, line, liaoning)
    assert compare(below, line, liaoning) == []


def test_unit_that_the_nation_lost_is_brought_again(
    below: World, steel: Client, nation: Nation, line: HttpsLine, liaoning: Province
) -> None:
    send(below, line, liaoning)
    with nation.store.write() as conn:
        for table in (frame, receipt, device, province_unit, unit_head, unit):
            conn.execute(delete(table))
    assert len(compare(below, line, liaoning)) == 3
    send(below, line, liaoning)
    assert compare(below, line, liaoning) == []


def test_digest_can_be_reckoned_by_the_letter_of_its_description(
    below: World, steel: Client
) -> None:
    """Independent of numpy: SM3 over the bytes that the module's docstring describes."""
    upload(
        steel, [record(dataValue=-7.5, inputType=5, valid=False, statDate="2026-11-03 00:00:00")]
    )
    epoch = datetime(2000, 1, 1)

    def seconds(text: str) -> int:
        return int((datetime.fromisoformat(text) - epoch).total_seconds())

    filled_in = record(dataValue=-7.5, inputType=5, valid=False, statDate="2026-11-03 00:00:00")
    expected = b"".join(
        struct.pack(
            ">20sBqBdBqBB",
            one["dataCode"].encode(),
            one["statType"],
            seconds(one["statDate"]),
            one["inputType"] == 5,
            one["dataValue"],
            one["valid"],
            seconds(one["uploadDate"]),
            one["inputType"],
            one["scope"],
        )
        for one in [*ticks(date(2026, 11, 3)), filled_in]
    )
    with below.store.read() as conn:
        unit_id = conn.execute(select(unit.c.id)).scalar_one()
        held = digests.of_unit(conn, unit_id, date(2026, 11, 3), date(2026, 11, 3))
    assert held == {date(2026, 11, 3): digests.Held(97, hashlib.new("sm3", expected).hexdigest())}


def test_months_and_years_belong_to_their_first_day(below: World, steel: Client) -> None:
    upload(
        steel,
        [
            record(statType=2, statDate="2026-10-01 00:00:00"),
            record(statType=3, statDate="2025-01-01 00:00:00"),
        ],
    )
    with below.store.read() as conn:
        unit_id = conn.execute(select(unit.c.id)).scalar_one()
        held = digests.of_unit(conn, unit_id, date(2025, 1, 1), date(2026, 11, 3))
    assert {day: one.count for day, one in held.items()} == {
        date(2025, 1, 1): 1,
        date(2026, 10, 1): 1,
        date(2026, 11, 3): 96,
    }


def test_province_is_told_of_its_own_units_alone(
    nation: Nation, liaoning: Province, jilin: Province
) -> None:
    liaoning.announce()
    liaoning.upload([record()])
    asked = {"from": "2026-11-01", "to": "2026-11-30"}
    mine = liaoning.post("/nenghao/digests", asked | {"deviceId": liaoning.device_id}).json["data"]
    assert [(one["enterpriseCode"], one["day"], one["count"]) for one in mine] == [
        (UNIT, "2026-11-20", 1)
    ]
    units = [{"enterpriseCode": UNIT}, {"enterpriseCode": unit_code(5)}]
    theirs = asked | {"deviceId": jilin.device_id, "units": units}
    assert jilin.post("/nenghao/digests", theirs).json["data"] == []


@pytest.mark.parametrize(
    ("first", "last", "named"),
    [
        ("2026-11-31", "2026-12-01", "from"),
        ("2026-11-02", "2026-11-01", "from"),
        ("2025-01-01", "2026-11-01", "to"),
    ],
)
def test_days_that_cannot_be_asked_for_are_named(
    liaoning: Province, first: str, last: str, named: str
) -> None:
    asked = {"deviceId": liaoning.device_id, "from": first, "to": last}
    reply = liaoning.post("/nenghao/digests", asked)
    assert (reply.code, named in reply.text) == ("E2002", True)


def test_long_periods_are_asked_for_in_stretches() -> None:
    parts = list(stretches(date(2026, 1, 1), date(2026, 3, 5)))
    assert parts[0] == (date(2026, 1, 1), date(2026, 1, 31))
    assert parts[-1] == (date(2026, 3, 4), date(2026, 3, 5))
    assert list(stretches(LAST, FIRST)) == []
