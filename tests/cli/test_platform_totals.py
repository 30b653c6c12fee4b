"""`nenghao platform totals …` on the command line."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import delete

from nenghao.cli import main
from nenghao.platform import home as homes
from nenghao.platform.store.engine import Store
from nenghao.platform.store.totals_schema import roll_up
from tests.platform.energy import CODE, new_peer, record, send

COAL = "00-00-0000-010100-11"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    made = homes.init(path, {}, datetime(2026, 11, 22, 1, 30))
    with made.store() as store:
        peer = new_peer(store)
        send(store, peer, [record(100.0), record(5.0, "2026-11-20 00:00:00", code=COAL)])
    return path


def run(*words: str) -> int:
    return main(["platform", "totals", *words])


def said(capsys: pytest.CaptureFixture[str], *words: str) -> object:
    capsys.readouterr()
    assert run(*words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_show_answers_as_the_exchange_does(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--home", str(home), "--region", "210100"]
    month = said(capsys, "show", *where, "--period", "month", "--date", "2026-11")
    assert month["elec"] == {  # type: ignore[index]
        "OriginValue": 100.0,
        "value": 122.9,
        "unitName": "万千瓦时",
    }
    assert month["nyxfzl"]["value"] == 126.47  # type: ignore[index]
    assert run("show", *where, "--period", "day", "--date", "2026-11-20") == 0
    assert "3.57" in capsys.readouterr().out


def test_explain_lists_every_contribution(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    which = ["--home", str(home), "--code", CODE, "--period", "month", "--date", "2026-11"]
    told = said(capsys, "explain", *which)
    lines = {line["dataCode"]: line for line in told["lines"]}  # type: ignore[index]
    assert lines[COAL]["contribution"] == "3.5715"
    assert lines[COAL]["coefficient"] == "0.7143"
    assert lines[COAL]["missing"] == 29
    assert told["kept"] == told["totals"]  # type: ignore[index]
    assert run("explain", *which) == 0
    shown = capsys.readouterr().out
    assert "电力" in shown
    assert "3.5715" in shown


def test_explain_refuses_an_unknown_unit_and_an_impossible_date(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    which = ["explain", "--home", str(home), "--period", "month", "--code"]
    assert run(*which, "91210102MA0000001X", "--date", "2026-11") == 1
    assert "没有注册过的用能单位" in capsys.readouterr().err
    for date in ("2026-13", "2026-11-01", "1999-01"):
        assert run(*which, CODE, "--date", date) == 2
        assert "--date" in capsys.readouterr().err


def test_verify_fails_where_a_sum_is_wrong_and_recompute_mends_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--home", str(home)]
    assert said(capsys, "verify", *where)["ok"] is True  # type: ignore[index]
    store = Store.open(f"sqlite:///{home / 'nenghao.db'}")
    with store.write() as conn:
        conn.execute(delete(roll_up).where(roll_up.c.region == "21*"))
    store.close()
    assert run("verify", *where) == 1
    assert "21*/*" in capsys.readouterr().out
    assert run("recompute", *where) == 0
    assert run("verify", *where) == 0
    assert "一致" in capsys.readouterr().out
