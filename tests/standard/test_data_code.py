"""Data codes: PP-UU-EENN-CCTTTT-YY."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nenghao.standard import data_code
from nenghao.standard.data_code import DataCode, Scope

digits = "0123456789"
codes = st.builds(
    DataCode,
    *[
        st.text(alphabet=digits, min_size=length, max_size=length)
        for length in (2, 2, 2, 2, 2, 4, 2)
    ],
)


@pytest.mark.clause("6.3.5.1-c")
@pytest.mark.clause("B.1.4-1")
@pytest.mark.clause("B.1.5-1")
@pytest.mark.clause("B.1.6-1")
def test_the_segments_of_a_code_are_process_unit_equipment_class_type_and_usage() -> None:
    code = data_code.parse("06-01-1203-023300-11")
    assert code == DataCode(
        process="06",
        process_unit="01",
        equipment="12",
        equipment_unit="03",
        energy_class="02",
        energy_type="3300",
        usage="11",
    )
    assert code.category == "33"


def test_the_sample_of_a5_is_a_process_unit_although_its_scope_says_whole_plant() -> None:
    code = data_code.parse("04-01-0000-040200-30")
    assert (code.energy_class, code.energy_type, code.usage) == ("04", "0200", "30")
    assert code.scope is Scope.PROCESS_UNIT
    assert not code.is_whole_plant


@pytest.mark.parametrize(
    ("text", "scope", "label"),
    [
        ("00-00-0000-023300-11", Scope.WHOLE_PLANT, "全厂"),
        ("06-00-0000-023300-11", Scope.PROCESS, "生产工序"),
        ("06-01-0000-023300-11", Scope.PROCESS_UNIT, "生产工序单元"),
        ("00-01-0000-023300-11", Scope.PROCESS_UNIT, "生产工序单元"),
        ("06-01-1203-023300-11", Scope.EQUIPMENT, "重点耗能设备"),
        ("00-00-1200-023300-11", Scope.EQUIPMENT, "重点耗能设备"),
        ("00-00-0003-023300-11", Scope.EQUIPMENT, "重点耗能设备"),
    ],
)
def test_the_finest_segment_decides_the_scope(text: str, scope: Scope, label: str) -> None:
    code = data_code.parse(text)
    assert code.scope is scope
    assert code.scope.label == label
    assert code.is_whole_plant == (scope is Scope.WHOLE_PLANT)


def test_the_scopes_are_the_numbers_1_to_4_of_the_wire() -> None:
    assert [int(scope) for scope in Scope] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00-00-0000-023300",
        "00-00-0000-23300-11",
        "00-00-0000-0233001-11",
        "00-00-00-00-023300-11",
        "000000000002330011",
        "0A-00-0000-023300-11",
        "00-00-0000-023300-11\n",
        " 00-00-0000-023300-11",
        "00-00-0000-023300-１１",
        "00-00-0000-023300-٣٣",
        "00–00-0000-023300-11",
    ],
)
def test_any_other_shape_is_refused_by_a_reason_that_names_the_shape(text: str) -> None:
    assert not data_code.is_form(text)
    with pytest.raises(ValueError, match="应为 PP-UU-EENN-CCTTTT-YY"):
        data_code.parse(text)


@settings(deadline=None)
@given(codes)
def test_a_code_survives_being_written_and_read(code: DataCode) -> None:
    assert data_code.is_form(code.format())
    assert data_code.parse(code.format()) == code
    assert data_code.parse(str(code)) == code


@settings(deadline=None)
@given(codes)
def test_the_whole_plant_is_exactly_what_begins_with_its_prefix(code: DataCode) -> None:
    assert code.is_whole_plant == str(code).startswith(data_code.WHOLE_PLANT_PREFIX)
