"""A field is defined once, and a definition that contradicts itself is no definition."""

from typing import Annotated

import pytest

from nenghao.standard import forms
from nenghao.standard.messages.base_data import BaseData, RegionRow
from nenghao.standard.messages.config_data import ConfigUpload, Enterprise
from nenghao.standard.messages.fields import Message, fields_of, optional, required
from nenghao.standard.messages.statistics import IndicatorValue, StatisticsAnswer


def test_the_shape_of_a_field_comes_from_its_python_type() -> None:
    plans = {plan.name: plan for plan in fields_of(ConfigUpload)}
    assert (plans["enterprise"].shape, plans["enterprise"].inner) == ("object", Enterprise)
    assert (plans["process"].shape, plans["process"].json_type) == ("array", "array")
    regions = fields_of(BaseData)[0]
    assert (regions.shape, regions.inner) == ("array", RegionRow)
    data = fields_of(StatisticsAnswer)[2]
    assert (data.shape, data.inner, data.json_type) == ("map", IndicatorValue, "object")


class NoField(Message):
    name: str


class FormOnObject(Message):
    enterprise: Annotated[Enterprise, required(forms.TEXT)]


class NoForm(Message):
    name: Annotated[str, required()]


class OptionalWithoutDefault(Message):
    name: Annotated[str, optional(forms.TEXT)]


@pytest.mark.parametrize("cls", [NoField, FormOnObject, NoForm, OptionalWithoutDefault])
def test_an_incomplete_definition_is_refused_by_name(cls: type[Message]) -> None:
    with pytest.raises(TypeError, match=r"^(name|enterprise)\b"):
        fields_of(cls)
