"""Who a client certificate speaks for (证书身份): unit, device number and serial.

The certificate is only read here; that a trusted CA signed it was settled by the TLS handshake
(`security.contexts`), and whether its serial is registered and not revoked is asked of the
platform's register on every request. What our CA writes (`security.authority`):

- subject organizationIdentifier (2.5.4.97) = `NTRCN-<credit code>`: the unit (用能单位);
- URI SAN `urn:nenghao:unit:<credit code>:device:<n>`: the device (端设备) of that unit;
- URI SAN `urn:nenghao:province:<region>` instead, and no organizationIdentifier: the platform of
  a province (省级平台), which a national platform lets speak for the province's units.

A certificate without the URI is device 1 of its unit, since an outside CA does not know our
numbering (docs/decisions 5). Where an outside CA writes the credit code is a rule per issuer:
`issuers`.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from functools import lru_cache

import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID

from nenghao.security.leaves import UNREADABLE, china
from nenghao.standard import credit_code as credit_codes

IDENTIFIER_PREFIX = "NTRCN-"
"""ETSI EN 319 412-1: national trade register of China, in front of the credit code."""

_URN_PREFIX = "urn:nenghao:"
_PROVINCE_URN = re.compile(r"urn:nenghao:province:([1-9][0-9]0000)", re.ASCII)
_UNIT_URN = re.compile(r"urn:nenghao:unit:([^:]+):device:([1-9][0-9]{0,5})", re.ASCII)


class IdentityError(Exception):
    """The certificate does not name a unit; the text says why, in Chinese."""


class PeerIdentity(msgspec.Struct, frozen=True):
    """What a device's certificate says about its holder, or a province's."""

    credit_code: str
    """Unified social credit code (统一社会信用代码) of the unit, 18 characters; "" of provinces."""
    device: int
    """Number of the device within its unit, from 1; 0 of a province."""
    serial: str
    """Serial number of the certificate, lower-case hex without leading zeros."""
    sha256: str = ""
    """Hex digest of the certificate (DER): another one with the same names and serial is not it."""
    issuer: str = ""
    """SHA-256 of the outside issuer's certificate, hex; "" for one of our own CA."""
    not_before: datetime | None = None
    not_after: datetime | None = None
    """Both in China Standard Time."""
    province: str = ""
    """Region code (行政区划代码) of the province whose platform it is; "" of a device."""

    def has_expired(self, now: datetime) -> bool:
        """Whether it ended meanwhile: a connection may be older than that."""
        return self.not_after is not None and now > self.not_after


def unit_urn(credit_code: str, device: int) -> str:
    """The URI SAN that names a device: `urn:nenghao:unit:<credit code>:device:<n>`."""
    return f"urn:nenghao:unit:{credit_code}:device:{device}"


def province_urn(region: str) -> str:
    """The URI SAN that names a province's platform: `urn:nenghao:province:<region>`."""
    return f"urn:nenghao:province:{region}"


def is_province(region: str) -> bool:
    """Whether it has the form of a province's region code: two digits and four zeros."""
    return _PROVINCE_URN.fullmatch(province_urn(region)) is not None


def serial_text(serial: int) -> str:
    """A serial number as the register keeps it: lower-case hex without leading zeros."""
    return format(serial, "x")


@lru_cache(maxsize=8192)
def identity_of(der: bytes) -> PeerIdentity:
    """Read the holder's identity from a certificate in DER.

    Raises `IdentityError` when the certificate cannot be read, names no unit, names several, or
    contradicts itself. Kept in a cache: a device sends the same bytes with every request.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        codes = [
            str(attribute.value)
            for attribute in certificate.subject.get_attributes_for_oid(
                NameOID.ORGANIZATION_IDENTIFIER
            )
        ]
    except UNREADABLE as e:
        raise IdentityError("证书无法解析") from e
    region = _province(certificate)
    if region is None:
        return identity_with(certificate, der, _credit_code(codes))
    if codes:
        raise IdentityError("证书既有省级平台名称，又有 organizationIdentifier")
    return _identity(certificate, der, province=region)


def identity_with(
    certificate: x509.Certificate, der: bytes, credit_code: str, issuer: str = ""
) -> PeerIdentity:
    """The identity of a certificate whose credit code is known. Raises `IdentityError`."""
    try:
        uris = _uris(certificate)
    except UNREADABLE as e:
        raise IdentityError("证书无法解析") from e
    device = _device(credit_code, uris)
    return _identity(certificate, der, credit_code=credit_code, device=device, issuer=issuer)


def _identity(
    certificate: x509.Certificate,
    der: bytes,
    *,
    credit_code: str = "",
    device: int = 0,
    issuer: str = "",
    province: str = "",
) -> PeerIdentity:
    return PeerIdentity(
        credit_code=credit_code,
        device=device,
        serial=serial_text(certificate.serial_number),
        sha256=hashlib.sha256(der).hexdigest(),
        issuer=issuer,
        not_before=china(certificate.not_valid_before_utc),
        not_after=china(certificate.not_valid_after_utc),
        province=province,
    )


def _province(certificate: x509.Certificate) -> str | None:
    """The province that a name of ours speaks of; None where none does, or it cannot be read."""
    try:
        uris = _uris(certificate)
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return None  # whoever reads on says so
    ours = [uri for uri in uris if uri.startswith(_URN_PREFIX)]
    if len(ours) != 1:
        return None
    match = _PROVINCE_URN.fullmatch(ours[0])
    return None if match is None else match[1]


def _uris(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def _credit_code(identifiers: list[str]) -> str:
    if not identifiers:
        raise IdentityError("证书主体中没有 organizationIdentifier（2.5.4.97）")
    if len(identifiers) > 1:
        raise IdentityError("证书主体中有多个 organizationIdentifier")
    code = identifiers[0].removeprefix(IDENTIFIER_PREFIX)
    if code == identifiers[0] or not credit_codes.is_form(code):
        raise IdentityError("证书的 organizationIdentifier 应为 NTRCN- 加 18 位统一社会信用代码")
    return code


def _device(credit_code: str, uris: list[str]) -> int:
    """Number of the device; URIs of other schemes than ours are none of our business."""
    ours = [uri for uri in uris if uri.startswith(_URN_PREFIX)]
    if not ours:
        return 1
    if len(ours) > 1:
        raise IdentityError("证书中有多个端设备名称")
    match = _UNIT_URN.fullmatch(ours[0])
    if match is None:
        raise IdentityError(
            "证书中的端设备名称应为 urn:nenghao:unit:<统一社会信用代码>:device:<序号>"
        )
    if match[1] != credit_code:
        raise IdentityError("证书主体与端设备名称中的统一社会信用代码不一致")
    return int(match[2])
