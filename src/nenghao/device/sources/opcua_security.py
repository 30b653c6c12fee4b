"""Certificates of OPC UA (OPC UA 证书): the device's own, the server's, and a user's.

The device's own certificate is made on first use if none is given; the server's engineer has to
put it on the server's list of trusted ones. The server's certificate is a file that the settings
name, its own or its authority's; without one the first that is met is kept, and another later is
refused (首次信任). Who the server is, is thus never left unchecked after the first connection.
"""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from asyncua import ua
from asyncua.crypto import cert_gen, security_policies, validator
from asyncua.crypto.uacrypto import CertProperties
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from msgspec import Struct

from nenghao.device.sources.base import FaultKind, SourceFault
from nenghao.device.sources.opcua_client import Client
from nenghao.security.files import write_public, write_secret

Policy = Literal["None", "Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"]
Mode = Literal["Sign", "SignAndEncrypt"]

FOLDER = "opcua"
"""Of the device's directory: own certificate and key, kept certificates of servers."""

VALID_DAYS = 3650

_POLICIES: dict[str, Any] = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128Sha256RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256Sha256RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}


class KeyPair(Struct, frozen=True):
    """A certificate and its key, as DER."""

    certificate: bytes
    key: bytes

    @property
    def application_uri(self) -> str:
        """The name that OPC UA knows the application by; empty: the certificate has none."""
        try:
            names = x509.load_der_x509_certificate(
                self.certificate
            ).extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            return ""
        uris = names.value.get_values_for_type(x509.UniformResourceIdentifier)
        return uris[0] if uris else ""


def load_pair(home_dir: Path, certificate: str, private_key: str) -> KeyPair:
    """Certificate and key from files, PEM or DER; SourceFault (configuration) names the bad one."""
    content = _read(home_dir / private_key, private_key)
    try:
        is_pem = b"-----BEGIN" in content
        key = (
            serialization.load_pem_private_key(content, None)
            if is_pem
            else serialization.load_der_private_key(content, None)
        )
    except (ValueError, TypeError):
        raise _configuration(f"{private_key} 不是可用的私钥（PEM 或 DER，无密码）") from None
    found = load_certificate(home_dir, certificate)
    if not isinstance(key, rsa.RSAPrivateKey) or found.public_key() != key.public_key():
        raise _configuration(f"{certificate} 与 {private_key} 不是一对 RSA 证书和私钥")
    return KeyPair(found.public_bytes(Encoding.DER), _der(key))


def load_certificate(home_dir: Path, name: str) -> x509.Certificate:
    """A certificate from a file, PEM or DER."""
    content = _read(home_dir / name, name)
    try:
        if b"-----BEGIN" in content:
            return x509.load_pem_x509_certificate(content)
        return x509.load_der_x509_certificate(content)
    except ValueError:
        raise _configuration(f"{name} 不是可用的证书（PEM 或 DER）") from None


def own_pair(home_dir: Path) -> KeyPair:
    """The device's own certificate and key, made if there is none yet. Takes a second then."""
    folder = home_dir / FOLDER
    certificate, key_file = folder / "device.der", folder / "device.key"
    if not (certificate.exists() and key_file.exists()):
        folder.mkdir(parents=True, exist_ok=True)
        key = cert_gen.generate_private_key()
        host = socket.gethostname()
        names: list[x509.GeneralName] = [
            x509.UniformResourceIdentifier(f"urn:{host}:nenghao:device"),
            x509.DNSName(host),
        ]
        made = cert_gen.generate_self_signed_app_certificate(
            key,
            f"nenghao@{host}"[:64],
            {},
            names,
            extended=[ExtendedKeyUsageOID.CLIENT_AUTH],
            days=VALID_DAYS,
        )
        write_secret(key_file, cert_gen.dump_private_key_as_pem(key))
        write_public(certificate, made.public_bytes(Encoding.DER))
    return load_pair(home_dir, f"{FOLDER}/device.der", f"{FOLDER}/device.key")


class ServerTrust:
    """Whether a server's certificate is the right one."""

    def __init__(self, home_dir: Path, source: str, url: str, given: str) -> None:
        self._home_dir = home_dir
        self._given = given
        clean = re.sub(r"[^\w.-]", "_", source)
        tag = hashlib.sha256(url.encode()).hexdigest()[:8]
        self._kept = f"{FOLDER}/server-{clean}-{tag}.der"

    def check(self, offered: bytes, client: Client) -> None:
        """SourceFault (credentials) for a certificate that is not the trusted one."""
        if not self._given:
            if (self._home_dir / self._kept).exists():
                known = load_certificate(self._home_dir, self._kept)
                if known.public_bytes(Encoding.DER) != offered:
                    raise _untrusted(
                        f"服务器证书与首次连接时不同（SHA-256 {_fingerprint(offered)}）；"
                        f"如确已更换，请删除 {self._kept}"
                    )
            return
        trusted = load_certificate(self._home_dir, self._given)
        if trusted.public_bytes(Encoding.DER) == offered:
            return
        try:
            x509.load_der_x509_certificate(offered).verify_directly_issued_by(trusted)
        except (ValueError, TypeError, InvalidSignature):
            text = f"服务器证书（SHA-256 {_fingerprint(offered)}）不是 {self._given}，也不由其签发"
            raise _untrusted(text) from None
        options = validator.CertificateValidatorOptions
        client.certificate_validator = validator.CertificateValidator(
            options.TIME_RANGE | options.PEER_SERVER
        )

    def keep(self, offered: bytes) -> None:
        """The server has proved that the certificate is its own: the first one met is kept."""
        path = self._home_dir / self._kept
        if not self._given and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_public(path, offered)


async def secure(
    client: Client, policy: Policy, mode: Mode, own: KeyPair, trust: ServerTrust
) -> bytes:
    """Asks the server for its certificate and prepares the secure channel; returns it (DER)."""
    chosen = _POLICIES[policy]
    security_mode = ua.MessageSecurityMode[mode]
    endpoints = await client.connect_and_get_server_endpoints()
    offered = _offered(endpoints, chosen.URI, security_mode)
    trust.check(offered, client)
    client.application_uri = own.application_uri or client.application_uri
    await client.set_security(
        chosen,
        CertProperties(own.certificate, "der"),
        CertProperties(own.key, "der"),
        server_certificate=CertProperties(offered, "der"),
        mode=security_mode,
    )
    return offered


def _offered(endpoints: Sequence[Any], uri: str, mode: ua.MessageSecurityMode) -> bytes:
    for one in endpoints:
        if (one.SecurityPolicyUri, one.SecurityMode) == (uri, mode) and one.ServerCertificate:
            content = bytes(one.ServerCertificate)
            length = int.from_bytes(content[2:4], "big") + 4  # the first of a chain
            return content[:length]
    there = sorted(
        {f"{one.SecurityPolicyUri.rpartition('#')[2]}/{one.SecurityMode.name}" for one in endpoints}
    )
    raise _configuration(f"服务器不提供所配置的安全策略和模式，可用：{'、'.join(there) or '无'}")


def _read(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _configuration(f"无法读取 {name}：{error.strerror}") from None


def _der(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _fingerprint(certificate: bytes) -> str:
    return hashlib.sha256(certificate).hexdigest().upper()


def _configuration(text: str) -> SourceFault:
    return SourceFault(FaultKind.CONFIGURATION, text)


def _untrusted(text: str) -> SourceFault:
    return SourceFault(FaultKind.CREDENTIALS, text)
