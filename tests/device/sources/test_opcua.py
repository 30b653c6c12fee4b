from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from nenghao.clock import china_now
from nenghao.device.sources.base import FaultKind, Sample
from tests.device.sources.opcua_peers import (
    NAMESPACE,
    UaServer,
    ua,
    ua_server,
)
from tests.device.sources.opcua_talk import (
    AT,
    fault_of,
    first_of,
    point,
    read_once,
    source,
    until,
    values,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UaServer]:
    with ua_server(tmp_path_factory.mktemp("opcua")) as running:
        yield running


@pytest.mark.clause("3.7-1")
@pytest.mark.parametrize("reading", ["poll", "subscribe"])
def test_values_come_with_the_sources_time_and_in_the_points_unit(
    server: UaServer, reading: str
) -> None:
    server.write("steam", 123.5, at=AT)
    server.write("count", 7, ua.VariantType.UInt32, at=AT + timedelta(seconds=1))
    server.write("list", [1.5, 2.5], at=AT)
    points = [
        point("蒸汽", server.node("steam"), scale="0.1", unit="t"),
        point("计数", f"nsu={NAMESPACE};s=count"),
        point("二号", server.node("list"), index=1),
    ]
    found = asyncio.run(read_once(source(server, *points, reading=reading)))
    assert {one.point: one for one in found} == {
        "蒸汽": Sample("蒸汽", AT, Decimal("12.35")),
        "计数": Sample("计数", AT + timedelta(seconds=1), Decimal(7)),
        "二号": Sample("二号", AT, Decimal("2.5")),
    }


def test_a_change_is_reported_and_what_is_not_reported_is_unchanged(server: UaServer) -> None:
    server.write("steady", 5.0, at=AT)
    server.write("moving", 1.0, at=AT)

    async def run() -> tuple[list[Sample], Sample, list[Sample]]:
        points = [point("steady", server.node("steady")), point("moving", server.node("moving"))]
        opened = source(server, *points)
        await opened.open()
        first = await first_of(opened)
        while len(first) < 2:
            first += await opened.read(china_now())
        server.write("moving", 2.0, at=AT + timedelta(seconds=9))
        moved = await until(opened, "2")
        later: list[Sample] = []
        async with asyncio.timeout(5):
            while not any(one.point == "steady" and one.time > AT for one in later):
                later += await opened.read(china_now())
        await opened.close()
        return first, moved, later

    first, moved, later = asyncio.run(run())
    assert values(first) == {"steady": "5", "moving": "1"}
    assert moved == Sample("moving", AT + timedelta(seconds=9), Decimal(2))
    steady = [one for one in later if one.point == "steady"]
    assert {one.value for one in steady} == {Decimal(5)}
    assert all(one.time <= china_now() + timedelta(seconds=1) for one in steady)
    times = [one.time for one in steady]
    assert times == sorted(times)


def test_unchanged_means_up_to_the_last_sign_of_life_of_the_subscription(server: UaServer) -> None:
    server.write("alive", 5.0, at=AT)

    async def run() -> list[Sample]:
        opened = source(server, point("a", server.node("alive")))
        await opened.open()
        await until(opened, "5")
        assert opened._subscription is not None
        assert opened._subscription.last_publish_at is not None
        opened._subscription.last_publish_at -= 3600
        found = await opened.read(china_now())
        await opened.close()
        return found

    (again,) = asyncio.run(run())
    assert again.value == 5
    assert abs(china_now() - again.time - timedelta(hours=1)) < timedelta(seconds=30)


def test_a_polled_value_that_stays_is_said_again_with_a_later_time(server: UaServer) -> None:
    server.write("kept", 5.0, at=AT)

    async def run() -> list[Sample]:
        opened = source(server, point("kept", server.node("kept")), reading="poll")
        await opened.open()
        found = await opened.read(china_now())
        found += await opened.read(china_now())
        server.write("kept", 6.0, at=AT + timedelta(seconds=30))
        found += await opened.read(china_now())
        await opened.close()
        return found

    first, again, new = asyncio.run(run())
    assert first == Sample("kept", AT, Decimal(5))
    assert again.value == 5
    assert abs(china_now() - again.time) < timedelta(seconds=30)
    assert new == Sample("kept", AT + timedelta(seconds=30), Decimal(6))


@pytest.mark.parametrize("reading", ["poll", "subscribe"])
def test_values_of_a_clock_that_is_not_trusted_are_dated_by_arrival(
    server: UaServer, reading: str
) -> None:
    server.write("plc", 5.0, at=AT)
    now = china_now()

    async def run() -> list[Sample]:
        opened = source(
            server, point("plc", server.node("plc")), reading=reading, timestamps="local"
        )
        await opened.open()
        async with asyncio.timeout(5):
            while not (found := await opened.read(now)):
                await opened.arrived.wait()
        await opened.close()
        return found

    (found,) = asyncio.run(run())
    assert timedelta() <= now - found.time < timedelta(seconds=10)


@pytest.mark.parametrize("reading", ["poll", "subscribe"])
def test_a_status_that_is_not_good_marks_the_value(server: UaServer, reading: str) -> None:
    server.write("doubt", 5.0, at=AT, status=ua.StatusCodes.UncertainLastUsableValue)
    server.write("fine", 6.0, at=AT)

    async def run() -> tuple[dict[str, bool], tuple[str, ...]]:
        points = [point("doubt", server.node("doubt")), point("fine", server.node("fine"))]
        opened = source(server, *points, reading=reading)
        await opened.open()
        found: dict[str, bool] = {}
        async with asyncio.timeout(5):
            while len(found) < 2:
                found |= {one.point: one.good for one in await opened.read(china_now())}
        remarks = opened.remarks
        await opened.close()
        return found, remarks

    found, remarks = asyncio.run(run())
    assert found == {"doubt": False, "fine": True}
    assert "UncertainLastUsableValue" in remarks[0]


@pytest.mark.parametrize("reading", ["poll", "subscribe"])
def test_a_node_that_is_not_there_costs_its_own_point(server: UaServer, reading: str) -> None:
    server.write("there", 6.0, at=AT)

    async def run() -> tuple[list[Sample], tuple[str, ...]]:
        points = [point("gone", server.node("nowhere")), point("there", server.node("there"))]
        opened = source(server, *points, reading=reading)
        return await read_once(opened), opened.remarks

    found, remarks = asyncio.run(run())
    assert values(found) == {"there": "6"}
    assert remarks == (f"采集点 gone：节点 {server.node('nowhere')} 的状态为 BadNodeIdUnknown",)


@pytest.mark.parametrize("reading", ["poll", "subscribe"])
def test_nothing_but_nodes_that_are_not_there_is_a_matter_of_configuration(
    server: UaServer, reading: str
) -> None:
    opened = source(server, point("gone", server.node("nowhere")), reading=reading)
    fault = asyncio.run(fault_of(lambda: read_once(opened)))
    assert fault.kind is FaultKind.CONFIGURATION
    assert "BadNodeIdUnknown" in fault.text


def test_a_value_that_is_no_number_is_named(server: UaServer) -> None:
    server.write("words", "hello", ua.VariantType.String)
    opened = source(server, point("words", server.node("words")), reading="poll")
    fault = asyncio.run(fault_of(lambda: read_once(opened)))
    assert (fault.kind, fault.text) == (FaultKind.GARBAGE, "采集点 words：'hello' 不是数值")


def test_many_nodes_are_read_in_requests_that_the_server_takes(server: UaServer) -> None:
    for at in range(7):
        server.write(f"many{at}", float(at), at=AT)
    points = [point(f"p{at}", server.node(f"many{at}")) for at in range(7)]
    found = asyncio.run(read_once(source(server, *points, reading="poll", max_nodes=3)))
    assert values(found) == {f"p{at}": str(at) for at in range(7)}


def test_a_server_clock_that_is_off_is_remarked_on(server: UaServer) -> None:
    server.write("clock", 1.0)

    async def run() -> tuple[str, ...]:
        opened = source(server, point("clock", server.node("clock")), reading="poll")
        await opened.open()
        await opened.read(china_now() - timedelta(hours=8))
        remarks = opened.remarks
        await opened.close()
        return remarks

    (remark,) = asyncio.run(run())
    assert remark.startswith("服务器时钟比本机快 288")


def test_an_unknown_namespace_is_named(server: UaServer) -> None:
    opened = source(server, point("a", "nsu=urn:nobody;s=x"))
    fault = asyncio.run(fault_of(opened.open))
    assert (fault.kind, "urn:nobody" in fault.text) == (FaultKind.CONFIGURATION, True)
