"""A certificate's life: code, enrolment, work, renewal, revocation, over real TLS throughout."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from nenghao.cli import main
from nenghao.clock import china_now
from nenghao.platform import audit, certificates
from nenghao.platform.home import Home, init
from nenghao.platform.web import device_api, enrol_api
from nenghao.platform.web.endpoint import Platform
from nenghao.platform.web.server import serving
from nenghao.security.authority import CertificateAuthority
from nenghao.security.enrolment import EnrolmentCode
from nenghao.standard import credit_code

CODE = credit_code.complete("91210102MA0000001")


@dataclass
class Province:
    """A served platform with its enrolment listener."""

    home: Home
    device_url: str
    enrol_url: str

    def code(self, capsys: pytest.CaptureFixture[str], *more: str) -> str:
        """A fresh enrolment code, by the command line."""
        arguments = ["--code", CODE, "--name", "示例钢铁", "--region", "210102", *more]
        capsys.readouterr()
        assert main(["ca", "code", "--home", str(self.home.path), *arguments, "--json"]) == 0
        return str(json.loads(capsys.readouterr().out)["code"])

    def enrol(self, device: Path, code: str) -> int:
        """`nenghao device enrol`."""
        return main(
            ["device", "enrol", "--home", str(device), "--url", self.enrol_url, "--code", code,
             "--platform", self.device_url]
        )  # fmt: skip

    def live(self, device: int = 1) -> list[str]:
        """Serials of the device's certificates that hold."""
        with self.home.store() as store, store.read() as conn:
            return [row["serial"] for row in certificates.live(conn, CODE, device, china_now())]


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Province]:
    # registration tells addresses, so the ports must be known before anything listens
    ports = {"device_port": free_port(), "enrol_port": free_port()}
    home = init(tmp_path_factory.mktemp("life") / "home", ports, china_now())
    with ExitStack() as stack:
        store = stack.enter_context(home.store())
        platform = Platform(store, home.settings, china_now, home.authority)
        listeners = [device_api.listener(home, platform), *enrol_api.listeners(home, platform)]
        running = stack.enter_context(serving(listeners))
        yield Province(home, running["device"].url, running["enrol"].url)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serial_of(device: Path) -> str:
    pem = (device / "credentials" / "device.pem").read_bytes()
    return format(x509.load_pem_x509_certificates(pem)[0].serial_number, "x")


@pytest.mark.clause("6.1-1")
@pytest.mark.clause("6.1-2")
@pytest.mark.clause("1-1")
def test_from_code_to_revocation(
    province: Province, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device = tmp_path / "dev"
    code = province.code(capsys, "--days", "20")
    assert province.enrol(device, code.lower().replace("-", " ")) == 0
    assert not (device / "enrolment").exists()
    assert (device / "credentials" / "device.key").stat().st_mode & 0o777 == 0o600
    first = serial_of(device)
    assert province.live() == [first]

    # it ends in 20 days: the first occasion renews it over the connection that it opened
    assert main(["device", "run", "--home", str(device), "--once"]) == 0
    second = serial_of(device)
    assert second != first
    assert set(province.live()) == {first, second}  # the overlap
    assert list((device / "credentials").glob("*.next")) == []
    assert main(["device", "run", "--home", str(device), "--once"]) == 0
    assert serial_of(device) == second  # not due any more: it holds 90 days

    capsys.readouterr()
    assert main(["ca", "revoke", "--home", str(province.home.path), "--serial", first]) == 0
    assert "另有 1 份" in capsys.readouterr().err
    assert main(["device", "run", "--home", str(device), "--once"]) == 0
    assert main(["ca", "revoke", "--home", str(province.home.path), "--code", CODE]) == 0
    assert province.live() == []
    assert main(["device", "run", "--home", str(device), "--once"]) == 1
    assert "revoked" in capsys.readouterr().err
    with province.home.store() as store, store.read() as conn:
        actions = {row["action"] for row in audit.entries(conn)}
    assert actions >= {"ca.code", "ca.enrol", "ca.renew", "ca.revoke"}


def test_a_code_serves_once_and_for_its_own_platform(
    province: Province, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = province.code(capsys, "--device", "2")
    assert province.enrol(tmp_path / "one", code) == 0
    capsys.readouterr()
    assert province.enrol(tmp_path / "two", code) == 1
    assert "注册码无效" in capsys.readouterr().err
    assert not (tmp_path / "two" / "device.toml").exists()
    other = CertificateAuthority.create(tmp_path / "other", china_now())
    foreign = EnrolmentCode(
        EnrolmentCode.parse(code).secret, EnrolmentCode.fresh(other.root_pem).pin
    )
    assert province.enrol(tmp_path / "three", foreign.text) == 1
    assert "根证书与注册码不符" in capsys.readouterr().err
    assert province.enrol(tmp_path / "four", "NH-12345") == 1
    assert "注册码应为" in capsys.readouterr().err


def test_an_answer_that_was_lost_is_had_again_with_the_same_key(
    province: Province, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = province.code(capsys, "--device", "3")
    device = tmp_path / "dev"
    assert province.enrol(device, code) == 0
    given = serial_of(device)
    # the device has its key and never saw the answer
    waiting = tmp_path / "again" / "enrolment"
    waiting.mkdir(parents=True)
    (waiting / "device.key").write_bytes((device / "credentials" / "device.key").read_bytes())
    assert province.enrol(tmp_path / "again", code) == 0
    assert serial_of(tmp_path / "again") == given
    assert province.live(3) == [given]


def test_a_later_code_cancels_the_earlier_and_the_list_tells_no_secret(
    province: Province, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = province.code(capsys, "--device", "4")
    second = province.code(capsys, "--device", "4")
    assert province.enrol(tmp_path / "one", first) == 1
    assert province.enrol(tmp_path / "two", second) == 0
    capsys.readouterr()
    assert main(["ca", "codes", "--home", str(province.home.path), "--json"]) == 0
    told = capsys.readouterr().out
    mine = [row for row in json.loads(told) if row["device"] == 4]
    assert sorted(row["cancelledAt"] is None for row in mine) == [False, True]
    assert EnrolmentCode.parse(second).secret not in told
    assert EnrolmentCode.parse(second).digest not in told


def test_a_stolen_certificate_cannot_breed_for_ever(
    province: Province, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device = tmp_path / "dev"
    assert province.enrol(device, province.code(capsys, "--device", "5", "--days", "20")) == 0
    first = {
        name: (device / "credentials" / name).read_bytes() for name in ("device.pem", "device.key")
    }
    for _ in range(6):
        assert main(["device", "run", "--home", str(device), "--once"]) == 0
        for name, content in first.items():  # as if it had never renewed
            (device / "credentials" / name).write_bytes(content)
    assert len(province.live(5)) == certificates.MOST_LIVE
    assert re.search("已有 5 份有效证书", capsys.readouterr().err)


def test_the_operator_renews_for_a_device_that_cannot(
    province: Province, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = str(province.home.path)
    assert province.enrol(tmp_path / "dev", province.code(capsys, "--device", "6")) == 0
    out = tmp_path / "out"
    assert (
        main(["ca", "renew", "--home", home, "--code", CODE, "--device", "6", "--out", str(out)])
        == 0
    )
    assert len(province.live(6)) == 2
    assert json.loads((out / "unit.json").read_text("utf-8"))["device"] == 6
    assert (out / "device.key").exists()
    leaf = x509.load_pem_x509_certificates((out / "device.pem").read_bytes())[0]
    left = leaf.not_valid_after_utc.replace(tzinfo=None) - china_now()
    assert left > timedelta(days=1090)
    assert (
        main(["ca", "renew", "--home", home, "--code", CODE, "--device", "77", "--out", str(out)])
        == 1
    )
