"""What all commands on a platform's folder share: the `--home` option, opening it, its errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from nenghao.cli import acts, output
from nenghao.platform.accounts import AccountError
from nenghao.platform.chain import JournalDamaged
from nenghao.platform.coefficients import CoefficientError
from nenghao.platform.dictionary_csv import TableError
from nenghao.platform.home import Home, HomeError, open_home
from nenghao.platform.operators import LoginRefused, OperatorError
from nenghao.platform.projects import ProjectsError
from nenghao.platform.rebuild import RebuildRefused
from nenghao.platform.reports_blank import ReportError
from nenghao.platform.reports_form import FormError
from nenghao.platform.sessions import NotPermitted
from nenghao.platform.store.engine import Store
from nenghao.platform.table_file import FileError
from nenghao.platform.unit_settings import UnitSettingError
from nenghao.platform.uplink.credentials import CredentialsError
from nenghao.security.authority import AuthorityError
from nenghao.security.sealing import SealingError
from nenghao.settings import SettingsError
from nenghao.standard.replies import Refusal

HomeOption = Annotated[
    Path, typer.Option("--home", help="平台目录", metavar="DIR", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="标准输出只写一个 JSON 值")]
CodeOption = Annotated[
    str, typer.Option("--code", help="只看这个统一社会信用代码的用能单位", metavar="USCC")
]
LimitOption = Annotated[int, typer.Option("--limit", help="最多列出的条数", min=1)]

_REFUSALS = (
    HomeError,
    SettingsError,
    AuthorityError,
    TableError,
    UnitSettingError,
    RebuildRefused,
    JournalDamaged,
    AccountError,
    OperatorError,
    LoginRefused,
    NotPermitted,
    SealingError,
    CoefficientError,
    ProjectsError,
    ReportError,
    FormError,
    FileError,
    CredentialsError,
    Refusal,
)


@contextmanager
def failures() -> Iterator[None]:
    """Turn what the platform's services raise into what the command line says."""
    try:
        yield
    except _REFUSALS as error:
        raise output.Failure(str(error)) from error
    except SQLAlchemyError as error:
        reason = getattr(error, "orig", None) or error
        raise output.Failure(f"数据库错误：{reason}") from error


def opened(path: Path) -> Home:
    """The platform's folder with its settings, the log going by them. Use within `failures`.

    Where the platform wants a login, the running command must be permitted (`acts`).
    """
    home = open_home(path, acts.environment(), output.warn)
    output.configure_logging(home.settings.log_level, as_json=home.settings.log_json)
    acts.admit(home)
    return home


@contextmanager
def opened_store(path: Path) -> Iterator[Store]:
    """The database of the platform's folder; errors as in `failures`."""
    with failures(), opened(path).store() as store:
        yield store
