"""Indicators (table B.6)."""

import pytest

from nenghao.standard.indicators import INDICATORS
from tests.standard import facts


@pytest.mark.clause("B.5-1")
def test_the_indicators_are_table_b6() -> None:
    assert facts.table("B.6") == INDICATORS


@pytest.mark.clause("B.5-1")
def test_the_ten_codes_stand_in_the_order_of_the_table() -> None:
    codes = "nyxfzl zhnyxfl coal coke elec oil gas hot gyzcz other"
    assert " ".join(INDICATORS) == codes
