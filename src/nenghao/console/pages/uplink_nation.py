"""What is asked of the national platform on the uplink's page (对账和基础数据): days, base data."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime, timedelta

from nicegui import ui

from nenghao.console.dialogs import confirm
from nenghao.console.parts import empty, facts, notice, plain_table, text
from nenghao.console.state import State
from nenghao.console.views import uplink as view
from nenghao.console.visit import Visit
from nenghao.console.work import Progress, with_progress
from nenghao.platform import table_file
from nenghao.platform.home import Home, open_home
from nenghao.platform.national.verify import Difference
from nenghao.platform.permissions import Act
from nenghao.platform.store.engine import Store
from nenghao.platform.uplink import operation
from nenghao.platform.uplink.operation import UplinkError
from nenghao.settings import SettingsError
from nenghao.standard.replies import Refusal

REFUSALS = (UplinkError, SettingsError, Refusal)
MOST_SHOWN = 100
HEAD = ("统一社会信用代码", "日期", "本平台条数", "国家平台条数")
SETTINGS = {"automatic": "自动采用", "approve": "等待批准", "off": "不校验"}


def present(visit: Visit) -> Home:
    """The folder with its settings as they are now: the uplink takes them up at once."""
    try:
        return open_home(visit.home.path, os.environ)
    except SettingsError:
        return visit.home


def comparison(visit: Visit, state: State, changed: Callable[[], Awaitable[None]]) -> None:
    """Compare days; what differs is marked to be sent again."""
    text(
        "按用能单位和日期核对数据的条数和 SM3 摘要；不一致的日期自动重新列入上送。"
        "核对之时正在上送的也会显示为不一致。",
        "p",
        "dull",
    )
    if not visit.may(Act.UPLINK_EDIT):
        empty("核对由系统管理员进行。")
        return
    yesterday = visit.now().date() - timedelta(days=1)
    last = state.day("to", yesterday)
    first = state.day("from", last - timedelta(days=6))
    with ui.element("div").classes("toolbar"):
        begin = ui.input(label="第一天", value=first.isoformat()).props("type=date stack-label")
        end = ui.input(label="最后一天", value=last.isoformat()).props("type=date stack-label")
        button = ui.button("核对", icon="compare_arrows")
    result = ui.element("div").props("aria-live=polite")

    async def compare() -> None:
        try:
            days = date.fromisoformat(begin.value or ""), date.fromisoformat(end.value or "")
        except ValueError:
            visit.warn("请选择第一天和最后一天")
            return
        state.set(**{"from": days[0], "to": days[1]})
        path = visit.home.path

        def work(store: Store, now: datetime, progress: Progress) -> list[Difference]:
            home = open_home(path, os.environ)
            return operation.compare(
                store,
                home,
                *days,
                now,
                lambda done, total: progress.at(done, total, "已核对的单位"),
            )

        found = await with_progress(
            visit, "与国家平台核对", Act.UPLINK_EDIT, work, refusals=REFUSALS
        )
        result.clear()
        with result:
            _told(visit, days, found)
        await changed()

    button.on_click(compare)


def _told(visit: Visit, days: tuple[date, date], found: Sequence[Difference]) -> None:
    if not found:
        notice(f"{days[0]} 至 {days[1]}：与国家平台一致。", "good")
        return
    notice(f"{days[0]} 至 {days[1]}：{len(found):,} 处不一致，已列入上送。", "warn")
    rows = [(one.code, f"{one.day}", f"{one.here}", f"{one.there}") for one in found]
    more = f"（前 {MOST_SHOWN} 处）" if len(found) > MOST_SHOWN else ""
    plain_table(HEAD, rows[:MOST_SHOWN], f"不一致的日期{more}")
    content = table_file.write_csv(HEAD, (dict(zip(HEAD, row, strict=True)) for row in rows))
    name = f"对账-{days[0]}-{days[1]}.csv"
    ui.button("下载 CSV", icon="download", on_click=lambda: visit.download(name, content)).props(
        "outline no-caps"
    )


async def base_data(visit: Visit) -> None:
    """The nation's dicVersion that was taken, and the one that waits for approval."""
    place = ui.element("div")

    async def show() -> None:
        home, now = present(visit), visit.now()
        found = await visit.ask(
            Act.UPLINK_READ, lambda conn: view.standing(conn, home, home.settings, now)
        )
        place.clear()
        with place:
            _versions(visit, found, approve)

    async def approve() -> None:
        word = "国家平台现有的基础数据取代本平台的各表，并以新的 dicVersion 下发给端设备。"
        if not await confirm("采用国家平台的基础数据？", word, "采用"):
            return
        path = visit.home.path

        def work(store: Store, now: datetime, progress: Progress) -> list[str] | None:
            progress.at(0, 0, "正在从国家平台取基础数据")
            return operation.approve(store, open_home(path, os.environ), now)

        changed = await with_progress(
            visit, "采用国家平台的基础数据", Act.UPLINK_EDIT, work, refusals=REFUSALS
        )
        if changed is None:
            visit.say("已是国家平台的现有版本")
        else:
            visit.say(f"已采用，改动的表：{'、'.join(changed) or '（与现有的相同）'}")
        await show()

    await show()


def _versions(visit: Visit, found: view.Standing, approve: Callable[[], Awaitable[None]]) -> None:
    facts(
        {
            "已采用的版本": found.taken or "（未采用过）",
            "等待批准的版本": found.offered or "（无）",
            "有新版本时": SETTINGS[found.base_data],
        }
    )
    if found.offered:
        notice(f"国家平台的基础数据有新版本 {found.offered}，等待批准。", "warn")
    if found.to and visit.may(Act.UPLINK_EDIT):
        ui.button("采用国家平台现有的版本", on_click=approve).props("outline")
