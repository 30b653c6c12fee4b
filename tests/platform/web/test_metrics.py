"""Each limit is counted where it is reached; the health listener tells it."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from nenghao.platform import item_limit
from nenghao.platform.accounts import REQUESTS_PER_MINUTE
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store
from nenghao.platform.uplink import marks
from nenghao.platform.web import health_api, metrics
from nenghao.platform.web.binding import BindError, Listener, bind
from nenghao.platform.web.limits import LIMITS, Limits, Rates
from nenghao.platform.web.server import serving
from nenghao.platform.web.visitors import Visitors, address_of
from nenghao.standard.messages.codec import DEPTH_LIMIT
from nenghao.standard.replies import IllegalFormat
from tests.platform.web.wire import HOST, station, until
from tests.platform.world import NOW, World, sample
from tests.security.pki import Pki

ROOT = Path(__file__).parents[3]


def reached(listener: str, limit: str) -> float:
    found = re.search(
        rf'^nenghao_limit_reached_total{{limit="{limit}",listener="{listener}"}} (\S+)',
        metrics.exposition().decode(),
        re.MULTILINE,
    )
    return float(found[1]) if found else 0.0


@contextmanager
def counted(limit: str, listener: str = "device", times: int = 1) -> Iterator[None]:
    """Within, the limit is reached as often as that; it may be told after the peer knows."""
    before = reached(listener, limit)
    yield
    until(lambda: reached(listener, limit) - before >= times)
    assert reached(listener, limit) - before == times


class Transport:
    """As much of one as `Visitors` looks at."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.closing = False

    def get_extra_info(self, name: str) -> object:
        return (self.address, 1) if name == "peername" else None

    def is_closing(self) -> bool:
        return self.closing


# --- connections ------------------------------------------------------------------------------


def test_an_address_has_its_share_of_connections_and_others_theirs() -> None:
    visitors = Visitors(Limits(connections_per_address=2))
    mine = [Transport("10.0.0.1") for _ in range(3)]
    assert [visitors.refusal(one, 0) for one in mine] == ["", "", "connections_per_address"]  # type: ignore[arg-type]
    assert visitors.refusal(Transport("10.0.0.2"), 0) == ""  # type: ignore[arg-type]
    mine[0].closing = True
    assert visitors.refusal(Transport("10.0.0.1"), 0) == ""  # type: ignore[arg-type]


def test_an_address_has_its_share_of_handshakes_in_each_minute() -> None:
    visitors = Visitors(Limits(handshakes_per_minute=1))
    answers = []
    for now in (0, 59, 60):
        one = Transport("10.0.0.1")
        answers.append(visitors.refusal(one, now))  # type: ignore[arg-type]
        one.closing = True
    assert answers == ["", "handshakes_per_minute", ""]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
    ],
)
def test_of_ipv6_the_network_counts(address: str, told: str) -> None:
    assert address_of(Transport(address)) == told  # type: ignore[arg-type]


def test_connections_beyond_the_share_are_closed_and_counted(pki: Pki) -> None:
    with (
        station(pki, Limits(connections_per_address=1)) as running,
        counted("connections_per_address"),
        running.connect() as first,
    ):
        with running.plain() as second, suppress(ConnectionError):
            assert second.recv(1) == b""
        first.post(b"abc")
        assert first.reply()["length"] == 3


def test_what_the_wire_cuts_off_is_counted(pki: Pki) -> None:
    with (
        station(pki, Limits(header_seconds=0.2)) as running,
        counted("header_seconds"),
        running.connect() as wire,
    ):
        assert wire.ended()
    with (
        station(pki, Limits(body_limit=10)) as running,
        counted("body_limit_mb"),
        running.connect() as wire,
    ):
        wire.post(b"x" * 11)
        assert wire.answer()[0] == 413
    with (
        station(pki, Limits(handshake_seconds=0.2)) as running,
        counted("handshake_seconds"),
        running.plain() as raw,
        suppress(ConnectionError),
    ):
        assert raw.recv(1) == b""


# --- requests and items -----------------------------------------------------------------------


def test_a_unit_that_asks_too_often_is_told_to_come_again_later(world: World) -> None:
    world.settings = PlatformSettings(requests_per_minute=3)
    device = world.client()
    device.register()
    for _ in range(2):
        assert device.post("/versionCheck", {"deviceId": device.device_id}).code == "0"
    with counted("requests_per_minute"):
        reply = device.post("/versionCheck", {"deviceId": device.device_id})
    assert (reply.code, "稍后重试" in reply.text) == ("E1001", True)


def test_rates_begin_anew_each_minute_and_know_units_apart() -> None:
    rates = Rates(1)
    assert [rates.is_over("a", NOW), rates.is_over("a", NOW), rates.is_over("b", NOW)] == [
        False,
        True,
        False,
    ]
    assert not rates.is_over("a", NOW.replace(minute=NOW.minute + 1))
    assert not any(Rates(0).is_over("a", NOW) for _ in range(10_000))


def test_made_up_data_codes_are_accepted_up_to_the_limit_of_the_unit(world: World) -> None:
    world.settings = PlatformSettings(items_per_unit=2)
    device = world.client()
    device.register()

    def upload(*numbers: int) -> str:
        record = sample("uploadEnergyData.request")["data"][0]
        data = [record | {"dataCode": f"00-00-0000-0133{number:02}-11"} for number in numbers]
        message = sample("uploadEnergyData.request", deviceId=device.device_id, data=data)
        message["enterpriseCode"] = device.issued.credit_code if device.issued else ""
        return device.post("/uploadEnergyData", message).text

    assert upload(1, 2) == "RECEIVE SUCCESS"
    with counted("items_per_unit"):
        assert "data 使本单位的数据项编码达到 3 个，应为至多 2 个" in upload(3)
    assert upload(1) == "RECEIVE SUCCESS", "what is known goes on"


def test_retired_items_go_on_counting(world: World) -> None:
    peer = world.peer()
    with world.store.read() as conn:
        item_limit.check(conn, peer.unit_id, ["a", "b"], 2, "data")
        with pytest.raises(IllegalFormat, match="至多 1 个"):
            item_limit.check(conn, peer.unit_id, ["a", "b"], 1, "data")


def test_deep_json_is_refused_and_counted(world: World) -> None:
    device = world.client()
    with counted("json_depth"):
        reply = device.post("/versionCheck", b'{"deviceId":' + b"[" * 33 + b"]" * 33 + b"}")
    assert (reply.code, "嵌套过深" in reply.text) == ("E2002", True)


# --- the health listener ----------------------------------------------------------------------


@pytest.fixture
def health(world: World) -> Iterator[httpx.Client]:
    metrics.prepare("device")
    listener = Listener("health", HOST, 0, health_api.health_app(world.store))
    with (
        serving([listener]) as running,
        httpx.Client(base_url=running["health"].url, trust_env=False) as client,
    ):
        yield client


def test_every_limit_has_its_metric_from_the_beginning(health: httpx.Client) -> None:
    text = health.get("/metrics").text
    for limit in LIMITS:
        assert f'nenghao_limit_reached_total{{limit="{limit}",listener="device"}}' in text
    for name in ("connections", "handshakes_under_way", "body_bytes"):
        assert f'nenghao_{name}{{listener="device"}}' in text


def test_a_platform_that_sends_upwards_tells_what_waits_and_for_how_long(world: World) -> None:
    world.client().register()
    later = world.now + timedelta(seconds=90)
    app = health_api.health_app(world.store, lambda: later)
    with (
        serving([Listener("health", HOST, 0, app)]) as running,
        httpx.Client(base_url=running["health"].url, trust_env=False) as client,
    ):
        lines = client.get("/metrics").text.splitlines()
    with world.store.read() as conn:
        waiting, _ = marks.backlog(conn)
    assert waiting >= 1
    for name, value in (
        ("backlog", waiting),
        ("oldest_seconds", 90),
        ("refused", 0),
        ("failing_seconds", 0),
    ):
        assert f"nenghao_uplink_{name} {float(value)}" in lines


def test_who_sends_nothing_upwards_has_no_such_metric(health: httpx.Client) -> None:
    assert "nenghao_uplink" not in health.get("/metrics").text


def test_health_is_well_while_the_database_answers(health: httpx.Client, world: World) -> None:
    assert (health.get("/health").status_code, health.get("/health").json()["status"]) == (
        200,
        "ok",
    )


def test_health_is_a_fault_when_the_database_does_not_answer(
    health: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(store: Store) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(Store, "read", gone)
    answer = health.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "fault")


def test_a_browser_that_was_led_here_by_another_name_is_not_answered(health: httpx.Client) -> None:
    assert health.get("/metrics", headers={"host": "evil.example"}).status_code == 400


def test_the_page_of_limits_names_every_limit_with_its_default() -> None:
    page = (ROOT / "docs" / "limits.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|[^|]+\| ([0-9 ]+)", page, re.MULTILINE))
    assert list(rows) == list(LIMITS)
    constants = {
        "header_limit": Limits().header_limit,
        "write_seconds": Limits().write_seconds,
        "json_depth": DEPTH_LIMIT,
        "account_requests_per_minute": REQUESTS_PER_MINUTE,
    }
    for name, told in rows.items():
        default = constants[name] if name in constants else getattr(PlatformSettings(), name)
        assert int(told.replace(" ", "")) == default, name


# --- an interface -----------------------------------------------------------------------------


def test_a_listener_is_tied_to_an_interface() -> None:
    bound = bind([Listener("device", HOST, 0, None, interface="lo")])
    try:
        option = bound[0].sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16)
        assert option.rstrip(b"\0") == b"lo"
    finally:
        bound[0].close()
    with pytest.raises(BindError, match="网卡 none0"):
        bind([Listener("device", HOST, 0, None, interface="none0")])


def test_the_settings_tie_the_listeners_and_leave_the_loopback_alone() -> None:
    from nenghao.platform.web import device_api, exchange_api

    settings = PlatformSettings(bind_interface="wg0", health_port=9464)
    assert device_api.place(settings).interface == "wg0"
    assert [each.interface for each in exchange_api.place(settings)] == ["wg0"]
    assert [each.interface for each in health_api.places(settings)] == [""]
    with pytest.raises(ValueError, match="bind_interface"):
        PlatformSettings(bind_interface="a/b")
