"""Whatever stands in a page is text: nothing that a file, a platform or a visitor says is HTML."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nenghao.device.web.html import Markup, escape, join, tag


class Reader(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, name: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((name, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(markup: str) -> Reader:
    reader = Reader()
    reader.feed(markup)
    reader.close()
    return reader


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)


@given(texts, texts)
def test_text_and_attributes_come_back_as_they_were_and_make_no_elements(
    text: str, title: str
) -> None:
    seen = read(tag("p", text, title=title))
    assert seen.tags == [("p", {"title": title})]
    assert seen.text == text


def test_a_script_in_a_value_stays_text() -> None:
    evil = "</td><script>alert(1)</script>"
    assert "<script" not in tag("td", [evil, [evil]], title=f'" onclick="{evil}')


def test_markup_is_left_alone_and_nested_children_are_flattened() -> None:
    inner = tag("b", "x")
    assert tag("p", inner, None, ["&", [1]]) == "<p><b>x</b>&amp;1</p>"
    assert join([inner, "<"], ", ") == "<b>x</b>, &lt;"
    assert escape(Markup("<i>")) == "<i>"


def test_true_writes_a_bare_attribute_and_none_and_false_none() -> None:
    made = tag("input", type="text", required=True, disabled=False, value=None, data_x="1")
    assert made == '<input type="text" required data-x="1">'


@pytest.mark.parametrize("name", ["", "P", "p onload", "p>"])
def test_only_names_of_elements_are_elements(name: str) -> None:
    with pytest.raises(ValueError, match="no element"):
        tag(name)


@pytest.mark.parametrize("attribute", ["onclick", "style", "Class", "a b"])
def test_scripts_and_styles_have_no_place_in_attributes(attribute: str) -> None:
    with pytest.raises(ValueError, match="no attribute"):
        tag("p", **{attribute: "x"})


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "https://example.com/", "//example.com", "/\\example.com", ""],
)
def test_no_address_leads_away(address: str) -> None:
    with pytest.raises(ValueError, match="elsewhere"):
        tag("a", "x", href=address)
    with pytest.raises(ValueError, match="elsewhere"):
        tag("form", action=address)


def test_void_elements_have_no_content() -> None:
    with pytest.raises(ValueError, match="content"):
        tag("br", "x")
