"""Other application platforms in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from nenghao.platform import accounts
from nenghao.platform.accounts import Account
from nenghao.platform.permissions import Role
from nenghao.security.passwords import is_right
from tests.console.conftest import AsRole
from tests.console.ground import PHONE, Ground
from tests.console.seeding import PARTNER

ACCOUNT = f"/partners/account?name={PARTNER}"
PAGES = ("/partners", "/partners/new", ACCOUNT, f"{ACCOUNT}&tab=calls")
MAY = {Role.SECURITY: set(PAGES), Role.AUDITOR: set(PAGES) - {"/partners/new"}}


def account_of(ground: Ground, name: str) -> tuple[Account, list[str]]:
    with ground.store.read() as conn:
        found = accounts.named(conn, name)
        assert found is not None
        return found, [key.kid for key in accounts.keys(conn, found) if key.retired_at is None]


@pytest.mark.parametrize("role", list(Role))
def test_every_role_sees_what_it_may_and_no_more(as_role: AsRole, role: Role) -> None:
    seat = as_role(role)
    for path in PAGES:
        seat.open(path, 200 if path in MAY.get(role, set()) else 403)
    if role is Role.AUDITOR:
        seat.open(ACCOUNT)
        for name in ("停用账户", "产生新密钥", "保存范围"):
            assert seat.page.get_by_role("button", name=name).count() == 0
        seat.open(f"{ACCOUNT}&tab=test")  # no part of an auditor's page
        assert seat.page.get_by_role("button", name="调用").count() == 0


def test_an_account_is_made_and_its_secrets_are_shown_once(as_role: AsRole, ground: Ground) -> None:
    seat = as_role(Role.SECURITY)
    seat.open("/partners/new")
    seat.page.get_by_label("用户名").fill("阜新平台")
    seat.page.get_by_label("appId").fill("有空格 的")
    seat.page.get_by_role("button", name="建立账户").click()
    seat.page.get_by_role("alert").get_by_text("appId").first.wait_for()
    seat.page.get_by_label("appId").fill("fuxin")
    seat.page.get_by_role("button", name="建立账户").click()
    key = seat.page.get_by_label("密钥 key").input_value()
    password = seat.page.get_by_label("口令 password").input_value()
    seat.picture("partners-once")
    seat.page.get_by_role("button", name="已妥善保存，关闭").click()
    seat.page.get_by_role("heading", name="应用平台账户").wait_for()
    seat.settled()
    assert key not in seat.page.content()
    assert password not in seat.page.content()
    made, kids = account_of(ground, "阜新平台")
    assert is_right(made.password_hash, password)
    assert kids == ["k1"]
    latest = ground.audited("exchange.add")[-1]
    assert (latest["actor"], latest["subject"]) == ("user:security", "阜新平台")
    assert key not in repr(ground.audited())
    assert key not in ground.log.read_text("utf-8")


def test_a_key_is_rotated_with_overlap_and_the_old_one_retired(
    as_role: AsRole, ground: Ground
) -> None:
    seat = as_role(Role.SECURITY)
    seat.open(ACCOUNT)
    seat.page.get_by_role("button", name="产生新密钥", exact=True).click()
    seat.page.get_by_role("button", name="产生", exact=True).click()
    seat.page.get_by_role("button", name="已妥善保存，关闭").click()
    seat.page.get_by_text("换密钥中").first.wait_for()
    assert account_of(ground, PARTNER)[1] == ["k1", "k2"]
    seat.page.get_by_role("button", name="停用旧密钥").click()
    seat.page.get_by_role("dialog").get_by_role("button", name="停用旧密钥").click()
    seat.page.locator(".badge").get_by_text("启用").first.wait_for()
    assert account_of(ground, PARTNER)[1] == ["k2"]


def test_a_scope_is_limited_and_an_account_locked_and_opened(
    as_role: AsRole, ground: Ground
) -> None:
    seat = as_role(Role.SECURITY)
    seat.open(ACCOUNT)
    seat.page.get_by_label("每分钟至多的请求数").fill("77")
    seat.page.get_by_role("button", name="保存范围").click()
    seat.page.locator("dd").get_by_text("77 次").first.wait_for()
    assert account_of(ground, PARTNER)[0].requests_per_minute == 77
    seat.page.get_by_role("button", name="停用账户").click()
    dialog = seat.page.get_by_role("dialog")
    assert dialog.get_by_role("button", name="停用账户").is_disabled()
    dialog.get_by_label("请输入").fill(PARTNER)
    dialog.get_by_role("button", name="停用账户").click()
    seat.page.locator(".badge").get_by_text("已停用").first.wait_for()
    assert account_of(ground, PARTNER)[0].locked_at is not None
    seat.page.get_by_role("button", name="启用账户").click()
    seat.page.get_by_role("dialog").get_by_role("button", name="启用账户").click()
    seat.page.locator(".badge").get_by_text("启用", exact=True).first.wait_for()
    assert account_of(ground, PARTNER)[0].locked_at is None


def test_calls_are_shown_by_day_and_one_by_one(as_role: AsRole) -> None:
    seat = as_role(Role.AUDITOR, PHONE)
    seat.open(f"{ACCOUNT}&tab=calls")
    seat.page.get_by_text("共 3 次，其中成功 2 次").first.wait_for()
    seat.page.get_by_text("第 1–3 条，共 3 条").first.wait_for()
    assert "行政区划范围" in seat.page.locator("tbody").inner_text()
    seat.picture("partners-calls-phone")


def test_a_test_call_tells_that_nobody_is_there_and_keeps_no_secret(
    as_role: AsRole, ground: Ground
) -> None:
    seat = as_role(Role.SECURITY)
    seat.open(f"{ACCOUNT}&tab=test")
    seat.page.get_by_label("密钥 key").fill("ab" * 16)
    seat.page.get_by_label("口令 password").fill("Secret-Word-7")
    seat.page.get_by_role("button", name="调用", exact=True).click()
    seat.page.get_by_text("请确认平台正在运行").first.wait_for()
    assert seat.page.get_by_label("密钥 key").input_value() == ""
    assert ground.audited("exchange.test")[-1]["actor"] == "user:security"
    kept = [
        path
        for path in Path(ground.home).rglob("*")
        if path.is_file() and b"Secret-Word-7" in path.read_bytes()
    ]
    assert kept == []
    assert "Secret-Word-7" not in ground.log.read_text("utf-8")
