"""The page of the table of permissions (权限表): five roles, every act, nothing to change."""

from __future__ import annotations

from nenghao.console.page import Group, page
from nenghao.console.pages.health_table import marked_table
from nenghao.console.parts import text
from nenghao.console.state import State
from nenghao.console.views import users as view
from nenghao.console.visit import Visit
from nenghao.platform.permissions import Act, Role


@page("/permissions", "权限表", Act.OWN_ACCOUNT, group=Group.SECURITY, icon="rule", order=40)
async def permissions(visit: Visit, state: State) -> None:
    """Who may do what."""
    text(
        "三员分立：建立账户的不能授予角色，授予角色的不能建立账户，查看审计的两者都不能。"
        "表中没有的一律不许；企业用户只及于自己的用能单位。",
        "p",
        "dull",
    )
    mine = visit.session.role
    head = [f"{role.label}（您）" if role is mine else role.label for role in Role]
    rows = [
        [row.name, *("可以" if row.roles[role.value] else "—" for role in Role), row.act]
        for row in view.permissions()
    ]
    widths = {"操作": 12, **dict.fromkeys(head, 6), "标识": 10}
    marked_table(widths, rows, "五种角色各可做什么")
