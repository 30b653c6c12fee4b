"""The certificates (证书): whom they name, and how long they still hold."""

from __future__ import annotations

from datetime import datetime

from nenghao.device.web import certificates, layout
from nenghao.device.web.certificates import Certificate
from nenghao.device.web.desk import Desk
from nenghao.device.web.html import tag
from nenghao.device.web.visit import Page, Visit


def show(desk: Desk, visit: Visit) -> Page:
    """The device's own chain, and the root that the platform must have."""
    chain = certificates.read(desk.home.root / desk.settings.certificate)
    trust = certificates.read(desk.home.root / desk.settings.trust)
    unit = desk.unit
    body = tag(
        "div",
        layout.facts(
            {
                "用能单位": unit.name,
                "统一社会信用代码": unit.code,
                "地区": unit.region_name,
                "端设备": f"第 {unit.device} 台",
                "省级平台": desk.settings.platform,
            }
        ),
        tag("h2", "本机证书"),
        _table(chain, visit.now),
        tag("h2", "验证平台用的根证书"),
        _table(trust, visit.now),
        tag("p", "到期前 30 天起自动向平台续期；平台不支持时由其运维人员签发，把新文件放入"
            "端设备目录的 credentials，然后重新启动端设备。", class_="dull"),
    )  # fmt: skip
    return Page("证书", body)


def _table(chain: list[Certificate], now: datetime) -> object:
    rows = [
        [
            one.subject,
            one.issuer,
            tag("span", one.serial, class_="code"),
            layout.time_text(one.begin),
            layout.time_text(one.end),
            _left(one, now),
        ]
        for one in chain
    ]
    columns = ("持有者", "签发者", "序列号", "生效", "失效", "剩余")
    return layout.table(columns, rows, empty="无法读取证书文件")


def _left(one: Certificate, now: datetime) -> object:
    days = one.days_left(now)
    if now < one.begin:
        return layout.label("尚未生效", "bad")
    if days < 0:
        return layout.label("已失效", "bad")
    return layout.label(f"{days} 天", "warn" if one.is_ending(now) else "good")
