"""SM2 keys and certificates (国密 SM2 密钥和证书), through the `openssl` command.

`cryptography` can neither make nor load an SM2 key, and Python's `ssl` cannot either; what it can
do is encode certificates and lists. So each is built with a P-256 key in the place of the SM2 one,
then the key and the two names of algorithms are put in: they are of the same length for both
curves (SubjectPublicKeyInfo 91 bytes, identifiers of 8), so that nothing else moves. What is to be
signed is signed by `openssl dgst -sm3`, with the identifier of GM/T 0009 that TLS stacks expect.

Keys that are sealed stay so on disk: `openssl` gets the secret through a pipe, never as an
argument or in its environment. The commands need OpenSSL 3.0 or later.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from nenghao.security.names import AuthorityError

IDENTIFIER: Final = "1234567812345678"
"""Whom an SM2 signature names where nothing else was agreed (GM/T 0009-2012, 10)."""
SIGNATURE_OID: Final = "1.2.156.10197.1.501"
"""SM2 with SM3 (GB/T 33560)."""

_SECONDS = 60
_SPKI_BYTES = 91
_SPKI_HEAD = bytes.fromhex("3059301306072a8648ce3d0201 06082a811ccf5501822d 034200")
_SM2_WITH_SM3 = bytes.fromhex("300a06082a811ccf55018375")
_ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


def is_sm2(certificate: bytes) -> bool:
    """Whether the first certificate of a PEM file is signed with SM2; False for what is none."""
    try:
        leaf = x509.load_pem_x509_certificates(certificate)[0]
    except ValueError:
        return False
    return leaf.signature_algorithm_oid.dotted_string == SIGNATURE_OID


def new_key() -> bytes:
    """A fresh SM2 key, PKCS#8 in PEM, not encrypted. Raises AuthorityError, as all here."""
    return _openssl(
        ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:SM2",
         "-pkeyopt", "ec_param_enc:named_curve"],
    )  # fmt: skip


def public_of(key: bytes) -> bytes:
    """The SubjectPublicKeyInfo (DER) of an SM2 key that is not encrypted."""
    spki = _openssl(["pkey", "-pubout", "-outform", "DER"], key)
    if len(spki) != _SPKI_BYTES or not spki.startswith(_SPKI_HEAD):
        raise AuthorityError("openssl 没有生成 SM2 密钥")
    return spki


def sealed(key: bytes, secret: bytes) -> bytes:
    """The key encrypted under `secret` (PKCS#8, AES-256), PEM."""
    return _openssl(["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout"], key, secret)


def key_digest(spki: bytes) -> bytes:
    """The subject key identifier: SHA-1 of the point (RFC 5280, 4.2.1.2)."""
    return hashlib.sha1(spki[-65:], usedforsecurity=False).digest()


def certificate_for(
    builder: x509.CertificateBuilder, spki: bytes, key_file: Path, secret: bytes
) -> bytes:
    """The certificate (PEM) that `builder` describes, for an SM2 key, signed by a sealed one.

    `builder` has everything but the key; what it says of keys must come from `key_digest`.
    """
    stand_in = ec.generate_private_key(ec.SECP256R1())
    made = builder.public_key(stand_in.public_key()).sign(stand_in, hashes.SHA256())
    place = stand_in.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    tbs = _put(made.tbs_certificate_bytes, place, spki)
    return _signed(tbs, key_file, secret, "CERTIFICATE")


def list_for(
    builder: x509.CertificateRevocationListBuilder, key_file: Path, secret: bytes
) -> bytes:
    """The revocation list (PEM) that `builder` describes, signed by a sealed SM2 key."""
    made = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return _signed(made.tbs_certlist_bytes, key_file, secret, "X509 CRL")


def pkcs12_of(key: bytes, chain: bytes, password: str) -> bytes:
    """Key and certificates (PEM) as PKCS#12 under `password`."""
    return _openssl(
        ["pkcs12", "-export", "-name", "device", "-passout"], key + chain, password.encode()
    )


def _signed(tbs: bytes, key_file: Path, secret: bytes, label: str) -> bytes:
    tbs = _put(tbs, _ECDSA_WITH_SHA256, _SM2_WITH_SM3)
    signature = _openssl(
        ["dgst", "-sm3", "-sigopt", f"distid:{IDENTIFIER}", "-sign", str(key_file), "-passin"],
        tbs,
        secret,
    )
    der = _tagged(0x30, tbs + _SM2_WITH_SM3 + _tagged(0x03, b"\0" + signature))
    text = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN {label}-----\n{text}\n-----END {label}-----\n".encode()


def _put(tbs: bytes, stand_in: bytes, real: bytes) -> bytes:
    if tbs.count(stand_in) != 1 or len(stand_in) != len(real):
        raise AuthorityError("SM2 证书的结构与预期不符")
    return tbs.replace(stand_in, real)


def _tagged(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _openssl(arguments: list[str], given: bytes = b"", secret: bytes | None = None) -> bytes:
    """What the command writes; a `secret` is the value of the last argument, through a pipe."""
    command = shutil.which("openssl")
    if command is None:
        raise AuthorityError("SM2 证书需要 openssl 命令（3.0 以上），如 apt-get install openssl")
    inherited: tuple[int, ...] = ()
    if secret is not None:
        heard, told = os.pipe()
        os.write(told, secret + b"\n")  # far less than a pipe holds
        os.close(told)
        inherited = (heard,)
        arguments = [*arguments, f"fd:{heard}"]
    try:
        done = subprocess.run(  # noqa: S603 - arguments are ours, never a stranger's text
            [command, *arguments],
            input=given,
            capture_output=True,
            timeout=_SECONDS,
            pass_fds=inherited,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AuthorityError(f"openssl 命令无法运行：{error}") from error
    finally:
        for descriptor in inherited:
            os.close(descriptor)
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"退出码 {done.returncode}"
        raise AuthorityError(f"openssl {arguments[0]} 失败：{reason}")
    return done.stdout
