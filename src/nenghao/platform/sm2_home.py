"""What of national cryptography lies in the platform's folder (国密证书), and how it comes there.

    ca/sm2/           the SM2 authority (`security.sm2_authority`), made when first needed
    server/sm2.pem    certificate chain and key of the SM2 listener
    server/sm2.key

Its keys are sealed under the seal of the CA beside it.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from nenghao.platform.home import Home, fits
from nenghao.platform.trust_files import SM2
from nenghao.security.authority import DEVICE_CA
from nenghao.security.files import write_public, write_secret
from nenghao.security.sm2_authority import Sm2Authority


def folder(home: Home) -> Path:
    """Where the SM2 authority lies."""
    return home.ca / SM2


def client_ca_file(home: Home) -> Path:
    """PEM of the issuer that an SM2 listener trusts; no secret is needed to listen."""
    return folder(home) / f"{DEVICE_CA}.pem"


def list_file(home: Home) -> Path:
    """That issuer's revocation list."""
    return folder(home) / f"{DEVICE_CA}.crl"


def authority(home: Home, now: datetime) -> Sm2Authority:
    """The SM2 authority of the platform, made now if there is none.

    Raises AuthorityError, and AuthorityLocked without the passphrase that seals the CA.
    """
    secret = home.authority().seal.secret
    if not folder(home).exists():
        return Sm2Authority.create(folder(home), secret, now)
    return Sm2Authority.open(folder(home), secret)


def server_files(home: Home) -> tuple[Path, Path]:
    """Certificate chain and key of the SM2 listener."""
    return home.server / "sm2.pem", home.server / "sm2.key"


def renew_server_certificate(home: Home, now: datetime) -> bool:
    """Issue the SM2 listener's certificate if there is none, it names other hosts, or ends soon.

    Says whether it issued one. A running platform takes it up by itself.
    """
    chain, key = server_files(home)
    if fits(chain, home.hosts(), now) and key.exists():
        return False
    issued = authority(home, now).issue_server(home.hosts(), now)
    write_secret(key, issued.private_key)
    write_public(chain, issued.chain)
    return True
