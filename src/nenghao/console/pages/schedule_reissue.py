"""Handing all upload times out anew (重新编排): first what it would do, then the question."""

from __future__ import annotations

from datetime import datetime

from nicegui import ui

from nenghao.console import charts
from nenghao.console.dialogs import confirm
from nenghao.console.pages.devices_parts import number, whole
from nenghao.console.parts import facts, notice, plain_table
from nenghao.console.views import schedule as views
from nenghao.console.views.schedule import Plan, Preview
from nenghao.console.visit import Visit
from nenghao.platform import schedule_changes
from nenghao.platform.permissions import Act
from nenghao.platform.schedule import UploadWindow
from nenghao.platform.schedule_changes import Reissued, ScheduleError
from nenghao.platform.store.engine import Store
from nenghao.settings import SettingsError

TYPED = "重新编排"


def reissuing(visit: Visit, plan: Plan) -> None:
    """The form; the preview comes below it."""
    with ui.element("div").classes("toolbar"):
        start = ui.input(label="窗口开始，HH:MM:SS", value=plan.start).props("outlined dense")
        end = ui.input(label="窗口结束（不含），HH:MM:SS", value=plan.end).props("outlined dense")
        step = number("间隔，秒", plan.step, 1, 86_400)
        ui.button("预览", icon="preview", on_click=lambda: preview())

    async def preview() -> None:
        def look(store: Store, now: datetime) -> tuple[UploadWindow, Preview]:
            window = schedule_changes.window_of(start.value or "", end.value or "", whole(step))
            with store.read() as conn:
                return window, views.preview(conn, visit.settings, window)

        window, told = await visit.do(Act.SCHEDULE_EDIT, look, refusals=(ScheduleError,))
        shown.clear()
        with shown:
            _show(visit, window, told)

    shown = ui.element("div").props("aria-live=polite")


def _show(visit: Visit, window: UploadWindow, told: Preview) -> None:
    facts(
        {
            "端设备": f"{told.devices:,} 台",
            "时间点会变的": f"{told.moved:,} 台",
            "单独改过而会失去的": f"{told.by_hand:,} 台",
            "同一时间点至多": f"{told.rounds:,} 台",
        }
    )
    if told.rounds > 1:
        notice(
            f"窗口只有 {window.places:,} 个时间点，用完后从头再来；可放宽窗口或缩短间隔。", "warn"
        )
    busiest = max(told.by_minute.values(), default=0)
    charts.chart(
        {
            "xAxis": {"type": "category", "data": list(told.by_minute), "name": "时间点"},
            "yAxis": {"type": "value", "name": "台", "minInterval": 1},
            "series": [{"type": "bar", "name": "编排之后", "data": list(told.by_minute.values())}],
        },
        f"编排之后每分钟上报的端设备数，最多 {busiest} 台",
        height="220px",
        empty=None if told.devices else "还没有端设备注册；编排之后新注册的端设备按新的窗口下发。",
    )
    if told.moves:
        more = f"（共 {told.moved:,} 台，只列前 {len(told.moves)} 台）"
        plain_table(
            ["用能单位", "统一社会信用代码", "端设备", "现在", "编排之后"],
            [[one.name, one.code, str(one.number), one.before, one.after] for one in told.moves],
            f"时间点会变的端设备{more if told.moved > len(told.moves) else ''}",
        )
    ui.button("重新编排", on_click=lambda: _reissue(visit, window, told)).props("color=negative")


async def _reissue(visit: Visit, window: UploadWindow, told: Preview) -> None:
    sure = await confirm(
        "重新编排全部上报时间点",
        f"窗口 {window.start}–{window.end}，每 {window.step} 秒一个；"
        f"{told.moved:,} 台端设备的时间点会变，全部端设备会重新注册一次。窗口写入 platform.toml。",
        act="重新编排",
        danger=True,
        typed=TYPED,
    )
    if not sure:
        return
    changes: dict[str, str | int] = {
        "upload_window_start": str(window.start),
        "upload_window_end": str(window.end),
        "upload_step_seconds": window.step,
    }

    def change(store: Store, now: datetime) -> Reissued:
        return schedule_changes.reissue(visit.home, store, changes, now)

    done = await visit.do(
        Act.SCHEDULE_EDIT, change, refusals=(ScheduleError, SettingsError, OSError)
    )
    visit.say(f"已重新编排 {done.devices:,} 台端设备；regVersion 升为 {done.version}")
    visit.go("/schedule")
