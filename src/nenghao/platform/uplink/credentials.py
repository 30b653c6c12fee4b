"""Who this province is to the nation (省级平台的证书): HOME/uplink, taken over from OUT.

device.pem device.key ca.pem    as a device's (`security.credentials`)
province.json                   {"province", "name", "deviceId"}: the deviceId comes with it
"""

from __future__ import annotations

import ssl
from pathlib import Path

import msgspec

from nenghao.security import contexts
from nenghao.security.files import write_public, write_secret

FOLDER = "uplink"
_TOLD = "province.json"
_SECRET = "device.key"  # noqa: S105 - a file's name
_PUBLIC = ("device.pem", "ca.pem", _TOLD)


class CredentialsError(Exception):
    """The folder is no province's; the text says why, in Chinese."""


class Credentials(msgspec.Struct, frozen=True, rename="camel"):
    """What province.json says."""

    province: str
    name: str
    device_id: str


def read(folder: Path) -> Credentials:
    """What a folder that `nenghao ca issue --province` wrote says. Raises CredentialsError."""
    for name in (*_PUBLIC, _SECRET):
        if not (folder / name).is_file():
            raise CredentialsError(f"{folder} 不是省级平台证书目录：缺少 {name}")
    try:
        told = msgspec.json.decode((folder / _TOLD).read_bytes(), type=Credentials)
    except (OSError, msgspec.DecodeError) as error:
        raise CredentialsError(f"{folder / _TOLD} 无法读取：{error}") from None
    context(folder)
    return told


def of_home(home: Path) -> Credentials:
    """Those that the platform's folder took over."""
    return read(home / FOLDER)


def take_over(folder: Path, home: Path) -> Credentials:
    """Copy a folder of credentials into the platform's; it may then go."""
    told = read(folder)
    mine = home / FOLDER
    if mine.resolve() == folder.resolve():
        return told
    mine.mkdir(mode=0o700, exist_ok=True)
    write_secret(mine / _SECRET, (folder / _SECRET).read_bytes())
    for name in _PUBLIC:
        write_public(mine / name, (folder / name).read_bytes())
    return told


def context(folder: Path) -> ssl.SSLContext:
    """The TLS context that shows the province's certificate. Raises CredentialsError."""
    try:
        return contexts.client_context(folder / "ca.pem", folder / "device.pem", folder / _SECRET)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise CredentialsError(f"{folder} 中的证书不可用：{error}") from None
