"""What the CA signs for a device that made its own key, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from nenghao.security.leaves import spki
from nenghao.security.requests import RequestRefused, key_of_request, make_request


def request(key: Any, algorithm: Any = None) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name)
    return made.sign(key, algorithm).public_bytes(Encoding.PEM)


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["P-256", "P-384", "RSA-2048"],
)
def test_a_sound_key_is_taken(key: Any) -> None:
    assert spki(key_of_request(make_request(key, "x"))) == spki(key.public_key())


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda: request(rsa.generate_private_key(65537, 1024), hashes.SHA256()), "1024"),
        (lambda: request(rsa.generate_private_key(3, 2048), hashes.SHA256()), "RSA"),
        (lambda: request(ec.generate_private_key(ec.SECP192R1()), hashes.SHA256()), "P-256"),
        (lambda: request(ed25519.Ed25519PrivateKey.generate()), "P-256"),
        (lambda: b"", "无法解析"),
        (lambda: b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n", "无法解析"),
        (lambda: b"x" * 20_000, "过大"),
    ],
    ids=["RSA-1024", "exponent 3", "P-192", "Ed25519", "nothing", "half", "huge"],
)
def test_any_other_is_refused(made: Any, why: str) -> None:
    with pytest.raises(RequestRefused, match=why):
        key_of_request(made())


def test_a_request_for_somebody_elses_key_is_refused() -> None:
    """The signature proves that the asker holds the key: with another's it does not."""
    der = x509.load_pem_x509_csr(
        make_request(ec.generate_private_key(ec.SECP256R1()), "x")
    ).public_bytes(Encoding.DER)
    mine = x509.load_der_x509_csr(der).public_key().public_bytes
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    old = mine(Encoding.X962, PublicFormat.UncompressedPoint)
    new = other.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    forged = x509.load_der_x509_csr(der.replace(old, new)).public_bytes(Encoding.PEM)
    with pytest.raises(RequestRefused, match="签名不成立"):
        key_of_request(forged)
