"""The page of the national uplink (上送国家平台): how it stands, what was refused, what differs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from nenghao.console.dialogs import confirm
from nenghao.console.listing import Column, Listing, Page, Row, Rows, listing
from nenghao.console.page import Group, page
from nenghao.console.pages import uplink_nation
from nenghao.console.pages.uplink_nation import present
from nenghao.console.parts import empty, facts, figure, notice, plain_table, section
from nenghao.console.state import State
from nenghao.console.views import uplink as view
from nenghao.console.visit import Visit
from nenghao.platform.permissions import Act
from nenghao.platform.uplink import operation

Again = Callable[[], Awaitable[None]]

LATE_MINUTES = 60
"""What has waited longer, with the uplink going, is worth a look."""


@page("/uplink", "上送国家平台", Act.UPLINK_READ, group=Group.SYSTEM, icon="cloud_upload", order=30)
async def uplink(visit: Visit, state: State) -> None:
    """Status, backlog, refusals, comparison, base data."""
    home = present(visit)
    if home.settings.role == "national":
        empty("本平台是国家平台（role = national），不向上报送。")
        return
    top = ui.element("div")

    async def show() -> None:
        now, here = visit.now(), present(visit)
        found = await visit.ask(
            Act.UPLINK_READ, lambda conn: view.standing(conn, here, here.settings, now)
        )
        top.clear()
        with top:
            _standing(visit, found)

    async def again() -> None:
        await show()
        await listed.refresh()

    await show()
    with section("被国家平台拒绝的"):
        listed = await _refusals(visit, state, again)
    with section("与国家平台核对"):
        uplink_nation.comparison(visit, state, show)
    with section("国家平台的基础数据"):
        await uplink_nation.base_data(visit)


def _standing(visit: Visit, found: view.Standing) -> None:
    if not found.to:
        empty(
            "没有设置国家平台，不上送；要送的照样记着。先在平台的机器上运行 "
            "nenghao platform uplink set --to https://主机:端口 --credentials 证书目录。"
        )
    if found.trouble:
        notice(f"省级平台的证书不可用：{found.trouble}", "bad")
    if found.failure:
        notice(f"自 {found.failing_since} 起未成：{found.failure}", "bad")
    if found.to and not found.running:
        notice("上送进程没有运行：它随 platform serve 启动，请看“运行状况”。", "warn")
    late = found.running and found.in_window and found.age_minutes > LATE_MINUTES
    with ui.element("div").classes("cards"):
        oldest = f"最早 {found.oldest}，已等 {_span(found.age_minutes)}" if found.oldest else ""
        figure("未送", f"{found.backlog:,}", "条", oldest, "warn" if late else "good")
        figure("最近一次送达", found.sent_at or "（无）", "", "", "info")
        kind = (found.running and "正在运行") or "未运行"
        within = "此刻在时段内" if found.in_window else "此刻不在时段内"
        figure("上送进程", kind, "", within, "good" if found.running else "warn")
        figure("被拒绝", f"{found.refused:,}", "条", "", "bad" if found.refused else "good")
    facts(
        {
            "国家平台": found.to or "（未设置）",
            "时段": "随时" if found.window == "always" else found.window,
            "本省": found.province or "（没有证书）",
        }
    )
    if visit.may(Act.RUN_PLATFORM):
        ui.link("上送的设置", State.link("/settings", tab="上送国家平台"))
    if found.waiting:
        rows = [(one.kind, f"{one.marks:,}", f"{one.units:,}", one.oldest) for one in found.waiting]
        plain_table(("内容", "条数", "用能单位数", "最早"), rows, "未送的，按内容")


def _span(minutes: int) -> str:
    days, rest = divmod(minutes, 24 * 60)
    hours, least = divmod(rest, 60)
    if days:
        return f"{days} 天 {hours} 小时"
    return f"{hours} 小时 {least} 分钟" if hours else f"{least} 分钟"


async def _refusals(visit: Visit, state: State, again: Again) -> Listing:
    async def fetch(asked: Page) -> Rows:
        word = state.text("q")
        found, total = await visit.ask(
            Act.UPLINK_READ,
            lambda conn: view.refusals(conn, word, limit=asked.size, offset=asked.offset),
        )
        return Rows([_row(one) for one in found], total)

    async def retry(code: str) -> None:
        count = await visit.do(
            Act.UPLINK_EDIT, lambda store, now: operation.retry(store, now, code)
        )
        visit.say(f"{count:,} 条重新列入上送")
        await again()

    async def retry_unit(row: Row) -> None:
        await retry(str(row["code"]))

    async def retry_all() -> None:
        word = "全部单位被拒绝的都重新列入上送；原因没有消除的会再被拒绝。每天也会自动重试一次。"
        if await confirm("全部重新上送？", word, "重新上送"):
            await retry("")

    async def search(word: str | None) -> None:
        state.set(q=word)
        await made.refresh(first=True)

    may = visit.may(Act.UPLINK_EDIT)
    with ui.element("div").classes("toolbar"):
        field = ui.input(label="用能单位或国家平台的原话", value=state.text("q"))
        field.props("debounce=300 clearable").classes("grow")
        field.on_value_change(lambda event: search(event.value))
        if may:
            ui.button("全部重新上送", on_click=retry_all).props("outline")
    made = await listing(
        visit,
        state,
        [
            Column("name", "用能单位", link=lambda row: f"/units/{row['code']}"),
            Column("code", "统一社会信用代码", code=True),
            Column("item", "内容"),
            Column("refused_at", "被拒绝于"),
            Column("since", "列入上送于"),
            Column("response_code", "代码", code=True),
            Column("words", "国家平台的原话"),
        ],
        fetch,
        empty="没有被拒绝的。",
        caption="被国家平台拒绝的条目",
        actions=(lambda row: [("重新上送该单位", retry_unit)]) if may else None,
    )
    return made


def _row(one: view.Refusal) -> Row:
    return {
        "name": one.name,
        "code": one.code,
        "item": one.item,
        "refused_at": one.refused_at,
        "since": one.since,
        "response_code": one.response_code,
        "words": one.words,
    }
