"""A fresh province for tests of views: no browser, no console, on SQLite and on PostgreSQL."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from nenghao import settings as settings_files
from nenghao.platform import certificates, registry
from nenghao.platform.home import Home, init, open_home
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store
from nenghao.security.identity import PeerIdentity
from nenghao.standard.messages.registration import RegistrationRequest
from tests.platform.world import World, fill
from tests.postgres import Server

BACKENDS = ("sqlite", "postgresql")


@contextmanager
def world_on(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """An empty province with its own folder; `home_of` has the folder."""
    if backend == "sqlite":
        url = f"sqlite:///{tmp_path / 'nenghao.db'}"
        fill(url)
        with _opened(url, tmp_path) as world:
            yield world
        return
    server: Server = request.getfixturevalue("postgres")
    with server.database() as url:
        fill(url)
        with _opened(url, tmp_path) as world:
            yield world


@contextmanager
def _opened(url: str, tmp_path: Path) -> Iterator[World]:
    now = datetime(2026, 11, 22, 10, 0)
    shutil.copytree(_made(), tmp_path / "home")
    settings_files.set_value(tmp_path / "home" / "platform.toml", "database", url, PlatformSettings)
    home = open_home(tmp_path / "home", {})
    store = Store.open(url)
    try:
        yield World(store, home.authority(), home.settings, now)
    finally:
        store.close()


@cache
def _made() -> Path:
    """A folder with its certificate authority, made once and then copied."""
    folder = Path(tempfile.mkdtemp(prefix="nenghao-world-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    begun = datetime(2026, 11, 22, 10, 0) - timedelta(days=400)
    return init(folder / "home", {}, begun).path


def home_of(world: World) -> Home:
    """The folder of a world made here."""
    return Home(world.authority.directory.parent, world.settings)


def register(
    world: World, code: str, name: str, device: int = 1, *, days: int = 1095, ago: int = 10
) -> str:
    """A device with a certificate of ours, registered; the certificate's serial."""
    at = world.now - timedelta(days=ago)
    issued = world.authority.issue_device(code, name, "210102", device, at, days)
    with world.store.write() as conn:
        certificates.register(conn, issued, at)
    before, world.now = world.now, at
    identity = PeerIdentity(code, device, issued.serial)
    request = RegistrationRequest(code, name, "210102", "和平区")
    with world.store.write() as conn:
        registry.register(conn, world.settings, identity, request, at)
    world.now = before
    return issued.serial
