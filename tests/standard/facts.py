"""The code tables handed to the project, where the working copy lies beside them."""

import csv
from pathlib import Path

import pytest

FACTS = Path(__file__).resolve().parents[3] / "shared" / "facts"


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a table there; the test is skipped where the folder is absent."""
    path = FACTS / f"{name}.csv"
    if not path.exists():
        pytest.skip(f"the project's facts are not beside this working copy ({name}.csv)")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def table(name: str) -> dict[str, str]:
    """Names by code of one table of code_tables.csv, by the start of its name."""
    return {
        row["code"]: row["name"]
        for row in rows("code_tables")
        if row["table"].split(" (")[0] == name
    }
