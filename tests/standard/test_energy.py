"""Energy types, data classes, usages and collect items."""

from decimal import Decimal

import pytest

from nenghao.standard import energy
from nenghao.standard.energy import (
    CARBON,
    COEFFICIENT_CLASSES,
    COLLECT_ITEMS,
    DATA_CLASSES,
    ENERGY_TYPES,
    ITEM,
    NEW_ENERGY,
    USAGES,
    EnergyTable,
)
from tests.standard import facts


@pytest.mark.clause("B.3.1-1")
def test_data_classes_are_table_b2() -> None:
    assert facts.table("B.2") == DATA_CLASSES


@pytest.mark.clause("B.3.1-1")
def test_there_are_twelve_data_classes_from_primary_energy_to_carbon() -> None:
    assert list(DATA_CLASSES) == [f"{number:02d}" for number in range(1, 13)]
    assert (DATA_CLASSES["01"], DATA_CLASSES["12"]) == ("一次能源", "碳指标")


@pytest.mark.clause("B.4-1")
def test_usages_are_table_b5() -> None:
    assert {code: usage.name for code, usage in USAGES.items()} == facts.table("B.5")


@pytest.mark.clause("B.4-1")
def test_the_first_digit_of_a_usage_is_its_group() -> None:
    assert len(USAGES) == 27
    groups = {code[0]: set[str]() for code in USAGES}
    for code, usage in USAGES.items():
        groups[code[0]].add(usage.group)
    assert {digit: "".join(names) for digit, names in groups.items()} == {
        "1": "购进",
        "2": "消费",
        "3": "产出",
        "4": "回收利用",
        "5": "库存",
        "6": "外供",
        "7": "指标",
        "8": "其他",
        "9": "加工转换投入",
    }


@pytest.mark.clause("B.3.2-1")
def test_energy_types_are_the_table_handed_to_the_project() -> None:
    given = {
        (row["classCode"], row["code"]): (
            *(row["name"], row["pcode"], row["type"], row["unit"], row["nhzbdw"]),
            *(row["zbckz"], row["dwzbxs"], row["range"], row["coefficient_source"]),
        )
        for row in facts.rows("energy_types")
    }
    assert {
        (kind.class_code, kind.code): (
            *(kind.name, kind.pcode, str(kind.type), kind.unit, kind.nhzbdw),
            *(kind.zbckz, kind.dwzbxs, kind.range, kind.source),
        )
        for kind in ENERGY_TYPES
    } == given


@pytest.mark.clause("B.3.2-1")
def test_every_item_has_four_digits_a_unit_a_coefficient_and_its_category() -> None:
    for kind in ENERGY_TYPES:
        assert kind.unit
        if kind.type == ITEM:
            assert len(kind.code) == 4
            assert kind.coefficient is not None
            assert kind.coefficient > 0
            assert kind.nhzbdw == f"吨标准煤/{kind.unit}"
            assert kind.source
            parent = ENERGY_TYPES.parent(kind)
            assert parent is not None
            assert (parent.code, parent.unit) == (kind.code[:2], kind.unit)
        else:
            assert len(kind.code) == 2
            assert (kind.pcode, kind.zbckz, kind.coefficient, kind.bounds) == ("", "", None, None)


@pytest.mark.clause("B.3.2-1")
def test_the_coefficients_of_the_standards_sample_and_of_electricity() -> None:
    coal = ENERGY_TYPES.get("01", "0100")
    power = ENERGY_TYPES.get("02", "3300")
    assert coal is not None
    assert power is not None
    assert (coal.name, coal.unit, coal.coefficient) == ("其他原煤", "吨", Decimal("0.7143"))
    assert (power.unit, power.coefficient) == ("万千瓦时", Decimal("1.2290"))


def test_a_reference_lies_in_its_own_range() -> None:
    ranged = [kind for kind in ENERGY_TYPES if kind.bounds]
    assert ranged
    for kind in ranged:
        assert kind.bounds is not None
        low, high = kind.bounds
        assert kind.coefficient is not None
        assert low <= kind.coefficient <= high


def test_the_total_of_all_energy_has_no_class() -> None:
    total = ENERGY_TYPES.get("", "4000")
    assert total is not None
    assert (total.name, total.coefficient) == ("能源合计", Decimal(1))
    assert ENERGY_TYPES.get("02", "4000") is None


def test_a_type_is_identified_by_class_and_code() -> None:
    gas = ENERGY_TYPES.get("02", "1100")
    assert gas is not None
    assert gas.name == "焦炉煤气"
    assert CARBON["1100"].name == "碳排放量"


@pytest.mark.clause("B.3.3-1")
def test_new_energy_is_table_b3_in_tonnes_of_standard_coal() -> None:
    names = {
        "5100": "太阳能",
        "5200": "风能",
        "5300": "地热",
        "5400": "生物质能",
        "5500": "核能",
        "5600": "水能",
        "5700": "氢能",
    }
    assert {code: kind.name for code, kind in NEW_ENERGY.items()} == names
    assert {kind.unit for kind in NEW_ENERGY.values()} == {"吨标准煤"}
    assert names == facts.table("B.3")


@pytest.mark.clause("B.3.4-1")
def test_carbon_is_table_b4_in_tonnes_and_its_intensity_by_10000_yuan() -> None:
    assert {code: item.unit for code, item in CARBON.items()} == {
        "1100": "吨",
        "1200": "吨/万元",
        "1300": "吨",
        "1400": "吨",
        "1500": "吨",
    }
    assert {code: item.name for code, item in CARBON.items()} == facts.table("B.4")


@pytest.mark.clause("6.3.2.2-f")
def test_collect_items_have_unique_keys_and_every_parent() -> None:
    keys = {(item.type, item.pclass, item.industry, item.code) for item in COLLECT_ITEMS}
    assert len(keys) == len(COLLECT_ITEMS)
    categories = {(item.pclass, item.code) for item in COLLECT_ITEMS if item.type == 2}
    for item in COLLECT_ITEMS:
        assert len(item.code) == (4 if item.type == 3 else 2)
        if item.type == 3:
            assert (item.pclass, item.pcode) in categories
            assert item.code.startswith(item.pcode)
            assert item.unit
        else:
            assert item.pcode == ""
        if item.type == 1:
            assert (item.pclass, item.unit) == ("", "")
        assert item.pclass in {"", *DATA_CLASSES}


@pytest.mark.clause("B.3.6-1")
def test_the_energy_efficiency_item_of_the_standards_sample_is_there() -> None:
    (item,) = [one for one in COLLECT_ITEMS if one.name == "吨钢综合能耗"]
    assert (item.code, item.pcode, item.pclass) == ("0001", "00", "08")
    assert (item.industry, item.unit) == ("C3120", "千克标准煤/吨")


def test_gross_output_is_an_economic_indicator_in_10000_yuan() -> None:
    (item,) = [one for one in COLLECT_ITEMS if (one.pclass, one.code) == ("09", "0100")]
    assert (item.name, item.unit) == ("工业总产值", "万元")


def test_every_energy_type_of_a_measured_class_has_its_coefficient_item() -> None:
    for coefficient_class, measured in COEFFICIENT_CLASSES.items():
        items = {
            item.code: item.unit
            for item in COLLECT_ITEMS
            if item.pclass == coefficient_class and item.type == 3
        }
        assert items == {
            kind.code: kind.nhzbdw for kind in ENERGY_TYPES.of_class(measured) if kind.type == ITEM
        }


def test_a_range_has_two_ends_in_order() -> None:
    assert energy.parse_range("0.2857-0.8") == (Decimal("0.2857"), Decimal("0.8"))
    for text in ("", "1", "2-1", "-1-2", "1-2-3", "1 - 2", "a-b", "１-2"):
        with pytest.raises(ValueError, match="应为 低值-高值"):
            energy.parse_range(text)


def test_a_type_that_stands_twice_is_refused() -> None:
    row = {
        **dict.fromkeys(("pcode", "nhzbdw", "zbckz", "dwzbxs", "range", "source"), ""),
        "classCode": "01",
        "code": "01",
        "name": "原煤",
        "type": "1",
        "unit": "吨",
    }
    with pytest.raises(ValueError, match="能源类型 01/01 重复"):
        EnergyTable([row, row])
