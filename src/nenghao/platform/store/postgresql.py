"""What is different when the platform's database is PostgreSQL (psycopg 3).

How its engines are made, what every session of ours is set to, which databases are refused and
how a refusal reads: in Chinese, and without the password. Transactions are `engine`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Engine,
    String,
    Table,
    Text,
    bindparam,
    cast,
    create_engine,
    event,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, Insert, insert
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.types import NullType, TypeEngine

DRIVER = "postgresql+psycopg"

CONNECT_SECONDS = 10
OLDEST_SERVER = 13

_UPGRADE_LOCK = 0x6E656E67_68616F
"""Taken by whoever brings the schema up to date: "nenghao" in ASCII."""

_SECRET = ("password", "passfile", "sslpassword")
_HIDDEN = "***"


class StoreError(ValueError):
    """The database cannot be used; the text says why, in Chinese, and holds no password."""


def normalised(url: URL) -> URL:
    """`url` with the driver that this program brings along; StoreError for another one."""
    if url.drivername not in ("postgresql", DRIVER):
        raise StoreError(f"PostgreSQL 的驱动应为 psycopg，收到 {url.drivername}")
    return url.set(drivername=DRIVER)


def shown(url: URL) -> str:
    """The address as messages show it: no password, and of the query only the host and port."""
    query = {key: value for key, value in url.query.items() if key in ("host", "port")}
    bare = URL.create(url.drivername, url.username, None, url.host, url.port, url.database, query)
    return bare.render_as_string()


def engines(url: URL, wait_seconds: float) -> tuple[Engine, Engine]:
    """One engine for snapshots that cannot write, one for writers.

    A reader sees one moment (REPEATABLE READ). A writer sees, after it has waited for a lock,
    what the holder committed (READ COMMITTED), which is what merging under `unit_head` needs.
    """
    waiting: dict[str, Any] = {"pool_timeout": wait_seconds, "pool_pre_ping": True}
    arguments = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "nenghao",
        "client_encoding": "utf8",
    }
    arguments = {key: value for key, value in arguments.items() if key not in url.query}
    # Parameters of statements may be bodies and values: they do not belong into a log.
    common: dict[str, Any] = {"connect_args": arguments, "hide_parameters": True, **waiting}
    reader = create_engine(
        url, pool_size=8, max_overflow=56, isolation_level="REPEATABLE READ", **common
    )
    writer = create_engine(
        url, pool_size=8, max_overflow=56, isolation_level="READ COMMITTED", **common
    )
    for engine in (reader, writer):
        _prepare(engine, wait_seconds)
    return reader.execution_options(postgresql_readonly=True), writer


def _prepare(engine: Engine, wait_seconds: float) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        milliseconds = round(wait_seconds * 1000)
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", (str(milliseconds),))
            # An answer is given after the commit: the commit must be on the disk by then,
            # whatever the server's or the role's default is.
            cursor.execute(
                "SELECT set_config('synchronous_commit', 'on', false)"
                " WHERE current_setting('synchronous_commit') IN ('off', 'local')"
            )
        connection.commit()


def check(engine: Engine, url: URL) -> None:
    """Connect once; StoreError when that fails or the database is not fit to hold the data."""
    try:
        with engine.connect() as conn:
            encoding = str(conn.execute(text("SHOW server_encoding")).scalar_one())
            version = int(conn.execute(text("SHOW server_version_num")).scalar_one())
    except SQLAlchemyError as error:
        raise StoreError(f"无法连接数据库 {shown(url)}：{reason(error, url)}") from None
    if encoding != "UTF8":
        raise StoreError(f"数据库 {shown(url)} 的编码应为 UTF8，现为 {encoding}")
    if version < OLDEST_SERVER * 10_000:
        raise StoreError(
            f"数据库 {shown(url)} 的 PostgreSQL 版本应不低于 {OLDEST_SERVER}，"
            f"现为 {version // 10_000}"
        )


def lock_for_upgrade(conn: Connection) -> None:
    """Let one process at a time bring the schema up to date, until the transaction ends."""
    conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})


def insert_all(
    table: Table, rows: Sequence[Mapping[str, object]]
) -> tuple[Insert, dict[str, object]]:
    """An INSERT of all rows as one statement, and its parameters; rows have the same names.

    A column in which they differ is one array, another one value: less than a third of the time
    of a statement per row, which was the greater part of an upload's transaction. No two rows may
    meet in one ON CONFLICT.
    """
    columns: list[ColumnElement[Any]] = []
    parameters: dict[str, object] = {}
    for name, first in rows[0].items():
        # Without a type of its own the value goes to psycopg as it is: they are all plain.
        value: BindParameter[Any] = bindparam(f"all_{name}", type_=NullType())
        kind = _item(table, name)
        if all(row[name] == first for row in rows):
            columns.append(cast(value, kind))
            parameters[value.key] = first
        else:
            columns.append(func.unnest(cast(value, ARRAY(kind))))
            parameters[value.key] = [row[name] for row in rows]
    return insert(table).from_select(list(rows[0]), select(*columns)), parameters


def _item(table: Table, name: str) -> TypeEngine[Any]:
    # A cast to varchar(n) would cut what is too long; text lets the column refuse it.
    kind: TypeEngine[Any] = table.c[name].type
    return Text() if isinstance(kind, String) else kind


_CAUSES = (
    ("refused", "连接被拒绝，服务器未运行或不在这个端口"),
    ("timeout", "连接超时"),
    ("timed out", "连接超时"),
    ("resolve", "主机名无法解析"),
    ("translate host name", "主机名无法解析"),
    ("authentication failed", "用户名或密码不对"),
    ("no password supplied", "没有给出密码"),
    ("pg_hba.conf", "服务器不允许这样连接"),
    ("does not exist", "没有这个数据库或用户"),
    ("No such file", "没有这个套接字，服务器未运行"),
    ("permission denied", "没有权限"),
    ("too many", "服务器的连接数已满"),
    ("starting up", "服务器正在启动"),
)
"""Part of what libpq or the server says, and what it comes to."""


def reason(error: SQLAlchemyError, url: URL) -> str:
    """Why there is no connection: the cause in Chinese, and what the driver said of it."""
    said = _said(error, url)
    cause = next((text for part, text in _CAUSES if part in said), "")
    return f"{cause}（{said}）" if cause else said


def _said(error: SQLAlchemyError, url: URL) -> str:
    """What the server or the driver said, on one line, without any secret of the address."""
    said = str(error.orig) if isinstance(error, DBAPIError) and error.orig else str(error)
    line = " ".join(said.split())
    secrets = [url.password, *(url.query.get(key) for key in _SECRET)]
    for secret in secrets:
        for spelling in {str(secret), quote(str(secret), safe="")} if secret else ():
            line = line.replace(spelling, _HIDDEN)
    return line
