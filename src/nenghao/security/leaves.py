"""How certificates are built (证书的结构): keys, extensions and dates that all of ours share.

What is issued to whom is `authority`'s business; lists of the revoked are built in `revocations`.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID, ObjectIdentifier

from nenghao.clock import CST

BACKDATED = timedelta(hours=1)
"""How long before `now` a certificate begins: clocks in plants are not exact."""

Algorithm = Literal["p256", "rsa2048"]
"""What key a device is given when it does not make its own."""
PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What `cryptography` raises for X.509 that cannot be read; not all of it is a ValueError."""


class Signer(NamedTuple):
    """A CA that can sign."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def new_key(algorithm: Algorithm = "p256") -> PrivateKey:
    """A fresh key."""
    if algorithm == "rsa2048":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: PrivateKey) -> bytes:
    """PKCS#8, not encrypted."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def spki(key: PublicKey) -> bytes:
    """The public key as certificates and requests hold it: what identifies a key."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def make_authority(
    name: str,
    parent: Signer | None,
    purpose: ObjectIdentifier | None,
    begin: datetime,
    days: int,
) -> Signer:
    """A CA certificate: the root without `parent`, else an issuing CA for one `purpose` only."""
    key = ec.generate_private_key(ec.SECP256R1())
    # The suffix keeps two platforms' authorities apart where both names lie in one trust store.
    common_name = f"{name} {secrets.token_hex(4)}"
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    made = (
        builder(subject, key.public_key(), begin, begin + BACKDATED + timedelta(days=days))
        .issuer_name(parent.certificate.subject if parent else subject)
        .add_extension(
            x509.BasicConstraints(ca=True, path_length=0 if parent else 1), critical=True
        )
        .add_extension(key_usage(signs_certificates=True), critical=True)
    )
    if purpose is not None:
        made = made.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if parent is not None:
        made = made.add_extension(key_identifier_of(parent.certificate), critical=False)
    signing_key = parent.key if parent else key
    return Signer(made.sign(signing_key, hashes.SHA256()), key)


def builder(
    subject: x509.Name, public_key: PublicKey, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    """What every certificate of ours begins with; a random serial number."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def key_identifier_of(signer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """The authority key identifier that VERIFY_X509_STRICT asks for: the signer's SKI."""
    identifier = signer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value)


def key_usage(
    *, digital_signature: bool = False, signs_certificates: bool = False
) -> x509.KeyUsage:
    """A key usage extension with these two and nothing else."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def pem(certificate: x509.Certificate) -> bytes:
    """A certificate as text."""
    return certificate.public_bytes(Encoding.PEM)


def utc(moment: datetime) -> datetime:
    """A naive moment is China Standard Time; certificates count in UTC, by the second."""
    aware = moment.replace(tzinfo=CST) if moment.tzinfo is None else moment
    return aware.astimezone(UTC).replace(microsecond=0)


def china(moment: datetime) -> datetime:
    """An aware moment as naive China Standard Time.

    Certificates that never end say 9999-12-31 23:59:59 UTC (RFC 5280, 4.1.2.5), which is beyond
    what a `datetime` of China can say: that becomes the last one there is.
    """
    try:
        return moment.astimezone(CST).replace(tzinfo=None)
    except OverflowError:
        return datetime(9999, 12, 31, 23, 59, 59)
