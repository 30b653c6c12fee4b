"""`nenghao ca`: certificates issued, registered and listed."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from nenghao.cli import main
from nenghao.clock import china_now
from nenghao.platform import audit, certificates
from nenghao.platform.home import Home, init
from nenghao.security.identity import identity_of
from nenghao.standard import credit_code

GOOD = credit_code.complete("91210102MA0000001")


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return init(tmp_path_factory.mktemp("ca") / "home", {}, china_now())


def issue(province: Home, out: Path, *more: str, code: str = GOOD, region: str = "210102") -> int:
    return main(
        [
            *("ca", "issue", "--home", str(province.path), "--code", code),
            *("--name", "示例钢铁", "--region", region, "--out", str(out), *more),
        ]
    )


@pytest.mark.clause("6.1-2")
def test_issue_writes_what_a_device_needs_and_registers_it(
    province: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert issue(province, tmp_path / "out", "--device", "2") == 0
    assert capsys.readouterr().err == ""
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "device.pem",
        "device.key",
        "ca.pem",
        "device.p12",
        "device.p12.password",
        "unit.json",
    }
    assert json.loads((tmp_path / "out" / "unit.json").read_text("utf-8")) == {
        "code": GOOD,
        "name": "示例钢铁",
        "region": "210102",
        "regionName": "和平区",
        "device": 2,
    }
    leaf = x509.load_pem_x509_certificate((tmp_path / "out" / "device.pem").read_bytes())
    from cryptography.hazmat.primitives.serialization import Encoding

    identity = identity_of(leaf.public_bytes(Encoding.DER))
    assert (identity.credit_code, identity.device) == (GOOD, 2)
    with province.store() as store, store.read() as conn:
        assert certificates.is_valid(conn, identity)
        latest = audit.entries(conn)[0]
    assert (latest["action"], latest["subject"]) == ("ca.issue", f"{GOOD}#2")


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("9121000123456789X", "17 位"),
        ("91210102MA000000I1", "不合法"),
        ("91210102ma00000019", "大写"),
    ],
)
def test_an_ill_formed_credit_code_is_refused_with_2_naming_why(
    province: Home,
    tmp_path: Path,
    code: str,
    why: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert issue(province, tmp_path / "out", code=code) == 2
    said = capsys.readouterr().err
    assert "--code" in said
    assert why in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("region", ["21010", "2101020", "辽宁省", "２１０１０２"])
def test_an_ill_formed_region_is_refused_with_2(
    province: Home, tmp_path: Path, region: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert issue(province, tmp_path / "out", region=region) == 2
    assert "--region" in capsys.readouterr().err


def test_a_wrong_check_digit_is_warned_of_and_issued(
    province: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert issue(province, tmp_path / "out", code="91210000573973053F") == 0
    assert "校验位不符" in capsys.readouterr().err
    assert (tmp_path / "out" / "device.pem").is_file()


@pytest.mark.parametrize(
    ("region", "more", "warning", "name"),
    [
        ("410481", (), "不在基础数据中", "410481"),
        ("410481", ("--region-name", "舞钢市"), "不在基础数据中", "舞钢市"),
        ("210100", (), "未具体到县级", "沈阳市"),
    ],
)
def test_an_odd_region_is_warned_of_and_issued(
    province: Home,
    tmp_path: Path,
    region: str,
    more: tuple[str, ...],
    warning: str,
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert issue(province, tmp_path / "out", *more, region=region) == 0
    assert warning in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "unit.json").read_text("utf-8"))["regionName"] == name


def test_a_blank_name_is_refused(
    province: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--code", GOOD, "--name", " ", "--region", "210102", "--out", str(tmp_path / "o")]
    assert main(["ca", "issue", "--home", str(province.path), *arguments]) == 2
    assert "--name" in capsys.readouterr().err


def test_a_folder_that_is_no_platforms_is_refused_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--code", GOOD, "--name", "x", "--region", "210102", "--out", str(tmp_path / "o")]
    assert main(["ca", "issue", "--home", str(tmp_path), *arguments]) == 1
    assert "不是平台目录" in capsys.readouterr().err


def test_list_tells_every_certificate_or_one_units(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    province = init(tmp_path / "home", {}, china_now())
    other = credit_code.complete("91210102MA0000002")
    issue(province, tmp_path / "1")
    issue(province, tmp_path / "2", "--days", "10", code=other)
    capsys.readouterr()
    home = ["--home", str(province.path)]
    assert main(["ca", "list", *home, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [one["code"] for one in listed] == [GOOD, other]
    assert set(listed[0]) == {
        *("serial", "code", "device", "name", "region"),
        *("notBefore", "notAfter", "issuedAt", "revokedAt"),
    }
    end = datetime.strptime(listed[1]["notAfter"], "%Y-%m-%d %H:%M:%S")
    assert timedelta(days=9) < end - china_now() <= timedelta(days=10)
    assert main(["ca", "list", *home, "--code", other, "--json"]) == 0
    assert [one["code"] for one in json.loads(capsys.readouterr().out)] == [other]
    assert main(["ca", "list", *home]) == 0
    table = capsys.readouterr().out
    assert GOOD in table
    assert listed[0]["serial"] in table
