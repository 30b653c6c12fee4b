"""`nenghao platform reports|projects|coefficients`: files in and out from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from nenghao.cli import main
from nenghao.clock import china_now
from nenghao.platform.home import Home, init
from nenghao.platform.projects import HEADER
from nenghao.platform.reports_form import FIXED, USAGES
from tests.platform.world import World, unit_code

Capture = pytest.CaptureFixture[str]
ONE, TWO = unit_code(1), unit_code(2)
PROJECT = "某项目,2101-01,存量项目,210100,C2521,前期手续完成,内容,沈阳市和平区,1200"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = init(tmp_path / "home", {}, china_now())
    with made.store() as store:
        world = World(store, made.authority(), made.settings, china_now())
        world.register(world.identity(ONE))
        world.register(world.identity(TWO), "210202", "中山区")
    return made


def run(home: Home, *words: str | Path) -> int:
    group, command, *rest = map(str, words)
    return main(["platform", group, command, "--home", str(home.path), *rest])


def told(capsys: Capture, home: Home, *words: str | Path) -> Any:
    """What a command prints with --json: one JSON value and nothing else."""
    capsys.readouterr()
    assert run(home, *words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def fill(file: Path, **cells: Any) -> None:
    """Fill the row of electricity of every unit; usages as `u20`."""
    book = openpyxl.load_workbook(file)
    sheet: Any = book["填报"]
    for line in sheet.iter_rows(min_row=5):
        if line[2].value == "023300":
            for usage, value in cells.items():
                line[len(FIXED) + list(USAGES).index(usage[1:])].value = value
    book.save(file)


def test_a_form_goes_out_and_comes_back_with_its_findings(
    home: Home, tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "march.xlsx"
    assert run(home, "reports", "template", file, "--month", "2026-03", "--region", "210100") == 0
    assert "2026-03：1 个用能单位" in capsys.readouterr().out
    fill(file, u20=100, u21=80, u22=30)
    (unit,) = told(capsys, home, "reports", "import", file)["units"]
    assert (unit["code"], unit["records"], unit["stored"]) == (ONE, 3, 3)
    assert [one["kind"] for one in unit["findings"]] == ["consumption_parts"]
    capsys.readouterr()
    assert main(["platform", "findings", "--home", str(home.path), "--json"]) == 0
    (finding,) = json.loads(capsys.readouterr().out)
    assert finding["label"] == "能源消费合计与分项不符（20 = 21 + 22）"
    assert finding["subject"] == "00-00-0000-023300-20 2026-03 填报"


def test_a_wrong_form_ends_with_1_and_changes_nothing(
    home: Home, tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "f.xlsx"
    assert run(home, "reports", "template", file, "--code", ONE, "--code", TWO) == 0
    fill(file, u20=1, u21="=1+1")
    capsys.readouterr()
    assert run(home, "reports", "import", file) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("21 工业生产消费 列") == err.count("是公式") == 2
    assert main(["platform", "uploads", "--home", str(home.path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (["template", "f.csv"], 2, "f.csv"),
        (["template", "f.xlsx", "--month", "2026-13"], 2, "--month"),
        (["template", "f.xlsx", "--region", "21"], 2, "--region"),
        (["template", "f.xlsx", "--code", unit_code(9)], 1, unit_code(9)),
        (["import", "none.xlsx"], 1, "找不到"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    home: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    words: list[str],
    code: int,
    named: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(home, "reports", *words) == code
    assert named in capsys.readouterr().err
    assert not (tmp_path / "f.xlsx").exists()


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_projects_go_in_and_come_out_alike(
    home: Home, tmp_path: Path, capsys: Capture, suffix: str
) -> None:
    given, back = tmp_path / "p.csv", tmp_path / f"q{suffix}"
    given.write_text(f"{','.join(HEADER)}\n{PROJECT}\n", encoding="utf-8")
    assert told(capsys, home, "projects", "import", given)["added"] == 1
    assert run(home, "projects", "export", back) == 0
    done = told(capsys, home, "projects", "import", back, "--replace")
    assert done == {"rows": 1, "added": 0, "changed": 0, "unchanged": 1, "removed": 0}


def test_wrong_projects_end_with_1_and_a_wrong_suffix_with_2(
    home: Home, tmp_path: Path, capsys: Capture
) -> None:
    given = tmp_path / "p.csv"
    given.write_text(f"{','.join(HEADER)}\n{PROJECT.replace('210100', 'x')}\n", encoding="utf-8")
    assert run(home, "projects", "import", given) == 1
    assert "第 2 行 regionCode 列" in capsys.readouterr().err
    assert run(home, "projects", "export", tmp_path / "p.txt") == 2


def test_a_coefficient_is_set_listed_and_imported(
    home: Home, tmp_path: Path, capsys: Capture
) -> None:
    def on(day: str) -> dict[str, str]:
        listed = told(capsys, home, "coefficients", "list", "--date", day)
        return {one["classCode"] + one["code"]: one["zbckz"] for one in listed}

    words = ["--kind", "023300", "--zbckz", "1.3", "--valid-from", "2026-01-01"]
    assert run(home, "coefficients", "set", *words) == 0
    assert "由 1.2290 改为 1.3" in capsys.readouterr().out
    assert run(home, "coefficients", "set", *words) == 0
    assert "未改动" in capsys.readouterr().out
    assert (on("2025-12-31")["023300"], on("2026-01-01")["023300"]) == ("1.2290", "1.3")
    file = tmp_path / "c.csv"
    file.write_text("classCode,code,validFrom,zbckz,dwzbxs,range,source\n01,0100,,0.7,,,\n")
    assert run(home, "coefficients", "import", file) == 0
    assert on("2020-01-01")["010100"] == "0.7"


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (["set", "--kind", "3300", "--zbckz", "1"], 2, "--kind"),
        (["set", "--kind", "023300", "--zbckz", "1", "--valid-from", "1.1."], 2, "--valid-from"),
        (["set", "--kind", "023300", "--zbckz", "1", "--range", "2-1"], 2, "--range"),
        (["set", "--kind", "023300", "--zbckz", "x"], 1, "十进制数"),
        (["set", "--kind", "029999", "--zbckz", "1"], 1, "9999"),
    ],
)
def test_a_wrong_coefficient_is_refused(
    home: Home, capsys: Capture, words: list[str], code: int, named: str
) -> None:
    assert run(home, "coefficients", *words) == code
    assert named in capsys.readouterr().err


def test_new_base_data_hold_from_the_day_that_is_told(
    home: Home, tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "energyType.csv"
    assert run(home, "base-data", "export", file) == 0
    file.write_text(file.read_text("utf-8").replace("1.2290", "1.3"), encoding="utf-8")
    assert run(home, "base-data", "import", file, "--valid-from", "2024-07-01") == 0
    listed = told(capsys, home, "coefficients", "list")
    dated = [(one["validFrom"], one["zbckz"]) for one in listed if one["code"] == "3300"]
    assert dated == [("", "1.2290"), ("2024-07-01", "1.3")]
