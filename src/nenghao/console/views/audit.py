"""What the page of the audit trail shows (审计记录): one page of records, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from sqlalchemy import Connection, RowMapping, select

from nenghao.platform import audit, audit_chain
from nenghao.platform.audit import Filter
from nenghao.platform.store.operators_schema import audit_link
from nenghao.platform.store.schema import audit as audit_table

MOST: Final = 10_000
"""Records that a search counts and pages through; beyond it is to be narrowed."""

ACTIONS: Final = {
    "": "全部操作",
    "user.": "操作员：全部",
    "user.login": "操作员：登录",
    "user.logout": "操作员：退出",
    "user.add": "操作员：建立账户",
    "user.grant": "操作员：授予角色",
    "user.password": "操作员：改自己的口令",
    "user.reset-password": "操作员：重置口令",
    "user.reset-totp": "操作员：重置动态口令",
    "user.lock": "操作员：停用",
    "user.unlock": "操作员：启用",
    "user.end-sessions": "操作员：结束会话",
    "permission": "越权",
    "register": "端设备注册",
    "identity": "身份不符",
    "handshake": "TLS 握手被拒",
    "announce": "省级平台报送单位",
    "ca.": "数字证书：全部",
    "ca.issue": "数字证书：签发",
    "ca.enrol": "数字证书：凭注册码领取",
    "ca.renew": "数字证书：更新",
    "ca.revoke": "数字证书：吊销",
    "ca.code": "数字证书：注册码",
    "exchange": "其他应用平台：调用",
    "exchange.": "其他应用平台：账户",
    "settings.change": "平台设置",
    "uplink.": "上送国家平台",
    "base-data.": "基础数据",
    "coefficient.": "折标系数",
    "projects.": "重点项目",
    "reports.": "填报",
    "unit.": "用能单位设置",
    "schedule.": "上报时间点",
    "journal.": "上传日志",
    "totals.": "合计",
    "audit.": "审计",
}
"""What can be chosen, each with its Chinese name; with a dot at its end all that begin so."""
RESULTS: Final = {"": "全部结果", audit.OK: "成功", audit.REFUSED: "被拒绝"}


@dataclass(frozen=True)
class Record:
    """One record as it is shown."""

    sequence: int
    at: str
    actor: str
    address: str
    action: str
    """Its Chinese name and the name that it is recorded under."""
    subject: str
    result: str
    is_refused: bool
    detail: str


@dataclass(frozen=True)
class Found:
    """One page of a search."""

    records: list[Record]
    total: int
    is_cut: bool
    """There are more than `MOST`."""


def wanted(
    *, who: str = "", action: str = "", what: str = "", result: str = "", first: date, last: date
) -> Filter:
    """A search for the days `first` to `last`, both included."""
    return Filter(
        action=action,
        result=result,
        since=datetime.combine(first, time()),
        until=datetime.combine(last, time()) + timedelta(days=1),
        who=who,
        what=what,
    )


def search(conn: Connection, asked: Filter, *, limit: int = 20, offset: int = 0) -> Found:
    """The records of one page."""
    total = audit.counted(conn, asked, MOST + 1)
    rows = [] if offset >= MOST else _rows(conn, asked, limit, offset)
    records = [
        Record(
            sequence=row["sequence"],
            at=f"{row['at']:%Y-%m-%d %H:%M:%S}",
            actor=row["actor"],
            address=row["address"],
            action=named(row["action"]),
            subject=row["subject"],
            result=RESULTS.get(row["result"], row["result"]),
            is_refused=row["result"] == audit.REFUSED,
            detail=row["detail"],
        )
        for row in rows
    ]
    return Found(records, min(total, MOST), total > MOST)


def _rows(conn: Connection, asked: Filter, limit: int, offset: int) -> Sequence[RowMapping]:
    """The records of a page by time, which the index has in order, then their numbers."""
    c = audit_table.c
    page = (
        select(c.id)
        .where(*audit.conditions(asked))
        .order_by(c.at.desc(), c.id.desc())
        .limit(limit)
        .offset(offset)
        .subquery()
    )
    query = (
        select(audit_link.c.sequence, audit_table)
        .join_from(page, audit_table, audit_table.c.id == page.c.id)
        .join(audit_link, audit_link.c.audit_id == c.id)
        .order_by(c.at.desc(), c.id.desc())
    )
    return conn.execute(query).mappings().all()


def named(action: str) -> str:
    """An action with its Chinese name, as far as it has one."""
    label = ACTIONS.get(action)
    if label is None:
        group = ACTIONS.get(f"{action.partition('.')[0]}.")
        label = None if group is None else group.removesuffix("：全部")
    return action if label is None else f"{label} {action}"


def length(conn: Connection) -> int:
    """How many records the chain has."""
    return audit_chain.last(conn)
