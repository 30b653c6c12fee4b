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
from nenghao.security.files import write_public, write_secret
from nenghao.security.names import AuthorityError
from nenghao.security.sm2_authority import Sm2Authority


def folder(home: Home) -> Path:
    """Where the SM2 authority lies."""
    return home.ca / "sm2"


def authority(home: Home, now: datetime) -> Sm2Authority:
    """The SM2 authority of the platform, made now if there is none. Raises AuthorityError."""
    try:
        secret = (home.ca / "seal").read_bytes()
    except OSError as error:
        raise AuthorityError(f"签发机构的封存密钥无法读取：{error}") from error
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
