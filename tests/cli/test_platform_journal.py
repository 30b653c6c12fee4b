"""`nenghao platform journal …` and `rebuild`: looked into, checked, pruned and replayed."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from nenghao.cli import main
from nenghao.clock import china_now
from nenghao.platform.home import Home, init
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store import schema
from nenghao.settings import set_value
from tests.platform.world import STEEL, World, sample, unit_code

Capture = pytest.CaptureFixture[str]
OTHER = unit_code(1)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with two units: one took a configuration and three batches, the other one batch."""
    made = init(tmp_path / "home", {}, china_now())
    with made.store() as store:
        world = World(store, made.authority(), made.settings, china_now() - timedelta(days=40))
        steel, other = world.client(), world.client(OTHER)
        for client, code in ((steel, STEEL), (other, OTHER)):
            client.register()
            same = {"deviceId": client.device_id, "enterpriseCode": code}
            batch = sample("uploadEnergyData.request", **same)
            assert client.post("/uploadEnergyData", batch).code == "0"
        same = {"deviceId": steel.device_id}
        configuration = sample("uploadConfigData.request", **same)
        assert steel.post("/uploadConfigData", configuration).code == "0"
        for days in (20, 0):
            world.now = china_now() - timedelta(days=days)
            batch = sample("uploadEnergyData.request", **same)
            for one in batch["data"]:
                one["uploadDate"] = str(world.now)
            assert steel.post("/uploadEnergyData", batch).code == "0"
    return made


def run(home: Home, *words: str) -> int:
    return main(["platform", *words, "--home", str(home.path)])


def told(capsys: Capture, home: Home, *words: str, code: int = 0) -> Any:
    """What a command prints with --json: one JSON value and nothing else."""
    capsys.readouterr()
    assert run(home, *words, "--json") == code
    return json.loads(capsys.readouterr().out)


def said(capsys: Capture, home: Home, *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert run(home, *words) == code
    out, err = capsys.readouterr()
    return err if code and not out else out


def spoil(home: Home, statement: Any) -> None:
    with home.store() as store, store.write() as conn:
        conn.execute(statement)


def dates(home: Home) -> list[str]:
    """The option values that cover the batch of the sample."""
    days = [one["statDate"][:10] for one in sample("uploadEnergyData.request")["data"]]
    return ["--from", min(days), "--to", max(days)]


def test_receipts_are_listed_with_their_digests(home: Home, capsys: Capture) -> None:
    listed = told(capsys, home, "journal", "list", "--code", STEEL)
    assert [(one["number"], one["kind"]) for one in listed] == [
        (4, "energy"),
        (3, "energy"),
        (2, "config"),
        (1, "energy"),
    ]
    assert [one["previous"] for one in listed] == [one["digest"] for one in listed[1:]] + ["0" * 64]
    assert len(told(capsys, home, "journal", "list")) == 5
    assert len(told(capsys, home, "journal", "list", "--limit", "2")) == 2
    text = said(capsys, home, "journal", "list")
    assert listed[0]["digest"] in text
    assert OTHER in text
    assert "没有注册过" in said(capsys, home, "journal", "list", "--code", unit_code(9), code=1)


def test_one_receipt_is_shown_with_the_settings_in_force(home: Home, capsys: Capture) -> None:
    shown = told(capsys, home, "journal", "show", "--code", STEEL, "--number", "3")
    assert (shown["number"], shown["kept"], shown["records"]) == (3, True, 2)
    assert shown["settings"]["configuration"] == 2
    assert shown["settings"]["statdateTolerance"] == 0
    text = said(capsys, home, "journal", "show", "--code", STEEL, "--number", "3")
    assert f"digest: {shown['digest']}\n" in text
    assert '"configuration": 2' in text
    missing = ["journal", "show", "--code", STEEL, "--number", "9"]
    assert "没有编号 9 的回执" in said(capsys, home, *missing, code=1)


def test_a_right_journal_verifies_with_0(home: Home, capsys: Capture) -> None:
    found = told(capsys, home, "journal", "verify")
    assert found["ok"] is True
    assert found["missingUnits"] == []
    assert [(one["code"], one["receipts"], one["bodies"]) for one in found["units"]] == [
        (STEEL, 4, 4),
        (OTHER, 1, 1),
    ]
    text = said(capsys, home, "journal", "verify")
    assert text == "核对了 2 个单位的 5 份回执、5 份原文（另有 0 份原文已按设置清除）：没有问题\n"
    assert "0 份原文（" in said(capsys, home, "journal", "verify", "--skip-bodies")
    (one,) = told(capsys, home, "journal", "verify", "--code", OTHER)["units"]
    assert one["code"] == OTHER


def test_a_broken_journal_ends_with_1_and_names_unit_and_number(
    home: Home, capsys: Capture
) -> None:
    number = schema.receipt.c.sequence
    spoil(home, update(schema.receipt).where(number == 3).values(records=99))
    text = said(capsys, home, "journal", "verify", code=1)
    assert text.splitlines()[0] == f"{STEEL} 编号 3：回执内容与其摘要不符"
    assert text.endswith("：1 处问题\n")
    found = told(capsys, home, "journal", "verify", code=1)
    assert found["ok"] is False
    assert [one["breaks"] for one in found["units"]] == [
        [{"number": 3, "fault": "content", "text": "回执内容与其摘要不符", "detail": ""}],
        [],
    ]
    assert run(home, "journal", "verify", "--code", OTHER) == 0
    spoil(home, delete(schema.receipt).where(number == 4))
    text = said(capsys, home, "journal", "verify", "--skip-bodies", code=1)
    assert f"{STEEL} 编号 4：末尾的回执被截去（链头编号为 4，最后一份回执为 3）" in text


def test_a_verification_is_held_against_an_earlier_one(
    home: Home, tmp_path: Path, capsys: Capture
) -> None:
    earlier = tmp_path / "earlier.json"
    earlier.write_text(json.dumps(told(capsys, home, "journal", "verify")), encoding="utf-8")
    against = ["journal", "verify", "--against", str(earlier)]
    assert told(capsys, home, *against)["ok"] is True
    for table in (schema.receipt, schema.frame, schema.unit_head, schema.device, schema.unit):
        spoil(home, delete(table))
    assert run(home, "journal", "verify") == 0
    found = told(capsys, home, *against, code=1)
    assert found["missingUnits"] == sorted([STEEL, OTHER])
    assert f"{STEEL}：先前有过的单位已不在" in said(capsys, home, *against, code=1)
    earlier.write_text("[]", encoding="utf-8")
    assert "不是 journal verify --json 的输出" in said(capsys, home, *against, code=2)


def test_bodies_are_kept_for_ever_unless_a_setting_says_otherwise(
    home: Home, capsys: Capture
) -> None:
    assert "永久保留" in said(capsys, home, "journal", "prune")
    assert told(capsys, home, "journal", "prune")["bodies"] == 0
    set_value(home.settings_file, "journal_keep_days", 30, PlatformSettings)
    dry = told(capsys, home, "journal", "prune", "--dry-run")
    assert (dry["bodies"], dry["dryRun"], len(dry["units"])) == (3, True, 2)
    assert said(capsys, home, "journal", "prune", "--dry-run").startswith("将清除 2 个单位")
    assert all(one["kept"] for one in told(capsys, home, "journal", "list"))
    text = said(capsys, home, "journal", "prune")
    assert text == f"已清除 2 个单位 30 天以前的 3 份原文，共 {dry['bytes']} 字节\n"
    kept = {
        one["number"]: one["kept"] for one in told(capsys, home, "journal", "list", "--code", STEEL)
    }
    assert kept == {1: False, 2: False, 3: True, 4: True, 5: True}
    assert run(home, "upload-body", "--code", STEEL, "--number", "1") == 1
    verified = told(capsys, home, "journal", "verify")
    assert [one["dropped"] for one in verified["units"]] == [2, 1]
    assert told(capsys, home, "audit", "list", "--limit", "1")[0]["action"] == "journal.prune"


def test_a_rebuild_compares_reports_and_puts_right(home: Home, capsys: Capture) -> None:
    words = ["rebuild", "--unit", STEEL, *dates(home)]
    same = told(capsys, home, *words, "--dry-run")
    assert (same["differences"], same["receipts"], same["compared"]) == ([], 3, 2)
    spoil(home, delete(schema.frame).where(schema.frame.c.unit_id == 1))
    text = said(capsys, home, *words, "--dry-run", code=1)
    assert text.count("现有 无，按日志应为 ") == 2
    assert text.endswith("重放 3 份回执，比较 2 个数据，2 处不同，未改写\n")
    done = told(capsys, home, *words)
    assert (len(done["differences"]), done["sequence"], done["dryRun"]) == (2, 5, False)
    assert done["framesWritten"] == 2
    assert said(capsys, home, *words).endswith("比较 2 个数据，0 处不同，未改写\n")
    assert run(home, "journal", "verify") == 0


@pytest.mark.parametrize(
    ("words", "code", "said_so"),
    [
        (["--unit", STEEL, "--from", "2026-13-01", "--to", "2026-12-31"], 2, "--from 应为"),
        (["--unit", STEEL, "--from", "2026-12-01", "--to", "20261231"], 2, "--to 应为"),
        (["--unit", STEEL, "--from", "2026-12-31", "--to", "2026-12-01"], 1, "结束日期早于"),
        (["--unit", unit_code(9), "--from", "2026-12-01", "--to", "2026-12-01"], 1, "没有注册过"),
        (["--from", "2026-12-01", "--to", "2026-12-01"], 2, "--unit"),
    ],
)
def test_a_wrong_rebuild_is_refused(
    home: Home, words: list[str], code: int, said_so: str, capsys: Capture
) -> None:
    assert said_so in said(capsys, home, "rebuild", *words, code=code)


def test_a_rebuild_that_lacks_bodies_ends_with_1(home: Home, capsys: Capture) -> None:
    set_value(home.settings_file, "journal_keep_days", 10, PlatformSettings)
    assert run(home, "journal", "prune") == 0
    words = ["rebuild", "--unit", STEEL, *dates(home), "--dry-run"]
    assert "2 份相关原文已清除（编号 1 起），无法重建" in said(capsys, home, *words, code=1)
