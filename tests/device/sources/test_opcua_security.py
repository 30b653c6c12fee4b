from __future__ import annotations

import asyncio
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nenghao.device.sources.base import FaultKind
from nenghao.device.sources.opcua import OpcUaSource
from tests.device.sources.opcua_peers import (
    PASSWORD,
    USER,
    UaServer,
    ua_server,
)
from tests.device.sources.opcua_talk import (
    fault_of,
    point,
    read_once,
    source,
    values,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UaServer]:
    with ua_server(tmp_path_factory.mktemp("opcua")) as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A device's directory, of which making the key takes its time."""
    return tmp_path_factory.mktemp("home")


@pytest.mark.parametrize(
    ("security", "mode"),
    [
        ("Basic256Sha256", "Sign"),
        ("Basic256Sha256", "SignAndEncrypt"),
        ("Aes128Sha256RsaOaep", "SignAndEncrypt"),
        ("Aes256Sha256RsaPss", "SignAndEncrypt"),
    ],
)
def test_secure_channels_of_every_policy(
    server: UaServer, home: Path, security: str, mode: str
) -> None:
    server.write("safe", 4.0)
    opened = source(
        server, point("a", server.node("safe")), home=home, security=security, mode=mode
    )
    assert values(asyncio.run(read_once(opened))) == {"a": "4"}


def test_the_devices_certificate_is_made_once_and_its_key_is_for_the_owner_only(
    server: UaServer, tmp_path: Path
) -> None:
    server.write("safe", 4.0)
    opened = source(
        server, point("a", server.node("safe")), home=tmp_path, security="Basic256Sha256"
    )
    asyncio.run(read_once(opened))
    key = tmp_path / "opcua" / "device.key"
    made = key.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    asyncio.run(read_once(opened))
    assert key.read_bytes() == made


def test_a_server_with_another_certificate_than_the_first_is_refused(
    server: UaServer, tmp_path: Path
) -> None:
    server.write("safe", 4.0)
    opened = source(
        server, point("a", server.node("safe")), home=tmp_path, security="Basic256Sha256"
    )
    asyncio.run(read_once(opened))
    (kept,) = (tmp_path / "opcua").glob("server-*.der")
    assert kept.read_bytes() == server.certificate
    shutil.copy(server.folder / "stranger.der", kept)
    fault = asyncio.run(fault_of(opened.open))
    assert fault.kind is FaultKind.CREDENTIALS
    assert "与首次连接时不同" in fault.text
    kept.unlink()
    assert values(asyncio.run(read_once(opened))) == {"a": "4"}


def test_the_servers_certificate_can_be_given(server: UaServer) -> None:
    server.write("safe", 4.0)
    settings = {"security": "Basic256Sha256", "certificate": "user.der", "private_key": "user.pem"}

    def opened(trusted: str) -> OpcUaSource:
        points = [point("a", server.node("safe"))]
        return source(server, *points, home=server.folder, server_certificate=trusted, **settings)

    assert values(asyncio.run(read_once(opened("server.der")))) == {"a": "4"}
    fault = asyncio.run(fault_of(opened("stranger.der").open))
    assert fault.kind is FaultKind.CREDENTIALS
    assert "stranger.der" in fault.text


def test_a_device_that_the_server_does_not_trust_is_a_matter_of_credentials(
    server: UaServer,
) -> None:
    opened = source(
        server,
        point("a", "ns=2;s=x"),
        home=server.folder,
        security="Basic256Sha256",
        certificate="stranger.der",
        private_key="stranger.pem",
        server_certificate="server.der",
    )
    fault = asyncio.run(fault_of(opened.open))
    assert fault.kind is FaultKind.CREDENTIALS, fault.text
    assert "BadCertificateUntrusted" in fault.text


@pytest.mark.parametrize("security", ["None", "Basic256Sha256"])
def test_user_and_password_open_the_door(server: UaServer, home: Path, security: str) -> None:
    server.write("door", 4.0)
    (home / "secret.txt").write_text(f"{PASSWORD}\n", "utf-8")

    def opened(**settings: Any) -> OpcUaSource:
        points = [point("a", server.node("door"))]
        return source(server, *points, home=home, security=security, username=USER, **settings)

    assert values(asyncio.run(read_once(opened(password=PASSWORD)))) == {"a": "4"}
    assert values(asyncio.run(read_once(opened(password_file="secret.txt")))) == {"a": "4"}
    wrong = opened(password="wr0ng-pass")
    fault = asyncio.run(fault_of(wrong.open))
    assert fault.kind is FaultKind.CREDENTIALS
    assert "wr0ng-pass" not in fault.text + repr(wrong._settings) + str(wrong._settings)
    assert values(asyncio.run(read_once(opened(password=PASSWORD)))) == {"a": "4"}


def test_a_user_logs_in_by_certificate(server: UaServer) -> None:
    server.write("door", 4.0)

    def opened(user: str) -> OpcUaSource:
        points = [point("a", server.node("door"))]
        return source(
            server,
            *points,
            home=server.folder,
            security="Basic256Sha256",
            server_certificate="server.der",
            user_certificate=f"{user}.der",
            user_private_key=f"{user}.pem",
        )

    assert values(asyncio.run(read_once(opened("user")))) == {"a": "4"}
    fault = asyncio.run(fault_of(opened("refused").open))
    assert fault.kind is FaultKind.CREDENTIALS, fault.text


def test_a_policy_that_the_server_does_not_offer_is_named_with_those_it_does(
    server: UaServer, home: Path
) -> None:
    opened = source(
        server,
        point("a", "ns=2;s=x"),
        home=home,
        security="Aes256Sha256RsaPss",
        mode="Sign",
    )
    fault = asyncio.run(fault_of(opened.open))
    assert fault.kind is FaultKind.CONFIGURATION
    assert "Basic256Sha256/SignAndEncrypt" in fault.text


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({"certificate": "none.der", "private_key": "user.pem"}, "none.der"),
        ({"certificate": "user.der", "private_key": "none.pem"}, "none.pem"),
        ({"certificate": "user.pem", "private_key": "user.pem"}, "不是可用的证书"),
        ({"certificate": "user.der", "private_key": "user.der"}, "不是可用的私钥"),
        ({"certificate": "user.der", "private_key": "refused.pem"}, "不是一对"),
    ],
)
def test_certificate_files_of_no_use_are_named(
    server: UaServer, files: dict[str, Any], word: str
) -> None:
    opened = source(
        server, point("a", "ns=2;s=x"), home=server.folder, security="Basic256Sha256", **files
    )
    fault = asyncio.run(fault_of(opened.open))
    assert fault.kind is FaultKind.CONFIGURATION
    assert word in fault.text
