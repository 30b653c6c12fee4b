"""The packaged tables as text."""

import pytest

from nenghao.standard import code_tables

TABLES = {
    "base_data_types": 9,
    "collect_items": 14,
    "data_classes": 12,
    "energy_types": 87,
    "indicators": 10,
    "industries": 1971,
    "processes": 16,
    "product_quotas": 0,
    "regions": 129,
    "sources": 7,
    "unit_categories": 31,
    "usages": 27,
}


@pytest.mark.parametrize(("name", "count"), TABLES.items())
def test_every_table_is_packaged_whole(name: str, count: int) -> None:
    assert len(code_tables.load(name)) == count


@pytest.mark.parametrize("name", TABLES)
def test_no_value_has_blanks_around_it(name: str) -> None:
    for row in code_tables.load(name):
        assert [value for value in row.values() if value != value.strip()] == []


def test_a_table_is_read_once_and_shared() -> None:
    assert code_tables.load("regions") is code_tables.load("regions")


def test_an_unknown_table_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        code_tables.load("nonsense")


def test_quoted_values_keep_their_commas_and_line_ends_and_a_bom_is_dropped() -> None:
    text = '\ufeffcode,name\r\n1,"a,\u2028b\r\nc"\r\n'
    assert list(code_tables.read_rows(text)) == [{"code": "1", "name": "a,\u2028b\r\nc"}]


@pytest.mark.parametrize("row", ["1", "1,a,b"])
def test_a_ragged_row_is_refused_by_its_line(row: str) -> None:
    with pytest.raises(ValueError, match="第 3 行的列数与表头不符"):
        list(code_tables.read_rows(f"code,name\n0,x\n{row}\n"))
