"""What the CA issues, what it refuses to issue, and how its keys lie on disk."""

from __future__ import annotations

import ipaddress
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nenghao.security.authority import (
    DEVICE_CA,
    ROOT,
    SERVER_CA,
    AuthorityError,
    CertificateAuthority,
    Issued,
)
from nenghao.security.identity import identity_of

CODE = "91210000573973053F"
NOW = datetime(2026, 11, 21, 8, 0, 0)  # China Standard Time: midnight UTC


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path / "ca", NOW)


def issue(authority: CertificateAuthority, name: str = "鞍钢", device: int = 2) -> Issued:
    return authority.issue_device(CODE, name, "210302", device, NOW)


def leaf(issued: Issued) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued.certificate)


def extended_usage(certificate: x509.Certificate) -> list[x509.ObjectIdentifier]:
    return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def authority_certificate(authority: CertificateAuthority, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((authority.directory / f"{name}.pem").read_bytes())


@pytest.mark.clause("6.1-2")
def test_a_device_certificate_names_unit_and_device(authority: CertificateAuthority) -> None:
    issued = issue(authority)
    certificate = leaf(issued)
    subject = certificate.subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "鞍钢"
    assert subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "鞍钢"
    identifier = subject.get_attributes_for_oid(NameOID.ORGANIZATION_IDENTIFIER)[0]
    assert identifier.value == f"NTRCN-{CODE}"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [
        f"urn:nenghao:unit:{CODE}:device:2"
    ]
    identity = identity_of(certificate.public_bytes(Encoding.DER))
    assert (identity.credit_code, identity.device) == (CODE, 2)
    assert identity.serial == issued.serial


def test_a_device_certificate_serves_for_nothing_but_client_authentication(
    authority: CertificateAuthority,
) -> None:
    certificate = leaf(issue(authority))
    assert extended_usage(certificate) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign
    assert not usage.key_agreement
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"


def test_a_leaf_begins_an_hour_ago_for_clocks_that_go_wrong(
    authority: CertificateAuthority,
) -> None:
    issued = issue(authority)
    assert issued.not_before == NOW - timedelta(hours=1)
    assert issued.not_after == NOW + timedelta(days=1095)
    assert leaf(issued).not_valid_before_utc == datetime(2026, 11, 20, 23, tzinfo=UTC)


def test_an_aware_moment_and_the_same_in_china_time_give_the_same_dates(
    authority: CertificateAuthority,
) -> None:
    aware = authority.issue_device(
        CODE, "鞍钢", "210302", 1, datetime(2026, 11, 21, 0, 0, tzinfo=UTC)
    )
    assert aware.not_before == issue(authority).not_before


def test_a_leaf_does_not_outlive_its_issuer(authority: CertificateAuthority) -> None:
    issuer_end = authority_certificate(authority, DEVICE_CA).not_valid_after_utc
    late = NOW + timedelta(days=15 * 365 - 10)
    assert leaf(authority.issue_device(CODE, "鞍钢", "", 1, late)).not_valid_after_utc == issuer_end
    with pytest.raises(AuthorityError, match="有效期为空"):
        authority.issue_device(CODE, "鞍钢", "", 1, late + timedelta(days=10))
    with pytest.raises(AuthorityError, match="有效期为空"):
        authority.issue_device(CODE, "鞍钢", "", 1, NOW, days=0)


@pytest.mark.parametrize("length", [21, 22, 64, 65, 300])
def test_a_long_chinese_name_is_cut_in_the_subject_and_kept_in_the_register(
    authority: CertificateAuthority, length: int
) -> None:
    name = "辽" * length
    issued = issue(authority, name)
    subject = leaf(issued).subject
    common_name = str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    assert len(common_name.encode()) <= 64
    assert common_name == name if length == 21 else common_name == "辽" * 20 + "…"
    organization = str(subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value)
    assert organization == name[:64]
    assert issued.name == name


@pytest.mark.parametrize("name", ["", "  \t", "鞍\x00钢", "鞍\ud800钢", "鞍\n钢"])
def test_a_name_that_nobody_can_read_is_refused(authority: CertificateAuthority, name: str) -> None:
    with pytest.raises(AuthorityError, match="单位名称"):
        issue(authority, name)


def test_a_full_width_space_within_a_name_is_kept(authority: CertificateAuthority) -> None:
    assert issue(authority, " 鞍山　钢铁 ").name == "鞍山　钢铁"


@pytest.mark.parametrize("code", ["", "9121000057397305", "91210000573973053I", CODE.lower()])
def test_an_ill_formed_credit_code_is_refused(authority: CertificateAuthority, code: str) -> None:
    with pytest.raises(AuthorityError, match="统一社会信用代码"):
        authority.issue_device(code, "鞍钢", "210302", 1, NOW)


@pytest.mark.parametrize("device", [0, -1, 1_000_000])
def test_a_device_number_out_of_range_is_refused(
    authority: CertificateAuthority, device: int
) -> None:
    with pytest.raises(AuthorityError, match="端设备序号"):
        issue(authority, device=device)


def test_the_largest_device_number_comes_back_from_the_certificate(
    authority: CertificateAuthority,
) -> None:
    issued = issue(authority, device=999_999)
    assert identity_of(leaf(issued).public_bytes(Encoding.DER)).device == 999_999


def test_a_server_certificate_names_its_hosts_and_addresses(
    authority: CertificateAuthority,
) -> None:
    issued = authority.issue_server(["platform.example", "10.1.2.3", "::1", "能耗.example"], NOW)
    certificate = leaf(issued)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        "platform.example",
        "能耗".encode("idna").decode() + ".example",
    ]
    assert names.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address("10.1.2.3"),
        ipaddress.ip_address("::1"),
    ]
    assert extended_usage(certificate) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert issued.issuer == (authority.directory / "server-ca.pem").read_bytes()


@pytest.mark.parametrize("hosts", [[], [""], ["a b"], ["-x"], ["x" * 64], ["能 耗"]])
def test_a_server_without_a_proper_host_name_is_refused(
    authority: CertificateAuthority, hosts: list[str]
) -> None:
    with pytest.raises(AuthorityError, match="主机名"):
        authority.issue_server(hosts, NOW)


def test_a_host_name_longer_than_a_common_name_is_issued_all_the_same(
    authority: CertificateAuthority,
) -> None:
    host = ".".join(["abcdefghij"] * 9)
    names = leaf(authority.issue_server([host], NOW)).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == [host]


@pytest.mark.parametrize(
    ("name", "path_length", "purpose"),
    [
        (ROOT, 1, None),
        (DEVICE_CA, 0, ExtendedKeyUsageOID.CLIENT_AUTH),
        (SERVER_CA, 0, ExtendedKeyUsageOID.SERVER_AUTH),
    ],
)
def test_each_authority_is_bounded_to_its_place_and_purpose(
    authority: CertificateAuthority,
    name: str,
    path_length: int,
    purpose: x509.ObjectIdentifier | None,
) -> None:
    certificate = authority_certificate(authority, name)
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=path_length)
    if purpose is not None:
        assert extended_usage(certificate) == [purpose]
        certificate.verify_directly_issued_by(authority_certificate(authority, ROOT))


def test_an_opened_authority_issues_under_the_same_root(authority: CertificateAuthority) -> None:
    again = CertificateAuthority.open(authority.directory)
    issued = issue(again)
    assert issued.root == issue(authority).root == authority.root_file.read_bytes()
    leaf(issued).verify_directly_issued_by(authority_certificate(authority, DEVICE_CA))


def test_keys_are_encrypted_and_with_the_seal_readable_by_the_owner_only(
    authority: CertificateAuthority,
) -> None:
    directory = authority.directory
    secrets = [*directory.glob("*.key"), directory / "seal"]
    assert {path.name for path in secrets} == {
        "root.key",
        "device-ca.key",
        "server-ca.key",
        "seal",
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    with pytest.raises(TypeError, match="encrypted"):
        load_pem_private_key((directory / "root.key").read_bytes(), None)


def test_a_second_authority_does_not_overwrite_the_first(authority: CertificateAuthority) -> None:
    before = authority.root_file.read_bytes()
    with pytest.raises(AuthorityError, match="已有证书签发机构"):
        CertificateAuthority.create(authority.directory, NOW)
    assert authority.root_file.read_bytes() == before


@pytest.mark.parametrize("missing", ["seal", "root.pem", "device-ca.key"])
def test_an_incomplete_authority_is_named_as_such(
    authority: CertificateAuthority, missing: str
) -> None:
    (authority.directory / missing).unlink()
    with pytest.raises(AuthorityError, match=f"缺少.*{missing}"):
        CertificateAuthority.open(authority.directory)


def test_an_authority_whose_parts_do_not_belong_together_is_refused(
    authority: CertificateAuthority,
) -> None:
    (authority.directory / "root.pem").write_bytes(
        (authority.directory / "device-ca.pem").read_bytes()
    )
    with pytest.raises(AuthorityError, match="已损坏"):
        CertificateAuthority.open(authority.directory)
    (authority.directory / "seal").write_text("wrong")
    with pytest.raises(AuthorityError, match="已损坏"):
        CertificateAuthority.open(authority.directory)


def test_an_empty_revocation_list_of_each_authority_is_published_at_once(
    authority: CertificateAuthority,
) -> None:
    for name in (ROOT, DEVICE_CA, SERVER_CA):
        crl = x509.load_pem_x509_crl((authority.directory / f"{name}.crl").read_bytes())
        assert list(crl) == []
        assert crl.is_signature_valid(authority_certificate(authority, name).public_key())  # type: ignore[arg-type]
        assert crl.next_update_utc == datetime(2026, 11, 21, tzinfo=UTC) + timedelta(
            days=400 if name == ROOT else 30
        )


def test_a_published_list_names_who_is_revoked(authority: CertificateAuthority) -> None:
    serial = int(issue(authority).serial, 16)
    path = authority.publish_revocations(DEVICE_CA, [(serial, NOW)], NOW + timedelta(days=1))
    crl = x509.load_pem_x509_crl(path.read_bytes())
    revoked = crl.get_revoked_certificate_by_serial_number(serial)
    assert revoked is not None
    assert revoked.revocation_date_utc == datetime(2026, 11, 21, tzinfo=UTC)
