"""The monthly form: what the template locks and leaves open, and every wrong cell named."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime
from typing import Any

import openpyxl
import pytest

from nenghao.platform import reports_excel, reports_template
from nenghao.platform.reports_form import (
    FIXED,
    HEADER_ROW,
    SPARE_ROWS,
    USAGES,
    VERSION,
    WITHDRAWN,
    Filled,
    Form,
    FormError,
    FormKind,
    FormUnit,
    letter,
)
from nenghao.platform.workbook import Cell, ErrorValue, Formula, Time
from nenghao.standard.energy import USAGES as ALL_USAGES

ELECTRICITY = FormKind("023300", "电力", "万千瓦时", frozenset(USAGES))
COAL = FormKind("010100", "其他原煤", "吨", frozenset(USAGES))
OUTPUT = FormKind("090100", "工业总产值", "万元", frozenset({"80"}))
CODE = "91210102MA0000001J"
FORM = Form(
    "2026-03",
    (
        FormUnit(CODE, "=HYPERLINK(甲)", "210102", (COAL, ELECTRICITY, OUTPUT)),
        FormUnit("91210102MA0000002G", "乙", "210103", (ELECTRICITY,)),
    ),
    (COAL, ELECTRICITY, OUTPUT),
)
FIRST = HEADER_ROW + 1


@pytest.fixture(scope="module")
def book() -> Any:
    return openpyxl.load_workbook(io.BytesIO(reports_template.write(FORM)))


@pytest.fixture
def sheet(book: Any) -> Any:
    return book["填报"]


def column(usage: str) -> int:
    """The place of a usage's column, from 0."""
    return len(FIXED) + list(USAGES).index(usage)


def form(*rows: dict[int, Cell]) -> dict[int, list[Cell]]:
    """The rows of a form's sheet as `workbook` gives them; each row by its columns."""
    heads: list[Cell] = [*FIXED, *(f"{code}\n{name}" for code, name in USAGES.items())]
    made: dict[int, list[Cell]] = {
        1: ["能源购进、消费与库存（月报）"],
        2: ["月份", "2026-03", "版本", VERSION],
        HEADER_ROW: heads,
    }
    for number, cells in enumerate(rows, start=FIRST):
        made[number] = [cells.get(place) for place in range(max(cells, default=0) + 1)]
    return made


def row(
    values: dict[str, Cell] | None = None, unit: Cell = CODE, kind: Cell = "023300"
) -> dict[int, Cell]:
    return {0: unit, 2: kind} | {column(usage): one for usage, one in (values or {}).items()}


def told(*rows: dict[int, Cell]) -> Filled:
    return reports_excel.filled(form(*rows))


def problems(*rows: dict[int, Cell]) -> list[str]:
    return told(*rows).problems


def values(*rows: dict[int, Cell]) -> list[tuple[str, str, float | None]]:
    return [
        (line.kind, entry.usage, entry.value)
        for line in told(*rows).lines
        for entry in line.entries
    ]


def test_the_form_has_the_usages_10_to_81_of_table_b5() -> None:
    assert list(USAGES) == [code for code in ALL_USAGES if 10 <= int(code) <= 81]
    assert {"10", "11", "12", "20", "23", "51", "52", "60", "81"} <= set(USAGES)


def test_the_template_has_units_month_kinds_and_units_of_measure(book: Any, sheet: Any) -> None:
    assert [cell.value for cell in sheet[2]][:4] == ["月份", "2026-03", "版本", VERSION]
    rows = [
        tuple(cell.value for cell in line)
        for line in sheet.iter_rows(min_row=FIRST, max_row=FIRST + 3, max_col=len(FIXED))
    ]
    assert rows == [
        (CODE, "=HYPERLINK(甲)", "010100", "其他原煤", "吨"),
        (CODE, "=HYPERLINK(甲)", "023300", "电力", "万千瓦时"),
        (CODE, "=HYPERLINK(甲)", "090100", "工业总产值", "万元"),
        ("91210102MA0000002G", "乙", "023300", "电力", "万千瓦时"),
    ]
    assert [cell.value for cell in book["单位"]["A"]] == [FIXED[0], CODE, "91210102MA0000002G"]
    assert [cell.value for cell in book["品种"]["A"]][1:] == ["010100", "023300", "090100"]
    assert any("作废" in str(cell.value) for cell in book["填报说明"]["A"])


def test_a_name_that_begins_with_an_equals_sign_is_no_formula(sheet: Any) -> None:
    cells = [cell for line in sheet.iter_rows() for cell in line]
    assert {cell.data_type for cell in cells} <= {"s", "n"}


def test_what_the_platform_filled_in_is_locked_and_what_is_to_be_filled_in_is_open(
    book: Any, sheet: Any
) -> None:
    assert all(one.protection.sheet for one in book.worksheets)
    for line in sheet.iter_rows(min_row=1, max_row=HEADER_ROW):
        assert all(cell.protection.locked for cell in line)
    for number, kind in enumerate([COAL, ELECTRICITY, OUTPUT, ELECTRICITY], start=FIRST):
        is_open = [not cell.protection.locked for cell in sheet[number]]
        assert is_open == [False] * len(FIXED) + [usage in kind.usages for usage in USAGES]
    spare = [not cell.protection.locked for cell in sheet[FIRST + 4]]
    assert spare == [True, False, True, False, False, *[True] * len(USAGES)]
    assert sheet.max_row == HEADER_ROW + 4 + SPARE_ROWS


def test_excel_itself_asks_for_numbers_and_known_units(sheet: Any) -> None:
    rules = {str(rule.sqref): rule for rule in sheet.data_validations.dataValidation}
    last = HEADER_ROW + 4 + SPARE_ROWS
    end = letter(len(FIXED) + len(USAGES) - 1)
    assert set(rules) == {f"A9:A{last}", f"C9:C{last}", f"F{FIRST}:{end}{last}"}
    assert rules[f"A9:A{last}"].formula1 == "单位!$A$2:$A$3"
    assert "ISNUMBER(F5)" in rules[f"F{FIRST}:{end}{last}"].formula1


def test_an_empty_template_read_back_has_nothing_filled_in() -> None:
    with pytest.raises(FormError, match="没有填写任何数值"):
        reports_excel.read(reports_template.write(FORM))


def test_a_filled_template_is_read_through_excel() -> None:
    copy = openpyxl.load_workbook(io.BytesIO(reports_template.write(FORM)))
    sheet: Any = copy["填报"]
    sheet.cell(FIRST + 1, column("20") + 1).value = 12.5
    sheet.cell(FIRST + 4, 1).value = CODE
    sheet.cell(FIRST + 4, 3).value = "021500"
    sheet.cell(FIRST + 4, column("10") + 1).value = WITHDRAWN
    out = io.BytesIO()
    copy.save(out)
    filled = reports_excel.read(out.getvalue())
    assert (filled.month, filled.problems) == ("2026-03", [])
    found = [
        (line.unit, line.kind, entry.usage, entry.value, str(entry.place))
        for line in filled.lines
        for entry in line.entries
    ]
    assert found == [
        (CODE, "023300", "20", 12.5, "第 6 行 20 能源消费合计 列（I6）"),
        (CODE, "021500", "10", None, "第 9 行 10 购进 列（F9）"),
    ]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (3, 3.0),
        (-1.5, -1.5),
        (0, 0.0),
        ("12.50", 12.5),
        (" 7 ", 7.0),
        (0.1 + 0.2, 0.3),
        (0.000317, 0.000317),
        (1e-10, 1e-10),
        ("0.00000000005", 1e-10),
        (999_999_999_999_999, 999_999_999_999_999.0),
        (WITHDRAWN, None),
    ],
)
def test_a_number_is_taken_to_ten_decimals(cell: Cell, value: float | None) -> None:
    assert values(row({"20": cell})) == [("023300", "20", value)]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (Formula(), "是公式"),
        (ErrorValue("#DIV/0!"), "#DIV/0!"),
        (Time(datetime(2026, 3, 1)), "是日期"),
        (True, "应为数值"),
        ("1,200", "应为数值"),
        ("１２", "应为数值"),
        ("1e5", "应为数值"),
        ("—", "应为数值"),
        (10**15, "过大"),
        (-1e300, "过大"),
    ],
)
def test_what_is_no_number_is_named_with_row_and_column(cell: Cell, reason: str) -> None:
    (problem,) = problems(row({"10": 1}), row({"21": cell}, kind="010100"))
    assert problem.startswith("第 6 行 21 工业生产消费 列（J6）：")
    assert reason in problem


def test_rows_without_values_are_passed_over() -> None:
    assert values(row(), row({"20": 1}, kind="010100"), {0: "nobody"}) == [("010100", "20", 1.0)]


def test_a_kind_that_lost_its_zeros_is_known_again() -> None:
    assert values(row({"20": 1}, kind=23300)) == [("023300", "20", 1.0)]


def test_every_wrong_place_is_named() -> None:
    wide = row({"20": 1}, kind="010100") | {len(FIXED) + len(USAGES): 5}
    assert [
        one.partition("：")[0]
        for one in problems(
            row({"20": 1}),
            row({"20": 2}),
            row({"20": 3}, unit=None),
            row({"20": 3}, unit=Formula()),
            row({"20": 3}, kind=None),
            wide,
        )
    ] == [
        "第 6 行 统一社会信用代码、品种编码 列",
        "第 7 行 统一社会信用代码 列（A7）",
        "第 8 行 统一社会信用代码 列（A8）",
        "第 9 行 品种编码 列（C9）",
        "第 10 行 X 列",
    ]


def _version(rows: dict[int, list[Cell]]) -> None:
    rows[2][3] = "other"


def _month(rows: dict[int, list[Cell]]) -> None:
    rows[2][1] = "2026-13"


def _fixed(rows: dict[int, list[Cell]]) -> None:
    rows[HEADER_ROW][2] = "能源"


def _usage(rows: dict[int, list[Cell]]) -> None:
    rows[HEADER_ROW][5] = "99\n别的"


def _twice(rows: dict[int, list[Cell]]) -> None:
    rows[HEADER_ROW][6] = rows[HEADER_ROW][5]


def _nothing(rows: dict[int, list[Cell]]) -> None:
    rows.clear()


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (_version, "不是本平台生成的填报模板"),
        (_nothing, "不是本平台生成的填报模板"),
        (_month, "第 2 行 月份 列（B2）"),
        (_fixed, "第 4 行（表头）C 列应为“品种编码”"),
        (_usage, "第 4 行（表头）F 列：未知的用途"),
        (_twice, "第 4 行（表头）G 列：用途 10 重复"),
    ],
)
def test_what_is_no_form_of_ours_is_refused(
    spoil: Callable[[dict[int, list[Cell]]], None], named: str
) -> None:
    rows = form(row({"20": 1}))
    spoil(rows)
    with pytest.raises(FormError) as caught:
        reports_excel.filled(rows)
    assert named in str(caught.value)


def test_a_month_that_excel_made_a_date_is_one() -> None:
    rows = form(row({"20": 1}))
    rows[2][1] = Time(datetime(2026, 3, 1))
    assert reports_excel.filled(rows).month == "2026-03"
