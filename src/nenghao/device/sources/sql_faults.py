"""What a database's error means for the person on site (数据库故障分类).

Told by SQLSTATE where the driver gives one, by SQLite's own codes, and for the drivers that give
neither on connecting (PostgreSQL's among them) by the words of the message.
"""

from __future__ import annotations

from sqlalchemy import exc

from nenghao.device.sources.base import FaultKind, SourceFault
from nenghao.device.sources.discreet import short

_STATES = (
    ("28", FaultKind.CREDENTIALS),
    ("42501", FaultKind.CREDENTIALS),
    ("42", FaultKind.CONFIGURATION),
    ("3D", FaultKind.CONFIGURATION),
    ("25", FaultKind.CONFIGURATION),
    ("57014", FaultKind.TIMEOUT),
    ("55P03", FaultKind.TIMEOUT),
    ("57", FaultKind.UNREACHABLE),
    ("08", FaultKind.UNREACHABLE),
    ("53", FaultKind.UNREACHABLE),
    ("22", FaultKind.GARBAGE),
)
"""Beginnings of SQLSTATE, the first that fits counts."""

_SQLITE = (
    ("SQLITE_BUSY", FaultKind.TIMEOUT),
    ("SQLITE_LOCKED", FaultKind.TIMEOUT),
    ("SQLITE_INTERRUPT", FaultKind.TIMEOUT),
    ("SQLITE_CANTOPEN", FaultKind.UNREACHABLE),
    ("SQLITE_IOERR", FaultKind.UNREACHABLE),
    ("SQLITE_NOTADB", FaultKind.GARBAGE),
    ("SQLITE_CORRUPT", FaultKind.GARBAGE),
    ("SQLITE_PERM", FaultKind.CREDENTIALS),
    ("SQLITE_AUTH", FaultKind.CREDENTIALS),
    ("SQLITE_", FaultKind.CONFIGURATION),
)

_WORDS = (
    ("invalid response", "", FaultKind.GARBAGE),
    ("expected authentication request", "", FaultKind.GARBAGE),
    ("lost synchronization", "", FaultKind.GARBAGE),
    ("database", "does not exist", FaultKind.CONFIGURATION),
    ("password", "", FaultKind.CREDENTIALS),
    ("authentication", "", FaultKind.CREDENTIALS),
    ("role", "does not exist", FaultKind.CREDENTIALS),
    ("pg_hba.conf", "", FaultKind.CREDENTIALS),
    ("access denied", "", FaultKind.CREDENTIALS),
    ("login failed", "", FaultKind.CREDENTIALS),
    ("ora-01017", "", FaultKind.CREDENTIALS),
    ("口令", "", FaultKind.CREDENTIALS),
    ("密码", "", FaultKind.CREDENTIALS),
    ("认证", "", FaultKind.CREDENTIALS),
    ("timeout", "", FaultKind.TIMEOUT),
    ("timed out", "", FaultKind.TIMEOUT),
)
"""Pairs of words of a connection's error and what they mean together."""

_LEADS = {
    FaultKind.UNREACHABLE: "无法连接数据库",
    FaultKind.TIMEOUT: "数据库没有及时应答",
    FaultKind.GARBAGE: "数据库的应答不合法",
    FaultKind.CREDENTIALS: "数据库拒绝了用户名、口令或权限",
    FaultKind.CONFIGURATION: "查询或连接参数有误",
}


def fault_of(error: Exception, where: str, *secrets: str) -> SourceFault:
    """The fault that an error of SQLAlchemy or its driver is; `where` is the database's address."""
    if isinstance(error, ModuleNotFoundError):
        return SourceFault(
            FaultKind.CONFIGURATION,
            f"缺少数据库驱动 {error.name}，请安装：pip install {error.name}",
        )
    original = getattr(error, "orig", None) or error
    kind = _kind(error, original)
    return SourceFault(kind, f"{_LEADS[kind]}（{where}）：{short(original, *secrets)}")


def _kind(error: Exception, original: BaseException) -> FaultKind:
    state = getattr(original, "sqlstate", None)
    if isinstance(state, str) and state:
        for start, kind in _STATES:
            if state.startswith(start):
                return kind
    name = getattr(original, "sqlite_errorname", None)
    if isinstance(name, str):
        return next((kind for start, kind in _SQLITE if name.startswith(start)), FaultKind.GARBAGE)
    if isinstance(error, exc.OperationalError | exc.InterfaceError | OSError):
        text = str(original).casefold()
        for one, other, kind in _WORDS:
            if one in text and other in text:
                return kind
        return FaultKind.UNREACHABLE
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        return FaultKind.UNREACHABLE
    if isinstance(error, exc.DataError | exc.DatabaseError) and not isinstance(
        error, exc.ProgrammingError | exc.NotSupportedError
    ):
        return FaultKind.GARBAGE
    return FaultKind.CONFIGURATION
