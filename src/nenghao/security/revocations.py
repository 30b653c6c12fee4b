"""Revocation lists (证书吊销列表, CRL): written for our own CAs, read from outside ones.

Which certificates are revoked is kept by the platform's register, which is asked on every
request; a list is the same knowledge for the TLS handshake and for gateways in front.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import Struct

from nenghao.security.identity import serial_text
from nenghao.security.leaves import BACKDATED, UNREADABLE, Signer, china, key_identifier_of, utc
from nenghao.security.names import AuthorityError

_KEYS = (
    rsa.RSAPublicKey,
    ec.EllipticCurvePublicKey,
    dsa.DSAPublicKey,
    ed25519.Ed25519PublicKey,
    ed448.Ed448PublicKey,
)


class RevocationList(Struct, frozen=True):
    """A list as it was read; times are China Standard Time."""

    number: int
    """0 where it has none."""
    last_update: datetime
    next_update: datetime | None
    """From then on it says nothing any more."""
    serials: Mapping[str, datetime]
    """When each was revoked, by its serial in lower-case hex."""
    pem: bytes

    def is_current(self, now: datetime) -> bool:
        """Whether it still says something."""
        return self.next_update is not None and now < self.next_update


def build(
    signer: Signer, revoked: Iterable[tuple[int, datetime]], now: datetime, days: int, after: int
) -> bytes:
    """A list (PEM) of (serial, when revoked), numbered above `after`, valid for `days`."""
    begin = utc(now) - BACKDATED
    number = max(int(utc(now).timestamp()), after + 1)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(signer.certificate.subject)
        .last_update(begin)
        .next_update(begin + BACKDATED + timedelta(days=days))
        .add_extension(key_identifier_of(signer.certificate), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for serial, when in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial)
        builder = builder.add_revoked_certificate(entry.revocation_date(utc(when)).build())
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def read(path: Path) -> RevocationList | None:
    """The list in a file; None when there is none that can be read."""
    try:
        return parse(path.read_bytes())
    except (OSError, AuthorityError):
        return None


def parse(data: bytes, issuer: x509.Certificate | None = None) -> RevocationList:
    """A list in PEM or DER. Raises AuthorityError: unreadable, or not signed by `issuer`."""
    try:
        load = x509.load_pem_x509_crl if b"-----BEGIN" in data else x509.load_der_x509_crl
        found = load(data)
        numbers = [
            one.value.crl_number
            for one in found.extensions
            if isinstance(one.value, x509.CRLNumber)
        ]
        serials = {serial_text(one.serial_number): china(one.revocation_date_utc) for one in found}
        begin, end = found.last_update_utc, found.next_update_utc
        is_theirs = issuer is None or _is_signed_by(found, issuer)
    except UNREADABLE as e:
        raise AuthorityError("吊销列表无法解析（应为 PEM 或 DER 格式的 CRL）") from e
    if not is_theirs:
        raise AuthorityError("吊销列表不是这个签发机构签发的")
    return RevocationList(
        number=max(numbers, default=0),
        last_update=china(begin),
        next_update=None if end is None else china(end),
        serials=serials,
        pem=found.public_bytes(Encoding.PEM),
    )


def _is_signed_by(found: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    key = issuer.public_key()
    if not isinstance(key, _KEYS) or found.issuer != issuer.subject:
        return False
    try:
        return found.is_signature_valid(key)
    except (InvalidSignature, *UNREADABLE):
        return False
