"""Production processes (B.1.4)."""

import pytest

from nenghao.standard.processes import PROCESSES, WHOLE_PLANT, ProcessTable
from tests.standard import facts


@pytest.mark.clause("B.1.4-1")
def test_the_processes_are_the_table_handed_to_the_project() -> None:
    given = [(row["code"], row["name"], row["industryCode"]) for row in facts.rows("processes")]
    assert [(one.code, one.name, one.industry) for one in PROCESSES] == given


@pytest.mark.clause("B.1.4-1")
def test_a_code_means_a_process_within_its_industry_only() -> None:
    steel, refinery = PROCESSES.get("C3120", "01"), PROCESSES.get("C2511", "01")
    assert steel is not None
    assert refinery is not None
    assert (steel.name, refinery.name) == ("焦化工序", "炼油装置")
    assert PROCESSES.get("C26", "01") is None
    assert PROCESSES.get("C", "01") is None


def test_the_whole_plant_is_everywhere() -> None:
    for industry in ("C3120", "A0111", ""):
        process = PROCESSES.get(industry, WHOLE_PLANT)
        assert process is not None
        assert process.name == "全厂"


def test_an_industry_has_its_processes_and_the_whole_plant() -> None:
    assert [one.code for one in PROCESSES.of_industry("C3120")] == [
        f"{number:02d}" for number in range(10)
    ]
    assert [one.code for one in PROCESSES.of_industry("D4411")] == [WHOLE_PLANT]


def test_the_narrower_industry_decides_what_a_code_means() -> None:
    rows = [
        {"code": "01", "name": "窄", "industryCode": "C312"},
        {"code": "01", "name": "宽", "industryCode": "C31"},
    ]
    for table in (ProcessTable(rows), ProcessTable(rows[::-1])):
        narrow, wide = table.get("C3120", "01"), table.get("C3110", "01")
        assert narrow is not None
        assert wide is not None
        assert (narrow.name, wide.name, len(table)) == ("窄", "宽", 2)
