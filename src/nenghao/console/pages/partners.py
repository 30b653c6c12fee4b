"""Other application platforms (其他应用平台): the accounts, an account's page with its parts."""

from __future__ import annotations

from datetime import timedelta

from nicegui import ui

from nenghao.console.listing import Column, Page, Row, Rows, listing
from nenghao.console.page import Group, page
from nenghao.console.pages import partners_calls, partners_forms, partners_test
from nenghao.console.pages.devices_parts import moment
from nenghao.console.parts import badge, card, empty, facts, notice, plain_table
from nenghao.console.state import State
from nenghao.console.views import partners as views
from nenghao.console.views.partners import Partner
from nenghao.console.visit import Visit
from nenghao.platform.permissions import Act

ACCOUNT = "/partners/account"
EMPTY = "还没有其他应用平台的账户。用“建立账户”为对方建立，并把密钥和口令经安全途径交给对方。"
PARTS = {"account": "账户", "calls": "调用记录"}


@page("/partners", "其他应用平台", Act.PARTNERS_READ, group=Group.SECURITY, icon="hub", order=30)
async def partners(visit: Visit, state: State) -> None:
    """All accounts."""
    if visit.settings.exchange_port == 0:
        notice("设置项 exchange_port 为 0：平台没有开放其他应用平台接口。", "warn")
    if visit.may(Act.PARTNERS_EDIT):
        with ui.element("div").classes("toolbar"):
            ui.button("建立账户", icon="add", on_click=lambda: visit.go("/partners/new"))

    async def fetch(asked: Page) -> Rows:
        today = visit.now().date()
        found, times = await visit.ask(
            Act.PARTNERS_READ,
            lambda conn: (
                views.listing(conn, visit.now()),
                views.times(conn, today - timedelta(days=6), today),
            ),
        )
        some = found[asked.offset : asked.offset + asked.size]
        return Rows([_row(one, times.get(one.user_name, (0, 0))) for one in some], len(found))

    columns = [
        Column("user_name", "用户名", link=lambda row: link_to(str(row["user_name"]))),
        Column("app_id", "appId", code=True),
        Column("state", "状态", badge=lambda row: str(row["kind"])),
        Column("interfaces", "接口"),
        Column("region", "行政区划"),
        Column("industries", "行业"),
        Column("kids", "有效密钥", code=True),
        Column("rate", "每分钟至多", number=True),
        Column("calls", "近 7 天调用（次）", number=True),
        Column("refused", "其中被拒绝（次）", number=True),
        Column("created_at", "建立时间"),
    ]
    await listing(visit, state, columns, fetch, EMPTY, "其他应用平台的账户")


def link_to(user_name: str, **query: object) -> str:
    """The address of an account's page."""
    return State.link(ACCOUNT, name=user_name, **query)


def _row(one: Partner, times: tuple[int, int]) -> Row:
    word, kind = one.state
    scope = one.scope
    return {
        "user_name": one.user_name,
        "app_id": one.app_id,
        "state": word,
        "kind": kind,
        "interfaces": scope["接口"],
        "region": scope["行政区划"],
        "industries": scope["行业"],
        "kids": "、".join(one.kids),
        "rate": one.rate,
        "calls": times[0],
        "refused": times[1],
        "created_at": moment(one.created_at),
    }


@page("/partners/new", "建立其他应用平台的账户", Act.PARTNERS_EDIT)
async def new(visit: Visit, state: State) -> None:
    """A new account; what the partner is given is shown once."""
    ui.link("返回其他应用平台", "/partners")
    choices = await visit.ask(Act.PARTNERS_EDIT, views.choices)
    partners_forms.adding(visit, choices)


@page(ACCOUNT, "应用平台账户", Act.PARTNERS_READ)
async def account(visit: Visit, state: State) -> None:
    """One account: its scope and keys, its calls, and a call to try."""
    ui.link("返回其他应用平台", "/partners")
    name = state.text("name")
    found, choices = await visit.ask(
        Act.PARTNERS_READ,
        lambda conn: (views.partner(conn, name, visit.now()), views.choices(conn)),
    )
    if found is None:
        empty(f"没有用户名为 {name} 的账户。", "/partners", "看全部账户")
        return
    parts = PARTS | ({"test": "测试调用"} if visit.may(Act.PARTNERS_EDIT) else {})
    tab = state.choice("tab", tuple(parts), "account")
    word, kind = found.state
    with ui.element("div").classes("row wrap"):
        badge(word, kind)
        ui.label(f"{found.user_name} · appId {found.app_id}")
    _tabs(parts, tab, name)
    match tab:
        case "calls":
            await partners_calls.calls(visit, state, name)
        case "test":
            partners_test.testing(visit, found)
        case _:
            _account(visit, found, choices)


def _tabs(parts: dict[str, str], current: str, name: str) -> None:
    with ui.element("nav").classes("tabs").props('aria-label="本页各部分"'):
        for key, label in parts.items():
            made = ui.link(label, link_to(name, tab=key))
            if key == current:
                made.props("aria-current=page")


def _account(visit: Visit, found: Partner, choices: tuple[dict[str, str], dict[str, str]]) -> None:
    with ui.element("div").classes("cards wide2"):
        with card("范围"):
            facts(
                {
                    **found.scope,
                    "每分钟至多": f"{found.rate:,} 次",
                    "加密方式": views.CIPHERS[found.cipher],
                    "明文请求": "允许（不符合标准 7.1）" if found.plain else "不允许",
                    "建立时间": moment(found.created_at),
                    "停用时间": moment(found.locked_at),
                }
            )
            if visit.may(Act.PARTNERS_EDIT):
                partners_forms.locking(visit, found)
        with card("密钥"):
            _keys(found)
            if visit.may(Act.PARTNERS_EDIT):
                partners_forms.rotating(visit, found)
    if visit.may(Act.PARTNERS_EDIT):
        with card("改变范围"):
            partners_forms.limiting(visit, found, choices)


def _keys(found: Partner) -> None:
    rows = [
        [key.kid, moment(key.created_at) or "", moment(key.retired_at) or "有效"]
        for key in reversed(found.keys)
    ]
    plain_table(["kid", "产生时间", "停用时间"], rows[:10], "密钥本身不再显示")
