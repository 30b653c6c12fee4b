"""The schemas say what the reader and the writer do, and no other thing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nenghao.standard import code_tables
from nenghao.standard.messages import exchange, read, write
from nenghao.standard.messages.catalogue import MESSAGES
from nenghao.standard.messages.examples import example
from nenghao.standard.messages.fields import Message, fields_of
from nenghao.standard.messages.json_schema import components, name_of, ref, refusal
from nenghao.standard.replies import Refusal
from tests.standard.messages.samples import NAMES, sample
from tests.standard.messages.schema_check import problems
from tests.standard.messages.strategies import messages

ENVELOPES: list[type[Message]] = [exchange.RequestEnvelope, exchange.AnswerEnvelope]
SCHEMAS = components([*MESSAGES.values(), *ENVELOPES])
CLASSES: dict[str, type[Message]] = {cls.__name__: cls for cls in MESSAGES.values()}


def found(cls: type[Message], value: Any) -> list[str]:
    return problems(ref(cls.__name__), value, SCHEMAS)


@pytest.mark.parametrize("name", [name for name in NAMES if name in MESSAGES])
def test_every_sample_of_the_standard_fits_its_schema(name: str) -> None:
    assert found(MESSAGES[name], json.loads(sample(name))) == []


def test_the_printed_code_of_17_characters_does_not_fit() -> None:
    value = json.loads(sample("register.request.as_printed"))
    assert found(MESSAGES["register.request"], value) == [".enterpriseCode: pattern"]


@pytest.mark.parametrize("name", MESSAGES)
def test_every_example_fits_its_schema_and_is_read(name: str) -> None:
    value = example(name)
    assert found(MESSAGES[name], value) == []
    assert isinstance(read(MESSAGES[name], json.dumps(value).encode()), MESSAGES[name])


@pytest.mark.parametrize("name", CLASSES)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_whatever_is_written_fits_the_schema(name: str, data: st.DataObject) -> None:
    message = data.draw(messages(CLASSES[name]))
    assert found(CLASSES[name], json.loads(write(message))) == []


ODD: list[Any] = [None, "", " ", -1, 0.5, 10**18, "x" * 2001, True, [], {}, "2026/11/21", "9999"]
BEYOND = ("周期", "YYYY-MM-DD", "日期", "缺", "不晚于", "年份")
"""What no schema can say: the grid, the calendar, blanks, contradictions."""


@pytest.mark.parametrize("name", [name for name in MESSAGES if name.endswith(".request")])
def test_what_the_schema_lets_through_the_reader_takes(name: str) -> None:
    """One field of the example at a time is left out or replaced."""
    whole = example(name)
    refused = 0
    for path in paths(whole):
        for odd in [..., *ODD]:
            changed = json.loads(json.dumps(whole))
            put(changed, path, odd)
            if found(MESSAGES[name], changed):
                refused += 1
            else:
                text = refusal_of(MESSAGES[name], changed)
                assert text == "" or any(word in text for word in BEYOND), text
    assert refused > 0


def refusal_of(cls: type[Message], value: Any) -> str:
    try:
        read(cls, json.dumps(value).encode())
    except Refusal as refused:
        return refused.text
    return ""


def paths(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    listed = []
    for key, one in inner:
        listed.append((*before, key))
        if isinstance(one, dict | list):
            listed += paths(one, (*before, key))
    return listed


def put(value: Any, path: tuple[Any, ...], odd: Any) -> None:
    for key in path[:-1]:
        value = value[key]
    if odd is ...:
        del value[path[-1]]
    else:
        value[path[-1]] = odd


def test_a_refusal_is_no_success_and_a_success_no_refusal() -> None:
    refused = {"responseCode": "E2002", "responseMessage": "x"}
    success = {"responseCode": "0", "responseMessage": "RECEIVE SUCCESS"}
    assert problems(refusal(), refused, SCHEMAS) == []
    assert problems(refusal(), success, SCHEMAS) == [".responseCode: enum"]
    assert problems(ref("Acknowledgement"), success, SCHEMAS) == []
    assert problems(ref("Acknowledgement"), refused, SCHEMAS) == [".responseCode: const"]
    assert problems(refusal(), refused | {"responseCode": "E9"}, SCHEMAS)


def walk(cls: type[Message], seen: dict[str, type[Message]]) -> dict[str, type[Message]]:
    if cls.__name__ not in seen:
        seen[cls.__name__] = cls
        for plan in fields_of(cls):
            if plan.inner is not None:
                walk(plan.inner, seen)
    return seen


def test_every_field_has_a_chinese_name_and_every_name_a_field() -> None:
    classes: dict[str, type[Message]] = {}
    for cls in [*MESSAGES.values(), *ENVELOPES]:
        walk(cls, classes)
    used = set()
    rows = {(row["class"], row["field"]) for row in code_tables.load("field_names")}
    for cls in classes.values():
        for plan in fields_of(cls):
            assert name_of(cls, plan.wire)
            own = (cls.__name__, plan.wire)
            used.add(own if own in rows else ("", plan.wire))
    assert rows == used


def test_a_class_name_means_one_class() -> None:
    seen: dict[str, type[Message]] = {}

    def look(cls: type[Message]) -> None:
        assert seen.setdefault(cls.__name__, cls) is cls
        for plan in fields_of(cls):
            if plan.inner is not None:
                look(plan.inner)

    for cls in MESSAGES.values():
        look(cls)
    assert set(seen) | {"RequestEnvelope", "AnswerEnvelope"} == set(SCHEMAS)


def test_a_field_that_the_table_of_names_does_not_know_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"RegistrationRequest\.nonsense"):
        name_of(MESSAGES["register.request"], "nonsense")
