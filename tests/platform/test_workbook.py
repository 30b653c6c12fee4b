"""Workbooks from outside: bounded before they are unpacked, formulas never believed."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import openpyxl
import pytest

from nenghao.platform import workbook
from nenghao.platform.workbook import ErrorValue, Formula, Sheet, Time, WorkbookError

FIRST_SHEET = "xl/worksheets/sheet1.xml"


def book(*rows: Sequence[Any]) -> bytes:
    made = openpyxl.Workbook()
    sheet: Any = made.active
    for row in rows:
        sheet.append(row)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def with_part(content: bytes, name: str, data: bytes) -> bytes:
    """The workbook with one part replaced or added."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for part in old.namelist():
            if part != name:
                new.writestr(part, old.read(part))
        new.writestr(name, data)
    return out.getvalue()


def read(content: bytes, memory: int = workbook.MEMORY, seconds: int = 60) -> Sheet:
    """Through the child process."""
    return workbook.read(content, most_rows=100, most_columns=10, memory=memory, seconds=seconds)


def rows(content: bytes, sheet: str = "", *, most: int = 100, columns: int = 10) -> Any:
    """What the child does, done here."""
    found = workbook.rows_of(io.BytesIO(content), sheet, most, columns)
    return {row.number: row.cells for row in found}


def test_cells_come_with_their_types_and_rows_with_their_numbers() -> None:
    day = datetime(2026, 3, 1)
    content = book(["a", 1, 2.5, True, None], [], ["=1+1", day, "#DIV/0!"], [None, None])
    expected = {
        1: ["a", 1, 2.5, True],
        3: [Formula(), Time(day), ErrorValue("#DIV/0!")],
    }
    assert rows(content) == read(content).rows == expected


def test_a_formula_is_none_even_where_its_result_stands_beside_it() -> None:
    xml = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        '<row r="1"><c r="A1"><f>1+1</f><v>2</v></c><c r="B1"><v>3</v></c></row>'
        "</sheetData></worksheet>"
    )
    assert rows(with_part(book(["x"]), FIRST_SHEET, xml.encode())) == {1: [Formula(), 3]}


def test_columns_beyond_the_limit_are_not_looked_at() -> None:
    assert rows(book(range(20)), columns=3) == {1: [0, 1, 2]}


def test_too_many_rows_are_an_error() -> None:
    with pytest.raises(WorkbookError, match="超过 2"):
        rows(book(*([1],) * 3), most=2)


def test_a_sheet_that_is_not_there_is_named() -> None:
    with pytest.raises(WorkbookError, match="没有工作表“填报”，现有：Sheet"):
        rows(book(["x"]), "填报")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "不是 .xlsx"),
        (b"PK\x03\x04 but no archive", "不是 .xlsx"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(100), "密码"),
        (bytes(workbook.MOST_BYTES + 1), "超过 20 MB"),
    ],
)
def test_what_is_no_workbook_is_refused_without_a_process(content: bytes, named: str) -> None:
    with pytest.raises(WorkbookError, match=named):
        workbook.check(content)


def test_a_part_that_unpacks_to_too_much_is_refused_without_unpacking_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workbook, "MOST_UNPACKED", 5_000_000)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(FIRST_SHEET, bytes(5_000_001))
    assert len(out.getvalue()) < 10_000
    with pytest.raises(WorkbookError, match="解压后超过 5 MB"):
        workbook.check(out.getvalue())


def test_many_parts_are_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(workbook.MOST_PARTS + 1):
            archive.writestr(str(number), b"")
    with pytest.raises(WorkbookError, match="1001 个部件"):
        workbook.check(out.getvalue())


def test_a_part_that_lies_about_its_size_gives_no_more_than_it_declares() -> None:
    sheet = b"<worksheet>" + b" " * 1_000_000 + b"</worksheet>"
    content = with_part(book(["x"]), FIRST_SHEET, sheet)
    lying = content.replace(struct.pack("<L", len(sheet)), struct.pack("<L", 1000))
    assert lying != content
    with pytest.raises(WorkbookError):
        read(lying)


def sheet_of(rows: bytes) -> bytes:
    xml = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        + rows
        + b"</sheetData></worksheet>"
    )
    return with_part(book(["x"]), FIRST_SHEET, xml)


def test_what_would_eat_memory_and_time_ends_the_child_and_not_us() -> None:
    content = sheet_of(b'<row r="1">' + b"<c/>" * 4_000_000 + b"</row>")
    assert len(content) < 100_000
    with pytest.raises(WorkbookError, match=r"内存|秒内没有读完"):
        read(content, memory=300_000_000, seconds=3)


def test_a_row_that_claims_to_lie_far_below_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workbook, "MOST_SCANNED", 1000)
    with pytest.raises(WorkbookError, match="超过 1000 行"):
        rows(sheet_of(b'<row r="1048576"><c r="A1048576"><v>1</v></c></row>'))


def test_entities_do_not_unfold() -> None:
    entities = b'<!ENTITY a0 "lol">' + b"".join(
        b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10)
    )
    xml = (
        b"<!DOCTYPE x [" + entities + b"]>"
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        b'<row r="1"><c r="A1" t="str"><v>&a9;</v></c></row></sheetData></worksheet>'
    )
    with pytest.raises(WorkbookError, match=r"不是完好的|内存"):
        read(with_part(book(["x"]), FIRST_SHEET, xml))


def test_a_broken_part_is_refused() -> None:
    with pytest.raises(WorkbookError, match="不是完好的"):
        read(with_part(book(["x"]), "xl/workbook.xml", b"<broken"))


def test_nothing_of_the_working_directory_is_run(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "openpyxl.py").write_text("raise SystemExit('run')")
    monkeypatch.chdir(tmp_path)
    assert read(book(["x"])).rows == {1: ["x"]}
