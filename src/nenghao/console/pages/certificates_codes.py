"""Enrolment codes (注册码): what became of each, many made from a list, taken back."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import PurePath

from nicegui import ui

from nenghao.console.dialogs import confirm
from nenghao.console.files import upload
from nenghao.console.listing import Action, Column, Page, Row, Rows, listing
from nenghao.console.page import Group, page
from nenghao.console.pages.certificates_issuing import NO_PORT
from nenghao.console.pages.devices_parts import (
    Later,
    Refresh,
    choose,
    moment,
    number,
    part_of,
    search,
    whole,
)
from nenghao.console.parts import notice, section, text
from nenghao.console.state import State
from nenghao.console.views import certificates_codes as views
from nenghao.console.views.certificates_codes import Code, CodeState, Wanted
from nenghao.console.visit import Visit
from nenghao.console.work import Progress, with_progress
from nenghao.platform import enrolment, enrolment_list, issuing
from nenghao.platform.enrolment_list import Made, Read
from nenghao.platform.permissions import Act
from nenghao.platform.store.engine import Store
from nenghao.platform.table_file import FileError
from nenghao.security.authority import AuthorityError

STATES = {"": "全部"} | {state.value: state.label for state in CodeState}
EMPTY = "没有符合条件的注册码。为一台端设备生成，请用“签发证书”；为多台生成，请上传名单。"
SUFFIXES = (".xlsx", ".csv")


@page("/enrolment", "注册码", Act.CERTIFICATES_READ, group=Group.SECURITY, icon="vpn_key", order=20)
async def codes(visit: Visit, state: State) -> None:
    """The list; above it, for who may, making many."""
    if not views.address(visit.settings):
        notice(NO_PORT, "warn")
    later = Later()
    if visit.may(Act.CERTIFICATES_EDIT):
        with section("生成"):
            _making(visit, later.refresh)
    with section("注册码"):
        await _list(visit, state, later)


async def _list(visit: Visit, state: State, later: Later) -> None:
    act = Act.CERTIFICATES_READ
    counts = await visit.ask(act, lambda conn: views.counts(conn, visit.now()))
    text("，".join(f"{one.label} {count:,} 个" for one, count in counts.items()), "p", "dull")
    with ui.element("div").classes("toolbar"):
        search(state, later.refresh, "单位名称或统一社会信用代码")
        choose(state, later.refresh, "状态", "state", STATES)

    async def fetch(asked: Page) -> Rows:
        found = await visit.ask(
            act, lambda conn: views.page(conn, _wanted(state), part_of(asked), visit.now())
        )
        return Rows([_row(one) for one in found.rows], found.total)

    def actions(row: Row) -> list[Action]:
        may = visit.may(Act.CERTIFICATES_EDIT) and row["state"] == CodeState.OPEN.label
        return [("取消", partial(_withdraw, visit, later.refresh))] if may else []

    columns = [
        Column("name", "用能单位", sort=True),
        Column("credit_code", "统一社会信用代码", sort=True, code=True),
        Column("device", "端设备", number=True),
        Column("region", "行政区划"),
        Column("state", "状态", badge=lambda row: str(row["kind"])),
        Column("created_at", "生成时间", sort=True),
        Column("expires_at", "有效至", sort=True),
        Column("used_at", "使用时间", sort=True),
        Column("days", "证书有效天数", number=True),
        Column("serial", "证书序列号", code=True, link=_certificate),
    ]
    later.list = await listing(visit, state, columns, fetch, EMPTY, "注册码", actions=actions)


def _wanted(state: State) -> Wanted:
    chosen = state.choice("state", tuple(STATES), "")
    return Wanted(state.text("q"), CodeState(chosen) if chosen else None)


def _certificate(row: Row) -> str | None:
    return State.link("/certificates", q=row["serial"]) if row["serial"] else None


def _row(one: Code) -> Row:
    return {
        "name": one.name,
        "credit_code": one.code,
        "device": one.device,
        "region": one.region_name,
        "state": one.state.label,
        "kind": one.state.badge,
        "created_at": moment(one.created_at),
        "expires_at": moment(one.expires_at),
        "used_at": moment(one.used_at),
        "days": one.days,
        "serial": one.serial or None,
    }


async def _withdraw(visit: Visit, refresh: Refresh, row: Row) -> None:
    who = f"{row['name']} 端设备 {row['device']}"
    if not await confirm(
        "取消注册码", f"{who} 的注册码将不能再使用。", act="取消注册码", danger=True
    ):
        return

    def change(store: Store, now: datetime) -> int:
        with store.write() as conn:
            return enrolment.withdraw(conn, str(row["credit_code"]), int(row["device"] or 0), now)

    gone = await visit.do(Act.CERTIFICATES_EDIT, change)
    visit.say("注册码已取消" if gone else "注册码已被使用或取消")
    await refresh()


# --- making many ----------------------------------------------------------------------------


def _making(visit: Visit, refresh: Refresh) -> None:
    with ui.element("div").classes("toolbar"):
        ui.button("为一台端设备生成", icon="add", on_click=lambda: visit.go("/certificates/new"))
        for suffix in SUFFIXES:
            name = f"端设备名单{suffix}"
            ui.button(
                f"名单模板（{suffix}）",
                icon="download",
                on_click=partial(_template, visit, name, suffix),
            ).props("flat")
    with ui.element("div").classes("toolbar"):
        hours = number("注册码有效小时数", enrolment.DEFAULT_HOURS, 1, enrolment_list.MOST_HOURS)
        days = number("证书有效天数", issuing.DAYS, 1, issuing.MOST_DAYS)

    async def given(name: str, content: bytes) -> None:
        await _many(visit, name, content, whole(hours), whole(days))
        await refresh()

    upload(
        visit,
        f"按名单生成（Excel 或 CSV，列：{'、'.join(enrolment_list.HEADER)}）",
        SUFFIXES,
        given,
    )


def _template(visit: Visit, name: str, suffix: str) -> None:
    visit.download(name, enrolment_list.template(suffix))


async def _many(visit: Visit, name: str, content: bytes, hours: int, days: int) -> None:
    suffix = PurePath(name).suffix.lower()

    def look(store: Store, now: datetime) -> Read:
        with store.read() as conn:
            return enrolment_list.read(conn, content, suffix)

    read = await visit.do(Act.CERTIFICATES_EDIT, look, refusals=(FileError,))
    units = len({one.credit_code for one in read.wanted})
    lines = [
        f"将为 {units} 个单位的 {len(read.wanted)} 台端设备生成注册码，{hours} 小时内有效。",
        "这些端设备以前未用的注册码会被取消。生成后自动下载一份名单，只提供这一次。",
        *read.odd,
    ]
    if not await confirm("按名单生成注册码", "\n".join(lines), act="生成并下载"):
        return

    def make(store: Store, now: datetime, progress: Progress) -> list[Made]:
        authority = visit.home.authority()
        made: list[Made] = []
        with store.write() as conn:
            for at in range(0, len(read.wanted), 50):
                progress.at(at, len(read.wanted), "台")
                some = read.wanted[at : at + 50]
                made += enrolment_list.make(conn, authority, some, now, hours=hours, days=days)
        return made

    made = await with_progress(
        visit, "生成注册码", Act.CERTIFICATES_EDIT, make, refusals=(AuthorityError,)
    )
    visit.download(f"注册码{suffix}", enrolment_list.written(made, suffix))
    visit.say(f"已生成 {len(made)} 个注册码并下载")
