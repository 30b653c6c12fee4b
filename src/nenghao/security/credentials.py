"""Handing keys out: a device's folder of credentials (端设备证书) and the server's pair of files.

Writing only; what is issued comes from `security.authority`, how it is used is
`security.contexts`.

The PKCS#12 file is for fielded devices, whose Java or Windows loads nothing else. It is
encrypted with pbeWithSHAAnd3-KeyTripleDES-CBC and an HMAC of SHA-1: Java before 8u301 and
Windows before Server 2019 know no newer one, and OpenSSL 3 still loads it without its legacy
provider (unlike RC2-40). That is sound here because the password is 192 random bits: nobody
guesses it however fast the key derivation is, so what remains is the 112 bits of three-key
Triple-DES over a file of a few blocks, and HMAC-SHA-1, which collisions of SHA-1 do not touch.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from nenghao.security import sm2_certificates
from nenghao.security.authority import Issued
from nenghao.security.files import write_public, write_secret

_SECRET = frozenset({"device.key", "device.p12", "device.p12.password"})

KDF_ROUNDS = 10_000
"""Java refuses more than 5,000,000; with a random password the number adds nothing."""


def write_credentials(out_dir: Path, issued: Issued, unit_json: Mapping[str, object]) -> None:
    """Write everything a device needs into `out_dir` (created if absent, files replaced).

    | file | content | mode |
    |---|---|---|
    | device.pem | leaf and issuing CA | 0644 |
    | device.key | PKCS#8, not encrypted | 0600 |
    | ca.pem | root, which the device trusts | 0644 |
    | device.p12 | leaf, issuing CA, key | 0600 |
    | device.p12.password | its password, no newline | 0600 |
    | unit.json | `unit_json` (code, name, region, regionName, device) | 0644 |

    Without a key (the device made it itself) only device.pem, ca.pem and unit.json.
    """
    _write(out_dir, issued, "unit.json", unit_json)


def credential_files(
    issued: Issued, about: Mapping[str, object], name: str = "unit.json"
) -> dict[str, bytes]:
    """The same files by name, nothing written: for whoever hands them on otherwise."""
    files = {}
    if issued.private_key:
        password = secrets.token_urlsafe(24)
        files["device.key"] = issued.private_key
        bundle = _sm2_bundle if sm2_certificates.is_sm2(issued.certificate) else pkcs12_of
        files["device.p12"] = bundle(issued, password)
        files["device.p12.password"] = password.encode("ascii")
    files["device.pem"] = issued.chain
    files["ca.pem"] = issued.root
    text = json.dumps(dict(about), ensure_ascii=False, indent=2)
    files[name] = text.encode() + b"\n"
    return files


def write_province(out_dir: Path, issued: Issued, about: Mapping[str, object]) -> None:
    """The same for the platform of a province, with province.json in place of unit.json."""
    _write(out_dir, issued, "province.json", about)


def _write(out_dir: Path, issued: Issued, name: str, about: Mapping[str, object]) -> None:
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    for each, content in credential_files(issued, about, name).items():
        write = write_secret if each in _SECRET else write_public
        write(out_dir / each, content)


def write_server(out_dir: Path, issued: Issued) -> tuple[Path, Path]:
    """Write `server.pem` (leaf and issuing CA) and `server.key` (0600); returns both paths.

    A running listener (`contexts.renewing_server_context`) takes the new pair up by itself.
    """
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    chain, key = out_dir / "server.pem", out_dir / "server.key"
    write_secret(key, issued.private_key)
    write_public(chain, issued.chain)
    return chain, key


def pkcs12_of(issued: Issued, password: str) -> bytes:
    """Leaf, issuing CA and key as PKCS#12 under `password`; see the module for the cipher."""
    key = load_pem_private_key(issued.private_key, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise TypeError("our authority issues P-256 and RSA keys only")
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(KDF_ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())  # noqa: S303 — see the module's docstring  # nosec B303
        .build(password.encode("ascii"))
    )
    return pkcs12.serialize_key_and_certificates(
        b"device",
        key,
        x509.load_pem_x509_certificate(issued.certificate),
        [x509.load_pem_x509_certificate(issued.issuer)],
        encryption,
    )


def _sm2_bundle(issued: Issued, password: str) -> bytes:
    """For fielded devices of national cryptography; what loads SM2 loads the newer ciphers."""
    return sm2_certificates.pkcs12_of(issued.private_key, issued.chain, password)
