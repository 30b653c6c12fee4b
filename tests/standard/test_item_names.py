"""Data codes in words."""

from __future__ import annotations

from nenghao.standard import base_tables, data_code, item_names
from nenghao.standard.item_names import DEFAULT, ItemNames


def test_the_example_of_the_annex_reads_as_the_annex_names_it() -> None:
    code = data_code.parse("00-00-0000-023300-11")

    assert DEFAULT.of(code) == "全厂-二次能源-电力-购进已消费"
    assert DEFAULT.unit(code) == "万千瓦时"


def test_a_process_is_named_by_the_industry_and_its_unit_as_the_unit_calls_it() -> None:
    code = data_code.parse("01-02-0103-023300-21")

    named = DEFAULT.of(code, "C3110", {("01", "02"): "2# 焦炉"})

    assert named == "焦化工序-2# 焦炉-设备 0103-二次能源-电力-工业生产消费"
    assert DEFAULT.of(code, "C2511").startswith("炼油装置-工序单元 02-")


def test_codes_that_no_table_knows_are_shown_by_their_digits() -> None:
    code = data_code.parse("77-00-0000-990101-99")

    assert DEFAULT.of(code, "C3110") == "工序 77-99-0101-99"
    assert DEFAULT.unit(code) == ""
    assert item_names.WHOLE_PLANT_NAME not in DEFAULT.of(code)


def test_tables_of_an_operator_are_read_as_they_are() -> None:
    usages = [{"code": "11", "name": "买来用掉"}]
    names = ItemNames([], base_tables.default_rows("collectItem"), usages)

    code = data_code.parse("00-00-0000-023300-11")

    assert names.of(code) == "全厂-二次能源-电力-买来用掉"
