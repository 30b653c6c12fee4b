"""A platform with both device listeners: SM2 and P-256 side by side, each with its own rights."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from OpenSSL import SSL
from sqlalchemy import select, update

from nenghao.cli import main
from nenghao.clock import china_now
from nenghao.device.client import PlatformClient, Reply
from nenghao.device.home import _context
from nenghao.platform import certificates, sm2_home
from nenghao.platform import home as homes
from nenghao.platform.home import HomeError
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.schema import certificate
from nenghao.platform.web import sm_listener
from nenghao.security import revocations
from nenghao.security.authority import DEVICE_CA
from nenghao.security.enrolment import RENEW_PATH
from nenghao.security.leaves import new_key
from nenghao.security.names import AuthorityError
from nenghao.security.requests import make_request
from nenghao.security.sm2_certificates import is_sm2
from tests.platform.web.gateway_world import World, world
from tests.platform.web.wire import Wire
from tests.platform.world import STEEL, sample
from tests.security.sm_pki import HOST, needs_openssl, sm_socket

pytestmark = needs_openssl

OTHER = "91210102MA0000001X"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("sm"), sm=True) as made:
        yield made


def asked(
    served: World, folder: Path, listener: str, *requests: tuple[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """What the device with these credentials is answered, on one connection."""
    context = _context(folder / "ca.pem", folder / "device.pem", folder / "device.key")
    url = f"https://{HOST}:{served.port(listener)}"

    async def run() -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        async with PlatformClient(context=context, timeout=20) as client:
            for path, body in requests:
                if body.get("deviceId") == "mine":
                    body = {**body, "deviceId": answers[0]["deviceId"]}
                reply = await client.post(f"{url}{path}", json.dumps(body).encode())
                if isinstance(reply, Reply):
                    answers.append(json.loads(reply.body))
                else:
                    answers.append({"refused": reply.reason})
        return answers

    return asyncio.run(run())


def register(code: str = STEEL) -> tuple[str, dict[str, Any]]:
    return "/", sample("register.request", enterpriseCode=code)


def upload(code: str = STEEL) -> tuple[str, dict[str, Any]]:
    return "/uploadEnergyData", sample(
        "uploadEnergyData.request", deviceId="mine", enterpriseCode=code
    )


@pytest.mark.clause("6.1-1")
@pytest.mark.clause("6.1-2")
def test_both_kinds_of_device_upload_side_by_side(served: World, tmp_path: Path) -> None:
    usual = served.credentials(tmp_path / "p256")
    national = served.credentials(tmp_path / "sm2", device=2, sm2=True)
    one = asked(served, usual, "device", register(), upload())
    two = asked(served, national, "device-sm", register(), upload())
    for answers in (one, two):
        assert [answer["responseCode"] for answer in answers] == ["0", "0"], answers
    assert one[0]["deviceId"] != two[0]["deviceId"]
    # each is told the port on which it can speak
    assert one[0]["centerDataURL"].startswith(f"{HOST}:9443/")
    assert two[0]["centerDataURL"].startswith(f"{HOST}:1/")  # the port of the settings


@pytest.mark.clause("6.1-1")
def test_an_sm2_device_speaks_for_its_own_unit_alone(served: World, tmp_path: Path) -> None:
    other = served.credentials(tmp_path / "other", code=OTHER, sm2=True)
    (refused,) = asked(served, other, "device-sm", register(STEEL))
    assert "E2002" in refused["refused"]
    (own,) = asked(served, other, "device-sm", register(OTHER))
    assert own["responseCode"] == "0"


@pytest.mark.clause("6.1-1")
def test_neither_kind_passes_on_the_others_port(served: World, tmp_path: Path) -> None:
    usual = served.credentials(tmp_path / "p256", device=3)
    national = served.credentials(tmp_path / "sm2", device=4, sm2=True)
    for folder, listener in ((usual, "device-sm"), (national, "device")):
        (refused,) = asked(served, folder, listener, register())
        assert "加密连接失败" in refused["refused"] or "未通过验证" in refused["refused"]


@pytest.mark.clause("6.1-1")
def test_a_revoked_sm2_certificate_stops_at_once_and_by_the_list_in_the_handshake(
    served: World, tmp_path: Path
) -> None:
    folder = served.credentials(tmp_path / "sm2", device=6, sm2=True)
    mine = certificate.c.device_number == 6
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_tls13_ciphersuites(b"TLS_SM4_GCM_SM3")
    context.use_certificate_chain_file(str(folder / "device.pem"))
    context.use_privatekey_file(str(folder / "device.key"))
    body = json.dumps(sample("register.request", enterpriseCode=STEEL)).encode()
    with sm_socket(served.port("device-sm"), context) as connection:
        wire = Wire(connection)  # type: ignore[arg-type]
        wire.post(body, "/")
        assert wire.reply()["responseCode"] == "0"
        with served.store.write() as conn:
            conn.execute(update(certificate).where(mine).values(revoked_at=china_now()))
            serial = conn.execute(select(certificate.c.serial).where(mine)).scalar_one()
        wire.post(body, "/")
        assert wire.reply()["responseCode"] == "E2002"  # kept alive: the register is asked
    now = china_now()
    authority = sm2_home.authority(served.home, now)
    authority.publish_revocations(DEVICE_CA, [(int(serial, 16), now)], now)
    with (
        pytest.raises(SSL.Error, match="certificate revoked"),
        sm_socket(served.port("device-sm"), context) as connection,
    ):
        connection.recv(1)
    authority.publish_revocations(DEVICE_CA, (), now)
    assert served.running["device-sm"].on_refused is not None  # the audit trail hears of it


def test_an_sm2_certificate_is_not_renewed_into_one_of_another_kind(
    served: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = served.credentials(tmp_path / "p256", device=7)
    national = served.credentials(tmp_path / "sm2", device=7, sm2=True)
    request = RENEW_PATH, {"csr": make_request(new_key(), STEEL).decode()}
    (refused,) = asked(served, national, "device-sm", request)
    assert "ca issue --algorithm sm2" in refused["refused"]
    leaf = x509.load_pem_x509_certificates((national / "device.pem").read_bytes())[0]
    where = ("--home", str(served.home.path), "--out", str(tmp_path / "out"))
    assert main(["ca", "renew", *where, "--serial", format(leaf.serial_number, "x")]) == 1
    assert "ca issue --algorithm sm2" in capsys.readouterr().err
    # and the device's other certificate, of P-256, is renewed beside the fresh one of SM2
    (renewed,) = asked(served, usual, "device", request)
    assert renewed["responseCode"] == "0"


def test_the_command_line_issues_sm2_certificates_and_registers_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    homes.init(tmp_path / "home", {}, china_now())
    arguments = [
        *("ca", "issue", "--home", str(tmp_path / "home"), "--code", STEEL, "--name", "示例"),
        *("--region", "210102", "--algorithm", "sm2", "--device"),
    ]
    for number in ("1", "2"):
        out = tmp_path / f"out{number}"
        assert main([*arguments, number, "--out", str(out)]) == 0
        assert is_sm2((out / "device.pem").read_bytes())
        assert is_sm2((out / "ca.pem").read_bytes())
        assert (out / "device.key").stat().st_mode & 0o777 == 0o600
        assert json.loads((out / "unit.json").read_text())["device"] == int(number)
    assert (tmp_path / "out1/ca.pem").read_bytes() == (tmp_path / "out2/ca.pem").read_bytes()
    capsys.readouterr()
    assert main(["ca", "list", "--home", str(tmp_path / "home"), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    leaf = x509.load_pem_x509_certificates((tmp_path / "out1/device.pem").read_bytes())[0]
    assert format(leaf.serial_number, "x") in [row["serial"] for row in listed]


def test_without_openssl_the_command_says_what_to_do_and_nothing_is_registered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    homes.init(tmp_path / "home", {}, china_now())
    monkeypatch.setattr(shutil, "which", lambda _: None)
    out = tmp_path / "out"
    status = main(
        [
            *("ca", "issue", "--home", str(tmp_path / "home"), "--code", STEEL, "--name", "示例"),
            *("--region", "210102", "--algorithm", "sm2", "--out", str(out)),
        ]
    )
    assert status == 1
    assert "apt-get install openssl" in capsys.readouterr().err
    assert main(["ca", "list", "--home", str(tmp_path / "home"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_without_openssl_revoking_works_and_says_which_list_is_old(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = homes.init(tmp_path / "home", {}, china_now())
    issued = sm2_home.authority(home, china_now()).issue_device(
        STEEL, "示例", "210102", 1, china_now()
    )
    with home.store() as store, store.write() as conn:
        certificates.register(conn, issued, china_now())
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert main(["ca", "revoke", "--home", str(home.path), "--serial", issued.serial]) == 0
    assert "apt-get install openssl" in capsys.readouterr().err
    with home.store() as store, store.read() as conn:
        row = certificates.find(conn, issued.serial)
    assert row is not None
    assert row["revoked_at"] is not None
    listed = revocations.read(home.ca / "device-ca.crl")
    assert listed is not None
    assert issued.serial in listed.serials  # the other lists are published all the same


def test_the_server_certificate_is_renewed_when_it_no_longer_fits(served: World) -> None:
    now = china_now()
    chain, key = sm2_home.server_files(served.home)
    before = chain.read_bytes()
    assert not sm2_home.renew_server_certificate(served.home, now)
    assert chain.read_bytes() == before
    key.unlink()
    assert sm2_home.renew_server_certificate(served.home, now)
    assert chain.read_bytes() != before
    assert key.stat().st_mode & 0o777 == 0o600


def test_an_installation_without_pyopenssl_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sm_listener.check()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(HomeError, match=r"nenghao\[sm\]"):
        sm_listener.check()


def test_no_port_no_listener_and_no_seal_no_authority(tmp_path: Path) -> None:
    assert sm_listener.places(PlatformSettings()) == []
    home = homes.init(tmp_path / "home", {}, china_now())
    (home.ca / "seal").unlink()
    with pytest.raises(AuthorityError, match="缺少"):
        sm2_home.authority(home, china_now())
    assert not sm2_home.folder(home).exists()
