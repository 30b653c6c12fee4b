"""How long the device's certificates are still valid (证书有效期)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID
from msgspec import Struct

from nenghao.clock import CST

SOON_DAYS = 30
"""A certificate that ends within so many days is to be renewed now."""


class Certificate(Struct, frozen=True):
    """One certificate of a file, as the page shows it."""

    file: str
    subject: str
    issuer: str
    serial: str
    begin: datetime
    end: datetime
    """Both in China Standard Time."""

    def days_left(self, now: datetime) -> int:
        """Whole days until it ends; negative once it has ended."""
        return (self.end - now).days

    def is_ending(self, now: datetime) -> bool:
        """Whether it must be renewed now."""
        return self.days_left(now) < SOON_DAYS


def read(path: Path) -> list[Certificate]:
    """The certificates of a PEM file, the device's own first; empty when there are none."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return []
    return [_certificate(path.name, one) for one in found]


def _certificate(file: str, one: x509.Certificate) -> Certificate:
    return Certificate(
        file=file,
        subject=_name(one.subject),
        issuer=_name(one.issuer),
        serial=f"{one.serial_number:x}",
        begin=_china(one.not_valid_before_utc),
        end=_china(one.not_valid_after_utc),
    )


def _name(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string()


def _china(moment: datetime) -> datetime:
    return moment.astimezone(CST).replace(tzinfo=None)
