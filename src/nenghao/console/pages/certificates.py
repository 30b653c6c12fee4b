"""The register of certificates (数字证书): searched, when they end, renewed, revoked."""

from __future__ import annotations

from functools import partial

from nicegui import ui

from nenghao.console.charts import WARN, chart
from nenghao.console.listing import Action, Column, Page, Row, Rows, listing
from nenghao.console.page import Group, page
from nenghao.console.pages.certificates_revoking import revoke
from nenghao.console.pages.devices_parts import Later, Refresh, choose, moment, part_of, search
from nenghao.console.parts import figure, section
from nenghao.console.state import State
from nenghao.console.views import certificates as views
from nenghao.console.views.certificates import Certificate, Wanted
from nenghao.console.views.devices import CertificateState
from nenghao.console.visit import Visit
from nenghao.platform.permissions import Act

STATES = {"": "全部"} | {
    state.value: state.label for state in CertificateState if state is not CertificateState.NONE
}
EXPIRING = {"": "不限", "30": "30 天内到期", "60": "60 天内到期", "90": "90 天内到期"}
SHOWN_DIGITS = 12
"""Of a serial number in the list; all of it stands in the dialogs, and is found by search."""
EMPTY = "没有符合条件的证书。还没有签发过时，请用“签发证书”为用能单位的端设备办理。"


@page(
    "/certificates", "数字证书", Act.CERTIFICATES_READ, group=Group.SECURITY, icon="badge", order=10
)
async def certificates(visit: Visit, state: State) -> None:
    """The list, above it how many end when."""
    act = Act.CERTIFICATES_READ
    counts, months = await visit.ask(
        act,
        lambda conn: (
            views.counts(conn, visit.now()),
            views.ends_by_month(conn, visit.now()),
        ),
    )
    with ui.element("div").classes("toolbar"):
        if visit.may(Act.CERTIFICATES_EDIT):
            ui.button("签发证书", icon="add", on_click=lambda: visit.go("/certificates/new"))
        ui.link("注册码", "/enrolment")
        ui.link("30 天内到期的证书", State.link("/certificates", expiring=30))
    with ui.element("div").classes("cards"):
        for one in list(CertificateState)[:4]:
            kind = one.badge if counts[one] else "dull"
            figure(one.label, f"{counts[one]:,}", "份", kind=kind)
    with section("各月到期的证书"):
        _months(months)
    with section("证书"):
        later = Later()
        with ui.element("div").classes("toolbar"):
            search(state, later.refresh, "单位名称、统一社会信用代码或序列号")
            choose(state, later.refresh, "状态", "state", STATES)
            choose(state, later.refresh, "到期", "expiring", EXPIRING)

        async def fetch(asked: Page) -> Rows:
            found = await visit.ask(
                act, lambda conn: views.page(conn, _wanted(state), part_of(asked), visit.now())
            )
            return Rows([_row(one) for one in found.rows], found.total)

        async def again() -> None:
            if later.list is not None:
                await later.list.refresh()

        def actions(row: Row) -> list[Action]:
            if not visit.may(Act.CERTIFICATES_EDIT) or row["revoked_at"]:
                return []
            made: list[Action] = [("吊销", partial(_revoke, visit, again))]
            if row["renewable"]:
                made.insert(0, ("续期", partial(_renew, visit)))
            return made

        later.list = await listing(
            visit,
            state,
            _columns(),
            fetch,
            EMPTY,
            "数字证书",
            actions=actions,
        )


def _months(months: dict[str, int]) -> None:
    total = sum(months.values())
    chart(
        {
            "xAxis": {"type": "category", "data": list(months)},
            "yAxis": {"type": "value", "name": "份", "minInterval": 1},
            "series": [
                {"type": "bar", "name": "到期", "data": list(months.values()),
                 "itemStyle": {"color": WARN}}
            ],
        },
        f"今后三年各月到期的证书，共 {total} 份",
        height="220px",
        empty=None if total else "今后三年没有证书到期。",
    )  # fmt: skip


def _wanted(state: State) -> Wanted:
    chosen = state.choice("state", tuple(STATES), "")
    return Wanted(
        state.text("q"),
        CertificateState(chosen) if chosen else None,
        state.number("expiring", 0, 0, 3650),
    )


def _columns() -> list[Column]:
    return [
        Column("name", "名称", sort=True),
        Column("credit_code", "统一社会信用代码", sort=True, code=True),
        Column("device", "端设备", number=True),
        Column("state", "状态", badge=lambda row: str(row["kind"])),
        Column("not_after", "有效至", sort=True),
        Column("days", "剩余天数", number=True),
        Column("issued_at", "签发时间", sort=True),
        Column("revoked_at", "吊销时间", sort=True),
        Column("shown", "序列号", code=True),
    ]


def _row(one: Certificate) -> Row:
    held = one.state in (CertificateState.VALID, CertificateState.ENDING)
    return {
        "name": one.name,
        "credit_code": one.code,
        "device": "省级平台" if one.of_province else one.device,
        "state": one.state.label + ("，已续期" if held and one.replaced else ""),
        "kind": one.state.badge,
        "not_after": moment(one.not_after),
        "days": one.days_left if held else None,
        "issued_at": moment(one.issued_at),
        "revoked_at": moment(one.revoked_at),
        "serial": one.serial,
        "shown": one.serial[:SHOWN_DIGITS] + "…" + (" SM2" if one.is_sm2 else ""),
        "renewable": int(not one.of_province and not one.is_sm2),
    }


async def _renew(visit: Visit, row: Row) -> None:
    visit.go(
        State.link(
            "/certificates/new",
            code=row["credit_code"],
            device=row["device"],
            renew=row["serial"],
        )
    )


async def _revoke(visit: Visit, again: Refresh, row: Row) -> None:
    if await revoke(visit, row):
        await again()
