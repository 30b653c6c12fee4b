"""Which act each command on a platform's folder is, and whether who runs it may do that.

With the setting `command_line_login` a command needs the token of a login (`nenghao platform user
login`) in NENGHAO_SESSION, its role must permit the act, and what it records is the operator's.
Without the setting whoever may use the folder may do everything, as `operator`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from nenghao.cli import output, running
from nenghao.clock import china_now
from nenghao.platform import audit, sessions
from nenghao.platform.home import Home
from nenghao.platform.permissions import Act
from nenghao.platform.sessions import NotPermitted, Session

SESSION: Final = "NENGHAO_SESSION"
"""The variable with the token; no setting."""
SWITCH: Final = "NENGHAO_COMMAND_LINE_LOGIN"
"""Not heeded: a login that the environment of its user can switch off is none."""

COMMANDS: Final[Mapping[str, Act]] = {
    "platform init": Act.RUN_PLATFORM,
    "platform serve": Act.RUN_PLATFORM,
    "platform gateway": Act.RUN_PLATFORM,
    "platform console": Act.RUN_PLATFORM,
    "platform base-data export": Act.BASE_DATA_READ,
    "platform base-data import": Act.BASE_DATA_EDIT,
    "platform schedule list": Act.SCHEDULE_READ,
    "platform schedule replan": Act.SCHEDULE_EDIT,
    "platform reports template": Act.REPORTS_FILL,
    "platform reports import": Act.REPORTS_FILL,
    "platform projects import": Act.PROJECTS_EDIT,
    "platform projects export": Act.PROJECTS_READ,
    "platform coefficients list": Act.COEFFICIENTS_READ,
    "platform coefficients set": Act.COEFFICIENTS_EDIT,
    "platform coefficients import": Act.COEFFICIENTS_EDIT,
    "platform unit list": Act.UNITS_READ,
    "platform unit set": Act.UNITS_EDIT,
    "platform uploads": Act.DATA_READ,
    "platform upload-body": Act.DATA_READ,
    "platform findings": Act.DATA_READ,
    "platform journal list": Act.JOURNAL_READ,
    "platform journal show": Act.JOURNAL_READ,
    "platform journal verify": Act.JOURNAL_VERIFY,
    "platform journal prune": Act.JOURNAL_PRUNE,
    "platform rebuild": Act.DATA_REBUILD,
    "platform totals verify": Act.TOTALS_VERIFY,
    "platform totals recompute": Act.TOTALS_RECOMPUTE,
    "platform totals explain": Act.TOTALS_READ,
    "platform totals show": Act.TOTALS_READ,
    "platform uplink set": Act.UPLINK_EDIT,
    "platform uplink status": Act.UPLINK_READ,
    "platform uplink retry": Act.UPLINK_EDIT,
    "platform uplink run": Act.RUN_PLATFORM,
    "platform uplink verify": Act.UPLINK_EDIT,
    "platform uplink dictionary approve": Act.UPLINK_EDIT,
    "platform audit list": Act.AUDIT_READ,
    "platform audit verify": Act.AUDIT_VERIFY,
    "platform audit export": Act.AUDIT_EXPORT,
    "platform user login": Act.OWN_ACCOUNT,
    "platform user logout": Act.OWN_ACCOUNT,
    "platform user password": Act.OWN_ACCOUNT,
    "platform user list": Act.USERS_READ,
    "platform user sessions": Act.USERS_READ,
    "platform user permissions": Act.OWN_ACCOUNT,
    "platform user add": Act.USERS_ADD,
    "platform user reset-password": Act.USERS_PASSWORD,
    "platform user grant": Act.USERS_GRANT,
    "platform user reset-totp": Act.USERS_TOTP,
    "platform user lock": Act.USERS_LOCK,
    "platform user end-sessions": Act.USERS_LOCK,
    "ca init": Act.CERTIFICATES_EDIT,
    "ca issue": Act.CERTIFICATES_EDIT,
    "ca renew": Act.CERTIFICATES_EDIT,
    "ca revoke": Act.CERTIFICATES_EDIT,
    "ca crl": Act.CERTIFICATES_EDIT,
    "ca import-issuer": Act.CERTIFICATES_EDIT,
    "ca issuers": Act.CERTIFICATES_READ,
    "ca code": Act.CERTIFICATES_EDIT,
    "ca codes": Act.CERTIFICATES_READ,
    "ca list": Act.CERTIFICATES_READ,
    "exchange account add": Act.PARTNERS_EDIT,
    "exchange account list": Act.PARTNERS_READ,
    "exchange account rotate": Act.PARTNERS_EDIT,
    "exchange account lock": Act.PARTNERS_EDIT,
    "exchange account scope": Act.PARTNERS_EDIT,
    "doctor": Act.RUN_PLATFORM,
}
"""Every command that opens a platform's folder. What does not stand here nobody may."""

UNATTENDED: Final = frozenset(
    {"platform init", "platform serve", "platform console", "platform user login"}
)
"""Commands without a login: before there is one, or when the machine starts."""


def environment() -> dict[str, str]:
    """The environment as far as it may override settings."""
    return {name: value for name, value in os.environ.items() if name not in (SESSION, SWITCH)}


def admit(home: Home) -> None:
    """Raise output.Failure unless the running command is permitted; record it as the operator's."""
    command = running.current()
    if not home.settings.command_line_login or command is None or command.admitted:
        return
    if command.path not in UNATTENDED:
        session = logged_in(home)
        act = COMMANDS.get(command.path)
        if act is None:
            raise output.Failure(f"权限表中没有命令 nenghao {command.path}")
        with home.store() as store:
            try:
                sessions.require(store, session, act, china_now(), "")
            except NotPermitted as error:
                raise output.Failure(str(error)) from None
        command.stack.enter_context(audit.acting(session.actor, ""))
    command.admitted = True


def logged_in(home: Home) -> Session:
    """The session of the token in the environment; output.Failure where there is none."""
    with home.store() as store:
        session = sessions.of(store, os.environ.get(SESSION, ""), china_now())
    if session is None:
        raise output.Failure(
            "没有登录或会话已结束：请先 nenghao platform user login，"
            f"并把所得写入环境变量 {SESSION}"
        )
    return session
