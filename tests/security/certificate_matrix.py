"""The certificate matrix as data: who shows which certificate, and whether he may pass.

A row makes credentials for an algorithm and a way of contact; most are the same in every way, some
change between the first contact and the second (`Case.turn`). What a way is, and the platform
that is contacted, is the runner's (`tests/platform/web/test_certificate_matrix.py`): it gives each
row a `Ground`. `COLUMNS` says which ways there are for an algorithm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nenghao.security.authority import Issued
from nenghao.security.identity import serial_text, unit_urn
from nenghao.security.leaves import (
    Signer,
    china,
    key_identifier_of,
    key_pem,
    key_usage,
    pem,
    utc,
)
from nenghao.standard import credit_code
from tests.security.sm2_leaves import Sm2Key, Sm2Signer, self_signed, sm2_key

CODE = "91210000573973053F"
OTHER_CODE = credit_code.complete("91210102MA0000001")
NAME = "鞍山第一钢铁有限公司"
REGION = "210302"
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH

NEW, KEPT, RESUMED_12, RESUMED_13 = "new", "kept-alive", "resumed-1.2", "resumed-1.3"
NGINX, SPOOFED = "behind nginx", "behind nginx, spoofed header"
FRESH = (NEW, NGINX, SPOOFED)
"""One contact only, on a connection of its own."""
WAYS = [NEW, KEPT, RESUMED_12, RESUMED_13, NGINX, SPOOFED]

OWN, FOREIGN, OUTSIDE, BETWEEN = "own", "foreign", "outside", "between"
"""Who signs: our device CA; somebody else's; a CA that was taken in, rule `subject:serialNumber`,
its list with it; a CA below that one, or beside ours, that nobody was told of."""


@cache
def _p256() -> Any:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def _rsa2048() -> Any:
    return rsa.generate_private_key(65537, 2048)


@cache
def _rsa1024() -> Any:
    return rsa.generate_private_key(65537, 1024)


SM2 = "sm2"
ALGORITHMS: dict[str, Callable[[], Any]] = {"p256": _p256, "rsa2048": _rsa2048, SM2: sm2_key}
"""Name of the algorithm, and the key that its certificates are for."""

COLUMNS = [
    *((way, algorithm) for algorithm in ("p256", "rsa2048") for way in WAYS),
    # RFC 8998 is TLS 1.3 alone, and this nginx speaks none of it
    *((way, SM2) for way in (NEW, KEPT, RESUMED_13)),
]


@dataclass(frozen=True)
class Credentials:
    """What a client shows."""

    chain: bytes
    key: bytes


@dataclass(frozen=True)
class Case:
    """One row on one way: what is shown, and what happens between the contacts."""

    shown: Credentials
    turn: Callable[[], None] = field(default=lambda: None)
    speaks_for: str = CODE
    """The unit whose deviceId the client names; it has a registered device 1."""


class Ground(Protocol):
    """The platform that is contacted, as far as rows need it."""

    folder: Path
    now: datetime

    def signer(self, whose: str, key: Any) -> Signer | Sm2Signer:
        """OWN, FOREIGN, OUTSIDE or BETWEEN, for a certificate of this key."""

    def issue_server(self, key: Any) -> Issued:
        """A server's certificate of our own, of this kind of key."""

    def register(self, issued: Issued) -> None:
        """Enter a certificate in the register."""

    def revoke(self, serial: str) -> None:
        """As an operator does: register and list."""

    def advance(self, time: timedelta) -> None:
        """Let the platform's clock go on."""

    def renew(self, shown: Credentials) -> Credentials:
        """Renew over the connection of a valid certificate (SM2: by hand); the new one."""


@dataclass(frozen=True)
class Row:
    """One kind of certificate."""

    name: str
    passes: bool
    make: Callable[[Ground, Any, str], Case]
    """(ground, key, way)."""
    not_with: tuple[str, ...] = ()
    """With these algorithms it does not pass although it does with others."""

    def passes_with(self, algorithm: str) -> bool:
        return self.passes and algorithm not in self.not_with


def leaf(
    ground: Ground,
    key: Any,
    *,
    signer: str = OWN,
    begin: datetime | None = None,
    days: float = 30,
    usage: x509.KeyUsage | None = None,
    purpose: Any = CLIENT,
    code: str = CODE,
    name: str = NAME,
    attributes: tuple[x509.NameAttribute[str], ...] = (),
    registered: bool = True,
) -> tuple[Credentials, Issued]:
    """A device's certificate, right in everything that is not said."""
    by = ground.signer(signer, key)
    begin = utc(begin or ground.now - timedelta(hours=1))
    named = attributes or (
        x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, f"NTRCN-{code}"),
        x509.NameAttribute(NameOID.COMMON_NAME, name),
    )
    described = (
        _described(x509.Name(named), by.certificate.subject, begin, begin + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage or key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(unit_urn(code, 1))]),
            critical=False,
        )
        .add_extension(key_identifier_of(by.certificate), critical=False)
    )
    certificate = _signed(described, key, by)
    issued = Issued(
        serial=serial_text(certificate.serial_number),
        not_before=china(certificate.not_valid_before_utc),
        not_after=china(certificate.not_valid_after_utc),
        certificate=pem(certificate),
        issuer=pem(by.certificate),
        root=b"",
        private_key=b"",
        credit_code=code,
        name=name,
        region=REGION,
        device=1,
    )
    if registered:
        ground.register(issued)
    return Credentials(issued.chain, _key_pem(key)), issued


def _described(
    subject: x509.Name, issuer: x509.Name, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def _signed(
    described: x509.CertificateBuilder, key: Any, by: Signer | Sm2Signer
) -> x509.Certificate:
    if isinstance(by, Sm2Signer):
        return by.sign(described, key)
    digest = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    described = described.public_key(key.public_key()).add_extension(digest, critical=False)
    return described.sign(by.key, hashes.SHA256())


def _key_pem(key: Any) -> bytes:
    return key.pem if isinstance(key, Sm2Key) else key_pem(key)


def _valid(ground: Ground, key: Any, way: str) -> Case:
    return Case(leaf(ground, key)[0])


def _expired(ground: Ground, key: Any, way: str) -> Case:
    if way in FRESH:
        return Case(leaf(ground, key, begin=ground.now - timedelta(days=40), days=39)[0])
    # it ends while the connection, or the session, lives
    return Case(leaf(ground, key, days=1)[0], lambda: ground.advance(timedelta(days=2)))


def _not_yet_valid(ground: Ground, key: Any, way: str) -> Case:
    return Case(leaf(ground, key, begin=ground.now + timedelta(days=1))[0])


def _wrong_ca(ground: Ground, key: Any, way: str) -> Case:
    # registered, so that nothing but the handshake stands in the way
    return Case(leaf(ground, key, signer=FOREIGN)[0])


def _same_serial_of_a_foreign_ca(ground: Ground, key: Any, way: str) -> Case:
    """A CA taken in from outside copies every name of ours, below a CA of its own making."""
    shown, _ = leaf(ground, key, signer=OUTSIDE, registered=False)
    return Case(shown)


def _revoked(ground: Ground, key: Any, way: str) -> Case:
    shown, issued = leaf(ground, key)
    if way in FRESH:
        ground.revoke(issued.serial)
        return Case(shown)
    return Case(shown, lambda: ground.revoke(issued.serial))


def _other_units(ground: Ground, key: Any, way: str) -> Case:
    return Case(leaf(ground, key, code=OTHER_CODE)[0], speaks_for=CODE)


def _servers(ground: Ground, key: Any, way: str) -> Case:
    issued = ground.issue_server(key)
    return Case(Credentials(issued.chain, issued.private_key))


def _wrong_purpose(ground: Ground, key: Any, way: str) -> Case:
    return Case(leaf(ground, key, purpose=SERVER)[0])


def _wrong_usage(ground: Ground, key: Any, way: str) -> Case:
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=True,
        data_encipherment=False, key_agreement=False, key_cert_sign=False, crl_sign=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return Case(leaf(ground, key, usage=usage)[0])


def _rsa_1024(ground: Ground, key: Any, way: str) -> Case:
    return Case(leaf(ground, _rsa1024())[0])


def _self_signed(ground: Ground, key: Any, way: str) -> Case:
    # of every algorithm: its issuer is itself
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, f"NTRCN-{CODE}")])
    begin = utc(ground.now - timedelta(hours=1))
    described = _described(subject, subject, begin, begin + timedelta(days=30))
    described = described.add_extension(x509.ExtendedKeyUsage([CLIENT]), critical=False)
    if isinstance(key, Sm2Key):
        certificate = self_signed(described, key, ground.folder)
    else:
        certificate = described.public_key(key.public_key()).sign(key, hashes.SHA256())
    return Case(Credentials(pem(certificate), _key_pem(key)))


def _missing_intermediate(ground: Ground, key: Any, way: str) -> Case:
    shown, issued = leaf(ground, key, signer=BETWEEN, registered=False)
    return Case(Credentials(issued.certificate, shown.key))


def _unregistered(ground: Ground, key: Any, way: str) -> Case:
    return Case(leaf(ground, key, registered=False)[0])


def _renamed(ground: Ground, key: Any, way: str) -> Case:
    return Case(leaf(ground, key, name="改了名的钢铁公司")[0])


def _renamed_by_hand(ground: Ground, key: Any, way: str) -> Case:
    """One letter of the subject changed after signing."""
    shown, issued = leaf(ground, key, name="AAAA")
    der = x509.load_pem_x509_certificate(issued.certificate)
    changed = x509.load_der_x509_certificate(
        der.public_bytes(Encoding.DER).replace(b"AAAA", b"AAAB")
    )
    return Case(Credentials(pem(changed) + issued.issuer, shown.key))


def _outside(ground: Ground, key: Any, way: str) -> Case:
    attributes = (x509.NameAttribute(NameOID.SERIAL_NUMBER, CODE),)
    return Case(leaf(ground, key, signer=OUTSIDE, attributes=attributes, registered=False)[0])


def _old_in_overlap(ground: Ground, key: Any, way: str) -> Case:
    shown, _ = leaf(ground, key)
    return Case(shown, lambda: void(ground.renew(shown)))


def _new_in_overlap(ground: Ground, key: Any, way: str) -> Case:
    return Case(ground.renew(leaf(ground, key)[0]))


def void(value: object) -> None:
    """For a turn that gives something nobody needs."""


ROWS = [
    Row("valid", True, _valid),
    Row("expired", False, _expired),
    Row("not yet valid", False, _not_yet_valid),
    Row("wrong CA", False, _wrong_ca),
    Row("our names from a CA taken in from outside", False, _same_serial_of_a_foreign_ca),
    Row("revoked", False, _revoked),
    Row("other unit's", False, _other_units),
    Row("server's as client", False, _servers),
    Row("wrong extended key usage", False, _wrong_purpose),
    Row("wrong key usage", False, _wrong_usage),
    Row("RSA-1024", False, _rsa_1024),
    Row("self-signed", False, _self_signed),
    Row("missing intermediate", False, _missing_intermediate),
    Row("unregistered", False, _unregistered),
    Row("renamed CN", True, _renamed),
    Row("renamed by hand", False, _renamed_by_hand),
    # the SM2 listener takes no certificates but those of the platform's own SM2 authority
    Row("outside issuer's", True, _outside, not_with=(SM2,)),
    Row("old one in overlap", True, _old_in_overlap),
    Row("renewed in overlap", True, _new_in_overlap),
]
