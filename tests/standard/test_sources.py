"""Where data come from (table B.1)."""

import pytest

from nenghao.standard.sources import NAMES, InputType, Source, source_of
from tests.standard import facts


@pytest.mark.clause("B.2-1")
def test_the_names_are_table_b1() -> None:
    assert facts.table("B.1") == NAMES


@pytest.mark.clause("B.2-1")
def test_input_types_are_the_codes_1_to_7_with_their_names() -> None:
    assert {str(int(one)): one.label for one in InputType} == NAMES
    assert InputType.MANUAL.label == "手工填报"
    assert InputType.METER.label == "现场仪表"


def test_only_what_is_filled_in_by_hand_is_a_report() -> None:
    assert [one for one in range(1, 8) if source_of(one) is Source.REPORT] == [5]
    assert source_of(4) is Source.ONLINE
    assert [str(one) for one in Source] == ["online", "report"]
