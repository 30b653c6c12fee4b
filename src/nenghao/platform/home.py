"""The platform's folder (平台目录): what lies where, how it is made, and how it is opened.

    DIR/platform.toml   every setting
        nenghao.db      the database, unless the settings name another
        ca/             the certificate authority with its sealed keys (`security.authority`)
        ca/clients.pem  the issuers whose certificates devices may show (`trust_files`)
        server/         the certificate and key of the listeners
        exchange/       the master key that the partners' keys are sealed under

`init` writes platform.toml last: a folder that has it is complete, one that an interruption left
without it is completed by the next `init`. What the settings mean is `settings`' business.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509

from nenghao import settings as settings_files
from nenghao.clock import CST
from nenghao.platform import dictionary, registry, trust_files
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store
from nenghao.platform.store.postgresql import StoreError
from nenghao.security.authority import AuthorityError, CertificateAuthority
from nenghao.security.credentials import write_server
from nenghao.security.sealing import MasterKey

RENEW_DAYS = 30
"""A server certificate with fewer days left is renewed when the platform starts."""

PASSPHRASE_VARIABLE = "NENGHAO_CA_PASSPHRASE"  # noqa: S105 - its name, no secret
"""Environment variable that may hold the CA's passphrase."""

LOOPBACK_NAMES = ("127.0.0.1", "localhost")


class HomeError(Exception):
    """The folder cannot be made or opened; the text says why, in Chinese."""


@dataclass(frozen=True)
class Home:
    """An initialised platform folder and its settings."""

    path: Path
    settings: PlatformSettings
    passphrase: str | None = field(default=None, repr=False)
    """What opens the CA where it was given for this run; else the settings name a file."""

    @property
    def settings_file(self) -> Path:
        return settings_file(self.path)

    @property
    def ca(self) -> Path:
        return self.path / "ca"

    @property
    def client_cas(self) -> Path:
        """The issuers that a device listener trusts, PEM."""
        return self.ca / trust_files.CLIENTS

    @property
    def client_lists(self) -> Path:
        """A revocation list of each of them, PEM; empty while one of them has none."""
        return self.ca / trust_files.CLIENTS_LISTS

    @property
    def server(self) -> Path:
        return self.path / "server"

    @property
    def server_chain(self) -> Path:
        """Leaf and issuing CA of the listeners, PEM."""
        return self.server / "server.pem"

    @property
    def server_key(self) -> Path:
        return self.server / "server.key"

    @property
    def master_key_file(self) -> Path:
        """The key under which the keys of other application platforms are sealed, mode 0600."""
        return self.path / "exchange" / "master.key"

    def master_key(self) -> MasterKey:
        """That key; the first one to ask makes it. Raises `sealing.SealingError`."""
        return MasterKey.load_or_create(self.master_key_file)

    @property
    def database_url(self) -> str:
        """The settings' database, or the SQLite file in the folder."""
        return self.settings.database or f"sqlite:///{(self.path / 'nenghao.db').resolve()}"

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The open store, its schema brought up to date; closed at the end.

        Raises HomeError when the database cannot be reached or used.
        """
        store = self._opened()
        try:
            try:
                store.upgrade()
            except StoreError as error:
                raise HomeError(str(error)) from None
            yield store
        finally:
            store.close()

    def _opened(self) -> Store:
        try:
            return Store.open(self.database_url)
        except StoreError as error:
            raise HomeError(f"设置项 database：{error}") from None
        except ModuleNotFoundError as error:
            raise HomeError(f"设置项 database：缺少 Python 包 {error.name}") from None

    def check_database(self) -> None:
        """Raise HomeError when the database's address cannot be used or its server not reached."""
        store = self._opened()
        try:
            store.check()
        except StoreError as error:
            raise HomeError(str(error)) from None
        finally:
            store.close()

    def authority(self) -> CertificateAuthority:
        """The certificate authority of the folder; locked where its passphrase is not known."""
        return CertificateAuthority.open(self.ca, self._passphrase())

    def _passphrase(self) -> str | None:
        if self.passphrase is not None or not self.settings.ca_passphrase_file:
            return self.passphrase
        return read_passphrase(self.path / self.settings.ca_passphrase_file)

    def hosts(self) -> list[str]:
        """The names and addresses that the server certificate is for."""
        listen = self.settings.listen_address
        hosts = [self.settings.host]
        if not _is_unspecified(listen):
            hosts.append(listen)
        if _is_unspecified(listen) or any(map(_is_loopback, hosts)):
            hosts += LOOPBACK_NAMES
        return list(dict.fromkeys(hosts))

    def renew_server_certificate(self, now: datetime) -> bool:
        """Issue a server certificate if there is none, it names other hosts, or it ends soon.

        Says whether it issued one. A running platform takes it up by itself.
        """
        if fits(self.server_chain, self.hosts(), now) and self.server_key.exists():
            return False
        write_server(self.server, self.authority().issue_server(self.hosts(), now))
        return True


def settings_file(path: Path) -> Path:
    """Where a platform folder has its settings."""
    return path / "platform.toml"


def read_passphrase(path: Path) -> str:
    """The first line of a file that holds the CA's passphrase. Raises HomeError."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise HomeError(f"无法读取口令文件 {path}：{error}") from None
    if not lines or not lines[0]:
        raise HomeError(f"口令文件 {path} 是空的")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise HomeError(f"口令文件 {path} 的权限应为 0600")
    return lines[0]


def init(
    path: Path, values: Mapping[str, Any], now: datetime, passphrase: str | None = None
) -> Home:
    """Make a platform folder: settings, database with base data, CA, server certificate.

    A CA that `nenghao ca init` made there before is used, opened by `passphrase` if need be.

    `values` replace settings' defaults. Raises HomeError when the folder is a platform's already
    (saying what it found), SettingsError for values that do not fit.
    """
    path = path.absolute()
    if settings_file(path).exists():
        raise HomeError(
            f"{path} 已经初始化过（{', '.join(_contents(path))}），未作任何改动；"
            "要改设置请编辑其中的 platform.toml"
        )
    text = settings_files.template(PlatformSettings, values)
    home = Home(path, _made(values), passphrase)
    home.check_database()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not home.ca.exists():
        make_authority(home.ca, now)
    with home.store() as store, store.write() as conn:
        dictionary.seed(conn)
        registry.note_registration_settings(conn, home.settings)
        trust_files.write_trust(conn, home.ca, now)
    home.renew_server_certificate(now)
    _write_private(settings_file(path), text)
    return home


def open_home(
    path: Path, environ: Mapping[str, str], warn: Callable[[str], None] | None = None
) -> Home:
    """An initialised folder with its settings, overridden by `environ` (`NENGHAO_…`).

    Raises HomeError when it is no platform's folder, SettingsError when settings are wrong.
    """
    path = path.absolute()
    if not settings_file(path).exists():
        raise HomeError(
            f"{path} 不是平台目录（没有 platform.toml），请先运行 nenghao platform init"
        )
    settings = settings_files.load(PlatformSettings, settings_file(path), environ, warn)
    return Home(path, settings, environ.get(PASSPHRASE_VARIABLE))


def _made(values: Mapping[str, Any]) -> PlatformSettings:
    try:
        return PlatformSettings(**values)
    except ValueError as error:
        raise settings_files.SettingsError(str(error)) from None


def make_authority(
    path: Path,
    now: datetime,
    *,
    passphrase: str | None = None,
    root_directory: Path | None = None,
) -> None:
    """A whole authority or none: an interrupted one is made anew. Raises AuthorityError."""
    if path.exists():
        raise AuthorityError(f"{path} 中已有证书签发机构")
    fresh = path.with_name(f"{path.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    CertificateAuthority.create(fresh, now, passphrase=passphrase, root_directory=root_directory)
    fresh.rename(path)


def _contents(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("."))


def _write_private(path: Path, text: str) -> None:
    """In one step, readable by the owner alone: a database URL may hold a password."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.touch(mode=0o600)
    with fresh.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_unspecified(host: str) -> bool:
    address = _address(host)
    return address is not None and address.is_unspecified


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def fits(chain: Path, hosts: list[str], now: datetime) -> bool:
    """Whether the certificate names exactly these hosts and holds long enough."""
    try:
        leaf = x509.load_pem_x509_certificate(chain.read_bytes())
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    named = set(names.get_values_for_type(x509.DNSName))
    named |= {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    wanted = {str(_address(host) or host) for host in hosts}
    end = leaf.not_valid_after_utc.astimezone(CST).replace(tzinfo=None)
    return named == wanted and end - now >= timedelta(days=RENEW_DAYS)
