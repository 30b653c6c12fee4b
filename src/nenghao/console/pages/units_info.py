"""A unit's basic information, its items and its devices (基本信息、数据项、端设备)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from nicegui import ui

from nenghao.console.dialogs import confirm
from nenghao.console.listing import Column, Page, Row, Rows, listing
from nenghao.console.parts import empty, facts, plain_table, section, text
from nenghao.console.state import State
from nenghao.console.views import unit_basics, unit_items
from nenghao.console.views.certificates import Certificate
from nenghao.console.views.devices import Device
from nenghao.console.views.unit_basics import Head
from nenghao.console.views.unit_items import Item
from nenghao.console.visit import Visit
from nenghao.platform import unit_settings
from nenghao.platform.packing import REALTIME_LABELS
from nenghao.platform.permissions import Act
from nenghao.platform.store.engine import Store
from nenghao.platform.unit_settings import UnitSettingError

LABELS: Final = {
    "end": "区间结束时刻（标准）",
    "start:15": "区间开始时刻，15 分钟",
    "start:30": "区间开始时刻，30 分钟",
    "start:60": "区间开始时刻，60 分钟",
}
"""What the ticks of a unit label, in words."""


async def information(visit: Visit, state: State, head: Head) -> None:
    """All fields of the basic information as it was uploaded last."""
    found = await visit.ask(
        Act.UNITS_READ, lambda conn: unit_basics.basics(conn, head.unit_id), unit=head.code
    )
    if found is None:
        empty("该单位还没有上传基础信息：端设备完成配置后自行上传，届时显示在这里。")
        facts({"首次注册": f"{head.registered_at:%Y-%m-%d %H:%M}", "行政区划": head.region_name})
        return
    text(f"{found.uploaded_at:%Y-%m-%d %H:%M} 由 {found.device} 号端设备上传", "p", "dull")
    facts(found.enterprise)
    if found.group:
        with section("集团"):
            facts(found.group)
    for title, names, rows in (
        ("生产工序", unit_basics.PROCESS_HEAD, found.processes),
        ("工序单元", unit_basics.PROCESS_UNIT_HEAD, found.process_units),
    ):
        if rows:
            with section(title):
                plain_table(names, rows)


async def items(visit: Visit, state: State, head: Head) -> None:
    """The items with their names, and where their curves are."""
    may_see = visit.may(Act.DATA_READ, head.code)

    async def fetch(asked: Page) -> Rows:
        found = await visit.ask(
            Act.UNITS_READ, lambda conn: unit_items.items(conn, head.unit_id), unit=head.code
        )
        words = state.text("q").lower()
        kept = [
            item
            for item in found
            if words in f"{item.name} {item.own_name} {item.data_code}".lower()
        ]
        if asked.sort:
            kept.sort(key=lambda item: str(getattr(item, asked.sort)), reverse=asked.descending)
        part = kept[asked.offset : asked.offset + asked.size]
        return Rows([_item_row(item) for item in part], len(kept))

    def link(row: Row) -> str | None:
        if not may_see:
            return None
        return State.link(state.path, tab="curves", item=row["data_code"])

    with ui.element("div").classes("toolbar"):
        field = ui.input(label="名称或编码", value=state.text("q")).props("clearable debounce=400")
    shown = await listing(
        visit,
        state,
        (
            Column("name", "数据项", sort=True, link=link),
            Column("data_code", "数据项编码", sort=True, code=True),
            Column("unit", "计量单位"),
            Column("frequencies", "频率"),
            Column("input_types", "采集来源"),
            Column("range", "数值范围"),
            Column("scope", "数据范围"),
            Column("devices", "端设备"),
            Column("state", "状态", badge=lambda row: str(row["badge"])),
        ),
        fetch,
        "没有数据项：端设备上传基础信息后显示在这里。",
        "数据项列表",
    )

    async def search(words: str | None) -> None:
        state.set(q=words)
        await shown.refresh(first=True)

    field.on_value_change(lambda event: search(event.value))


def _item_row(item: Item) -> Row:
    if item.retired_at is not None:
        told, kind = f"{item.retired_at:%Y-%m-%d} 停用", "dull"
    elif item.configured:
        told, kind = "在用", "good"
    else:
        told, kind = "未配置，有数据", "warn"
    own = f"（单位所用名称：{item.own_name}）" if item.own_name else ""
    return {
        "name": item.name + own,
        "data_code": item.data_code,
        "unit": item.unit or "—",
        "frequencies": item.frequencies or "—",
        "input_types": item.input_types or "—",
        "range": item.limits or "不限",
        "scope": item.scope,
        "devices": item.devices or "—",
        "state": told,
        "badge": kind,
    }


async def devices(visit: Visit, state: State, head: Head) -> None:
    """Devices with their upload times and versions, certificates, and what the ticks label."""
    with_certificates, now = visit.may(Act.CERTIFICATES_READ), visit.now()
    found = await visit.ask(
        Act.UNITS_READ,
        lambda conn: unit_basics.equipment(conn, head, now, with_certificates=with_certificates),
        unit=head.code,
    )
    plain_table(
        ("端设备", "上报时间点", "最近上传", "首次注册", "最近注册", "基础数据版本", "证书"),
        [_device_row(one, found.dic_version) for one in found.devices],
        f"平台现行基础数据版本 {found.dic_version}",
    )
    if with_certificates:
        with section("数字证书"):
            if found.certificates:
                plain_table(
                    ("端设备", "序列号", "状态", "签发", "到期", "算法"),
                    [_certificate_row(one) for one in found.certificates],
                )
            else:
                empty("没有本平台签发的证书。", "/certificates", "数字证书")
    with section("实时数据的时间标签"):
        text("实时数据的时间标签指区间的哪一端；只影响此后收到的数据。", "p", "dull")
        if found.settings:
            rows = [(since, LABELS.get(value, value)) for since, value in found.settings]
            plain_table(("自哪天起", "时间标签"), rows)
        else:
            text(f"未设置，按标准：{LABELS['end']}")
        if visit.may(Act.UNITS_EDIT):
            _label_form(visit, state, head)


def _label_form(visit: Visit, state: State, head: Head) -> None:
    with ui.element("div").classes("toolbar"):
        label = ui.select(
            {one: LABELS[one] for one in REALTIME_LABELS}, label="时间标签", value="end"
        ).style("min-width:16rem")
        since = ui.input(label="自哪天起", value=f"{visit.now():%Y-%m-%d}")
        since.props("type=date stack-label")

        async def change() -> None:
            try:
                day = datetime.strptime(str(since.value), "%Y-%m-%d")
            except ValueError:
                visit.refuse("请填写日期")
                return
            chosen = str(label.value)
            said = f"自 {day:%Y-%m-%d} 起，{head.name}的实时数据时间标签：{LABELS[chosen]}。"
            if not await confirm("更改时间标签", f"{said}\n已收到的数据不变。", act="更改"):
                return

            def write(store: Store, now: datetime) -> None:
                with store.write() as conn:
                    unit_settings.set_realtime_label(conn, head.code, chosen, day, now)

            await visit.do(Act.UNITS_EDIT, write, refusals=(UnitSettingError,))
            visit.go(State.link(state.path, tab="devices"))

        ui.button("更改时间标签", on_click=change).props("outline no-caps")


def _device_row(one: Device, current: int) -> list[str]:
    version = "未知" if one.dic_version is None else str(one.dic_version)
    if one.dic_version is not None and one.dic_version < current:
        version += "（待更新）"
    return [
        f"{one.number} 号",
        one.upload_time or "尚未注册",
        _time(one.last_upload, "从未"),
        _time(one.registered_at, "尚未注册"),
        _time(one.last_registered_at, "—"),
        version,
        one.state.label + (f"，{one.not_after:%Y-%m-%d} 到期" if one.not_after else ""),
    ]


def _certificate_row(one: Certificate) -> list[str]:
    told = one.state.label + ("，已有更新的证书" if one.replaced else "")
    if one.revoked_at is not None:
        told += f"（{one.revoked_at:%Y-%m-%d %H:%M}）"
    return [
        f"{one.device} 号",
        one.serial,
        told,
        _time(one.issued_at, ""),
        f"{one.not_after:%Y-%m-%d}",
        "国密 SM2" if one.is_sm2 else "P-256",
    ]


def _time(at: datetime | None, otherwise: str) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else otherwise
