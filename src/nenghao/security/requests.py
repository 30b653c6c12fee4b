"""Certificate signing requests (证书签名请求, CSR): made by a device, judged by the CA.

Of a request only the key counts, and that its holder has it (the signature). The names in it are
never taken over: who the holder is was settled before, by a one-time code or by the certificate
that is still valid.
"""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from nenghao.security.leaves import UNREADABLE, PrivateKey, PublicKey
from nenghao.security.names import AuthorityError

MAXIMUM_BYTES: Final = 16_384
_CURVES = (ec.SECP256R1, ec.SECP384R1)
_RSA_BITS = range(2048, 4097)


class RequestRefused(AuthorityError):
    """The request cannot be signed; the text says why, in Chinese."""


def make_request(key: PrivateKey, credit_code: str) -> bytes:
    """A request (PEM) for the holder of `key`; the code in it is for human readers alone."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, credit_code or "nenghao")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return request.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def key_of_request(pem: bytes) -> PublicKey:
    """The key to be certified. Raises RequestRefused: unreadable, not its holder's, or too weak.

    Taken are P-256, P-384 and RSA of 2048 to 4096 bits.
    """
    if len(pem) > MAXIMUM_BYTES:
        raise RequestRefused("证书签名请求过大")
    try:
        request = x509.load_pem_x509_csr(pem)
        key = request.public_key()
    except UNREADABLE as e:
        raise RequestRefused("证书签名请求无法解析（应为 PEM 格式的 PKCS#10）") from e
    checked = checked_key(key)
    try:
        holds = request.is_signature_valid
    except (InvalidSignature, *UNREADABLE):
        holds = False
    if not holds:
        raise RequestRefused("证书签名请求的签名不成立")
    return checked


def checked_key(key: object) -> PublicKey:
    """A public key that we certify. Raises RequestRefused for any other."""
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES):
        return key
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        if key.key_size in _RSA_BITS and numbers.e >= 65537:
            return key
        raise RequestRefused(f"RSA 密钥应为 2048 至 4096 位，收到 {key.key_size} 位")
    raise RequestRefused("密钥应为 P-256、P-384 或 RSA（2048 位以上）")
