"""collection.toml: what can be written in it, and that everything wrong is named at once."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from nenghao.device.collection import plan, settings
from nenghao.device.collection.settings import CollectionError
from nenghao.device.collection.ticks import Collected, Combined, Counted, Measured
from nenghao.device.configuration import ConfiguredItem
from tests.device.collection.factory import collection, fake_source, item, no_units, planned
from tests.device.world import COAL, ELECTRICITY

GATE = """
[[source]]
type = "modbus_tcp"
name = "gate"
host = "10.0.0.9"
points = [
  { name = "total", address = 0, data_type = "uint32", unit = "kWh" },
  { name = "外供", address = 2, data_type = "uint32", unit = "kWh" },
]

[[item]]
data_code = "00-00-0000-023300-11"
kind = "counter"
value = "gate.total - 外供"
"""


def lines(text: str) -> str:
    with pytest.raises(CollectionError) as caught:
        settings.parse(text)
    return "\n".join(caught.value.lines)


def test_a_file_is_read_with_its_sources_and_items() -> None:
    read = settings.parse(GATE)
    assert [(one.type, one.name, one.poll_seconds) for one in read.sources] == [
        ("modbus_tcp", "gate", 10)
    ]
    made = plan.make(read, plan.unit_finder(None))
    program = made.items[0].program
    assert isinstance(program, Counted)
    assert {term.point: term.factor for term in program.terms} == {
        "gate.total": Decimal("0.0001"),
        "gate.外供": Decimal("-0.0001"),
    }
    assert made.items[0].unit == "万千瓦时"


def test_where_there_is_no_file_nothing_is_collected(tmp_path: Path) -> None:
    assert settings.load(tmp_path / "collection.toml") == settings.CollectionSettings()


def test_a_byte_order_mark_and_another_encoding(tmp_path: Path) -> None:
    file = tmp_path / "collection.toml"
    file.write_bytes(b"\xef\xbb\xbf" + GATE.encode())
    assert len(settings.load(file).items) == 1
    file.write_bytes(GATE.encode("gb18030"))
    with pytest.raises(CollectionError, match="UTF-8"):
        settings.load(file)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('host = "10.0.0.9"', 'hots = "10.0.0.9"', ["gate", "第 5 行", "未知的键 hots"]),
        ('host = "10.0.0.9"', "", ["gate", "缺少 host"]),
        ('type = "modbus_tcp"', 'type = "modbus_tpc"', ["modbus_tpc", "是否应为 modbus_tcp"]),
        ('type = "modbus_tcp"', "", ["缺少 type"]),
        ("address = 0", 'address = "x"', ["gate", "points 第 1 个", "应为整数，收到文本"]),
        ("address = 0", "address = -1", ["gate", ">= 0"]),
        ('kind = "counter"', 'kind = "count"', ["kind", "count", "第 13 行"]),
        ('kind = "counter"', "kid = 1", ["未知的键 kid"]),
        ("023300-11", "0233-11", ["data_code", "0233-11"]),
        ("[[item]]", "[item]", ["item 应写成 [[item]]"]),
        ("[[item]]", "[[things]]", ["未知的内容 things"]),
        ("[[source]]", "[[source", ["TOML"]),
        ('name = "gate"', 'name = "ga.te"', ["不能为空，也不能含有点"]),
    ],
)
def test_what_is_wrong_is_named_in_chinese_with_its_place(
    before: str, after: str, words: list[str]
) -> None:
    told = lines(GATE.replace(before, after))
    for word in words:
        assert word in told


def test_all_errors_are_named_at_once() -> None:
    text = GATE.replace("host", "hots").replace('kind = "counter"', 'kind = "count"') + "\n[x]\n"
    assert len(lines(text).splitlines()) == 3


def test_no_error_tells_a_password() -> None:
    text = '[[source]]\ntype = "http_json"\nname = "a"\npassword = ["geheim"]\nx = 1\n'
    assert "geheim" not in lines(text)


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"scale": "zero"}, "scale"),
        ({"scale": 0}, "非零"),
        ({"max_rate": -1}, "正的"),
        ({"digits": 6, "modulus": 10}, "只能给出一个"),
        ({"kind": "instant", "day_from": "register"}, "register"),
        ({"sample_minutes": 5}, "sample_minutes"),
        ({"kind": "interval", "sample_minutes": 7}, "整除"),
        ({"data_code": ""}, "至少要有一个"),
    ],
)
def test_keys_of_an_item_that_do_not_fit(keys: dict[str, Any], word: str) -> None:
    block = {"data_code": ELECTRICITY, "kind": "counter", "value": "gate.total"} | keys
    text = "[[item]]\n" + "\n".join(f"{key} = {value!r}" for key, value in block.items())
    assert word in lines(text)


def test_a_number_is_taken_as_it_is_written() -> None:
    assert settings.exact(0.0001) == Decimal("0.0001")
    assert settings.exact("1e-4") == Decimal("0.0001")
    assert settings.exact("nan") is None


def test_names_that_stand_twice_are_refused() -> None:
    told = lines(GATE + GATE)
    assert "来源名称重复：gate" in told
    assert f"数据项编码重复：{ELECTRICITY}" in told


# --- plans ----------------------------------------------------------------------------------------


def refused(*items: Any, sources: Any = (), units: bool = False) -> str:
    with pytest.raises(CollectionError) as caught:
        planned(*items, sources=sources, units=units)
    return "\n".join(caught.value.lines)


def test_items_refer_to_items_by_name_and_become_one_sum_over_points() -> None:
    sources = [fake_source(a="kWh", b="MWh")]
    made = planned(
        item(data_code="", name="总进线", value="gate.a", unit="kWh", digits=8),
        item(data_code="", name="外供", value="gate.b", unit="kWh"),
        item(kind=None, value="总进线 - 外供"),
        sources=sources,
        units=True,
    )
    (only,) = made.items
    assert isinstance(only.program, Counted)
    terms = {term.point: term for term in only.program.terms}
    assert terms["gate.a"].factor == Decimal("0.0001")
    assert terms["gate.b"].factor == Decimal("-0.1")
    assert terms["gate.a"].rule.modulus == 10**8
    assert terms["gate.b"].rule.modulus is None


def test_kinds_make_programs() -> None:
    sources = [fake_source(a="", b="")]
    kinds: list[tuple[str, str, type]] = [
        ("counter", "gate.a + gate.b", Counted),
        ("counter", "gate.a * gate.b", Combined),
        ("instant", "gate.a * 2", Measured),
        ("interval", "gate.a", Combined),
    ]
    for kind, text, expected in kinds:
        made = planned(item(kind=kind, value=text), sources=sources)
        assert isinstance(made.items[0].program, expected | Collected)


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"value": "gate.nothing"}, "没有名为 gate.nothing"),
        ({"value": "5"}, "没有测点"),
        ({"value": "gate.a +"}, "不完整"),
        ({"value": "gate.a", "kind": None}, "缺少 kind"),
        ({"value": "gate.a + 5"}, "常数"),
        ({"value": "p"}, "几个来源中都有"),
        ({"value": "gate.a", "input_type": 5}, "手工填报"),
        ({"value": "gate.a * gate.b", "day_from": "register"}, "register"),
    ],
)
def test_what_an_item_cannot_mean_is_refused_by_its_title(keys: dict[str, Any], word: str) -> None:
    sources = [fake_source("gate", a="", b="", p=""), fake_source("other", p="")]
    told = refused(item(**keys), sources=sources)
    assert word in told
    assert ELECTRICITY in told


def test_items_that_refer_to_each_other_are_refused() -> None:
    told = refused(
        item(data_code="", name="a", kind=None, value="b"),
        item(data_code="", name="b", kind=None, value="a"),
    )
    assert "互相引用" in told


@pytest.mark.parametrize(
    ("units", "keys", "word"),
    [
        ({"a": "kWh", "b": ""}, {"value": "gate.a + gate.b"}, "要么都写"),
        ({"a": "kWh", "b": "t"}, {"value": "gate.a + gate.b"}, "单位不同"),
        ({"a": "t"}, {"value": "gate.a"}, "不能换算为 万千瓦时"),
        ({"a": "kW"}, {"value": "gate.a"}, "不能换算为 万千瓦时"),
        ({"a": "kW"}, {"value": "gate.a", "kind": "instant", "over_time": "mean"}, "积分"),
        ({"a": "kWh"}, {"value": "gate.a", "kind": "instant", "over_time": "integral"}, "同类"),
        ({"a": ""}, {"value": "gate.a", "unit": "t"}, "不能换算"),
        ({"a": "kWh"}, {"value": "gate.a", "unit": "t"}, "不能换算"),
        ({"a": "mw"}, {"value": "gate.a"}, "大小写"),
    ],
)
def test_units_that_do_not_fit_are_refused(
    units: dict[str, str], keys: dict[str, Any], word: str
) -> None:
    assert word in refused(item(**keys), sources=[fake_source("gate", **units)], units=True)


def test_a_point_without_a_unit_stands_in_the_items_unit() -> None:
    made = planned(item(unit="kWh"), units=True).items[0]
    assert isinstance(made.program, Counted)
    assert made.program.terms[0].factor == Decimal("0.0001")
    power = planned(item(unit="kW", kind="instant"), units=True).items[0]
    assert isinstance(power.program, Measured)
    assert power.program.integral


def test_the_platforms_dictionary_goes_before_the_standards() -> None:
    base = b'{"data": {"energyType": [{"classCode": "02", "code": "3300", "unit": "kWh"}]}}'
    assert plan.unit_finder(base)(ELECTRICITY) == "kWh"
    assert plan.unit_finder(base)(COAL) == plan.unit_finder(None)(COAL) == "吨"
    assert plan.unit_finder(b"nonsense")(ELECTRICITY) == "万千瓦时"


def test_the_configuration_tells_name_and_source_of_the_values() -> None:
    made = plan.make(collection(item()), no_units, {ELECTRICITY: ConfiguredItem("全厂-电力", 2)})
    assert (made.items[0].name, made.items[0].input_type) == ("全厂-电力", 2)
    assert planned(item()).items[0].input_type == 4
