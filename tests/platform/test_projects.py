"""Key projects: imported whole or not at all, found by region and industry, written back alike."""

from __future__ import annotations

import io
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from nenghao.platform import audit, dictionary, projects, table_file
from nenghao.platform.projects import HEADER, Import, ProjectsError
from nenghao.platform.store.reports_schema import project
from nenghao.platform.table_file import FileError
from nenghao.standard.messages import read_value
from nenghao.standard.messages.projects import Project
from tests.platform.world import World, sample

SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
"""For what the database has no part in."""

ROW = {
    "name": "xxxx项目",
    "code": "220101-01",
    "type": "存量项目",
    "regionCode": "210100",
    "industryCode": "C2521",
    "classified_disposal": "前期手续完成",
    "construction_content": "建设内容详情",
    "construction_site": "沈阳市和平区xxxx大街12号",
    "design_energy_consumption": "1200",
}
"""The project of C.3, with the codes behind its names."""


def row(code: str = "220101-01", **changes: str) -> dict[str, str]:
    return ROW | {"code": code} | changes


def wrong(column: str, value: str) -> dict[str, str]:
    return row("2") | {column: value}


def csv_of(*rows: dict[str, str]) -> bytes:
    return table_file.write_csv(HEADER, rows)


def imported(world: World, content: bytes, suffix: str = ".csv", *, whole: bool = False) -> Import:
    lines = table_file.read(content, suffix, HEADER)
    with world.store.write() as conn:
        return projects.replace_or_add(conn, lines, world.now, whole=whole, source="p.csv")


def found(world: World, region: str | None = None, industry: str | None = None) -> list[Project]:
    with world.store.read() as conn:
        return projects.find(conn, region, industry)


def listing(world: World) -> list[dict[str, str]]:
    with world.store.read() as conn:
        return projects.listing(conn)


@pytest.mark.clause("7.3.3-1")
@pytest.mark.clause("7.3.4-1")
@pytest.mark.parametrize("by", [("210000", None), (None, "C25"), ("210100", "C2521")])
def test_a_project_is_answered_with_the_nine_fields_of_the_sample(
    world: World, by: tuple[str | None, str | None]
) -> None:
    imported(world, csv_of(ROW))
    (one,) = found(world, *by)
    assert one == read_value(Project, sample("getProjectDataByRegion.response")["data"][0])


def test_regions_are_asked_by_their_subtree_and_industries_by_prefix(world: World) -> None:
    places = {"1": ("210102", "C2511"), "2": ("210100", "C3120"), "3": ("210202", "C25")}
    rows = [row(code, regionCode=r, industryCode=i) for code, (r, i) in places.items()]
    imported(world, csv_of(*rows))

    def asked(region: str | None = None, industry: str | None = None) -> str:
        return "".join(one.code for one in found(world, region, industry))

    assert asked() == asked("000000") == asked("210000") == asked(industry="C") == "123"
    assert asked("210100") == "12"
    assert asked("210102") == "1"
    assert asked("210102", "C31") == asked("110000") == asked(industry="B") == ""
    assert asked(industry="C25") == "13"
    assert asked(industry="C251") == "1"
    assert asked("210200", "C25") == "3"


def test_names_are_those_of_the_base_data_at_the_moment(world: World) -> None:
    imported(world, csv_of(ROW))
    with world.store.write() as conn:
        text = dictionary.export_table(conn, "region").replace("沈阳市", "盛京")
        dictionary.import_table(conn, "region", text, world.now)
    assert found(world)[0].region == "盛京"


def test_an_import_replaces_by_code_and_keeps_the_others(world: World) -> None:
    assert imported(world, csv_of(row("1"), row("2"))) == Import(2, 2, 0, 0, 0)
    again = csv_of(row("2"), row("3"), row("1", name="改名"))
    assert imported(world, again) == Import(3, 1, 1, 1, 0)
    assert [(one["code"], one["name"]) for one in listing(world)] == [
        ("1", "改名"),
        ("2", "xxxx项目"),
        ("3", "xxxx项目"),
    ]


def test_with_replace_what_the_file_lacks_goes(world: World) -> None:
    imported(world, csv_of(row("1"), row("2")))
    assert imported(world, csv_of(row("2")), whole=True) == Import(1, 0, 0, 1, 1)
    assert [one["code"] for one in listing(world)] == ["2"]


def test_an_import_is_audited(world: World) -> None:
    imported(world, csv_of(row("1")))
    with world.store.read() as conn:
        (entry,) = audit.entries(conn)
    assert (entry["action"], entry["subject"], entry["actor"]) == (
        "projects.import",
        "p.csv",
        audit.OPERATOR,
    )
    assert "新增 1" in entry["detail"]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("name", "", "缺失"),
        ("code", " ", "缺失"),
        ("code", "x" * 65, "64 个字符"),
        ("regionCode", "2101", "6 位数字"),
        ("regionCode", "990000", "基础数据中没有"),
        ("industryCode", "2511", "行业代码"),
        ("industryCode", "Z99", "基础数据中没有"),
        ("construction_site", "x\ty", "控制字符"),
        ("construction_content", "长" * 2001, "2000"),
        ("design_energy_consumption", "1,200", "十进制数"),
        ("design_energy_consumption", "-1", "十进制数"),
    ],
)
@SQLITE
def test_an_error_names_row_and_column(world: World, column: str, value: str, reason: str) -> None:
    with pytest.raises(ProjectsError) as caught:
        imported(world, csv_of(row("1"), wrong(column, value)))
    assert str(caught.value).startswith(f"第 3 行 {column} 列：")
    assert reason in str(caught.value)


def test_one_wrong_row_keeps_all_others_out(world: World) -> None:
    imported(world, csv_of(row("1")))
    before = world.rows(select(project))
    with pytest.raises(ProjectsError) as caught:
        imported(world, csv_of(row("2"), row("3", name=""), row("2"), row("4", regionCode="x")))
    lines = str(caught.value).splitlines()
    assert [line.partition("：")[0] for line in lines] == [
        "第 3 行 name 列",
        "第 4 行 code 列",
        "第 5 行 regionCode 列",
    ]
    assert world.rows(select(project)) == before


@SQLITE
def test_of_many_errors_twenty_are_named_and_the_rest_counted(world: World) -> None:
    with pytest.raises(ProjectsError) as caught:
        imported(world, csv_of(*(row(str(number), name="") for number in range(50))))
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "另有 30 处"


@SQLITE
def test_a_file_without_projects_is_refused(world: World) -> None:
    with pytest.raises(ProjectsError, match="没有任何项目"):
        imported(world, csv_of(), whole=True)


@pytest.mark.parametrize(
    ("content", "suffix", "named"),
    [
        (b"", ".csv", "空"),
        (b"name,code\n", ".csv", "缺少列 type"),
        (b"\xff\xfe\x00\x01\xff", ".csv", "编码"),
        (",".join([*HEADER, "x"]).encode(), ".csv", "未知的列 x"),
        (",".join([*HEADER, "code"]).encode(), ".csv", "列 code 重复"),
        (",".join(HEADER).encode() + b'\n"a', ".csv", "合法的 CSV"),
        (",".join(HEADER).encode() + b"\n" + b"a," * 9 + b"b", ".csv", "应有 9 列"),
        (b"name", ".txt", ".txt"),
        (b"name", ".xlsx", "不是 .xlsx"),
    ],
)
def test_what_is_no_such_list_is_refused(content: bytes, suffix: str, named: str) -> None:
    with pytest.raises(FileError, match=named):
        table_file.read(content, suffix, HEADER)


def test_columns_may_stand_in_any_order_and_gb18030_is_read() -> None:
    order = [*reversed(HEADER)]
    text = ",".join(order) + "\n" + ",".join(ROW[name] for name in order)
    ((number, cells),) = table_file.read(text.encode("gb18030"), ".csv", HEADER)
    assert (number, cells) == (2, list(ROW.values()))


WORDS = st.text(st.sampled_from("=+-@'\"ab,;项目 1"), min_size=0, max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(HEADER, WORDS)), max_size=4))
def test_csv_brings_every_text_back_and_nothing_is_a_formula(rows: list[dict[str, str]]) -> None:
    written = table_file.write_csv(HEADER, rows)
    for cells in _csv_cells(written):
        assert all(not cell.startswith(("=", "+", "-", "@")) for cell in cells)
    read = [
        dict(zip(HEADER, cells, strict=True))
        for _, cells in table_file.read(written, ".csv", HEADER)
    ]
    assert read == [one for one in rows if any(one.values())]


def _csv_cells(content: bytes) -> list[list[str]]:
    import csv

    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_excel_brings_every_text_back_and_nothing_is_a_formula(world: World) -> None:
    odd = row("1", name="=1+1", type="@x", construction_site="'y", classified_disposal="007")
    imported(world, csv_of(odd, row("2", design_energy_consumption="1200.50", type="")))
    before = listing(world)
    written = table_file.write_excel(HEADER, before, "重点项目")
    sheet: Any = openpyxl.load_workbook(io.BytesIO(written)).active
    assert {cell.data_type for line in sheet.iter_rows() for cell in line} <= {"s", "n"}
    assert imported(world, written, ".xlsx") == Import(2, 0, 0, 2, 0)
    assert listing(world) == before


def test_excel_errors_name_row_and_column() -> None:
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.append(HEADER)
    sheet.append([*ROW.values()])
    sheet.append(["=A2", "2", *[*ROW.values()][2:]])
    sheet["I2"] = 1200.0
    out = io.BytesIO()
    book.save(out)
    with pytest.raises(FileError, match="第 3 行 name 列：是公式"):
        table_file.read(out.getvalue(), ".xlsx", HEADER)
    sheet["A3"] = "另一个"
    out = io.BytesIO()
    book.save(out)
    lines = table_file.read(out.getvalue(), ".xlsx", HEADER)
    assert [(number, cells[0], cells[8]) for number, cells in lines] == [
        (2, "xxxx项目", "1200"),
        (3, "另一个", "1200"),
    ]
