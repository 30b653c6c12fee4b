"""All devices (端设备): where each stands with its certificate, its uploads and its base data."""

from __future__ import annotations

from nicegui import ui

from nenghao.console.listing import Column, Page, Row, Rows, listing
from nenghao.console.page import Group, page
from nenghao.console.pages.devices_parts import Later, choose, moment, part_of, search
from nenghao.console.parts import figure
from nenghao.console.state import State
from nenghao.console.views import devices as views
from nenghao.console.views.devices import CertificateState, Device, Uploads, Wanted
from nenghao.console.visit import Visit
from nenghao.platform.permissions import Act

STATES = {"": "全部"} | {state.value: state.label for state in CertificateState}
EMPTY = "没有符合条件的端设备。端设备领取证书后列在这里：在“注册码”中为用能单位生成注册码。"


@page("/devices", "端设备", Act.UNITS_READ, group=Group.DATA, icon="router", order=30)
async def devices(visit: Visit, state: State) -> None:
    """Search, filter, page."""
    counts = await visit.ask(Act.UNITS_READ, lambda conn: views.counts(conn, visit.now()))
    with ui.element("div").classes("cards"):
        figure("端设备", f"{sum(counts.values()):,}", "台", "有证书或已注册的")
        for one in (CertificateState.ENDING, CertificateState.EXPIRED, CertificateState.REVOKED):
            kind = one.badge if counts[one] else "dull"
            figure(f"证书{one.label}", f"{counts[one]:,}", "台", kind=kind)
    later = Later()
    with ui.element("div").classes("toolbar"):
        search(state, later.refresh, "单位名称或统一社会信用代码")
        choose(state, later.refresh, "证书", "state", STATES)
        choose(state, later.refresh, "上传", "uploads", views.UPLOADS)

    async def fetch(asked: Page) -> Rows:
        found = await visit.ask(
            Act.UNITS_READ,
            lambda conn: views.page(conn, _wanted(state), part_of(asked), visit.now()),
        )
        return Rows([_row(one, found.dic_version) for one in found.rows], found.total)

    later.list = await listing(visit, state, _columns(visit), fetch, EMPTY, "全部端设备")


def _wanted(state: State) -> Wanted:
    chosen = state.choice("state", tuple(STATES), "")
    uploads = state.choice("uploads", tuple(views.UPLOADS), "")
    return Wanted(state.text("q"), CertificateState(chosen) if chosen else None, Uploads(uploads))


def _columns(visit: Visit) -> list[Column]:
    def unit(row: Row) -> str | None:
        return f"/units/{row['code']}" if row["registered"] else None

    def certificate(row: Row) -> str | None:
        known = row["state"] != CertificateState.NONE.label
        may = visit.may(Act.CERTIFICATES_READ)
        return State.link("/certificates", q=row["code"]) if known and may else None

    def schedule(row: Row) -> str | None:
        may = visit.may(Act.SCHEDULE_READ) and row["upload_time"]
        return State.link("/schedule", q=row["code"]) if may else None

    return [
        Column("name", "用能单位", sort=True, link=unit),
        Column("code", "统一社会信用代码", sort=True, code=True),
        Column("number", "端设备", number=True),
        Column("region", "行政区划", sort=True),
        Column("state", "证书", badge=lambda row: str(row["kind"])),
        Column("not_after", "证书有效至", sort=True, link=certificate),
        Column("last_upload", "最近上传", sort=True),
        Column("upload_time", "上报时间点", sort=True, link=schedule),
        Column("dic_version", "基础数据版本", sort=True, badge=lambda row: str(row["held"])),
        Column("registered_at", "最近注册"),
    ]


def _row(one: Device, dic_version: int) -> Row:
    held = "未下载" if one.registered_at else None
    if one.dic_version is not None:
        held = f"{one.dic_version}" + ("" if one.dic_version >= dic_version else "（不是最新）")
    return {
        "name": one.name,
        "code": one.code,
        "number": one.number,
        "region": one.region,
        "state": one.state.label,
        "kind": one.state.badge,
        "not_after": moment(one.not_after),
        "last_upload": moment(one.last_upload) or ("从未上传" if one.registered_at else None),
        "upload_time": one.upload_time or None,
        "dic_version": held,
        "held": "good" if one.dic_version == dic_version else "dull",
        "registered": int(one.registered_at is not None),
        "registered_at": moment(one.last_registered_at) or "尚未注册",
    }
