"""Who a certificate speaks for, and which certificates speak for nobody."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from nenghao.security.identity import (
    IdentityError,
    PeerIdentity,
    identity_of,
    is_province,
    province_urn,
    serial_text,
    unit_urn,
)

CODE = "91210000573973053F"
OTHER = "91210100MA0YE7UX1B"


def certificate(identifiers: list[str], uris: list[str], serial: int = 0xAB12) -> bytes:
    """DER of a certificate with these names; who signed it does not matter here."""
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, "单位")]
    attributes += [x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, i) for i in identifiers]
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(attributes))
        .issuer_name(x509.Name(attributes))
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=1))
    )
    if uris:
        names = [x509.UniformResourceIdentifier(uri) for uri in uris]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.clause("6.1-1")
def test_unit_device_and_serial_are_read_from_the_certificate() -> None:
    der = certificate([f"NTRCN-{CODE}"], [unit_urn(CODE, 7)])
    assert identity_of(der) == PeerIdentity(
        credit_code=CODE,
        device=7,
        serial="ab12",
        sha256=hashlib.sha256(der).hexdigest(),
        not_before=datetime(2026, 1, 1, 8),
        not_after=datetime(2026, 1, 2, 8),
    )


def test_a_certificate_without_a_device_name_is_device_1() -> None:
    assert identity_of(certificate([f"NTRCN-{CODE}"], [])).device == 1


def test_names_of_other_schemes_beside_ours_are_ignored() -> None:
    der = certificate([f"NTRCN-{CODE}"], ["https://example.com/x", unit_urn(CODE, 3)])
    assert identity_of(der).device == 3
    assert identity_of(certificate([f"NTRCN-{CODE}"], ["https://example.com/x"])).device == 1


@pytest.mark.parametrize(
    ("identifiers", "uris", "reason"),
    [
        ([], [unit_urn(CODE, 1)], "没有 organizationIdentifier"),
        ([f"NTRCN-{CODE}", f"NTRCN-{OTHER}"], [], "多个 organizationIdentifier"),
        ([CODE], [], "应为 NTRCN-"),
        ([f"VATCN-{CODE}"], [], "应为 NTRCN-"),
        (["NTRCN-9121000057397305"], [], "应为 NTRCN-"),
        ([f"NTRCN-{CODE} "], [], "应为 NTRCN-"),
        ([f"NTRCN-{CODE}"], [unit_urn(OTHER, 1)], "不一致"),
        ([f"NTRCN-{CODE}"], [unit_urn(CODE, 1), unit_urn(CODE, 2)], "多个端设备名称"),
        ([f"NTRCN-{CODE}"], [f"urn:nenghao:unit:{CODE}:device:0"], "端设备名称应为"),
        ([f"NTRCN-{CODE}"], [f"urn:nenghao:unit:{CODE}:device:01"], "端设备名称应为"),
        ([f"NTRCN-{CODE}"], [f"urn:nenghao:unit:{CODE}"], "端设备名称应为"),
    ],
)
def test_a_certificate_that_names_no_unit_or_two_is_refused(
    identifiers: list[str], uris: list[str], reason: str
) -> None:
    with pytest.raises(IdentityError, match=reason):
        identity_of(certificate(identifiers, uris))


@pytest.mark.parametrize("der", [b"", b"\x30\x00", b"no certificate"])
def test_bytes_that_are_no_certificate_are_refused(der: bytes) -> None:
    with pytest.raises(IdentityError, match="无法解析"):
        identity_of(der)


def test_the_same_bytes_are_read_once() -> None:
    der = certificate([f"NTRCN-{CODE}"], [unit_urn(CODE, 2)])
    assert identity_of(der) is identity_of(bytes(der))


def test_serials_are_lower_hex_without_leading_zeros() -> None:
    assert serial_text(0x0F0A) == "f0a"


def test_province_is_read_from_its_name_and_is_no_unit() -> None:
    found = identity_of(certificate([], [province_urn("210000")]))
    assert (found.province, found.credit_code, found.device) == ("210000", "", 0)
    assert identity_of(certificate([f"NTRCN-{CODE}"], [])).province == ""


@pytest.mark.parametrize(
    ("identifiers", "uris"),
    [
        ([f"NTRCN-{CODE}"], [province_urn("210000")]),
        ([], [province_urn("210100")]),
        ([], [province_urn("000000")]),
        ([], [province_urn("210000"), province_urn("220000")]),
        ([], [province_urn("210000"), unit_urn(CODE, 1)]),
        ([], [province_urn("210000") + ":x"]),
    ],
)
def test_certificate_that_names_a_province_and_more_names_nobody(
    identifiers: list[str], uris: list[str]
) -> None:
    with pytest.raises(IdentityError):
        identity_of(certificate(identifiers, uris))


def test_province_has_two_digits_and_four_zeros() -> None:
    codes = ("210000", "000000", "210100", "2100000", "21000", "２10000", "")
    assert [code for code in codes if is_province(code)] == ["210000"]
