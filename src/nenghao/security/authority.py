"""The certificate authority (证书签发机构): root, device CA and server CA, and what they issue.

```
root (pathlen 1) ─┬─ device CA (pathlen 0, clientAuth) ── devices
                  └─ server CA (pathlen 0, serverAuth) ── the platform's listeners
```
Two issuing CAs, because the platform trusts the device CA alone for clients: a server's
certificate can never pass for a device. All keys are P-256, all signatures ECDSA with SHA-256.

The CA's keys lie encrypted (PKCS#8, AES-256) in its folder; what opens them is a random
passphrase in the file `seal` of mode 0600 beside them, so no command ever prompts, and a copy
of the keys without that file is worth nothing. Which certificates exist and which are revoked
is kept by the platform's register, not here. `now` comes in as China Standard Time when naive.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from nenghao.clock import CST
from nenghao.security.files import write_public, write_secret
from nenghao.security.identity import IDENTIFIER_PREFIX, serial_text, unit_urn
from nenghao.security.names import AuthorityError, checked_name, cut, host_name
from nenghao.standard import credit_code as credit_codes

ROOT: Final = "root"
DEVICE_CA: Final = "device-ca"
SERVER_CA: Final = "server-ca"

BACKDATED = timedelta(hours=1)
"""How long before `now` a certificate begins: clocks in plants are not exact."""
ROOT_DAYS = 20 * 365
ISSUING_DAYS = 15 * 365
LIST_DAYS = 30
"""How long an empty revocation list is valid."""
MAXIMUM_DEVICE = 999_999

__all__ = ["AuthorityError", "CertificateAuthority", "Issued"]


class Issued(msgspec.Struct, frozen=True):
    """A certificate fresh from the CA, with its key; all PEM. Times are China Standard Time."""

    serial: str
    """Lower-case hex, as the register and `PeerIdentity` have it."""
    not_before: datetime
    not_after: datetime
    certificate: bytes
    """The leaf alone."""
    issuer: bytes
    """The issuing CA."""
    root: bytes
    private_key: bytes
    """PKCS#8, not encrypted."""
    credit_code: str = ""
    """Unit of a device's certificate; "" for a server."""
    name: str = ""
    """Full name of the unit, also where the subject holds only its beginning; or the host."""
    region: str = ""
    device: int = 0

    @property
    def chain(self) -> bytes:
        """Leaf and issuing CA: what its holder sends in the handshake."""
        return self.certificate + self.issuer


class _Signer(msgspec.Struct, frozen=True):
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class CertificateAuthority:
    """Root, device CA and server CA in one folder. Make one with `create`, later `open` it."""

    def __init__(self, directory: Path, signers: dict[str, _Signer]) -> None:
        self.directory = directory
        self._signers = signers

    @classmethod
    def create(cls, directory: Path, now: datetime) -> CertificateAuthority:
        """Make a new CA in `directory` (the CA's own folder, created with mode 0700).

        Writes per authority `NAME.pem`, `NAME.key` and an empty `NAME.crl` for NAME in `root`,
        `device-ca`, `server-ca`. Raises `AuthorityError` if a CA is there already.
        """
        directory = Path(directory)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _seal_path(directory).exists() or any(directory.glob("*.key")):
            raise AuthorityError(f"{directory} 中已有证书签发机构")
        begin = _utc(now) - BACKDATED
        root = _make_authority("能耗在线监测 根 CA", None, None, begin, ROOT_DAYS)
        signers = {
            ROOT: root,
            DEVICE_CA: _make_authority(
                "能耗在线监测 端设备 CA", root, ExtendedKeyUsageOID.CLIENT_AUTH, begin, ISSUING_DAYS
            ),
            SERVER_CA: _make_authority(
                "能耗在线监测 服务器 CA", root, ExtendedKeyUsageOID.SERVER_AUTH, begin, ISSUING_DAYS
            ),
        }
        passphrase = secrets.token_urlsafe(32).encode()
        authority = cls(directory, signers)
        for name, signer in signers.items():
            write_secret(directory / f"{name}.key", _sealed(signer.key, passphrase))
            write_public(directory / f"{name}.pem", _pem(signer.certificate))
            authority.publish_revocations(name, (), now)
        write_secret(_seal_path(directory), passphrase)  # last: with it the CA is complete
        return authority

    @classmethod
    def open(cls, directory: Path) -> CertificateAuthority:
        """Open the CA in `directory`. Raises `AuthorityError` when a part is missing or damaged."""
        directory = Path(directory)
        try:
            passphrase = _seal_path(directory).read_bytes()
            signers = {
                name: _load(directory, name, passphrase) for name in (ROOT, DEVICE_CA, SERVER_CA)
            }
        except FileNotFoundError as e:
            raise AuthorityError(f"{directory} 中没有完整的证书签发机构：缺少 {e.filename}") from e
        except (ValueError, TypeError) as e:
            raise AuthorityError(f"{directory} 中的证书签发机构无法打开：密钥或证书已损坏") from e
        return cls(directory, signers)

    @property
    def root_file(self) -> Path:
        """PEM of the root: what devices trust (`ca.pem` of their credentials)."""
        return self.directory / f"{ROOT}.pem"

    @property
    def client_ca_file(self) -> Path:
        """PEM of the device CA alone: the only issuer a device listener trusts."""
        return self.directory / f"{DEVICE_CA}.pem"

    def issue_device(
        self,
        credit_code: str,
        name: str,
        region: str,
        device: int,
        now: datetime,
        days: int = 1095,
    ) -> Issued:
        """Issue a client certificate with a fresh key to device number `device` of a unit.

        `name` is the unit's full name; the subject holds what X.520 has room for. It ends
        `days` after `now`, at the latest with the CA. Raises `AuthorityError` for an ill-formed
        code, a blank name or a device number outside 1–999999.
        """
        if not credit_codes.is_form(credit_code):
            raise AuthorityError("统一社会信用代码格式不合法")
        if not 1 <= device <= MAXIMUM_DEVICE:
            raise AuthorityError(f"端设备序号应为 1 至 {MAXIMUM_DEVICE}，收到 {device}")
        name = checked_name(name)
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
                # X.520 allows 64 characters of either; cryptography counts CN in bytes.
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, name[:64]),
                x509.NameAttribute(
                    NameOID.ORGANIZATION_IDENTIFIER, IDENTIFIER_PREFIX + credit_code
                ),
                x509.NameAttribute(NameOID.COMMON_NAME, cut(name, 64)),
            ]
        )
        urn = x509.UniformResourceIdentifier(unit_urn(credit_code, device))
        issued = self._issue(DEVICE_CA, subject, [urn], now, days)
        return msgspec.structs.replace(
            issued, credit_code=credit_code, name=name, region=region, device=device
        )

    def issue_server(self, hosts: Sequence[str], now: datetime, days: int = 825) -> Issued:
        """Issue a server certificate with a fresh key for DNS names and IP addresses `hosts`."""
        if not hosts:
            raise AuthorityError("服务器证书至少需要一个主机名或 IP 地址")
        names = [host_name(host) for host in dict.fromkeys(hosts)]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cut(hosts[0], 64))])
        issued = self._issue(SERVER_CA, subject, names, now, days)
        return msgspec.structs.replace(issued, name=hosts[0])

    def publish_revocations(
        self,
        name: str,
        revoked: Iterable[tuple[int, datetime]],
        now: datetime,
        days: int = LIST_DAYS,
    ) -> Path:
        """Write authority `name`'s revocation list (CRL, PEM) of (serial, when revoked)."""
        signer = self._signers[name]
        begin = _utc(now) - BACKDATED
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(signer.certificate.subject)
            .last_update(begin)
            .next_update(begin + BACKDATED + timedelta(days=days))
            .add_extension(_key_identifier_of(signer), critical=False)
            # Numbers must rise; seconds do so without a counter to keep.
            .add_extension(x509.CRLNumber(int(_utc(now).timestamp())), critical=False)
        )
        for serial, when in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial)
            builder = builder.add_revoked_certificate(entry.revocation_date(_utc(when)).build())
        path = self.directory / f"{name}.crl"
        write_public(path, builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.PEM))
        return path

    def _issue(
        self,
        signer_name: str,
        subject: x509.Name,
        names: Sequence[x509.GeneralName],
        now: datetime,
        days: int,
    ) -> Issued:
        signer = self._signers[signer_name]
        begin = _utc(now) - BACKDATED
        end = min(_utc(now) + timedelta(days=days), signer.certificate.not_valid_after_utc)
        if end <= _utc(now):
            raise AuthorityError("证书有效期为空：签发机构已到期，或有效天数不是正数")
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(subject, key.public_key(), begin, end)
            .issuer_name(signer.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([_PURPOSE[signer_name]]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(_key_identifier_of(signer), critical=False)
            .sign(signer.key, hashes.SHA256())
        )
        return Issued(
            serial=serial_text(certificate.serial_number),
            not_before=_china(certificate.not_valid_before_utc),
            not_after=_china(certificate.not_valid_after_utc),
            certificate=_pem(certificate),
            issuer=_pem(signer.certificate),
            root=_pem(self._signers[ROOT].certificate),
            private_key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        )


_PURPOSE = {
    DEVICE_CA: ExtendedKeyUsageOID.CLIENT_AUTH,
    SERVER_CA: ExtendedKeyUsageOID.SERVER_AUTH,
}


def _make_authority(
    name: str,
    parent: _Signer | None,
    purpose: ObjectIdentifier | None,
    begin: datetime,
    days: int,
) -> _Signer:
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
    builder = (
        _builder(subject, key.public_key(), begin, begin + BACKDATED + timedelta(days=days))
        .issuer_name(parent.certificate.subject if parent else subject)
        .add_extension(
            x509.BasicConstraints(ca=True, path_length=0 if parent else 1), critical=True
        )
        .add_extension(_key_usage(signs_certificates=True), critical=True)
    )
    if purpose is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if parent is not None:
        builder = builder.add_extension(_key_identifier_of(parent), critical=False)
    signing_key = parent.key if parent else key
    return _Signer(builder.sign(signing_key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, public_key: ec.EllipticCurvePublicKey, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_identifier_of(signer: _Signer) -> x509.AuthorityKeyIdentifier:
    """The authority key identifier that VERIFY_X509_STRICT asks for: the signer's SKI."""
    identifier = signer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value)


def _key_usage(
    *, digital_signature: bool = False, signs_certificates: bool = False
) -> x509.KeyUsage:
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


def _seal_path(directory: Path) -> Path:
    return directory / "seal"


def _sealed(key: ec.EllipticCurvePrivateKey, passphrase: bytes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))


def _load(directory: Path, name: str, passphrase: bytes) -> _Signer:
    certificate = x509.load_pem_x509_certificate((directory / f"{name}.pem").read_bytes())
    key = load_pem_private_key((directory / f"{name}.key").read_bytes(), passphrase)
    if (
        not isinstance(key, ec.EllipticCurvePrivateKey)
        or key.public_key() != certificate.public_key()
    ):
        raise ValueError(f"{name}: key and certificate do not belong together")
    return _Signer(certificate, key)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _utc(moment: datetime) -> datetime:
    """A naive moment is China Standard Time; certificates count in UTC, by the second."""
    aware = moment.replace(tzinfo=CST) if moment.tzinfo is None else moment
    return aware.astimezone(UTC).replace(microsecond=0)


def _china(moment: datetime) -> datetime:
    return moment.astimezone(CST).replace(tzinfo=None)
