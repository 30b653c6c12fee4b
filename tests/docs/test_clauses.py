"""docs/clauses.md tells the truth: every id, modules that exist, claims that tests carry."""

from __future__ import annotations

import ast
import csv
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
LIST = ROOT.parent / "shared" / "spec" / "clauses.csv"
LATER: set[str] = set()
"""Ids of chapters 1 to 6 that belong to later steps."""


class Row(NamedTuple):
    id: str
    asked: str
    where: str
    state: str

    @property
    def word(self) -> str:
        return self.state.partition(":")[0].split()[0]


def rows() -> list[Row]:
    text = (ROOT / "docs" / "clauses.md").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [Row(*cell) for cell in cells if len(cell) == 4 and cell[0] != "id"]


def claimed_by_tests() -> dict[str, set[str]]:
    """The ids that stand literally in a `pytest.mark.clause(…)`, with the files they stand in."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.clause":
                for argument in node.args:
                    id = ast.literal_eval(argument)  # a test names its clauses literally
                    found.setdefault(id, set()).add(path.name)
    return found


def test_every_requirement_has_its_row_once() -> None:
    ids = [row.id for row in rows()]
    assert len(ids) == len(set(ids)) == 104


def test_the_rows_are_those_of_the_list() -> None:
    if not LIST.exists():
        pytest.skip(f"the list of requirements {LIST.name} is not beside the project")
    with LIST.open(encoding="utf-8", newline="") as file:
        assert {row.id for row in rows()} == {row["id"] for row in csv.DictReader(file)}


def test_every_state_is_one_of_three() -> None:
    for row in rows():
        assert row.word in ("met", "partly", "open"), row
        assert row.where or row.word == "open", row


def test_what_is_claimed_as_met_is_carried_by_a_test() -> None:
    tested = claimed_by_tests()
    assert [row.id for row in rows() if row.word != "open" and row.id not in tested] == []


def test_what_tests_prove_is_not_called_open() -> None:
    states = {row.id: row.word for row in rows()}
    tested = claimed_by_tests()
    assert [id for id in tested if states.get(id) in (None, "open")] == []


def test_every_module_named_exists() -> None:
    package = ROOT / "src" / "nenghao"
    for row in rows():
        for name in re.findall(r"`([a-z_.0-9]+)`", row.where):
            path = package / Path(*name.split("."))
            assert path.with_suffix(".py").is_file() or path.is_dir(), f"{row.id}: {name}"


def test_of_the_device_side_only_the_later_steps_are_open() -> None:
    def is_ours(id: str) -> bool:
        return id[0] in "156" or id[:2] in ("3.", "T1", "A.", "B.")

    assert {row.id for row in rows() if is_ours(row.id) and row.word == "open"} == LATER
