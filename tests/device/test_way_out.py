"""A device told to leave by one interface leaves by that one or not at all."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from nenghao.device.client import PlatformClient
from nenghao.device.events import Failure, FailureKind
from nenghao.device.reasons import reason_of
from nenghao.device.way_out import NoWayOut, addresses, connected, interface_of
from tests.platform.web.wire import HOST, station
from tests.security.pki import Pki


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


async def asked(pki: Pki, port: int, leave_by: str) -> object:
    async with PlatformClient(context=pki.client_context(), timeout=5, leave_by=leave_by) as client:
        return await client.post(f"https://{HOST}:{port}/echo", b"{}")


@pytest.mark.parametrize("leave_by", ["lo", "127.0.0.1"])
@pytest.mark.clause("6.1-3")
def test_it_reaches_the_platform_through_that_interface(pki: Pki, leave_by: str) -> None:
    with station(pki) as running:
        answer = asyncio.run(asked(pki, running.listener.port, leave_by))
        assert running.app.calls == ["/echo"]
    assert isinstance(answer, Failure), "the echo is no platform, and it answered"
    assert "responseCode" in answer.reason


@pytest.mark.clause("6.1-3")
def test_without_the_interface_it_says_nothing_at_all(pki: Pki) -> None:
    with station(pki) as running:
        answer = asyncio.run(asked(pki, running.listener.port, "wg9"))
        assert running.app.calls == []
    assert isinstance(answer, Failure)
    assert answer.kind is FailureKind.UNREACHABLE
    assert "没有网卡 wg9" in answer.reason


def test_the_socket_is_tied_before_it_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    tied: list[bytes] = []

    async def connect(loop: object, made: socket.socket, address: object) -> None:
        option = made.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16)
        tied.append(option.rstrip(b"\0"))
        raise OSError("far enough")

    monkeypatch.setattr(asyncio.selector_events.BaseSelectorEventLoop, "sock_connect", connect)
    with pytest.raises(OSError, match="far enough"):
        asyncio.run(connected("127.0.0.1", 1, "lo"))
    assert tied == [b"lo"]


def test_an_address_stands_for_the_interface_that_has_it() -> None:
    assert "127.0.0.1" in addresses()["lo"]
    assert interface_of("127.0.0.1") == "lo"
    for absent in ("192.0.2.77", "2001:db8::77"):
        with pytest.raises(NoWayOut, match=absent):
            interface_of(absent)


def test_the_reason_names_the_setting() -> None:
    assert reason_of(NoWayOut("本机没有网卡 wg0（设置项 leave_by）")).endswith("leave_by）")


def test_the_deploy_folder_has_what_the_page_tells() -> None:
    folder = Path(__file__).parents[2] / "deploy" / "wireguard"
    assert {one.name for one in folder.iterdir()} >= {"README.md", "platform.conf", "device.conf"}
