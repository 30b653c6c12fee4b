"""The SM2 certificate authority (国密证书签发机构), beside that of P-256 (`authority`).

```
SM2 root ─┬─ SM2 device CA (clientAuth) ── devices
          └─ SM2 server CA (serverAuth) ── the platform's SM2 listener
```
RFC 8998 wants SM2 in every signature of a chain, so it is a tree of its own, in the folder `sm2`
of the CA's. Certificates say the same as those of P-256 and are registered alike. Signing is the
`openssl` command's work (`sm2_certificates`); what the keys are sealed under is the CA's seal.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from nenghao.security import revocations, subjects
from nenghao.security import sm2_certificates as sm2
from nenghao.security.authority import (
    DEVICE_CA,
    ISSUING_DAYS,
    ROOT,
    ROOT_DAYS,
    SERVER_CA,
    Issued,
)
from nenghao.security.files import write_public, write_secret
from nenghao.security.identity import serial_text
from nenghao.security.leaves import BACKDATED, china, key_identifier_of, key_usage, utc
from nenghao.security.names import AuthorityError
from nenghao.security.subjects import Holder

LIST_DAYS = 30


class Sm2Authority:
    """SM2 root, device CA and server CA in one folder. Make one with `create`, later `open` it."""

    def __init__(self, directory: Path, secret: bytes) -> None:
        self.directory = directory
        self._secret = secret

    def __repr__(self) -> str:
        return f"Sm2Authority({self.directory})"

    @classmethod
    def create(cls, directory: Path, secret: bytes, now: datetime) -> Sm2Authority:
        """Make a new one in `directory`, whole or not at all, its keys sealed under `secret`.

        Raises `AuthorityError` if there is one already or `openssl` cannot be used.
        """
        if directory.exists():
            raise AuthorityError(f"{directory} 中已有 SM2 签发机构")
        fresh = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}")
        fresh.mkdir(mode=0o700, parents=True)
        try:
            authority = cls(fresh, secret)
            authority._make(ROOT, "能耗在线监测 国密根 CA", None, now, ROOT_DAYS)
            for name, title, purpose in (
                (DEVICE_CA, "国密端设备 CA", ExtendedKeyUsageOID.CLIENT_AUTH),
                (SERVER_CA, "国密服务器 CA", ExtendedKeyUsageOID.SERVER_AUTH),
            ):
                authority._make(name, f"能耗在线监测 {title}", purpose, now, ISSUING_DAYS)
                authority.publish_revocations(name, (), now)
            fresh.rename(directory)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        return cls(directory, secret)

    @classmethod
    def open(cls, directory: Path, secret: bytes) -> Sm2Authority:
        """Open the one in `directory`. Raises `AuthorityError` when a part is missing."""
        for name in (ROOT, DEVICE_CA, SERVER_CA):
            for kind in ("pem", "key"):
                if not (directory / f"{name}.{kind}").exists():
                    raise AuthorityError(
                        f"{directory} 中没有完整的 SM2 签发机构：缺少 {name}.{kind}"
                    )
        return cls(directory, secret)

    @property
    def root_file(self) -> Path:
        """PEM of the root: what SM2 devices trust."""
        return self.directory / f"{ROOT}.pem"

    @property
    def client_ca_file(self) -> Path:
        """PEM of the device CA alone: the only issuer an SM2 listener trusts."""
        return self.directory / f"{DEVICE_CA}.pem"

    @property
    def list_file(self) -> Path:
        """The device CA's revocation list."""
        return self.directory / f"{DEVICE_CA}.crl"

    def issue_device(
        self,
        credit_code: str,
        name: str,
        region: str,
        device: int,
        now: datetime,
        days: int = 1095,
    ) -> Issued:
        """Issue a client certificate with a fresh SM2 key; as `CertificateAuthority` does."""
        holder = subjects.device(credit_code, name, device)
        issued = self._issue(DEVICE_CA, holder, ExtendedKeyUsageOID.CLIENT_AUTH, now, days)
        return msgspec.structs.replace(
            issued, credit_code=credit_code, name=holder.name, region=region, device=device
        )

    def issue_server(self, hosts: Sequence[str], now: datetime, days: int = 825) -> Issued:
        """Issue a server certificate with a fresh SM2 key for names and addresses `hosts`."""
        holder = subjects.server(hosts)
        issued = self._issue(SERVER_CA, holder, ExtendedKeyUsageOID.SERVER_AUTH, now, days)
        return msgspec.structs.replace(issued, name=holder.name)

    def publish_revocations(
        self, name: str, revoked: Iterable[tuple[int, datetime]], now: datetime
    ) -> Path:
        """Write authority `name`'s revocation list of (serial, when revoked).

        Serials of other CAs do no harm in it: serials are random.
        """
        path = self.directory / f"{name}.crl"
        before = revocations.read(path)
        number = max(int(utc(now).timestamp()), 0 if before is None else before.number + 1)
        issuer = self._certificate(name)
        begin = utc(now) - BACKDATED
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.subject)
            .last_update(begin)
            .next_update(utc(now) + timedelta(days=LIST_DAYS))
            .add_extension(key_identifier_of(issuer), critical=False)
            .add_extension(x509.CRLNumber(number), critical=False)
        )
        for serial, when in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial)
            builder = builder.add_revoked_certificate(entry.revocation_date(utc(when)).build())
        write_public(path, sm2.list_for(builder, self._key_file(name), self._secret))
        return path

    def _make(
        self, name: str, title: str, purpose: ObjectIdentifier | None, now: datetime, days: int
    ) -> None:
        """A CA: the root without `purpose`, which signs itself, else below the root."""
        key = sm2.new_key()
        spki = sm2.public_of(key)
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
                x509.NameAttribute(NameOID.COMMON_NAME, f"{title} {secrets.token_hex(4)}"),
            ]
        )
        issuer = self._certificate(ROOT) if purpose is not None else None
        begin = utc(now) - BACKDATED
        builder = _builder(subject, issuer.subject if issuer else subject, spki).not_valid_before(
            begin
        )
        builder = (
            builder.not_valid_after(utc(now) + timedelta(days=days))
            .add_extension(x509.BasicConstraints(True, 0 if purpose else 1), critical=True)
            .add_extension(key_usage(signs_certificates=True), critical=True)
        )
        if issuer is not None and purpose is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            builder = builder.add_extension(key_identifier_of(issuer), critical=False)
        write_secret(self._key_file(name), sm2.sealed(key, self._secret))
        signer = self._key_file(ROOT if issuer else name)
        pem = sm2.certificate_for(builder, spki, signer, self._secret)
        write_public(self.directory / f"{name}.pem", pem)

    def _issue(
        self,
        signer: str,
        holder: Holder,
        purpose: ObjectIdentifier,
        now: datetime,
        days: int,
    ) -> Issued:
        issuer = self._certificate(signer)
        end = min(utc(now) + timedelta(days=days), issuer.not_valid_after_utc)
        if end <= utc(now):
            raise AuthorityError("证书有效期为空：签发机构已到期，或有效天数不是正数")
        key = sm2.new_key()
        spki = sm2.public_of(key)
        builder = (
            _builder(holder.subject, issuer.subject, spki)
            .not_valid_before(utc(now) - BACKDATED)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectAlternativeName(holder.names), critical=False)
            .add_extension(key_identifier_of(issuer), critical=False)
        )
        pem = sm2.certificate_for(builder, spki, self._key_file(signer), self._secret)
        made = x509.load_pem_x509_certificate(pem)
        return Issued(
            serial=serial_text(made.serial_number),
            not_before=china(made.not_valid_before_utc),
            not_after=china(made.not_valid_after_utc),
            certificate=pem,
            issuer=issuer.public_bytes(Encoding.PEM),
            root=self.root_file.read_bytes(),
            private_key=key,
        )

    def _certificate(self, name: str) -> x509.Certificate:
        try:
            return x509.load_pem_x509_certificate((self.directory / f"{name}.pem").read_bytes())
        except (OSError, ValueError) as error:
            raise AuthorityError(f"SM2 签发机构 {name} 的证书无法读取：{error}") from error

    def _key_file(self, name: str) -> Path:
        return self.directory / f"{name}.key"


def _builder(subject: x509.Name, issuer: x509.Name, spki: bytes) -> x509.CertificateBuilder:
    digest = x509.SubjectKeyIdentifier(sm2.key_digest(spki))
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .add_extension(digest, critical=False)
    )
