"""A change of one item leaves every other line of collection.toml as the engineer wrote it."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nenghao.device.web.mapping_file import Block, MappingError, items, literal, put, remove

POWER, GAS, HEAT = "00-00-0000-023300-11", "00-00-0000-011500-11", "00-00-0000-023200-11"

FILE = f"""\
# 一号变电所
[[source]]
name = "gate"  # 关口表
type = "modbus_tcp"

[[source.points]]
name = "total"
address = 0

# 全厂用电
[[item]]
# 表计编号 7
data_code = "{POWER}"
value = "gate.total"   # 正向
kind = "counter"
digits = 8

# 全厂用气

[[ item ]]
data_code = "{GAS}"
value = '''gate.gas
'''
max_gap_minutes = 30.5
# 到此为止
"""


def test_a_new_item_comes_last_and_nothing_else_changes() -> None:
    fresh = put(FILE, {"data_code": HEAT, "value": "gate.heat", "interval_minutes": 15})
    assert fresh.startswith(FILE)
    assert items(fresh)[-1] == {"data_code": HEAT, "value": "gate.heat", "interval_minutes": 15}


def test_the_first_item_makes_the_file() -> None:
    text = put("", {"data_code": POWER, "value": "a.b"})
    assert text == f'[[item]]\ndata_code = "{POWER}"\nvalue = "a.b"\n'
    assert items(put("# 空", {"data_code": POWER, "value": "a.b"})) == items(text)


def test_a_changed_item_stays_in_its_place_with_its_comments_and_other_keys() -> None:
    fresh = put(FILE, {"data_code": POWER, "value": "gate.total - gate.export"})
    assert items(fresh)[0] == {
        "data_code": POWER, "value": "gate.total - gate.export", "kind": "counter", "digits": 8
    }  # fmt: skip
    assert "# 表计编号 7\n" in fresh
    before, after = FILE.partition("[[item]]"), fresh.partition("[[item]]")
    assert before[0] == after[0]
    assert fresh.endswith(FILE[FILE.index("\n# 全厂用气") :])


def test_managed_keys_that_the_new_block_lacks_go() -> None:
    fresh = put(FILE, {"data_code": POWER, "value": "x"}, managed={"kind"})
    assert items(fresh)[0] == {"data_code": POWER, "value": "x", "digits": 8}


def test_a_removed_item_leaves_the_rest() -> None:
    fresh = remove(FILE, POWER)
    assert [one["data_code"] for one in items(fresh)] == [GAS]
    assert fresh.startswith(FILE[: FILE.index("[[item]]")])
    assert "# 全厂用气" in fresh
    assert items(remove(fresh, GAS)) == []


def test_an_item_that_is_not_there_or_twice_is_not_touched() -> None:
    with pytest.raises(MappingError, match="没有唯一的"):
        remove(FILE, HEAT)
    twice = FILE + literal({"data_code": POWER, "value": "x"})
    with pytest.raises(MappingError, match="2 次"):
        put(twice, {"data_code": POWER, "value": "y"})


@pytest.mark.parametrize("broken", ["[[item", "item = 3", "item = [1]", "[item]\na = 1"])
def test_a_file_that_cannot_be_read_is_left_to_its_author(broken: str) -> None:
    with pytest.raises(MappingError, match=r"collection\.toml"):
        put(broken, {"data_code": POWER, "value": "x"})


def test_a_heading_inside_a_text_is_seen_and_the_change_refused() -> None:
    tricky = f'note = """\n[[item]]\n"""\n[[item]]\ndata_code = "{POWER}"\nvalue = "a"\n'
    with pytest.raises(MappingError, match="手工"):
        put(tricky, {"data_code": POWER, "value": "b"})
    nested = f'[[item]]\ndata_code = "{POWER}"\nvalue = "a"\n[item.more]\nx = 1\n'
    with pytest.raises(MappingError, match="手工"):
        put(nested, {"data_code": POWER, "value": "b"})


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(texts, st.integers(-(10**9), 10**9), st.booleans())
def test_whatever_is_written_is_read_back(text: str, number: int, flag: bool) -> None:
    block: Block = {"data_code": POWER, "value": text, "n": number, "flag": flag}
    assert tomllib.loads(literal(block))["item"] == [block]


@given(st.lists(st.sampled_from([POWER, GAS, HEAT]), max_size=8), texts)
def test_any_sequence_of_changes_leaves_the_sources_alone(codes: list[str], value: str) -> None:
    text, source = FILE, tomllib.loads(FILE)["source"]
    for code in codes:
        text = put(text, {"data_code": code, "value": value})
        assert [one["value"] for one in items(text) if one["data_code"] == code] == [value]
    assert tomllib.loads(text)["source"] == source
