"""Point mapping (测点映射): which points make which item, chosen by name, written as data codes.

A form leads to a preview, which shows the data code, the block as it will stand in
collection.toml and what is wrong with it; only a block that the collector would take is written.
What a file says that was changed meanwhile is not overwritten.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from nenghao.device.web import layout, mapping_file
from nenghao.device.web.desk import Desk
from nenghao.device.web.dictionary import Dictionary
from nenghao.device.web.html import Markup, tag
from nenghao.device.web.mapping_file import MappingError
from nenghao.device.web.visit import Answer, Form, Moved, Page, Visit
from nenghao.standard import data_code
from nenghao.standard.data_code import DataCode

KINDS: Final = {
    "counter": "累计量（表底读数）",
    "interval": "区间量（每个区间的用量）",
    "instant": "瞬时量（功率、流量等）",
    "": "由其他数据项计算",
}
INTERVALS: Final = {"15": "15 分钟", "30": "30 分钟", "60": "60 分钟"}
SPIKES: Final = {"flag": "照报并标为无效", "spread": "分摊到缺失的时间"}
DAYS: Final = {"ticks": "由 15 分钟值求和", "register": "由表底读数之差"}

_CODE_FIELDS: Final = ("process", "process_unit", "equipment", "kind", "usage")
_TEXTS: Final = ("name", "value", "unit", "scale", "max_rate", "modulus")
_CHOICES: Final = ("measure", "interval_minutes", "on_spike", "day_from")
_MANAGED: Final = frozenset({*_TEXTS, *_CHOICES[1:], "kind"})
"""The keys of a block that the form decides about; others stay as the file has them."""


def show(desk: Desk, visit: Visit) -> Page:
    """The items of collection.toml in words, and the configured ones that nothing makes."""
    names = desk.dictionary()
    try:
        text = desk.collection_text()
        blocks = mapping_file.items(text)
    except MappingError as error:
        return Page("测点映射", tag("p", str(error), class_="trouble"))
    configured = desk.configured()
    seen = _digest(text)
    rows = [
        _row(visit, names, block, block.get("data_code") in configured, seen) for block in blocks
    ]
    mapped = {str(block.get("data_code", "")) for block in blocks}
    missing = [
        [tag("code", code), item.name, layout.link("建立映射", "/mapping/edit", code=code)]
        for code, item in sorted(configured.items())
        if code not in mapped and item.input_type != desk.MANUAL
    ]
    any_odd = bool({code for code in mapped if data_code.is_form(code)} - configured.keys())
    odd = "“不在配置中”：用能单位配置（config.json）没有这个数据项，平台可能不接受它的数据。"
    builtin = "平台的基础数据尚未下载，名称取自标准的代码表。"
    body = tag(
        "div",
        [tag("p", fault, class_="trouble") for fault in desk.collection_faults()],
        None if names.from_platform else tag("p", builtin, class_="dull"),
        tag("p", layout.action("新建映射", "/mapping/edit")),
        layout.table(
            ("数据项编码", "含义", "计算式", "单位", "配置", ""),
            rows,
            empty="collection.toml 中还没有数据项",
        ),
        tag("p", odd, class_="dull") if any_odd else None,
        [
            tag("h2", "配置中有、但没有测点的数据项"),
            layout.table(("数据项编码", "名称", ""), missing),
        ]
        if missing
        else None,
    )
    return Page("测点映射", body)


def _row(
    visit: Visit, names: Dictionary, block: dict[str, Any], is_configured: bool, seen: str
) -> list[object]:
    code, unit = str(block.get("data_code", "")), str(block.get("unit", ""))
    value = tag("code", str(block.get("value", "")))
    if not data_code.is_form(code):  # for other items' expressions only, or not ours to judge
        name = tag("span", code or str(block.get("name", "")), class_="code")
        return [name, "（只供其他数据项引用）", value, unit, None, None]
    parsed = data_code.parse(code)
    question = f"从 collection.toml 删除 {code}？已采集的历史数据保留。"
    leave = tag("button", "删除", type="submit", class_="quiet", data_confirm=question)
    fields = [_hidden("code", code), _hidden("seen", seen)]
    good, odd = layout.label("已配置", "good"), layout.label("不在配置中", "warn")
    return [
        tag("span", code, class_="code"),
        names.describe(parsed),
        value,
        unit or names.unit_of(parsed),
        good if is_configured else odd,
        tag(
            "div",
            layout.link("修改", "/mapping/edit", code=code),
            layout.form("/mapping/remove", visit.token, *fields, leave, class_="inline"),
            class_="line",
        ),
    ]


def edit(desk: Desk, visit: Visit) -> Page:
    """The form: of an item that is there, of a configured one, or an empty one."""
    code = visit.query.text("code")
    given = _defaults()
    if data_code.is_form(code):
        given |= _code_fields(data_code.parse(code))
        configured = desk.configured().get(code)
        given["name"] = configured.name if configured else ""
    try:
        blocks = mapping_file.items(desk.collection_text())
    except MappingError as error:
        return Page("测点映射", tag("p", str(error), class_="trouble"), status=409)
    for block in blocks:
        if code and block.get("data_code") == code:
            given |= _block_fields(block)
    return Page("编辑映射", _form(desk, visit, Form(given)))


def preview(desk: Desk, visit: Visit) -> Page:
    """What would be written, and what is wrong with it."""
    block, troubles = _block(visit.form)
    fresh = ""
    if block is not None:
        try:
            fresh = mapping_file.put(desk.collection_text(), block, _MANAGED)
            troubles += desk.check_collection(fresh)
        except MappingError as error:
            troubles.append(str(error))
    shown: list[object] = [tag("p", text, class_="trouble") for text in troubles]
    if block is not None:
        code = str(block["data_code"])
        shown += [
            layout.facts(
                {
                    "数据项编码": tag("code", code),
                    "含义": desk.dictionary().describe(data_code.parse(code)),
                }
            ),
            tag("pre", mapping_file.literal(block)),
        ]
        if not troubles:
            shown.append(_confirm(desk, visit))
    body = tag("div", shown, tag("h2", "修改"), _form(desk, visit, visit.form))
    return Page("预览映射", body, status=422 if troubles else 200)


def save(desk: Desk, visit: Visit) -> Answer:
    """Write the block; the running collector takes it up by itself."""
    block, troubles = _block(visit.form)
    if block is None or troubles:
        return preview(desk, visit)
    before = desk.collection_text()
    if visit.form.text("seen") != _digest(before):
        return _overtaken()
    try:
        fresh = mapping_file.put(before, block, _MANAGED)
    except MappingError:
        return preview(desk, visit)
    if desk.check_collection(fresh):
        return preview(desk, visit)
    desk.write_collection(fresh)
    return Moved("/mapping", f"{block['data_code']} 已写入 collection.toml，稍后生效")


def remove(desk: Desk, visit: Visit) -> Answer:
    """Take an item out of the file; what was collected stays."""
    before = desk.collection_text()
    if visit.form.text("seen") != _digest(before):
        return _overtaken()
    code = visit.form.text("code")
    try:
        fresh = mapping_file.remove(before, code)
    except MappingError as error:
        return Moved("/mapping", str(error))
    if faults := desk.check_collection(fresh):
        return Moved("/mapping", f"未删除：{'；'.join(faults)}")
    desk.write_collection(fresh)
    return Moved("/mapping", f"{code} 已从 collection.toml 删除")


def _overtaken() -> Page:
    text = "collection.toml 在此期间已被改动，没有写入。请重新打开后再改。"
    link = layout.link("回到测点映射", "/mapping")
    return Page("未写入", tag("div", tag("p", text, class_="trouble"), link), status=409)


# --- the form -------------------------------------------------------------------------------------


def _defaults() -> dict[str, str]:
    return {
        "process": "00", "process_unit": "00", "equipment": "0000", "kind": "023300",
        "usage": "11", "measure": "counter", "interval_minutes": "15", "on_spike": "flag",
        "day_from": "ticks",
    }  # fmt: skip


def _code_fields(code: DataCode) -> dict[str, str]:
    return {
        "process": code.process,
        "process_unit": code.process_unit,
        "equipment": code.equipment + code.equipment_unit,
        "kind": code.energy_class + code.energy_type,
        "usage": code.usage,
    }


def _block_fields(block: dict[str, Any]) -> dict[str, str]:
    given = {name: str(block[name]) for name in (*_TEXTS, *_CHOICES[1:]) if name in block}
    return given | {"measure": str(block.get("kind", ""))}


def _form(desk: Desk, visit: Visit, given: Form) -> Markup:
    names = desk.dictionary()
    kinds = {
        key: f"{names.classes.get(kind.class_code, kind.class_code)} · {kind.name}"
        f"（{kind.code}，{kind.unit}）"
        for key, kind in names.kinds.items()
    }
    processes = {code: f"{code} {name}" for code, name in names.processes.items()}
    usages = {code: f"{code} {name}" for code, name in names.usages.items()}
    points = desk.points()
    listed = [tag("option", unit, value=point) for point, unit in points.items()]
    text = given.text
    two, four = "[0-9]{2}", "[0-9]{4}"
    return layout.form(
        "/mapping/edit",
        visit.token,
        tag("h2", "上传数据项编码"),
        layout.select("生产工序", "process", processes, text("process")),
        layout.field("工序单元", "process_unit", text("process_unit"), "两位，00 为全部",
                     required=True, pattern=two, maxlength=2),
        layout.field("重点用能设备", "equipment", text("equipment"), "类型和编号，0000 为全部",
                     required=True, pattern=four, maxlength=4),
        layout.select("能源品种或指标", "kind", kinds, text("kind")),
        layout.select("用途", "usage", usages, text("usage")),
        tag("p", "编码：", tag("code", _shown_code(given), id="data-code")),
        tag("h2", "测点"),
        layout.field("名称", "name", text("name"), "可以留空；供其他数据项的计算式引用"),
        layout.field("计算式", "value", text("value"),
                     "来源.测点，可用 + - * / 和括号，如 gate.total - gate.export",
                     required=True, list="points"),
        tag("datalist", listed, id="points"),
        layout.select("测点是", "measure", KINDS, text("measure")),
        layout.field("计算式的单位", "unit", text("unit"), "测点已写单位时留空；自动换算"),
        layout.field("乘数", "scale", text("scale"), "如互感器倍率；默认 1"),
        layout.select("采集间隔", "interval_minutes", INTERVALS, text("interval_minutes")),
        layout.field("表底满度", "modulus", text("modulus"), "累计量走满归零的数值，如 1000000"),
        layout.field("每小时最大增量", "max_rate", text("max_rate"), "测点的单位，超过即为突变"),
        layout.select("突变", "on_spike", SPIKES, text("on_spike")),
        layout.select("日合计", "day_from", DAYS, text("day_from")),
        tag("p", tag("button", "预览", type="submit"), " ", layout.link("放弃", "/mapping")),
    )  # fmt: skip


def _confirm(desk: Desk, visit: Visit) -> Markup:
    kept = {name: visit.form.text(name) for name in (*_CODE_FIELDS, *_TEXTS, *_CHOICES)}
    fields = [_hidden(name, value) for name, value in kept.items()]
    seen = _hidden("seen", _digest(desk.collection_text()))
    write = tag("button", "写入 collection.toml", type="submit")
    return layout.form("/mapping/save", visit.token, fields, seen, write)


def _hidden(name: str, value: str) -> Markup:
    return tag("input", type="hidden", name=name, value=value)


def _shown_code(form: Form) -> str:
    return "-".join(form.text(name) for name in _CODE_FIELDS)


def _block(form: Form) -> tuple[dict[str, str | int] | None, list[str]]:
    """The block that a form makes; None with what is wrong where it makes none."""
    code = _shown_code(form)
    if not data_code.is_form(code):
        return None, [f"编码 {code} 不合法：工序单元应为两位数字，设备应为四位数字"]
    measure, value = form.text("measure"), form.text("value")
    if measure not in KINDS or form.text("interval_minutes") not in INTERVALS:
        return None, ["请从列表中选择"]
    if not value:
        return None, ["请填写计算式"]
    block: dict[str, str | int] = {"data_code": code}
    if name := form.text("name"):
        block["name"] = name
    if measure:
        block["kind"] = measure
    block["value"] = value
    for key in ("unit", "scale"):
        if text := form.text(key):
            block[key] = text
    block["interval_minutes"] = int(form.text("interval_minutes"))
    if measure == "counter":
        for key in ("modulus", "max_rate"):
            if text := form.text(key):
                block[key] = text
        for key, choices in (("on_spike", SPIKES), ("day_from", DAYS)):
            if form.text(key) in choices and form.text(key) != next(iter(choices)):
                block[key] = form.text(key)
    return block, []


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
