"""The page of the audit trail in a browser: searched, verified, exported, broken and found out."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from nenghao.platform import audit_chain
from nenghao.platform.permissions import Role
from tests.console.conftest import AsRole
from tests.console.ground import PHONE, Ground

ROWS = ".listing tbody tr"


@pytest.mark.parametrize("role", [Role.SYSTEM, Role.SECURITY, Role.CLERK, Role.UNIT])
def test_nobody_but_the_auditor_reads_it(ground: Ground, as_role: AsRole, role: Role) -> None:
    as_role(role).open("/audit", status=403)
    assert ground.audited("permission")[-1]["actor"] == f"user:{ground.operators[role]}"


def test_what_is_searched_stands_in_the_address(ground: Ground, as_role: AsRole) -> None:
    seat = as_role(Role.AUDITOR)
    day = f"{ground.now:%Y-%m-%d}"
    seat.open(f"/audit?action=ca.&from=2026-01-01&to={day}")
    seat.page.locator(ROWS).first.wait_for()
    expected = [row for row in ground.audited() if row["action"].startswith("ca.")]
    seat.page.get_by_text(f"共 {len(expected)} 条").first.wait_for()
    seat.page.get_by_label("对象或说明").fill("没有这样的对象")
    seat.page.get_by_text("没有符合条件的记录").first.wait_for()
    assert "what=" in seat.page.url
    seat.page.reload()
    seat.settled()
    seat.page.get_by_text("没有符合条件的记录").first.wait_for()
    assert seat.page.get_by_label("对象或说明").input_value() == "没有这样的对象"


def test_it_is_exported_in_each_form_and_the_lines_prove_themselves(
    ground: Ground, as_role: AsRole, tmp_path: Path
) -> None:
    seat = as_role(Role.AUDITOR)
    seat.open("/audit?action=ca.")
    for label, suffix in (("Excel", ".xlsx"), ("CSV", ".csv"), ("JSON 行", ".jsonl")):
        with seat.page.expect_download() as caught:
            seat.page.get_by_role("button", name=label).click()
        name = caught.value.suggested_filename
        assert name.startswith("审计记录-")
        assert name.endswith(suffix)
        caught.value.save_as(tmp_path / f"trail{suffix}")
    lines = (tmp_path / "trail.jsonl").read_text("utf-8").splitlines()
    assert audit_chain.verify_exported(lines).breaks == []
    assert len(lines) == ground.audited("audit.export")[-1]["id"] - 1
    table = (tmp_path / "trail.csv").read_text("utf-8-sig").splitlines()
    assert all(",ca." in line for line in table[1:])
    done = ground.audited("audit.export")
    assert [row["actor"] for row in done] == ["user:auditor"] * 3
    assert "操作 ca." in done[1]["detail"]


def test_the_chain_is_verified_and_a_change_beside_it_is_found(
    ground: Ground, as_role: AsRole
) -> None:
    seat = as_role(Role.AUDITOR, PHONE)
    seat.open("/audit")
    seat.page.get_by_role("button", name="核对", exact=True).click()
    seat.page.get_by_text("条记录都在、未改、相连").first.wait_for()
    digest = seat.page.locator("dd").last.inner_text()
    with ground.store.read() as conn:
        last = audit_chain.last(conn)
    assert ground.audited("audit.verify")[-1]["detail"].endswith(digest)
    seat.page.get_by_label("先前记下的编号").fill(str(last - 1))
    seat.page.get_by_label("先前记下的摘要").fill("0" * 64)
    seat.page.get_by_role("button", name="核对", exact=True).click()
    seat.page.get_by_text("与先前记下的摘要不符").first.wait_for()
    with ground.store.write() as conn:
        trigger = "SELECT sql FROM sqlite_master WHERE name = 'audit_update'"
        made = str(conn.execute(text(trigger)).scalar_one())
        conn.execute(text("DROP TRIGGER audit_update"))
        conn.execute(text("UPDATE audit SET actor = 'nobody' WHERE id = 3"))
        conn.execute(text(made))
    seat.page.get_by_label("先前记下的编号").fill("")
    seat.page.get_by_label("先前记下的摘要").fill("")
    seat.page.get_by_role("button", name="核对", exact=True).click()
    seat.page.get_by_role("cell", name="记录与其摘要不符").wait_for()
