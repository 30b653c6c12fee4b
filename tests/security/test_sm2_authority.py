"""The SM2 authority: what it issues says what it should, and another implementation agrees."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from nenghao.security import sm2_certificates as sm2
from nenghao.security.authority import DEVICE_CA, CertificateAuthority
from nenghao.security.identity import identity_of
from nenghao.security.names import AuthorityError
from nenghao.security.sm2_authority import Sm2Authority
from tests.security.pki import CODE, NAME, REGION
from tests.security.sm_pki import SmPki, needs_openssl

pytestmark = needs_openssl

DISTID = "distid:1234567812345678"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> SmPki:
    return SmPki(tmp_path_factory.mktemp("sm2"))


def openssl(*arguments: str | Path) -> str:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=True)
    return done.stdout.decode()


def test_a_device_certificate_names_unit_and_device_like_one_of_p256(pki: SmPki) -> None:
    leaf = x509.load_pem_x509_certificate(pki.device_issued.certificate)
    identity = identity_of(leaf.public_bytes(Encoding.DER))
    assert (identity.credit_code, identity.device) == (CODE, 1)
    assert identity.serial == pki.device_issued.serial
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    other = CertificateAuthority.create(pki.root / "p256", pki.now)
    twin = x509.load_pem_x509_certificate(
        other.issue_device(CODE, NAME, REGION, 1, pki.now).certificate
    )
    assert leaf.subject == twin.subject
    assert {one.oid for one in leaf.extensions} == {one.oid for one in twin.extensions}
    assert leaf.not_valid_before_utc == twin.not_valid_before_utc
    assert leaf.not_valid_after_utc == twin.not_valid_after_utc


def test_the_openssl_command_verifies_every_signature_of_the_chain(pki: SmPki) -> None:
    folder = pki.authority.directory
    for leaf, issuer in ((pki.device.chain, "device-ca"), (pki.server.chain, "server-ca")):
        told = openssl(
            "verify", "-x509_strict", "-partial_chain", "-vfyopt", DISTID,
            "-CAfile", folder / f"{issuer}.pem", leaf,
        )  # fmt: skip
        assert told.strip().endswith("OK")
        told = openssl(
            "verify", "-x509_strict", "-vfyopt", DISTID,
            "-CAfile", folder / "root.pem", folder / f"{issuer}.pem",
        )  # fmt: skip
        assert told.strip().endswith("OK")
    text = openssl("x509", "-in", pki.device.chain, "-noout", "-text")
    assert "ASN1 OID: SM2" in text
    assert "Signature Algorithm: SM2-with-SM3" in text


def test_a_changed_certificate_is_not_verified(pki: SmPki, tmp_path: Path) -> None:
    der = x509.load_pem_x509_certificate(pki.device_issued.certificate).public_bytes(Encoding.DER)
    changed = x509.load_der_x509_certificate(der.replace(b"device:1", b"device:2"))
    path = tmp_path / "changed.pem"
    path.write_bytes(changed.public_bytes(Encoding.PEM))
    with pytest.raises(subprocess.CalledProcessError):
        openssl(
            "verify", "-partial_chain", "-vfyopt", DISTID,
            "-CAfile", pki.authority.client_ca_file, path,
        )  # fmt: skip


def test_key_and_certificate_belong_together(pki: SmPki) -> None:
    leaf = x509.load_pem_x509_certificate(pki.device_issued.certificate)
    spki = sm2.public_of(pki.device_issued.private_key)
    assert spki in leaf.tbs_certificate_bytes
    known = leaf.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert known.digest == sm2.key_digest(spki)


def test_names_with_signs_of_a_path_or_a_list_stand_as_they_are(pki: SmPki) -> None:
    name = "辽/宁+钢=铁,有\\限#公司"
    issued = pki.authority.issue_device(CODE, name, REGION, 7, pki.now)
    subject = x509.load_pem_x509_certificate(issued.certificate).subject
    assert name in [attribute.value for attribute in subject]
    assert issued.name == name
    assert issued.device == 7


def test_the_revocation_list_holds_who_was_revoked(pki: SmPki) -> None:
    serial = int(pki.device_issued.serial, 16)
    path = pki.authority.publish_revocations(DEVICE_CA, [(serial, pki.now)], pki.now)
    crl = x509.load_pem_x509_crl(path.read_bytes())
    assert [one.serial_number for one in crl] == [serial]
    text = openssl("crl", "-in", path, "-noout", "-text")
    assert "SM2-with-SM3" in text
    pki.authority.publish_revocations(DEVICE_CA, (), pki.now)


def test_keys_lie_sealed_and_open_under_their_secret_only(pki: SmPki) -> None:
    key = pki.authority.directory / "device-ca.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in key.read_bytes()
    wrong = Sm2Authority.open(pki.authority.directory, b"not the secret")
    with pytest.raises(AuthorityError, match="openssl dgst"):
        wrong.issue_device(CODE, NAME, REGION, 1, pki.now)


def test_no_secret_is_seen_in_the_arguments_or_the_environment_of_the_command(
    pki: SmPki, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    real = subprocess.run

    def watched(arguments: list[str], **options: object) -> object:
        seen.append((arguments, options.get("env")))
        return real(arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", watched)
    pki.issue("watched")
    password = (pki.root / "watched" / "device.p12.password").read_text()
    assert len(seen) >= 4
    assert "a secret of the tests" not in repr(seen)
    assert password not in repr(seen)
    assert "a secret of the tests" not in repr(pki.authority)


def test_the_pkcs12_file_opens_with_its_password(pki: SmPki) -> None:
    folder = pki.root / "device"
    told = openssl(
        "pkcs12", "-in", folder / "device.p12", "-nodes",
        "-passin", f"file:{folder / 'device.p12.password'}",
    )  # fmt: skip
    assert told.count("BEGIN CERTIFICATE") == 2
    assert "BEGIN PRIVATE KEY" in told
    assert (folder / "device.p12").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("code", "name", "device", "days"),
    [("1234", NAME, 1, 10), (CODE, " ", 1, 10), (CODE, NAME, 0, 10), (CODE, NAME, 1, 0)],
)
def test_what_cannot_be_meant_is_refused(
    pki: SmPki, code: str, name: str, device: int, days: int
) -> None:
    with pytest.raises(AuthorityError):
        pki.authority.issue_device(code, name, REGION, device, pki.now, days)


def test_a_certificate_ends_with_its_authority_at_the_latest(pki: SmPki) -> None:
    issued = pki.authority.issue_device(CODE, NAME, REGION, 1, pki.now, 36_500)
    assert issued.not_after <= pki.now + timedelta(days=15 * 365)


def test_an_authority_is_made_whole_or_not_at_all_and_never_twice(
    pki: SmPki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AuthorityError, match="已有"):
        Sm2Authority.create(pki.authority.directory, b"x", pki.now)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(AuthorityError, match="apt-get install openssl"):
        Sm2Authority.create(tmp_path / "sm2", b"x", pki.now)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(AuthorityError, match=r"缺少 root\.pem"):
        Sm2Authority.open(tmp_path / "sm2", b"x")


def test_only_certificates_signed_with_sm2_count_as_such(pki: SmPki, tmp_path: Path) -> None:
    other = CertificateAuthority.create(tmp_path / "ca", pki.now)
    assert sm2.is_sm2(pki.device.chain.read_bytes())
    assert not sm2.is_sm2(other.client_ca_file.read_bytes())
    assert not sm2.is_sm2(b"nothing")
