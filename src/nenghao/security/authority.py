"""The certificate authority (证书签发机构): root, device CA and server CA, and what they issue.

```
root (pathlen 1) ─┬─ device CA (pathlen 0, clientAuth) ── devices
                  └─ server CA (pathlen 0, serverAuth) ── the platform's listeners
```
Two issuing CAs, because the platform trusts the device CA alone for clients: a server's
certificate can never pass for a device. The CAs' keys are P-256, all signatures ECDSA with
SHA-256; a device's key is P-256 or RSA-2048, or its own (`requests`).

How the keys lie encrypted is `ca_keys`' business. The root's key is only needed to make the
issuing CAs and the root's own list, so it may be kept elsewhere (an offline root); an authority
whose passphrase was not given is locked: its certificates are there, signing is refused. Which
certificates exist and which are revoked is kept by the platform's register, not here. `now`
comes in as China Standard Time when naive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from nenghao.security import revocations, subjects
from nenghao.security.ca_keys import AuthorityLocked, Seal, is_sealed, is_sealed_by_passphrase
from nenghao.security.files import write_public
from nenghao.security.identity import serial_text
from nenghao.security.leaves import (
    BACKDATED,
    Algorithm,
    PublicKey,
    Signer,
    builder,
    china,
    key_identifier_of,
    key_pem,
    key_usage,
    make_authority,
    new_key,
    pem,
    utc,
)
from nenghao.security.names import AuthorityError
from nenghao.security.subjects import Holder

ROOT: Final = "root"
DEVICE_CA: Final = "device-ca"
SERVER_CA: Final = "server-ca"

ROOT_DAYS = 20 * 365
ISSUING_DAYS = 15 * 365
LIST_DAYS: Mapping[str, int] = {ROOT: 400, DEVICE_CA: 30, SERVER_CA: 30}
"""How long a revocation list is valid: the root's is published by hand, once a year."""

__all__ = ["AuthorityError", "AuthorityLocked", "CertificateAuthority", "Issued"]


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
    """PKCS#8, not encrypted; empty when the device made its key itself."""
    credit_code: str = ""
    """Unit of a device's certificate; "" for a province's and a server's."""
    name: str = ""
    """Full name of the unit, also where the subject holds only its beginning; or the host."""
    region: str = ""
    device: int = 0

    @property
    def chain(self) -> bytes:
        """Leaf and issuing CA: what its holder sends in the handshake."""
        return self.certificate + self.issuer


class CertificateAuthority:
    """Root, device CA and server CA in one folder. Make one with `create`, later `open` it."""

    def __init__(
        self,
        directory: Path,
        certificates: Mapping[str, x509.Certificate],
        keys: Mapping[str, ec.EllipticCurvePrivateKey],
        seal: Seal | None = None,
    ) -> None:
        self.directory = directory
        self._certificates = certificates
        self._keys = keys
        self._seal = seal

    @classmethod
    def create(
        cls,
        directory: Path,
        now: datetime,
        *,
        passphrase: str | None = None,
        root_directory: Path | None = None,
    ) -> CertificateAuthority:
        """Make a new CA in `directory` (the CA's own folder, created with mode 0700).

        Writes per authority `NAME.pem`, `NAME.key` and an empty `NAME.crl` for NAME in `root`,
        `device-ca`, `server-ca`. The keys are sealed by a key file, or by `passphrase`. With
        `root_directory` the root's key goes there, sealed for itself, and not into `directory`.
        Raises `AuthorityError` if a CA is there already.
        """
        directory = Path(directory)
        root_directory = directory if root_directory is None else Path(root_directory)
        for folder in {directory, root_directory}:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if is_sealed(folder) or any(folder.glob("*.key")):
                raise AuthorityError(f"{folder} 中已有证书签发机构")
        begin = utc(now) - BACKDATED
        root = make_authority("能耗在线监测 根 CA", None, None, begin, ROOT_DAYS)
        signers = {ROOT: root}
        for name, title in ((DEVICE_CA, "端设备 CA"), (SERVER_CA, "服务器 CA")):
            signers[name] = make_authority(
                f"能耗在线监测 {title}", root, _PURPOSE[name], begin, ISSUING_DAYS
            )
        seal = Seal.fresh(passphrase)
        root_seal = seal if root_directory == directory else Seal.fresh(passphrase)
        authority = cls(
            directory,
            {name: signer.certificate for name, signer in signers.items()},
            {name: signer.key for name, signer in signers.items()},
            seal,
        )
        root_seal.write_key(root_directory / f"{ROOT}.key", root.key)
        write_public(root_directory / f"{ROOT}.pem", pem(root.certificate))
        if root_directory != directory:
            root_seal.write(root_directory)
        for name, signer in signers.items():
            if name != ROOT:
                seal.write_key(directory / f"{name}.key", signer.key)
            write_public(directory / f"{name}.pem", pem(signer.certificate))
            authority.publish_revocations(name, (), now)
        seal.write(directory)  # last: with it the CA is complete
        return authority

    @classmethod
    def open(cls, directory: Path, passphrase: str | None = None) -> CertificateAuthority:
        """Open the CA in `directory`; without a `passphrase` that it needs it is locked.

        Raises `AuthorityError` when a part is missing or damaged, or the passphrase is wrong.
        The root's key may be missing.
        """
        directory = Path(directory)
        by_passphrase = is_sealed_by_passphrase(directory)
        try:
            certificates = {
                name: _certificate(directory, name) for name in (ROOT, DEVICE_CA, SERVER_CA)
            }
            if by_passphrase and passphrase is None:
                return cls(directory, certificates, {})
            seal = Seal.of(directory, passphrase)
            names = [DEVICE_CA, SERVER_CA]
            if (directory / f"{ROOT}.key").exists():
                names.append(ROOT)
            keys = {name: _key(directory, name, seal, certificates[name]) for name in names}
        except FileNotFoundError as e:
            raise AuthorityError(f"{directory} 中没有完整的证书签发机构：缺少 {e.filename}") from e
        except (ValueError, TypeError, KeyError) as e:
            reason = "口令不对，或密钥或证书已损坏" if by_passphrase else "密钥或证书已损坏"
            raise AuthorityError(f"{directory} 中的证书签发机构无法打开：{reason}") from e
        return cls(directory, certificates, keys, seal)

    @classmethod
    def open_root(cls, root_directory: Path, passphrase: str | None = None) -> CertificateAuthority:
        """Open a root that is kept apart: it can only publish its own list. Errors as `open`."""
        directory = Path(root_directory)
        try:
            certificates = {ROOT: _certificate(directory, ROOT)}
            seal = Seal.of(directory, passphrase)
            keys = {ROOT: _key(directory, ROOT, seal, certificates[ROOT])}
        except FileNotFoundError as e:
            raise AuthorityError(f"{directory} 中没有根 CA 的密钥：缺少 {e.filename}") from e
        except (ValueError, TypeError, KeyError) as e:
            raise AuthorityError(f"{directory} 中的根 CA 无法打开：口令不对，或已损坏") from e
        return cls(directory, certificates, keys)

    @property
    def is_locked(self) -> bool:
        """Whether nothing can be signed, for want of the passphrase."""
        return not self._keys

    @property
    def seal(self) -> Seal:
        """What its keys are sealed under, for an authority beside it. Raises `AuthorityLocked`."""
        if self._seal is None:
            raise AuthorityLocked("签发机构的密钥以口令封存，需要口令才能签发")
        return self._seal

    @property
    def has_root_key(self) -> bool:
        """Whether the root itself can sign."""
        return ROOT in self._keys

    @property
    def root_file(self) -> Path:
        """PEM of the root: what devices trust (`ca.pem` of their credentials)."""
        return self.directory / f"{ROOT}.pem"

    @property
    def client_ca_file(self) -> Path:
        """PEM of the device CA alone: the only CA of ours that a device listener trusts."""
        return self.directory / f"{DEVICE_CA}.pem"

    @property
    def root_pem(self) -> bytes:
        """The root's certificate."""
        return pem(self._certificates[ROOT])

    def issue_device(
        self,
        credit_code: str,
        name: str,
        region: str,
        device: int,
        now: datetime,
        days: int = 1095,
        *,
        algorithm: Algorithm = "p256",
        key: PublicKey | None = None,
    ) -> Issued:
        """Issue a client certificate to device number `device` of a unit.

        For the device's own `key` (of a request that was checked), else for a fresh one of
        `algorithm`. `name` is the unit's full name; the subject holds what X.520 has room for. It
        ends `days` after `now`, at the latest with the CA. Raises `AuthorityError` for an
        ill-formed code, a blank name or a device number outside 1–999999, `AuthorityLocked`.
        """
        holder = subjects.device(credit_code, name, device)
        issued = self._issue(DEVICE_CA, holder, now, days, algorithm, key)
        return msgspec.structs.replace(
            issued, credit_code=credit_code, name=holder.name, region=region, device=device
        )

    def issue_province(
        self,
        region: str,
        name: str,
        now: datetime,
        days: int = 1095,
        *,
        algorithm: Algorithm = "p256",
        key: PublicKey | None = None,
    ) -> Issued:
        """Issue a client certificate to the platform of province `region`, named `name`.

        As `issue_device`, by the same CA; it names a province in place of a unit. Raises
        `AuthorityError` for a region that is no province's.
        """
        holder = subjects.province(region, name)
        issued = self._issue(DEVICE_CA, holder, now, days, algorithm, key)
        return msgspec.structs.replace(issued, name=holder.name, region=region)

    def issue_server(self, hosts: Sequence[str], now: datetime, days: int = 825) -> Issued:
        """Issue a server certificate with a fresh key for DNS names and IP addresses `hosts`."""
        holder = subjects.server(hosts)
        issued = self._issue(SERVER_CA, holder, now, days)
        return msgspec.structs.replace(issued, name=holder.name)

    def publish_revocations(
        self,
        name: str,
        revoked: Iterable[tuple[int, datetime]],
        now: datetime,
        days: int = 0,
        folder: Path | None = None,
    ) -> Path:
        """Write authority `name`'s revocation list (CRL, PEM) of (serial, when revoked).

        It stands in `folder` (the CA's own by default) as `NAME.crl`, for `days` or as long as
        lists of that CA usually do. Raises `AuthorityLocked`.
        """
        path = (folder or self.directory) / f"{name}.crl"
        before = revocations.read(path)
        after = 0 if before is None else before.number
        days = days or LIST_DAYS[name]
        write_public(path, revocations.build(self._signer(name), revoked, now, days, after))
        return path

    def _signer(self, name: str) -> Signer:
        key = self._keys.get(name)
        if key is None:
            why = "密钥不在本机（离线根）" if self._keys else "密钥以口令封存，需要口令才能签发"
            raise AuthorityLocked(f"签发机构 {name} 的{why}")
        return Signer(self._certificates[name], key)

    def _issue(
        self,
        signer_name: str,
        holder: Holder,
        now: datetime,
        days: int,
        algorithm: Algorithm = "p256",
        own_key: PublicKey | None = None,
    ) -> Issued:
        signer = self._signer(signer_name)
        begin = utc(now) - BACKDATED
        end = min(utc(now) + timedelta(days=days), signer.certificate.not_valid_after_utc)
        if end <= utc(now):
            raise AuthorityError("证书有效期为空：签发机构已到期，或有效天数不是正数")
        key = None if own_key is not None else new_key(algorithm)
        public_key = key.public_key() if key is not None else own_key
        assert public_key is not None  # noqa: S101 - one of the two
        certificate = (
            builder(holder.subject, public_key, begin, end)
            .issuer_name(signer.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([_PURPOSE[signer_name]]), critical=False)
            .add_extension(x509.SubjectAlternativeName(holder.names), critical=False)
            .add_extension(key_identifier_of(signer.certificate), critical=False)
            .sign(signer.key, hashes.SHA256())
        )
        return Issued(
            serial=serial_text(certificate.serial_number),
            not_before=china(certificate.not_valid_before_utc),
            not_after=china(certificate.not_valid_after_utc),
            certificate=pem(certificate),
            issuer=pem(signer.certificate),
            root=self.root_pem,
            private_key=b"" if key is None else key_pem(key),
        )


_PURPOSE = {
    DEVICE_CA: ExtendedKeyUsageOID.CLIENT_AUTH,
    SERVER_CA: ExtendedKeyUsageOID.SERVER_AUTH,
}


def _certificate(directory: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((directory / f"{name}.pem").read_bytes())


def _key(
    directory: Path, name: str, seal: Seal, certificate: x509.Certificate
) -> ec.EllipticCurvePrivateKey:
    key = seal.read_key(directory / f"{name}.key")
    if key.public_key() != certificate.public_key():
        raise ValueError(f"{name}: key and certificate do not belong together")
    return key
