"""A certificate for a device (签发): by an enrolment code, or with a key that is made here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from nicegui import ui

from nenghao.console.dialogs import show_once
from nenghao.console.page import page
from nenghao.console.pages.devices_parts import number, whole
from nenghao.console.parts import card, facts, notice, section, text
from nenghao.console.state import State
from nenghao.console.views import certificates as views
from nenghao.console.views import certificates_codes as code_views
from nenghao.console.visit import Visit
from nenghao.platform import dictionary, enrolment, enrolment_list, issuing
from nenghao.platform.enrolment_list import Made
from nenghao.platform.issuing import Algorithm, Wanted
from nenghao.platform.permissions import Act
from nenghao.platform.store.engine import Store
from nenghao.security.authority import AuthorityError, Issued
from nenghao.standard.regions import CITY, COUNTY

ALGORITHMS: dict[Algorithm, str] = {
    "p256": "P-256（推荐）",
    "rsa2048": "RSA-2048（端设备不支持 P-256 时）",
    "sm2": "SM2（用于国密端口）",
}
BY_CODE = (
    "端设备自己生成密钥，凭一次性注册码领取证书：私钥从不离开端设备。把注册码告诉该单位的人员，"
    "在端设备上运行一条命令即可。"
)
BY_KEY = (
    "平台生成密钥和证书，打包下载一次，平台不留存私钥。请经安全途径交给该单位，用完即从电脑上删除。"
)
NO_PORT = "设置项 enrol_port 为 0：平台没有开放领取证书的端口，注册码暂不能使用，请设置并重启平台。"


@dataclass
class Fields:
    """The fields that say for which device."""

    code: ui.input
    name: ui.input
    region: ui.select
    device: ui.number

    def wanted(self) -> Wanted:
        """What stands in them."""
        return Wanted(
            str(self.code.value or "").strip().upper(),
            whole(self.device),
            str(self.name.value or "").strip(),
            str(self.region.value or ""),
        )


@page("/certificates/new", "签发证书", Act.CERTIFICATES_EDIT)
async def new(visit: Visit, state: State) -> None:
    """For a new device, or again for one that has a certificate (`renew` its serial)."""
    locked, regions = await visit.ask(
        Act.CERTIFICATES_EDIT,
        lambda conn: (
            visit.home.authority().is_locked,
            {
                one.code: f"{one.code} {one.name}"
                for one in dictionary.vocabulary(conn).regions
                if one.type in (CITY, COUNTY)
            },
        ),
    )
    ui.link("返回数字证书", "/certificates")
    serial = state.text("renew")
    if serial:
        notice(
            f"为序列号 {serial} 的证书续期。端设备在到期前 30 天会自己续期；"
            "只有它做不到时才需要手工办理。原证书到期前仍有效。"
        )
    with section("给哪台端设备"):
        fields = await _fields(visit, state, regions)
    with ui.element("div").classes("cards wide2"):
        _by_code(visit, fields)
        _by_key(visit, fields, serial, locked=locked)


async def _fields(visit: Visit, state: State, regions: dict[str, str]) -> Fields:
    with ui.element("div").classes("toolbar"):
        code = ui.input(label="统一社会信用代码，18 位", value=state.text("code"))
        code.props("outlined dense maxlength=18").classes("grow code")
        name = ui.input(label="用能单位全称").props("outlined dense maxlength=200").classes("grow")
        region = ui.select(regions, label="行政区划（具体到县级）", with_input=True)
        region.props("outlined dense").classes("grow")
        device = number("端设备序号", state.number("device", 1, 1, 999_999), 1, 999_999)
    told = text("").props("aria-live=polite").classes("dull")
    fields = Fields(code, name, region, device)

    async def look() -> None:
        found = await visit.ask(
            Act.CERTIFICATES_EDIT,
            lambda conn: views.holder(conn, fields.wanted().credit_code),
        )
        if found is None:
            told.text = "平台尚不知道这个单位，请填写全称和行政区划。" if code.value else ""
            return
        name.value = name.value or found.name
        if found.region not in regions:
            regions[found.region] = found.region
            region.set_options(regions)
        region.value = region.value or found.region
        told.text = f"已知的单位：{found.name}"

    code.on("blur", look)
    if code.value:
        await look()
    return fields


def _by_code(visit: Visit, fields: Fields) -> None:
    with card("用注册码（推荐）"):
        text(BY_CODE, "p")
        if not code_views.address(visit.settings):
            notice(NO_PORT, "warn")
        with ui.element("div").classes("toolbar"):
            hours = number(
                "注册码有效小时数", enrolment.DEFAULT_HOURS, 1, enrolment_list.MOST_HOURS
            )
            days = number("证书有效天数", issuing.DAYS, 1, issuing.MOST_DAYS)

        def change(store: Store, now: datetime) -> tuple[Made, list[str]]:
            with store.write() as conn:
                wanted, odd = issuing.checked(conn, fields.wanted())
                (made,) = enrolment_list.make(
                    conn, visit.home.authority(), [wanted], now,
                    hours=whole(hours), days=whole(days),
                )  # fmt: skip
            return made, odd

        async def make() -> None:
            made, odd = await visit.do(Act.CERTIFICATES_EDIT, change, refusals=(AuthorityError,))
            for line in odd:
                visit.warn(line)
            await show_once(
                "注册码",
                {
                    "注册码": made.text,
                    "在端设备上运行": code_views.command(visit.settings, made.text),
                },
                f"只显示这一次，{made.expires_at:%Y-%m-%d %H:%M} 前有效，只能使用一次。"
                "该端设备以前未用的注册码已取消。",
            )

        ui.button("生成注册码", icon="vpn_key", on_click=make)


def _by_key(visit: Visit, fields: Fields, serial: str, *, locked: bool) -> None:
    with card("由平台生成密钥"):
        text(BY_KEY, "p")
        if locked:
            notice(issuing.LOCKED, "bad")
        with ui.element("div").classes("toolbar"):
            offered = {"p256": ALGORITHMS["p256"]} if serial else dict(ALGORITHMS)
            algorithm = ui.select(offered, label="密钥的算法", value="p256").props("outlined dense")
            days = number("证书有效天数", issuing.DAYS, 1, issuing.MOST_DAYS)

        def change(store: Store, now: datetime) -> tuple[Issued, str, list[str]]:
            issuing.require_unlocked(visit.home)
            with store.write() as conn:
                wanted, odd = issuing.checked(conn, fields.wanted())
                if serial:
                    old = issuing.renewable(conn, serial=serial)
                    issued = issuing.renew(conn, visit.home, old, now, days=whole(days))
                    held = Wanted(issued.credit_code, issued.device, issued.name, issued.region)
                    wanted, odd = issuing.checked(conn, held)
                else:
                    chosen: Algorithm = algorithm.value
                    issued = issuing.issue(
                        conn, visit.home, wanted, now, days=whole(days), algorithm=chosen
                    )
            return issued, wanted.region_name, odd

        async def make() -> None:
            issued, region_name, odd = await visit.do(
                Act.CERTIFICATES_EDIT, change, refusals=(AuthorityError,)
            )
            for line in odd:
                visit.warn(line)
            visit.download(*views.zipped(issued, region_name))
            visit.say(f"证书已签发并登记，有效至 {issued.not_after:%Y-%m-%d}")
            done.clear()
            with done:
                facts({"序列号": issued.serial, "有效至": f"{issued.not_after:%Y-%m-%d %H:%M}"})
                notice("压缩包只提供这一次。若没有存下，请吊销这份证书并重新签发。", "warn")

        go = ui.button("签发并下载", icon="download", on_click=make)
        go.set_enabled(not locked)
        done = ui.element("div").props("aria-live=polite")
