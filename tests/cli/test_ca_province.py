"""`nenghao ca issue --province`: who a province is to the nation."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest

from nenghao.cli import main
from nenghao.clock import china_now
from nenghao.platform import certificates
from nenghao.platform.home import Home, init
from nenghao.platform.national import provinces
from nenghao.security.identity import PeerIdentity, identity_of


@pytest.fixture(scope="module")
def nation(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return init(tmp_path_factory.mktemp("ca") / "home", {"role": "national"}, china_now())


def issue(home: Home, out: Path, *more: str, province: str = "210000") -> int:
    return main(
        [
            *("ca", "issue", "--home", str(home.path), "--province", province),
            *("--name", "辽宁省", "--out", str(out), *more),
        ]
    )


def identity(out: Path) -> PeerIdentity:
    leaf = (out / "device.pem").read_text("ascii").partition("-----END")[0]
    return identity_of(ssl.PEM_cert_to_DER_cert(leaf + "-----END CERTIFICATE-----"))


def test_the_device_id_comes_with_the_certificate_and_stays(nation: Home, tmp_path: Path) -> None:
    assert issue(nation, tmp_path / "a") == 0
    assert issue(nation, tmp_path / "b") == 0
    told = [json.loads((tmp_path / one / "province.json").read_text("utf-8")) for one in "ab"]
    assert told[0] == told[1]
    assert told[0]["province"] == "210000"
    assert told[0]["name"] == "辽宁省"
    assert {file.name for file in (tmp_path / "a").iterdir()} == {
        *("device.pem", "device.key", "ca.pem", "device.p12", "device.p12.password"),
        "province.json",
    }
    with nation.store() as store, store.read() as conn:
        for one in "ab":
            assert identity(tmp_path / one).province == "210000"
            assert certificates.is_valid_province(conn, identity(tmp_path / one))
            assert not certificates.is_valid(conn, identity(tmp_path / one))
        assert [row["device_id"] for row in provinces.listing(conn)] == [told[0]["deviceId"]]


def test_certificate_of_a_province_is_listed_and_revoked_by_its_serial(
    nation: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert issue(nation, tmp_path / "out", province="220000") == 0
    serial = identity(tmp_path / "out").serial
    capsys.readouterr()
    assert main(["ca", "list", "--home", str(nation.path), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert ("220000", serial) in {(one["code"], one["serial"]) for one in listed}
    renew = ["ca", "renew", "--home", str(nation.path), "--serial", serial, "--out", str(tmp_path)]
    assert main(renew) == 1
    assert "ca issue --province" in capsys.readouterr().err
    assert main(["ca", "revoke", "--home", str(nation.path), "--serial", serial]) == 0
    with nation.store() as store, store.read() as conn:
        assert not certificates.is_valid_province(conn, identity(tmp_path / "out"))


@pytest.mark.parametrize(
    ("more", "province", "code", "why"),
    [
        (["--code", "91210000573973053F"], "210000", 2, "--province 不与"),
        (["--device", "2"], "210000", 2, "--province 不与"),
        ([], "210100", 2, "应为省级行政区划代码"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    nation: Home,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    province: str,
    code: int,
    why: str,
) -> None:
    assert issue(nation, tmp_path / "out", *more, province=province) == code
    assert why in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_only_a_national_platform_issues_to_provinces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = init(tmp_path / "home", {}, china_now())
    assert issue(plain, tmp_path / "out") == 1
    assert "不是国家平台" in capsys.readouterr().err
