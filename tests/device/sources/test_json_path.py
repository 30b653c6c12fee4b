from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nenghao.device.sources.json_path import BadPath, JsonPath, NotThere

DOCUMENT: Any = {
    "data": {
        "meters": [
            {"id": "M-01", "value": 1, "a.b": {"c d": 2}},
            {"id": 7, "value": 3, "on": True},
            {"id": "M-02", "value": None},
        ]
    },
    "电量": {"有功": Decimal("4.50")},
    "0": "zero",
    "list": [[1, 2], [3]],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("", DOCUMENT),
        ("$", DOCUMENT),
        ("data.meters[0].value", 1),
        ("$.data.meters.0.value", 1),
        ("$['data'][\"meters\"][-2].value", 3),
        ("data.meters[id=M-01].value", 1),
        ("data.meters[ id = 'M-01' ].value", 1),
        ("data.meters[id=7].value", 3),
        ("data.meters[on=true].id", 7),
        ("data.meters[id=M-02].value", None),
        ("data.meters[0]['a.b'][\"c d\"]", 2),
        ("电量.有功", Decimal("4.50")),
        ("0", "zero"),
        ("list[0][1]", 2),
    ],
)
def test_a_path_finds_what_it_names(path: str, value: Any) -> None:
    assert JsonPath(path).find(DOCUMENT) == value


@pytest.mark.parametrize(
    ("path", "trail"),
    [
        ("data.nowhere.value", "data.nowhere"),
        ("data.meters[3].value", "data.meters[3]"),
        ("data.meters[id=M-09].value", "data.meters[id=M-09]"),
        ("data.meters.value", "data.meters.value"),
        ("data[0]", "data[0]"),
        ("data['meters']['x']", "data['meters']['x']"),
        ("电量.有功.x", "电量.有功.x"),
        ("data.meters[2].value.x", "data.meters[2].value.x"),
    ],
)
def test_what_is_not_there_is_told_up_to_the_step_that_failed(path: str, trail: str) -> None:
    with pytest.raises(NotThere, match=r"^没有 ") as caught:
        JsonPath(path).find(DOCUMENT)
    assert str(caught.value) == f"没有 {trail}"


def test_an_element_that_is_there_twice_is_not_found() -> None:
    with pytest.raises(NotThere):
        JsonPath("[id=1]").find([{"id": 1}, {"id": "1"}])


@pytest.mark.parametrize(
    "text",
    [".a", "a..b", "a.", "a[", "a]", "a[]", "a[b]", "a['b", "a[1]b", "a['b']c", "[=x]", "$a."],
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(BadPath):
        JsonPath(text)


@given(text=st.text(alphabet="a.[]'\"=0-$ 电", max_size=12), document=st.just(DOCUMENT))
def test_any_text_is_a_path_or_refused_and_finds_or_says_not(text: str, document: Any) -> None:
    with suppress(BadPath, NotThere):
        JsonPath(text).find(document)


@given(
    keys=st.lists(
        st.text(
            st.characters(exclude_characters=".[]'\"$", exclude_categories=["Z", "C"]), min_size=1
        ),
        min_size=1,
        max_size=4,
    )
)
def test_plain_keys_joined_by_dots_lead_down(keys: list[str]) -> None:
    document: Any = 5
    for key in reversed(keys):
        document = {key: document}
    assert JsonPath(".".join(keys)).find(document) == 5
