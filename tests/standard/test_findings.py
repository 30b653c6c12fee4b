"""Findings: how they are worded, cut and counted; advice: labels and bits that never change."""

import pytest

from nenghao.standard import findings
from nenghao.standard.findings import (
    Advice,
    AdviceKind,
    Finding,
    Findings,
    missing,
    quote,
    summarize,
)


def test_a_finding_names_the_path_the_expected_form_and_what_came() -> None:
    finding = Finding("data[17].statDate", "应为 YYYY-MM-DD HH:MM:SS", quote("2026/11/21"))
    assert finding.text() == 'data[17].statDate 应为 YYYY-MM-DD HH:MM:SS，收到 "2026/11/21"'


def test_a_missing_item_is_worded_by_its_path() -> None:
    assert missing("data[3].scope").text() == "data[3].scope 缺失"
    assert missing("data[3].scope").missing


def test_a_finding_about_the_whole_body_has_no_path() -> None:
    assert Finding("", "请求体不是合法的 JSON").text() == "请求体不是合法的 JSON"


def test_the_summary_shows_twenty_findings_and_counts_the_rest() -> None:
    text = summarize(missing(f"data[{index}]") for index in range(25))
    assert text.startswith("data[0] 缺失；data[1] 缺失；")
    assert text.endswith("data[19] 缺失；另有 5 处")
    assert "data[20]" not in text


def test_a_summary_of_exactly_as_many_as_are_shown_counts_nothing() -> None:
    assert summarize([missing("a"), missing("b")], most=2) == "a 缺失；b 缺失"


def test_findings_beyond_the_most_kept_are_still_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "MOST_KEPT", 3)
    collected = Findings(Finding(str(index), "应为数值") for index in range(9))
    collected.add(missing("last"))
    assert (len(collected.kept), collected.total, collected.any_missing) == (3, 10, True)
    assert summarize(collected).endswith("；另有 7 处")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2026/11/21", '"2026/11/21"'),
        (True, "true"),
        (None, "null"),
        (1.5, "1.5"),
        (float("nan"), "NaN"),
        ({"a": 1}, "{…}"),
        ({}, "{}"),
        ([1], "[…]"),
        ([], "[]"),
        ("电", '"电"'),
        ("\x07\x85\ud800\u202e", '"\\u0007\\u0085\\ud800\\u202e"'),
    ],
)
def test_what_came_is_quoted_as_json_that_any_answer_can_carry(value: object, text: str) -> None:
    assert quote(value) == text
    assert quote(value).encode()


def test_a_long_value_is_cut_at_sixty_characters() -> None:
    assert quote("x" * 10_000) == '"' + "x" * 59 + "…"
    assert len(quote("\x01" * 100)) == 61


BITS = {
    "unknown_process": 0,
    "unknown_energy_type": 1,
    "unknown_usage": 2,
    "not_configured": 3,
    "out_of_range": 4,
    "negative": 5,
    "odd_combination": 6,
    "scope_mismatch": 7,
    "future_period": 8,
    "duplicate": 9,
    "superseded": 10,
}


def test_the_bits_of_value_level_advice_are_the_ones_that_are_stored() -> None:
    stored = {kind.value: kind.bit for kind in AdviceKind if kind.bit}
    assert stored == {name: 1 << number for name, number in BITS.items()}


def test_every_kind_has_a_chinese_label_of_its_own() -> None:
    labels = [kind.label for kind in AdviceKind]
    assert len(set(labels)) == len(AdviceKind) == 16
    assert not any(label.isascii() for label in labels)


def test_bits_are_turned_back_into_kinds() -> None:
    bits = AdviceKind.NEGATIVE.bit | AdviceKind.SUPERSEDED.bit
    assert AdviceKind.from_bits(bits) == (AdviceKind.NEGATIVE, AdviceKind.SUPERSEDED)
    assert AdviceKind.from_bits(0) == ()


def test_a_kind_is_found_by_the_word_a_setting_uses() -> None:
    assert AdviceKind("check_digit") is AdviceKind.CHECK_DIGIT


def test_advice_becomes_a_finding_where_a_setting_makes_it_law() -> None:
    advice = Advice(AdviceKind.UNKNOWN_REGION, "region", "999999", "行政区划代码未收录", '"999999"')
    assert advice.as_finding().text() == 'region 行政区划代码未收录，收到 "999999"'
