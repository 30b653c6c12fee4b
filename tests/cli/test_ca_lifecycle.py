"""`nenghao ca init|crl|import-issuer|issuers|revoke|issue`: the operator's commands."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import select

from nenghao.cli import main
from nenghao.clock import china_now
from nenghao.platform.home import Home, init
from nenghao.platform.store.schema import audit
from nenghao.security import revocations
from nenghao.security.issuers import fingerprint_of
from nenghao.security.leaves import Signer, make_authority, new_key, pem, spki, utc
from nenghao.security.requests import make_request
from nenghao.standard import credit_code

GOOD = credit_code.complete("91210102MA0000001")
OTHER = credit_code.complete("91210102MA0000002")
SECRET = "correct horse battery"


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return init(tmp_path_factory.mktemp("ca") / "home", {}, china_now())


def issue(home: Path, out: Path, *more: str, code: str = GOOD) -> int:
    unit = ["--code", code, "--name", "示例钢铁", "--region", "210102"]
    return main(["ca", "issue", "--home", str(home), *unit, "--out", str(out), *more])


def serial(out: Path) -> str:
    found = x509.load_pem_x509_certificates((out / "device.pem").read_bytes())
    return format(found[0].serial_number, "x")


@pytest.mark.clause("6.1-1")
def test_revoking_is_listed_at_once_and_audited(
    province: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert issue(province.path, tmp_path / "a") == 0
    assert issue(province.path, tmp_path / "b", "--device", "2") == 0
    first, second = serial(tmp_path / "a"), serial(tmp_path / "b")
    home = ["--home", str(province.path)]
    colons = ":".join(("0" + first)[i : i + 2] for i in range(len(first) % 2, len(first) + 1, 2))
    assert main(["ca", "revoke", *home, "--serial", colons.upper(), "--reason", "密钥遗失"]) == 0
    crl = revocations.read(province.ca / "device-ca.crl")
    assert crl is not None
    assert first in crl.serials
    assert second not in crl.serials
    assert crl.pem in province.client_lists.read_bytes()
    capsys.readouterr()
    assert main(["ca", "revoke", *home, "--code", GOOD, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"revoked": [second], "published": True}
    with province.store() as store, store.read() as conn:
        details = conn.execute(select(audit.c.detail).where(audit.c.action == "ca.revoke"))
        assert any("密钥遗失" in row.detail for row in details)


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        ([], 2, "其中一个"),
        (["--code", GOOD, "--serial", "ab"], 2, "其中一个"),
        (["--serial", "xyz"], 2, "十六进制"),
        (["--code", "1"], 2, "--code"),
        (["--serial", "abcdef"], 1, "没有这样的证书"),
        (["--code", OTHER], 1, "没有这样的证书"),
    ],
)
def test_a_call_that_cannot_be_meant_revokes_nothing(
    province: Home, arguments: list[str], code: int, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ca", "revoke", "--home", str(province.path), *arguments]) == code
    assert why in capsys.readouterr().err


def test_a_device_may_bring_its_own_key_or_be_given_an_rsa_one(
    province: Home, tmp_path: Path
) -> None:
    key = new_key()
    (tmp_path / "csr.pem").write_bytes(make_request(key, GOOD))
    assert issue(province.path, tmp_path / "own", "--csr", str(tmp_path / "csr.pem")) == 0
    assert {one.name for one in (tmp_path / "own").iterdir()} == {
        "device.pem", "ca.pem", "unit.json",
    }  # fmt: skip
    leaf = x509.load_pem_x509_certificates((tmp_path / "own" / "device.pem").read_bytes())[0]
    assert spki(leaf.public_key()) == spki(key.public_key())  # type: ignore[arg-type]
    assert issue(province.path, tmp_path / "rsa", "--algorithm", "rsa2048") == 0
    leaf = x509.load_pem_x509_certificates((tmp_path / "rsa" / "device.pem").read_bytes())[0]
    assert isinstance(leaf.public_key(), rsa.RSAPublicKey)


def test_a_passphrase_seals_the_ca_and_nobody_is_asked_without_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, secret = tmp_path / "home", tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    make = ["ca", "init", "--home", str(home), "--seal", "passphrase"]
    assert main(make) == 2
    assert "没有终端" in capsys.readouterr().err
    assert main([*make, "--passphrase-file", str(secret)]) == 1
    assert "0600" in capsys.readouterr().err
    secret.chmod(0o600)
    assert main([*make, "--passphrase-file", str(secret)]) == 0
    assert main(["platform", "init", "--home", str(home)]) == 1
    assert "口令" in capsys.readouterr().err
    monkeypatch.setenv("NENGHAO_CA_PASSPHRASE", SECRET)
    assert main(["platform", "init", "--home", str(home)]) == 0
    assert issue(home, tmp_path / "a") == 0
    assert "警告" not in capsys.readouterr().err
    monkeypatch.delenv("NENGHAO_CA_PASSPHRASE")
    assert issue(home, tmp_path / "b") == 1
    assert "口令" in capsys.readouterr().err
    assert issue(home, tmp_path / "b", "--passphrase-file", str(secret)) == 0
    capsys.readouterr()
    # revoked all the same: the register is what counts, the list is told to be old
    assert main(["ca", "revoke", "--home", str(home), "--code", GOOD, "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["published"] is False
    assert "吊销已生效" in said.err
    crl = ["ca", "crl", "--home", str(home), "--passphrase-file", str(secret), "--json"]
    capsys.readouterr()
    assert main(crl) == 0
    (mine,) = [row for row in json.loads(capsys.readouterr().out) if "device-ca" in row["file"]]
    assert mine["revoked"] == 2


def test_an_offline_root_stays_on_its_stick(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, stick = str(tmp_path / "home"), tmp_path / "stick"
    assert main(["ca", "init", "--home", home, "--root-dir", str(stick)]) == 0
    assert main(["platform", "init", "--home", home]) == 0
    assert stat.S_IMODE((stick / "root.key").stat().st_mode) == 0o600
    assert not (tmp_path / "home" / "ca" / "root.key").exists()
    assert issue(Path(home), tmp_path / "a") == 0
    before = revocations.read(tmp_path / "home" / "ca" / "root.crl")
    assert main(["ca", "crl", "--home", home]) == 0
    assert revocations.read(tmp_path / "home" / "ca" / "root.crl") == before
    assert main(["ca", "crl", "--home", home, "--root-dir", str(stick)]) == 0
    after = revocations.read(tmp_path / "home" / "ca" / "root.crl")
    assert before is not None
    assert after is not None
    assert after.number > before.number
    other = tmp_path / "other"
    assert main(["ca", "init", "--home", str(tmp_path / "h2"), "--root-dir", str(other)]) == 0
    assert main(["ca", "crl", "--home", home, "--root-dir", str(other)]) == 1
    assert main(["ca", "init", "--home", home]) == 1
    assert "已有证书签发机构" in capsys.readouterr().err


def outside_ca(folder: Path) -> tuple[Signer, Path, Path]:
    signer = make_authority("外部 CA", None, None, utc(china_now()), 100)
    folder.mkdir()
    (folder / "ca.pem").write_bytes(pem(signer.certificate))
    (folder / "ca.crl").write_bytes(revocations.build(signer, (), china_now(), 30, 0))
    return signer, folder / "ca.pem", folder / "ca.crl"


def test_an_outside_issuer_comes_with_its_list_and_goes_again(
    province: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, certificate, crl = outside_ca(tmp_path / "x")
    _, _, foreign = outside_ca(tmp_path / "y")
    call = ["ca", "import-issuer", "--home", str(province.path), "--file", str(certificate)]
    assert main([*call, "--crl", str(foreign)]) == 1
    assert "不是这个签发机构签发的" in capsys.readouterr().err
    assert main([*call, "--rule", "nothing"]) == 1
    assert main([*call, "--rule", "subject:CN", "--crl", str(crl)]) == 0
    assert certificate.read_bytes() in province.client_cas.read_bytes()
    assert province.client_lists.read_bytes().count(b"BEGIN") == 2
    capsys.readouterr()
    assert main(["ca", "issuers", "--home", str(province.path), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["rule"], row["hasList"]) == ("subject:CN", True)
    remove = ["ca", "import-issuer", "--home", str(province.path), "--remove"]
    assert main([*remove, row["fingerprint"][:12]]) == 0
    assert certificate.read_bytes() not in province.client_cas.read_bytes()
    assert main([*remove, row["fingerprint"]]) == 1


def test_without_a_list_of_every_issuer_handshakes_do_without_any(
    province: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """OpenSSL would refuse everybody of an issuer without one; the register is still asked."""
    _, certificate, _ = outside_ca(tmp_path / "x")
    home = ["--home", str(province.path)]
    assert main(["ca", "import-issuer", *home, "--file", str(certificate)]) == 0
    assert "没有给出吊销列表" in capsys.readouterr().err
    assert province.client_lists.read_bytes() == b""
    taken = x509.load_pem_x509_certificate(certificate.read_bytes())
    assert main(["ca", "import-issuer", *home, "--remove", fingerprint_of(taken)]) == 0
    assert province.client_lists.read_bytes() != b""
