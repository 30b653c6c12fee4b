"""The monthly form as an empty workbook (填报模板), made with openpyxl.

The sheet 填报 has one row per unit and energy type and one column per usage. What the platform
filled in is locked and grey, what is to be filled in is open; the sheets 单位, 品种 and 填报说明
say what may stand there and how.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nenghao.platform.reports_form import (
    CODE,
    FIXED,
    HEADER_ROW,
    KIND,
    NOTES,
    SHEET,
    SPARE_ROWS,
    TITLE,
    USAGES,
    VERSION,
    WITHDRAWN,
    Form,
    letter,
)

_PLAIN: Mapping[str, Any] = {}


def write(form: Form) -> bytes:
    """The form as a workbook."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    _Writer(book, form).write()
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


class _Writer:
    """Writes the sheets of one form; cells of one look share their styles."""

    def __init__(self, book: Any, form: Form) -> None:
        from openpyxl.styles import Alignment, Font, PatternFill, Protection

        self._book = book
        self._form = form
        self._made: dict[tuple[int, str, int], Any] = {}
        grey = PatternFill("solid", fgColor="FFEEEEEE")
        self._locked: dict[str, Any] = {"fill": grey, "number_format": "@"}
        self._head = self._locked | {
            "font": Font(bold=True),
            "alignment": Alignment(wrap_text=True, vertical="center", horizontal="center"),
        }
        self._open: dict[str, Any] = {"protection": Protection(locked=False)}
        self._open_text = self._open | {"number_format": "@"}
        self._note = {"alignment": Alignment(wrap_text=True, vertical="top")}
        self._bold = {"font": Font(bold=True)}

    def write(self) -> None:
        """All sheets."""
        self._fill_in()
        self._list("单位", (*FIXED[:2], "行政区划"), self._units())
        self._list("品种", FIXED[KIND:], ((k.code, k.name, k.unit) for k in self._form.kinds))
        self._list("填报说明", ("填报说明",), ((note,) for note in NOTES), width=100)

    def _units(self) -> Iterator[tuple[str, ...]]:
        return ((unit.code, unit.name, unit.region) for unit in self._form.units)

    def _fill_in(self) -> None:
        sheet = self._book.create_sheet(SHEET)
        sheet.protection.sheet = True
        sheet.protection.formatColumns = False
        sheet.freeze_panes = f"{letter(len(FIXED))}{HEADER_ROW + 1}"
        for column, width in enumerate((22, 30, 10, 16, 14)):
            sheet.column_dimensions[letter(column)].width = width
        sheet.append([self._cell(sheet, TITLE, self._bold)])
        month = ("月份", self._form.month, "版本", VERSION)
        sheet.append([self._cell(sheet, text, self._locked) for text in month])
        sheet.append([self._cell(sheet, NOTES[0] + NOTES[1] + NOTES[3])])
        heads = [*FIXED, *(f"{code}\n{name}" for code, name in USAGES.items())]
        sheet.append([self._cell(sheet, text, self._head) for text in heads])
        rows = 0
        for unit in self._form.units:
            for kind in unit.kinds:
                fixed = (unit.code, unit.name, kind.code, kind.name, kind.unit)
                sheet.append(
                    [
                        *(self._cell(sheet, text, self._locked) for text in fixed),
                        *(
                            self._cell(sheet, "", self._open if u in kind.usages else self._locked)
                            for u in USAGES
                        ),
                    ]
                )
                rows += 1
        for _ in range(SPARE_ROWS):
            looks = [self._open_text, self._locked, self._open_text, self._locked, self._locked]
            looks += [self._open] * len(USAGES)
            sheet.append([self._cell(sheet, "", look) for look in looks])
        self._validate(sheet, HEADER_ROW + 1, HEADER_ROW + rows + SPARE_ROWS, rows)

    def _validate(self, sheet: Any, first: int, last: int, rows: int) -> None:
        from openpyxl.worksheet.datavalidation import DataValidation

        def add(area: str, **rule: Any) -> None:
            check = DataValidation(allow_blank=True, showErrorMessage=True, **rule)
            check.add(area)
            sheet.data_validations.append(check)

        spare = first + rows
        for column, name, length in (
            (CODE, "单位", len(self._form.units)),
            (KIND, "品种", len(self._form.kinds)),
        ):
            add(
                f"{letter(column)}{spare}:{letter(column)}{last}",
                type="list",
                formula1=f"{name}!$A$2:$A${length + 1}",
                error=f"请从“{name}”表中选择",
            )
        begin, end = letter(len(FIXED)), letter(len(FIXED) + len(USAGES) - 1)
        # The rule must be true for the word that withdraws, too.
        cell = f"{begin}{first}"
        add(
            f"{begin}{first}:{end}{last}",
            type="custom",
            formula1=f'OR(ISNUMBER({cell}),{cell}="{WITHDRAWN}")',
            error=f"请填写数值，或“{WITHDRAWN}”",
        )

    def _list(
        self, name: str, header: Sequence[str], rows: Iterator[tuple[str, ...]], width: int = 24
    ) -> None:
        sheet = self._book.create_sheet(name)
        sheet.protection.sheet = True
        sheet.freeze_panes = "A2"
        for column in range(len(header)):
            sheet.column_dimensions[letter(column)].width = width
        sheet.append([self._cell(sheet, text, self._head) for text in header])
        for row in rows:
            sheet.append([self._cell(sheet, text, self._note) for text in row])

    def _cell(self, sheet: Any, text: str, look: Mapping[str, Any] = _PLAIN) -> Any:
        """A cell of text; a unit's name that begins with `=` is a name and no formula.

        A row is written as soon as it is appended, so equal cells can be one object: making them
        is nearly all that a large form costs.
        """
        from openpyxl.cell import WriteOnlyCell

        key = (id(sheet), text, id(look))
        if key in self._made:
            return self._made[key]
        cell = self._made[key] = WriteOnlyCell(sheet, text or None)
        if text:
            cell.data_type = "s"
        for name, value in look.items():
            setattr(cell, name, value)
        return cell
