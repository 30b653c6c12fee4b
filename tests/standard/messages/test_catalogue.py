"""Every field of every message is the one of the table of fields: name, order, type, mark."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import pytest

from nenghao.standard.messages import Message
from nenghao.standard.messages.catalogue import MESSAGES, lines_of
from nenghao.standard.messages.fields import fields_of

TABLE = resources.files("nenghao.standard") / "tables" / "fields.csv"
SHARED = Path(__file__).parents[4] / "shared" / "spec" / "fields.csv"

BY_DECISION = ("downloadConfigData.response.", "downloadEnergyData.response.data[]")
"""Inner fields that the table does not repeat: they are those of the uploads."""


class Line(NamedTuple):
    parent: str
    name: str
    json_type: str
    mark: str
    sample: str


def table() -> list[Line]:
    """The table of fields, with the path that some messages have in the field put to the parent."""
    rows = csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines())
    lines = []
    for row in rows:
        parent, _, name = f"{row['message']}.{row['field']}".rpartition(".")
        lines.append(Line(parent, name, row["type"], row["required"], row["sample"]))
    return lines


def by_parent(lines: Iterable[tuple[str, str, str, str]]) -> dict[str, list[tuple[str, str, str]]]:
    parents: dict[str, list[tuple[str, str, str]]] = {}
    for parent, *rest in lines:
        parents.setdefault(parent, []).append((rest[0], rest[1], rest[2]))
    return parents


def ours() -> dict[str, list[tuple[str, str, str]]]:
    lines = []
    for name, cls in MESSAGES.items():
        for line in lines_of(cls, name):
            always = line.mark == "unmarked" and ".response." in line.parent
            lines.append((line.parent, line.name, line.json_type, "yes" if always else line.mark))
    return by_parent(lines)


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.clause("6.3.4.1-c")
@pytest.mark.clause("6.3.4.1-d")
@pytest.mark.clause("6.3.5.1-c")
def test_names_order_types_and_marks_are_those_of_the_table(name: str) -> None:
    def of_this_message(parent: str) -> bool:
        return parent == name or parent.startswith(f"{name}.")

    expected = by_parent([line[:4] for line in table()])
    mine = ours()
    expected = {parent: lines for parent, lines in expected.items() if of_this_message(parent)}
    mine = {parent: lines for parent, lines in mine.items() if of_this_message(parent)}
    for parent in [*mine]:
        if parent not in expected:
            assert parent == "baseData.response.data" or parent.startswith(BY_DECISION)
            del mine[parent]
    assert expected
    assert mine == expected


def test_the_inner_fields_of_the_downloads_are_those_of_the_uploads() -> None:
    mine = ours()
    for inner in ("collectItemConfig[]", "enterprise", "group", "process[]", "processUnit[]"):
        uploaded = mine[f"uploadConfigData.request.{inner}"]
        names = [(name, json_type) for name, json_type, _ in uploaded]
        downloaded = mine[f"downloadConfigData.response.{inner}"]
        assert [(name, json_type) for name, json_type, _ in downloaded] == names
    record = mine["uploadEnergyData.request.data[]"]
    assert mine["downloadEnergyData.response.data[]"] == record


def test_every_message_of_the_table_has_its_class() -> None:
    assert {".".join(line.parent.split(".")[:2]) for line in table()} == set(MESSAGES)


def test_the_packaged_table_is_the_one_of_the_project() -> None:
    if not SHARED.exists():
        pytest.skip("the project's inputs are not here")
    assert TABLE.read_bytes() == SHARED.read_bytes()


def _class_at(parent: str) -> type[Message] | None:
    operation, kind, *steps = parent.split(".")
    cls: type[Message] | None = MESSAGES[f"{operation}.{kind}"]
    for step in steps:
        if cls is None or step == "<indicator>":
            return cls
        cls = next(plan.inner for plan in fields_of(cls) if plan.wire == step.removesuffix("[]"))
    return cls


@pytest.mark.parametrize("line", table(), ids=lambda line: f"{line.parent}.{line.name}")
def test_the_sample_of_the_table_has_the_form_of_its_field(line: Line) -> None:
    """Apart from the credit code of table A.1, which is printed with 17 characters."""
    cls = _class_at(line.parent)
    assert cls is not None
    plan = next(plan for plan in fields_of(cls) if plan.wire == line.name)
    if plan.field.form is None or not line.sample:
        assert plan.field.form is None or plan.shape == "value"
        return
    value: object = line.sample
    if line.json_type in ("integer", "number", "number|empty string"):
        value = float(line.sample)
    elif line.json_type == "boolean":
        value = {"true": True, "false": False}[line.sample]
    wrong = plan.field.form.fails(value)
    printed_short = (line.parent, line.name) == ("register.request", "enterpriseCode")
    assert (wrong is not None) is printed_short


def test_a_line_says_what_the_form_of_its_field_is() -> None:
    lines = {line.name: line for line in lines_of(MESSAGES["register.request"], "register.request")}
    assert lines["region"].expected == "应为 6 位数字"
    assert lines["region"].json_type == "string"
