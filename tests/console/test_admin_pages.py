"""Settings, health and the national uplink in a browser."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, select

from nenghao.platform import settings_admin
from nenghao.platform.home import open_home
from nenghao.platform.permissions import Role
from nenghao.platform.store.schema import unit
from nenghao.platform.store.uplink_schema import uplink_refused
from tests.console.conftest import AsRole
from tests.console.ground import PHONE, Ground, Seat
from tests.console.seeding import CEMENT, EVIL

PAGES = ("/settings", "/health", "/uplink")


def dialog(seat: Seat) -> Any:
    """The dialog that is open."""
    found = seat.page.get_by_role("dialog").last
    found.wait_for()
    return found


@pytest.mark.parametrize("role", [Role.SECURITY, Role.AUDITOR, Role.CLERK, Role.UNIT])
def test_who_does_not_run_the_platform_sees_at_most_the_uplink(as_role: AsRole, role: Role) -> None:
    seat = as_role(role)
    sees = {"/uplink"} if role in (Role.AUDITOR, Role.CLERK) else set()
    for path in PAGES:
        seat.open(path, status=200 if path in sees else 403)
    if sees:
        assert seat.page.get_by_role("button", name="全部重新上送").count() == 0
        seat.page.get_by_text("核对由系统管理员进行").first.wait_for()


def test_a_setting_is_changed_written_and_audited(ground: Ground, as_role: AsRole) -> None:
    seat = as_role(Role.SYSTEM)
    seat.open("/settings?q=session_hours")
    row = seat.page.get_by_role("row", name="session_hours")
    row.get_by_role("button", name="修改").click()
    asked = dialog(seat)
    asked.get_by_text("几秒内生效").first.wait_for()
    asked.get_by_label("新值").fill("999")
    asked.get_by_role("button", name="保存").click()
    seat.page.get_by_text("session_hours 应为整数（不小于 1，不大于 168）").first.wait_for()
    assert ground.audited(settings_admin.ACTION) == []
    asked.get_by_label("新值").fill("8")
    asked.get_by_role("button", name="保存").click()
    row.get_by_text("user:system 于").first.wait_for()
    assert open_home(ground.home, {}).settings.session_hours == 8
    (record,) = ground.audited(settings_admin.ACTION)
    assert (record["actor"], record["subject"], record["detail"]) == (
        "user:system",
        "session_hours",
        "12 → 8",
    )


def test_the_databases_address_cannot_be_changed_here(as_role: AsRole) -> None:
    seat = as_role(Role.SYSTEM, PHONE)
    seat.open("/settings?tab=数据库和密钥")
    row = seat.page.get_by_role("row", name="database")
    row.get_by_role("cell", name="平台目录下的 SQLite 文件", exact=True).wait_for()
    row.get_by_text("只能在平台的机器上改").first.wait_for()
    assert row.get_by_role("button", name="修改").count() == 0


def test_health_says_what_is_wrong_and_what_to_do(as_role: AsRole) -> None:
    seat = as_role(Role.SYSTEM)
    seat.open("/health")
    seat.page.get_by_role("cell", name="没有监听").first.wait_for()
    seat.page.get_by_text("nenghao platform serve --home").first.wait_for()
    seat.page.get_by_role("table").filter(has_text="体检结果").wait_for()
    seat.page.get_by_text("服务器证书").first.wait_for()
    seat.picture("admin-health")


def test_what_the_nation_refused_is_shown_in_its_words_and_sent_again(
    ground: Ground, as_role: AsRole
) -> None:
    words = f"dataCode {EVIL}"
    with ground.store.write() as conn:
        query = select(unit.c.id).where(unit.c.code == CEMENT.code)
        unit_id = conn.execute(query).scalar_one()
        row = {"unit_id": unit_id, "kind": 1, "number": 320, "slots": 1, "code": "E2002"}
        times = dict.fromkeys(("since", "received_at", "refused_at"), ground.now)
        conn.execute(insert(uplink_refused).values(**row, **times, words=words))
    seat = as_role(Role.SYSTEM)
    seat.open("/uplink")
    seat.page.get_by_text("没有设置国家平台").first.wait_for()
    found = seat.page.get_by_role("row").filter(has_text="E2002")
    assert found.get_by_text(words).count() == 1
    assert found.get_by_text(CEMENT.name).count() == 1
    found.get_by_role("button", name="重新上送该单位").click()
    seat.page.get_by_text("1 条重新列入上送").first.wait_for()
    seat.page.get_by_text("没有被拒绝的").first.wait_for()
    assert ground.audited("uplink.retry")[-1]["actor"] == "user:system"
    seat.page.get_by_role("button", name="核对").click()
    seat.page.get_by_text("没有设置上送").first.wait_for()
    seat.picture("admin-uplink")
