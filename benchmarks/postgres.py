"""PostgreSQL with a row per value: what a table made by the book takes and how fast it fills."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.stores import NotHere, Store, free_port, labels, values
from benchmarks.world import HOST, data_code, pinning

_COLUMNS = "unit, code, stat_type, stat_date, value, input_type, scope, valid, upload_date"
_TABLE = """
CREATE {kind} TABLE {name} (
    unit integer, code varchar(32), stat_type smallint, stat_date timestamp,
    value double precision, input_type smallint, scope smallint, valid boolean,
    upload_date timestamp{key})
"""
_KEY = ", PRIMARY KEY (unit, code, stat_type, stat_date)"
_UPSERT = f"""
INSERT INTO upserted SELECT {_COLUMNS} FROM incoming
ON CONFLICT (unit, code, stat_type, stat_date) DO UPDATE SET
    value = excluded.value, input_type = excluded.input_type, scope = excluded.scope,
    valid = excluded.valid, upload_date = excluded.upload_date
WHERE upserted.upload_date <= excluded.upload_date
"""
_STAMP = datetime(2026, 12, 1, 1)


@contextmanager
def postgresql(folder: Path, core: int) -> Iterator[list[Store]]:
    """Debian's server, or whatever `initdb` is in the path, with its defaults (fsync on)."""
    try:
        import psycopg
    except ModuleNotFoundError:
        raise NotHere("the Python package psycopg is not installed") from None
    with _server(core) as address, psycopg.connect(address, autocommit=True) as conn:
        for name in ("copied", "upserted"):
            conn.execute(_TABLE.format(kind="", name=name, key=_KEY))
        conn.execute(_TABLE.format(kind="TEMPORARY", name="incoming", key=""))
        yield [
            Store(
                "PostgreSQL, row per value, COPY",
                _copy_text,
                lambda text: _copy(conn, text),
                lambda: _size(conn, "copied"),
            ),
            Store(
                "PostgreSQL, row per value, upsert",
                _copy_text,
                lambda text: _upsert(conn, text),
                lambda: _size(conn, "upserted"),
            ),
        ]


def _copy_text(day: int) -> bytes:
    stamps = [str(label) for label in labels(day)]
    return "".join(
        f"1\t{data_code(item)}\t0\t{stamp}\t{value}\t4\t3\tt\t{_STAMP}\n"
        for item, row in enumerate(values(day))
        for value, stamp in zip(row, stamps, strict=True)
    ).encode()


def _copy(conn: Any, text: object) -> None:
    statement = f"COPY copied ({_COLUMNS}) FROM STDIN"
    with conn.transaction(), conn.cursor() as cursor, cursor.copy(statement) as into:
        into.write(text)


def _upsert(conn: Any, text: object) -> None:
    with conn.transaction(), conn.cursor() as cursor:
        cursor.execute("TRUNCATE incoming")
        with cursor.copy(f"COPY incoming ({_COLUMNS}) FROM STDIN") as into:
            into.write(text)
        cursor.execute(_UPSERT)


def _size(conn: Any, table: str) -> int:
    conn.execute(f"VACUUM {table}")
    conn.execute("CHECKPOINT")
    row = conn.execute("SELECT pg_total_relation_size(%s::regclass)", [table]).fetchone()
    return int(row[0])


@contextmanager
def _server(core: int) -> Iterator[str]:
    """A fresh cluster; as root it runs as the user postgres, since it refuses to run as root."""
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if user is not None:
            try:
                shutil.chown(folder, user)
            except LookupError:
                raise NotHere("there is no user postgres to run the server as") from None
        with _cluster(folder, user, core) as address:
            yield address


@contextmanager
def _cluster(folder: Path, user: str | None, core: int) -> Iterator[str]:
    programs = _programs()
    data, port = folder / "data", free_port()

    def run(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(programs / program), "-D", str(data), *arguments],
            user=user,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=pinning({core}),
            check=False,
        )
        if done.returncode:
            raise NotHere(f"{program}: {done.stderr.decode(errors='replace').strip()[-200:]}")

    run("initdb", "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C")
    options = f"-p {port} -c listen_addresses={HOST} -c unix_socket_directories={folder}"
    run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"host={HOST} port={port} user=bench dbname=postgres"
    finally:
        run("pg_ctl", "-w", "-m", "fast", "stop")


def _programs() -> Path:
    """The folder of initdb: Debian keeps it out of the path."""
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not places:
        raise NotHere("PostgreSQL's server is not installed")
    return places[-1]
