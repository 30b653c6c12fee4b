"""SM2 certificates that say what a test wants, right or wrong; the authority makes right ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509

from nenghao.security import sm2_certificates as sm2
from nenghao.security.sm2_authority import Sm2Authority


@dataclass(frozen=True)
class Sm2Key:
    """A key, PEM and not encrypted, with its SubjectPublicKeyInfo."""

    pem: bytes
    spki: bytes


@cache
def sm2_key() -> Sm2Key:
    """The same one for a whole run: each call of openssl takes its time."""
    pem = sm2.new_key()
    return Sm2Key(pem, sm2.public_of(pem))


@dataclass(frozen=True)
class Sm2Signer:
    """What signs: a sealed key, and the certificate of its CA."""

    certificate: x509.Certificate
    key_file: Path
    secret: bytes

    @classmethod
    def of(cls, authority: Sm2Authority, name: str) -> Sm2Signer:
        certificate = x509.load_pem_x509_certificate(
            (authority.directory / f"{name}.pem").read_bytes()
        )
        return cls(certificate, authority.directory / f"{name}.key", authority._secret)

    def sign(self, described: x509.CertificateBuilder, key: Sm2Key) -> x509.Certificate:
        """The certificate that is described, for this key."""
        digest = x509.SubjectKeyIdentifier(sm2.key_digest(key.spki))
        described = described.add_extension(digest, critical=False)
        made = sm2.certificate_for(described, key.spki, self.key_file, self.secret)
        return x509.load_pem_x509_certificate(made)


def self_signed(described: x509.CertificateBuilder, key: Sm2Key, folder: Path) -> x509.Certificate:
    """The certificate that is described, signed by its own key."""
    sealed = folder / "self-signed.key"
    sealed.write_bytes(sm2.sealed(key.pem, b"a secret of the tests"))
    made = sm2.certificate_for(described, key.spki, sealed, b"a secret of the tests")
    return x509.load_pem_x509_certificate(made)
