"""A test call (测试调用): asks the exchange as the partner would, and shows what came back."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final

from nicegui import ui

from nenghao.console.parts import badge, facts, notice, text
from nenghao.console.state import State
from nenghao.console.views import partners_call
from nenghao.console.views.partners import Partner
from nenghao.console.views.partners_call import AccountError, Outcome, Question
from nenghao.console.visit import Visit
from nenghao.platform import audit
from nenghao.platform.permissions import Act
from nenghao.platform.store.engine import Store
from nenghao.standard.messages.exchange_interfaces import INTERFACES

ABOUT: Final = (
    "以该账户的名义向本平台的接口端口发出一次真正的加密请求，计入它的调用记录和每分钟次数。"
    "密钥和口令只用于这一次，不保存、不记录，调用后即从页面上清除。"
)
PERIODS: Final = {"day": "按日", "month": "按月", "year": "按年"}
SOURCES: Final = {"online": "在线采集", "report": "填报"}


def testing(visit: Visit, found: Partner) -> None:
    """The form; the answer comes below it."""
    notice(ABOUT)
    if visit.settings.exchange_port == 0:
        notice(partners_call.NO_PORT, "bad")
        return
    today = visit.now().date()
    first = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    with ui.element("div").classes("toolbar"):
        kid = ui.select(list(found.kids), label="密钥标识 kid", value=found.kids[-1])
        kid.props("outlined dense")
        key = ui.input(label="密钥 key，32 位十六进制", password=True)
        key.props("outlined dense autocomplete=off maxlength=80").classes("grow")
        password = ui.input(label="口令 password", password=True)
        password.props("outlined dense autocomplete=off maxlength=200").classes("grow")
    with ui.element("div").classes("toolbar"):
        titles = {name: one.title for name, one in INTERFACES.items()}
        interface = ui.select(titles, label="接口", value="getRegionData").props("outlined dense")
        place = ui.input(label="行政区划或行业代码", value=found.region or "210000")
        place.props("outlined dense maxlength=6")
    with ui.element("div").classes("toolbar") as spans:
        period = ui.select(PERIODS, label="统计周期", value="month").props("outlined dense")
        begin = ui.input(label="自", value=str(first)).props("outlined dense type=date")
        end = ui.input(label="至（不含）", value=str(today.replace(day=1)))
        end.props("outlined dense type=date")
        source = ui.select(SOURCES, label="数据来源", value="online").props("outlined dense")
    spans.bind_visibility_from(interface, "value", lambda value: value in partners_call.STATISTICS)

    async def call() -> None:
        question = Question(
            found.app_id, found.user_name, found.cipher, str(kid.value), key.value or "",
            password.value or "", str(interface.value), place.value or "", period.value,
            _midnight(begin.value), _midnight(end.value), source.value,
        )  # fmt: skip
        key.value = password.value = ""
        go.disable()
        try:
            outcome = await visit.do(
                Act.PARTNERS_EDIT,
                partial(_asked, visit, question),
                refusals=(AccountError, ValueError, OSError),
            )
        finally:
            go.enable()
        shown.clear()
        with shown:
            _show(visit, found, outcome)

    go = ui.button("调用", icon="send", on_click=call)
    shown = ui.element("div").props("aria-live=polite")


def _asked(visit: Visit, question: Question, store: Store, now: datetime) -> Outcome:
    """Call, and leave a record that it was the operator who did."""
    outcome = partners_call.call(visit.home, question, time.perf_counter)
    with store.write() as conn:
        result = audit.OK if outcome.ok else audit.REFUSED
        audit.record(
            conn, now, audit.OPERATOR, "", "exchange.test", question.user_name, result,
            question.interface,
        )  # fmt: skip
    return outcome


def _midnight(value: str | None) -> datetime | None:
    try:
        day = date.fromisoformat(value or "")
    except ValueError:
        return None
    return datetime(day.year, day.month, day.day)


def _show(visit: Visit, found: Partner, outcome: Outcome) -> None:
    with ui.element("div").classes("row wrap"):
        badge("成功" if outcome.ok else "未成功", "good" if outcome.ok else "bad")
        text(outcome.said)
    facts({"地址": outcome.url, "用时": f"{outcome.ms:,} 毫秒", "条数": outcome.rows})
    if outcome.content:
        text(outcome.content, "pre", "card code wide")
    elif not outcome.ok:
        link = State.link("/partners/account", name=found.user_name, tab="calls")
        ui.link("被拒绝的原因在调用记录中", link)
