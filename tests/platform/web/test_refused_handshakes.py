"""Certificates that the handshake refuses stand in the audit trail, a few a minute."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nenghao.platform import audit
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.web import refused_handshakes
from nenghao.platform.web.binding import Listener
from nenghao.platform.web.endpoint import Platform
from nenghao.platform.web.handshake import is_about_certificate
from nenghao.platform.web.refused_handshakes import RefusedHandshakes
from nenghao.platform.web.server import serving
from tests.platform.web.wire import HOST, EchoApp, until
from tests.platform.world import NOW, World
from tests.security.pki import Pki

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


def recorded(world: World) -> list[Any]:
    with world.store.read() as conn:
        return [row for row in audit.entries(conn, 1000) if row["action"] == "handshake"]


def platform(world: World) -> Platform:
    return Platform(world.store, PlatformSettings(), clock=lambda: world.now)


def noted(world: World, refused: RefusedHandshakes, addresses: list[str]) -> None:
    async def work() -> None:
        for address in addresses:
            refused.note(address, "对方证书已过期")

    asyncio.run(work())  # waits for the threads it called


def test_a_refused_certificate_is_recorded_with_reason_and_address(
    world: World, tmp_path: Path
) -> None:
    pki = Pki(tmp_path)
    refused = RefusedHandshakes(platform(world), "device")
    place = Listener("device", HOST, 0, EchoApp(), pki.server_context, on_refused=refused.note)
    with serving([place]) as listening:
        for context in (pki.client_context(pki.expired()), pki.anonymous_context()):
            turned_away(context, listening["device"].port)
        until(lambda: len(recorded(world)) == 2)
    reasons = sorted(row["detail"] for row in recorded(world))
    assert [reason.partition("（")[0] for reason in reasons] == [
        "对方没有出示证书",
        "对方证书已过期",
    ]
    assert {(row["address"], row["subject"], row["result"]) for row in recorded(world)} == {
        (HOST, "device", "refused")
    }


def turned_away(context: ssl.SSLContext, port: int) -> None:
    with (
        pytest.raises((ssl.SSLError, ConnectionError)),
        socket.create_connection((HOST, port), timeout=20) as raw,
        context.wrap_socket(raw, server_hostname=HOST) as wire,
    ):
        wire.recv(1)


def test_one_address_fills_no_database(world: World) -> None:
    refused = RefusedHandshakes(platform(world), "device")
    noted(world, refused, ["10.0.0.1"] * 50 + ["10.0.0.2"])
    counted = Counter(row["address"] for row in recorded(world))
    assert counted == {"10.0.0.1": refused_handshakes.PER_ADDRESS, "10.0.0.2": 1}
    assert sum("其余只记入日志" in row["detail"] for row in recorded(world)) == 1
    world.now = NOW + timedelta(minutes=1)
    noted(world, refused, ["10.0.0.1"])
    assert len(recorded(world)) == refused_handshakes.PER_ADDRESS + 2


def test_many_addresses_fill_no_database_either(world: World) -> None:
    refused = RefusedHandshakes(platform(world), "device")
    noted(world, refused, [f"10.0.{number // 250}.{number % 250}" for number in range(300)])
    assert len(recorded(world)) == refused_handshakes.IN_ALL


def test_what_is_no_matter_of_certificates_is_not_recorded(backend: str) -> None:
    assert backend
    for error in (ConnectionResetError(), ssl.SSLError("x"), RuntimeError()):
        assert not is_about_certificate(error)
    assert is_about_certificate(ssl.SSLCertVerificationError("x"))
