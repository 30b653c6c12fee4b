"""Non-energy products (非能源类产品, B.3.5): class 04 with four digits, whatever the list says."""

from __future__ import annotations

import pytest

from nenghao.standard import data_code
from nenghao.standard.energy import DATA_CLASSES

SAMPLE = "04-01-0000-040200-30"
"""The product of process 04 in the sample of A.5."""


@pytest.mark.clause("B.3.5-1")
def test_a_product_is_four_digits_of_class_04() -> None:
    code = data_code.parse(SAMPLE)
    assert (code.energy_class, code.energy_type) == ("04", "0200")
    assert DATA_CLASSES[code.energy_class] == "非能源类产品"


@pytest.mark.clause("B.3.5-1")
@pytest.mark.parametrize("product", ["", "020", "02000", "02a0", "０200"])
def test_anything_but_four_digits_is_no_product(product: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        data_code.parse(f"04-01-0000-04{product}-30")
