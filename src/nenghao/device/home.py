"""A device's directory (端设备目录): where everything lies, how it is made, who may run in it.

    DIR/device.toml          settings, `settings.DeviceSettings`
    DIR/credentials/         device.pem, device.key (0600), ca.pem, unit.json
    DIR/device.db            history, queue, session (`store`)
    DIR/config.json          the unit's configuration in the shape of A.4, if there is one
    DIR/collection.toml      sources and items, `collection.settings`, if the device collects
    DIR/base_data/           base_data.json, the platform's dictionaries as downloaded
    DIR/reserve.bin          room to go on with when the disk is full
    DIR/run.lock             held by the one process that runs the protocol

Importing and looking at the queue go on beside a running device: the database sees to that.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from nenghao import settings as settings_files
from nenghao.device.settings import DeviceSettings
from nenghao.device.store import DeviceStore
from nenghao.device.urls import read_url
from nenghao.security.contexts import client_context
from nenghao.security.identity import IdentityError, identity_of
from nenghao.security.sm2_certificates import is_sm2
from nenghao.standard import credit_code

if TYPE_CHECKING:
    from nenghao.security.sm_tls import SmContext

CREDENTIAL_FILES = ("device.pem", "device.key", "ca.pem", "unit.json")
_SECRET = frozenset({"device.key"})

LOCK_INTERVAL = 0.05
"""Seconds between two tries for the lock."""


class HomeError(Exception):
    """The directory cannot be used as asked; the text says why, in Chinese."""


class HomeBusy(HomeError):
    """Another process runs the device of this directory."""


class Unit(msgspec.Struct, frozen=True, rename="camel"):
    """The unit (用能单位) that the credentials name: unit.json."""

    code: str
    name: str
    region: str
    region_name: str
    device: int = 1


class DeviceHome:
    """The paths of a device's directory and what is done with it as a whole."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings_file = root / "device.toml"
        self.credentials = root / "credentials"
        self.database = root / "device.db"
        self.config_file = root / "config.json"
        self.collection_file = root / "collection.toml"
        self.base_data_file = root / "base_data" / "base_data.json"
        self.lock_file = root / "run.lock"

    @classmethod
    def create(
        cls, root: Path, *, platform: str, credentials: Path, configuration: bytes | None = None
    ) -> DeviceHome:
        """Make a device's directory from what `nenghao ca issue` wrote; nothing is overwritten.

        `platform` is the address of the registration service. A configuration must have been
        checked already (`configuration.check`). HomeError, with nothing made, when the directory
        is a device already or the credentials do not fit together; BadAddress for the address.
        """
        home = cls(root)
        if home.settings_file.exists() or home.database.exists():
            raise HomeError(f"{root} 已经是一个端设备目录，不会覆盖")
        text = settings_files.template(DeviceSettings, {"platform": read_url(platform)})
        _check_credentials(credentials)
        home.credentials.mkdir(parents=True, exist_ok=True)
        for name in CREDENTIAL_FILES:
            mode = 0o600 if name in _SECRET else 0o644
            write_file(home.credentials / name, (credentials / name).read_bytes(), mode)
        home.base_data_file.parent.mkdir(exist_ok=True)
        if configuration is not None:
            write_file(home.config_file, configuration)
        DeviceStore.create(home.database).close()
        write_file(home.settings_file, text.encode())  # last: it makes the directory a device
        return home

    @classmethod
    def open(cls, root: Path) -> DeviceHome:
        """An existing device's directory; HomeError when it is none."""
        home = cls(root)
        if not home.settings_file.exists():
            raise HomeError(f"{root} 不是端设备目录，请先运行 nenghao device init")
        return home

    def settings(
        self, environ: Mapping[str, str], warn: Callable[[str], None] | None = None
    ) -> DeviceSettings:
        """The settings of device.toml and the environment; SettingsError names what is wrong."""
        return settings_files.load(DeviceSettings, self.settings_file, environ, warn)

    def unit(self) -> Unit:
        """The unit that the credentials were issued to."""
        return _read_unit(self.credentials / "unit.json")

    @staticmethod
    def unit_of(credentials: Path) -> Unit:
        """The unit of a folder that `nenghao ca issue` wrote."""
        return _read_unit(credentials / "unit.json")

    def store(self) -> DeviceStore:
        """The device's database, opened; the caller closes it."""
        return DeviceStore.open(self.database)

    def context(self, settings: DeviceSettings) -> ssl.SSLContext | SmContext:
        """The TLS context that shows the device's certificate and verifies the platform's.

        A renewal that a crash left in the middle is ended first (`renewal`).
        """
        chain, key = self.root / settings.certificate, self.root / settings.private_key
        finish_pair(chain, key)
        return _context(
            self.root / settings.trust,
            self.root / settings.certificate,
            self.root / settings.private_key,
        )

    def configuration(self) -> bytes | None:
        """The unit's configuration as it was given; None when there is none yet."""
        try:
            return self.config_file.read_bytes()
        except FileNotFoundError:
            return None

    def configuration_digest(self) -> str | None:
        """By this the session knows whether the configuration is new."""
        content = self.configuration()
        return None if content is None else hashlib.sha256(content).hexdigest()

    @contextmanager
    def lock(self, patience: float = 1.0) -> Iterator[None]:
        """Be the one process that runs this device; HomeBusy when another one does.

        Waits `patience` seconds, since `nenghao device status` looks by trying the lock.
        """
        handle = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            end = time.monotonic() + patience
            while not _try_lock(handle):
                if time.monotonic() >= end:
                    raise HomeBusy(f"{self.root} 的端设备正在由另一个进程运行")
                time.sleep(LOCK_INTERVAL)
            yield
        finally:
            os.close(handle)


def next_file(path: Path) -> Path:
    """Where a renewed certificate or key waits to replace the one in place."""
    return path.with_name(f"{path.name}.next")


def finish_pair(chain: Path, key: Path) -> bool:
    """Put a complete new pair of certificate and key in place, if there is one; whether there was.

    The certificate is written last and renamed last: while it waits, its key is either beside it
    or in place already.
    """
    if not next_file(chain).exists():
        return False
    if next_file(key).exists():
        next_file(key).replace(key)
    next_file(chain).replace(chain)
    return True


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_file(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Put a file in place in one step, on the disk when this returns."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    fresh = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        shutil.move(fresh, path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read_unit(path: Path) -> Unit:
    try:
        unit = msgspec.json.decode(path.read_bytes(), type=Unit)
    except FileNotFoundError:
        raise HomeError(f"找不到 {path}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HomeError(f"{path} 的内容不合法：{error}") from error
    if not credit_code.is_form(unit.code):
        raise HomeError(f"{path} 的 code 不是统一社会信用代码：{unit.code}")
    return unit


def _context(trust: Path, certificate: Path, key: Path) -> ssl.SSLContext | SmContext:
    for path in (trust, certificate, key):
        if not path.exists():
            raise HomeError(f"找不到证书文件 {path}")
    try:
        if is_sm2(certificate.read_bytes()):
            from nenghao.security.sm_tls import sm_client_context

            return sm_client_context(trust, certificate, key)
        return client_context(trust, certificate, key)
    except ModuleNotFoundError as error:
        raise HomeError("SM2 证书需要 Python 包 pyOpenSSL：pip install 'nenghao[sm]'") from error
    except (ssl.SSLError, OSError) as error:
        raise HomeError(f"证书 {certificate}、私钥 {key} 与根证书不可用：{error}") from error


def _check_credentials(folder: Path) -> None:
    """HomeError when files are missing, or certificate, key and unit do not belong together."""
    lacking = [name for name in CREDENTIAL_FILES if not (folder / name).is_file()]
    if lacking:
        raise HomeError(f"证书目录 {folder} 缺少 {'、'.join(lacking)}")
    unit = _read_unit(folder / "unit.json")
    _context(folder / "ca.pem", folder / "device.pem", folder / "device.key")
    leaf = x509.load_pem_x509_certificates((folder / "device.pem").read_bytes())[0]
    try:
        identity = identity_of(leaf.public_bytes(Encoding.DER))
    except IdentityError:
        return  # an outside CA names its holders in its own way: the platform will judge
    if (identity.credit_code, identity.device) != (unit.code, unit.device):
        raise HomeError(
            f"证书属于 {identity.credit_code} 的端设备 {identity.device}，"
            f"unit.json 写的是 {unit.code} 的端设备 {unit.device}"
        )
