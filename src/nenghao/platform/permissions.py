"""Who may do what (权限表): five roles, the acts of the platform, one table.

The console asks it for every page and button, the command line for every command, the services of
`operators` ask it themselves. The three administrators are kept apart (三员分立): who makes an
account and its password cannot give it a role, who gives roles and one-time codes cannot make one,
and who reads the audit trail can do neither. So nobody alone can become more than he is.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Self


class _Labelled(StrEnum):
    label: str

    def __new__(cls, value: str, label: str = "") -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member


class Role(_Labelled):
    """The five roles, with their Chinese names."""

    SYSTEM = "system", "系统管理员"
    SECURITY = "security", "安全管理员"
    AUDITOR = "auditor", "审计员"
    CLERK = "clerk", "业务员"
    UNIT = "unit", "企业用户"
    """A unit's own user: sees and fills in this unit and nothing else."""


class Act(_Labelled):
    """What can be done, with its Chinese name."""

    OWN_ACCOUNT = "own.account", "改自己的口令，退出登录"
    RUN_PLATFORM = "platform.run", "建立、运行、检查平台"
    SCHEDULE_READ = "schedule.read", "查看上报时间点"
    SCHEDULE_EDIT = "schedule.edit", "重新下发上报时间点"
    JOURNAL_READ = "journal.read", "查看回执"
    JOURNAL_VERIFY = "journal.verify", "核对上传日志"
    JOURNAL_PRUNE = "journal.prune", "清除到期原文"
    DATA_REBUILD = "data.rebuild", "按上传日志重建数据"
    UNITS_READ = "units.read", "查看用能单位"
    UNITS_EDIT = "units.edit", "设置用能单位"
    DATA_READ = "data.read", "查看数据、上传和提示"
    REPORTS_FILL = "reports.fill", "填报"
    TOTALS_READ = "totals.read", "查看合计及其由来"
    TOTALS_VERIFY = "totals.verify", "核对合计"
    TOTALS_RECOMPUTE = "totals.recompute", "合计重算"
    BASE_DATA_READ = "base-data.read", "查看基础数据"
    BASE_DATA_EDIT = "base-data.edit", "更新基础数据"
    COEFFICIENTS_READ = "coefficients.read", "查看折标系数"
    COEFFICIENTS_EDIT = "coefficients.edit", "更新折标系数"
    PROJECTS_READ = "projects.read", "查看重点项目"
    PROJECTS_EDIT = "projects.edit", "更新重点项目"
    CERTIFICATES_READ = "certificates.read", "查看数字证书"
    CERTIFICATES_EDIT = "certificates.edit", "签发、更新、吊销数字证书"
    PARTNERS_READ = "partners.read", "查看其他应用平台的账户"
    PARTNERS_EDIT = "partners.edit", "管理其他应用平台的账户"
    UPLINK_READ = "uplink.read", "查看上送国家平台的情况"
    UPLINK_EDIT = "uplink.edit", "设置上送，重新上送，采用国家平台的基础数据"
    USERS_READ = "users.read", "查看操作员及其会话"
    USERS_ADD = "users.add", "建立操作员账户"
    USERS_PASSWORD = "users.password", "重置他人口令"
    USERS_GRANT = "users.grant", "授予角色"
    USERS_TOTP = "users.totp", "重置他人动态口令"
    USERS_LOCK = "users.lock", "停用、启用操作员，结束其会话"
    AUDIT_READ = "audit.read", "查看审计记录"
    AUDIT_VERIFY = "audit.verify", "核对审计链"
    AUDIT_EXPORT = "audit.export", "导出审计记录"


ABOUT_UNITS: Final = frozenset(
    {Act.UNITS_READ, Act.DATA_READ, Act.REPORTS_FILL, Act.TOTALS_READ, Act.JOURNAL_READ}
)
"""What is done to or asked of units: a unit's user may do it for his own alone."""

TABLE: Final = {
    Role.SYSTEM: frozenset(
        {
            Act.OWN_ACCOUNT,
            Act.RUN_PLATFORM,
            Act.SCHEDULE_READ,
            Act.SCHEDULE_EDIT,
            Act.JOURNAL_READ,
            Act.JOURNAL_VERIFY,
            Act.JOURNAL_PRUNE,
            Act.DATA_REBUILD,
            Act.UNITS_READ,
            Act.TOTALS_VERIFY,
            Act.TOTALS_RECOMPUTE,
            Act.BASE_DATA_READ,
            Act.CERTIFICATES_READ,
            Act.UPLINK_READ,
            Act.UPLINK_EDIT,
            Act.USERS_READ,
            Act.USERS_ADD,
            Act.USERS_PASSWORD,
        }
    ),
    Role.SECURITY: frozenset(
        {
            Act.OWN_ACCOUNT,
            Act.UNITS_READ,
            Act.CERTIFICATES_READ,
            Act.CERTIFICATES_EDIT,
            Act.PARTNERS_READ,
            Act.PARTNERS_EDIT,
            Act.USERS_READ,
            Act.USERS_GRANT,
            Act.USERS_TOTP,
            Act.USERS_LOCK,
        }
    ),
    Role.AUDITOR: frozenset(
        {
            Act.OWN_ACCOUNT,
            Act.JOURNAL_READ,
            Act.JOURNAL_VERIFY,
            Act.UNITS_READ,
            Act.TOTALS_VERIFY,
            Act.COEFFICIENTS_READ,
            Act.CERTIFICATES_READ,
            Act.PARTNERS_READ,
            Act.UPLINK_READ,
            Act.USERS_READ,
            Act.AUDIT_READ,
            Act.AUDIT_VERIFY,
            Act.AUDIT_EXPORT,
        }
    ),
    Role.CLERK: frozenset(
        {
            Act.OWN_ACCOUNT,
            Act.SCHEDULE_READ,
            Act.JOURNAL_READ,
            Act.UNITS_READ,
            Act.UNITS_EDIT,
            Act.DATA_READ,
            Act.REPORTS_FILL,
            Act.TOTALS_READ,
            Act.TOTALS_VERIFY,
            Act.BASE_DATA_READ,
            Act.BASE_DATA_EDIT,
            Act.COEFFICIENTS_READ,
            Act.COEFFICIENTS_EDIT,
            Act.PROJECTS_READ,
            Act.PROJECTS_EDIT,
            Act.UPLINK_READ,
        }
    ),
    Role.UNIT: frozenset(
        {
            Act.OWN_ACCOUNT,
            Act.UNITS_READ,
            Act.DATA_READ,
            Act.REPORTS_FILL,
            Act.TOTALS_READ,
            Act.BASE_DATA_READ,
        }
    ),
}
"""The whole of it: what does not stand here is not permitted."""

NEEDS_TOTP: Final = frozenset({Role.SYSTEM, Role.SECURITY, Role.AUDITOR, Role.CLERK})
"""Roles whose login always takes a one-time code; a unit's user may go without."""


def may(role: Role, act: Act) -> bool:
    """Whether the role may do it at all. Of which units: `reaches`."""
    return act in TABLE[role]


def reaches(role: Role, own_unit: str, act: Act, unit: str | None) -> bool:
    """Whether the role may do it to this unit; `unit` None: to all of them, or to none.

    `own_unit` is the credit code that a unit's user is bound to, "" for everybody else.
    """
    if not may(role, act):
        return False
    if role is not Role.UNIT or act not in ABOUT_UNITS:
        return True
    return own_unit != "" and unit == own_unit
