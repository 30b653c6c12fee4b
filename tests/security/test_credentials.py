"""The folder that a device gets, and that other programs can load what is in it."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12

from nenghao.security.credentials import pkcs12_of, write_credentials
from tests.security.pki import Pki


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.clause("6.1-2")
def test_the_folder_holds_chain_key_root_and_unit(pki: Pki) -> None:
    out = pki.root / "device"
    assert sorted(path.name for path in out.iterdir()) == [
        "ca.pem",
        "device.key",
        "device.p12",
        "device.p12.password",
        "device.pem",
        "unit.json",
    ]
    leaf, issuer = x509.load_pem_x509_certificates((out / "device.pem").read_bytes())
    leaf.verify_directly_issued_by(issuer)
    (root,) = x509.load_pem_x509_certificates((out / "ca.pem").read_bytes())
    issuer.verify_directly_issued_by(root)
    key = load_pem_private_key((out / "device.key").read_bytes(), None)
    assert key.public_key() == leaf.public_key()


def test_secrets_are_for_the_owner_only(pki: Pki) -> None:
    out = pki.root / "device"
    modes = {path.name: mode(path) for path in out.iterdir()}
    assert {name for name, value in modes.items() if value == 0o600} == {
        "device.key",
        "device.p12",
        "device.p12.password",
    }
    assert {modes["device.pem"], modes["ca.pem"], modes["unit.json"]} == {0o644}


def test_the_unit_is_readable_chinese(pki: Pki) -> None:
    text = (pki.root / "device" / "unit.json").read_text("utf-8")
    assert "鞍山第一钢铁有限公司" in text
    assert json.loads(text)["region"] == "210302"


def test_the_pkcs12_holds_the_same_key_and_chain(pki: Pki) -> None:
    out = pki.root / "device"
    password = (out / "device.p12.password").read_bytes()
    key, leaf, others = pkcs12.load_key_and_certificates(
        (out / "device.p12").read_bytes(), password
    )
    chain = x509.load_pem_x509_certificates((out / "device.pem").read_bytes())
    assert [leaf, *others] == chain
    assert key is not None
    assert key.public_key() == chain[0].public_key()


def test_the_password_is_long_and_never_the_same(pki: Pki) -> None:
    first = (pki.root / "device" / "device.p12.password").read_text("ascii")
    pki.issue("again")
    second = (pki.root / "again" / "device.p12.password").read_text("ascii")
    assert len(first) == len(second) == 32
    assert first != second
    assert first.strip() == first


def test_issuing_again_into_the_same_folder_replaces_the_files(pki: Pki) -> None:
    old = (pki.root / "device" / "device.pem").read_bytes()
    issued = pki.issue("device")
    assert (pki.root / "device" / "device.pem").read_bytes() == issued.chain != old
    assert len(list((pki.root / "device").iterdir())) == 6


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_openssl_loads_the_pkcs12_without_its_legacy_provider(pki: Pki) -> None:
    out = pki.root / "device"
    done = subprocess.run(
        ["openssl", "pkcs12", "-in", out / "device.p12", "-nodes", "-passin",
         f"file:{out / 'device.p12.password'}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("BEGIN CERTIFICATE") == 2
    assert "BEGIN PRIVATE KEY" in done.stdout


@pytest.mark.skipif(shutil.which("keytool") is None, reason="needs Java's keytool")
def test_java_loads_the_pkcs12(pki: Pki) -> None:
    out = pki.root / "device"
    done = subprocess.run(
        ["keytool", "-list", "-v", "-keystore", out / "device.p12", "-storetype", "PKCS12",
         "-storepass:file", out / "device.p12.password"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PrivateKeyEntry" in done.stdout


def test_the_pkcs12_uses_the_scheme_that_old_java_knows(pki: Pki) -> None:
    data = pkcs12_of(pki.device_issued, "secret")
    triple_des = bytes.fromhex("060a2a864886f70d010c0103")  # pbeWithSHAAnd3-KeyTripleDES-CBC
    rc2 = bytes.fromhex("060a2a864886f70d010c0106")
    assert data.count(triple_des) == 2  # certificates and key
    assert rc2 not in data


def test_a_failed_write_leaves_the_old_file_and_no_litter(
    pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = pki.root / "device"
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def full(descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_credentials(out, pki.device_issued, {})
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
