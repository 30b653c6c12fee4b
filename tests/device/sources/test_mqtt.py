from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nenghao.device.sources.base import FaultKind, Sample
from nenghao.device.sources.mqtt import MqttSettings
from tests.device.sources.mosquitto import PASSWORD, USER, Broker, needs_mosquitto
from tests.device.sources.mqtt_talk import (
    NOW,
    fault_of,
    point,
    publish,
    samples_of,
    source,
    values,
)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    made = Broker(tmp_path_factory.mktemp("mosquitto"))
    made.start()
    yield made
    made.stop()


@needs_mosquitto
@pytest.mark.clause("3.7-1")
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_messages_become_samples_of_their_points(broker: Broker, protocol: str, qos: int) -> None:
    async def run() -> list[Sample]:
        opened = source(
            broker.open,
            point("总电量", "plant/m1", path="data.total", scale="0.01"),
            point("功率", "plant/m1", path="data.p[1]"),
            point("水", "plant/water"),
            protocol=protocol,
            qos=qos,
        )
        await opened.open()
        message = {"data": {"total": 123456, "p": [1, 2.5]}}
        await publish(broker.open, ("plant/m1", message), ("plant/water", "3.25"))
        found = await samples_of(opened, 3)
        await opened.close()
        return found

    assert values(asyncio.run(run())) == [("总电量", "1234.56"), ("功率", "2.5"), ("水", "3.25")]


@needs_mosquitto
def test_wildcards_take_every_topic_that_fits(broker: Broker) -> None:
    async def run() -> list[Sample]:
        opened = source(broker.open, point("one", "w/+/kwh"), point("all", "w/#"))
        await opened.open()
        await publish(broker.open, ("w/a/kwh", "1"), ("w/b/kwh", "2"), ("w/b/t/x", "3"))
        found = await samples_of(opened, 5)
        await opened.close()
        return found

    found = values(asyncio.run(run()))
    assert sorted(set(found)) == [
        ("all", "1"),
        ("all", "2"),
        ("all", "3"),
        ("one", "1"),
        ("one", "2"),
    ]


@needs_mosquitto
def test_a_value_holds_at_its_own_time_or_when_it_arrived(broker: Broker) -> None:
    stopwatch = [100.0]

    async def run() -> list[Sample]:
        opened = source(
            broker.open,
            point("own", "times/own", path="v", time_path="t"),
            point("none", "times/none"),
            stopwatch=lambda: stopwatch[0],
        )
        await opened.open()
        await publish(broker.open, ("times/own", {"v": 1, "t": "2026-03-01 11:59:00"}))
        await publish(broker.open, ("times/none", "2"))
        async with asyncio.timeout(5):
            while len(opened._waiting) < 2:
                opened.arrived.clear()
                await opened.arrived.wait()
        stopwatch[0] += 7.5
        found = await opened.read(NOW)
        await opened.close()
        return found

    assert asyncio.run(run()) == [
        Sample("own", datetime(2026, 3, 1, 11, 59), Decimal(1)),
        Sample("none", NOW - timedelta(seconds=7.5), Decimal(2)),
    ]


@needs_mosquitto
@pytest.mark.parametrize(
    ("retained", "expected"),
    [
        ("timed", [("timed", "1")]),
        ("always", [("plain", "2"), ("timed", "1")]),
        ("never", []),
    ],
)
def test_retained_messages_count_by_setting(
    broker: Broker, retained: str, expected: list[tuple[str, str]]
) -> None:
    async def run() -> list[Sample]:
        timed = {"v": 1, "t": "2026-02-27 08:00:00"}
        await publish(broker.open, ("kept/timed", timed), ("kept/plain", "2"), retain=True)
        opened = source(
            broker.open,
            point("timed", "kept/timed", path="v", time_path="t"),
            point("plain", "kept/plain"),
            point("after", "kept/after"),
            retained=retained,
        )
        await opened.open()
        await publish(broker.open, ("kept/after", "9"))
        found = await samples_of(opened, len(expected) + 1)
        await opened.close()
        return found

    found = values(asyncio.run(run()))
    assert found[-1] == ("after", "9")
    assert sorted(found[:-1]) == expected


@needs_mosquitto
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_persistent_session_gets_what_came_while_it_was_away(
    broker: Broker, protocol: str
) -> None:
    async def run() -> list[Sample]:
        opened = source(
            broker.open,
            point("a", f"away/{protocol}"),
            client_id=f"device-{protocol}",
            persistent=True,
            protocol=protocol,
        )
        await opened.open()
        await opened.close()
        await publish(broker.open, (f"away/{protocol}", "1"), (f"away/{protocol}", "2"))
        await opened.open()
        found = await samples_of(opened, 2)
        await opened.close()
        return found

    assert values(asyncio.run(run())) == [("a", "1"), ("a", "2")]


@needs_mosquitto
def test_a_full_queue_loses_the_oldest_and_says_so(broker: Broker) -> None:
    async def run() -> tuple[list[Sample], tuple[str, ...]]:
        opened = source(broker.open, point("a", "full", each="$"), queue_size=3)
        await opened.open()
        await publish(broker.open, ("full", [1, 2, 3, 4, 5]))
        found = await samples_of(opened, 3)
        remarks = opened.remarks
        await opened.read(NOW)
        assert opened.remarks == ()
        await opened.close()
        return found, remarks

    found, remarks = asyncio.run(run())
    assert values(found) == [("a", "3"), ("a", "4"), ("a", "5")]
    assert remarks == ("队列已满，丢弃了最早的 2 个样本",)


@needs_mosquitto
def test_nothing_published_is_nothing_read_and_no_fault(broker: Broker) -> None:
    async def run() -> list[Sample]:
        opened = source(broker.open, point("a", "never"))
        await opened.open()
        found = await opened.read(NOW)
        await opened.close()
        return found

    assert asyncio.run(run()) == []


# --- credentials and TLS -------------------------------------------------------------------------


@needs_mosquitto
def test_user_and_password_open_the_door(broker: Broker, tmp_path: Path) -> None:
    file = tmp_path / "secret.txt"
    file.write_text(f"{PASSWORD}\n", "utf-8")

    async def run(**settings: Any) -> None:
        opened = source(broker.guarded, home=tmp_path, username=USER, **settings)
        await opened.open()
        await opened.close()

    asyncio.run(run(password=PASSWORD))
    asyncio.run(run(password_file="secret.txt"))


@needs_mosquitto
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
@pytest.mark.parametrize("settings", [{}, {"username": USER, "password": "wr0ng-pass"}])
def test_a_wrong_password_is_a_matter_of_credentials_and_is_not_told(
    broker: Broker, settings: dict[str, Any], protocol: str
) -> None:
    opened = source(broker.guarded, protocol=protocol, **settings)
    fault = asyncio.run(fault_of(opened.open))
    assert fault.kind is FaultKind.CREDENTIALS
    assert "用户名或密码" in fault.text
    assert "wr0ng-pass" not in fault.text + repr(opened._settings) + str(opened._settings)


@needs_mosquitto
def test_the_brokers_certificate_is_verified(broker: Broker) -> None:
    async def run(**settings: Any) -> None:
        opened = source(broker.tls, home=broker.folder, tls=True, **settings)
        await opened.open()
        await opened.close()

    asyncio.run(run(ca_file="ca.pem"))
    for wrong in ({"ca_file": "stranger.pem"}, {}):
        fault = asyncio.run(fault_of(lambda: run(**wrong)))  # noqa: B023  called at once
        assert fault.kind is FaultKind.CREDENTIALS
        assert "证书未通过验证" in fault.text


@needs_mosquitto
def test_a_broker_that_asks_for_a_certificate_gets_the_devices(broker: Broker) -> None:
    async def run(**settings: Any) -> None:
        opened = source(broker.mutual, home=broker.folder, tls=True, ca_file="ca.pem", **settings)
        await opened.open()
        await opened.close()

    asyncio.run(run(certificate="client.pem"))
    assert asyncio.run(fault_of(run)).kind in (FaultKind.CREDENTIALS, FaultKind.UNREACHABLE)


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({"ca_file": "none.pem"}, "none.pem"),
        ({"ca_file": "text.pem"}, "text.pem"),
        ({"certificate": "text.pem"}, "不是可用的 PEM"),
    ],
)
def test_certificate_files_of_no_use_are_named(
    tmp_path: Path, files: dict[str, Any], word: str
) -> None:
    (tmp_path / "text.pem").write_text("hello")
    fault = asyncio.run(fault_of(source(1, home=tmp_path, tls=True, **files).open))
    assert fault.kind is FaultKind.CONFIGURATION
    assert word in fault.text


@needs_mosquitto
def test_tls_to_a_plain_port_is_garbage(broker: Broker) -> None:
    opened = source(broker.open, home=broker.folder, tls=True, ca_file="ca.pem", timeout_seconds=1)
    assert asyncio.run(fault_of(opened.open)).kind in (FaultKind.GARBAGE, FaultKind.UNREACHABLE)


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"host": ""}, "host"),
        ({"qos": 3}, "qos"),
        ({"colour": "red"}, "colour"),
        ({"points": []}, "points"),
        ({"persistent": True}, "client_id"),
        ({"password": "x"}, "username"),
        ({"ca_file": "ca.pem"}, "tls"),
        ({"tls": True, "private_key": "k.pem"}, "certificate"),
        ({"points": [{"name": "a", "topic": "a"}] * 2}, "名称重复：a"),
        ({"points": [{"name": "a", "topic": "a/#/b"}]}, "采集点 a：主题"),
        ({"points": [{"name": "a", "topic": "a", "path": "a..b"}]}, "采集点 a：JSON 路径"),
        ({"points": [{"name": "a", "topic": "a", "scale": "x"}]}, "采集点 a：scale"),
        ({"points": [{"name": "a", "topic": "a", "time_format": "%H"}]}, "采集点 a：time_format"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(change: dict[str, Any], word: str) -> None:
    good: dict[str, Any] = {
        "type": "mqtt",
        "name": "网关",
        "host": "10.1.1.1",
        "points": [{"name": "a", "topic": "a/+/b"}],
    }
    assert msgspec.convert(good, MqttSettings)
    with pytest.raises(msgspec.ValidationError, match=word):
        msgspec.convert(good | change, MqttSettings)
