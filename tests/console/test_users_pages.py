"""The pages of operators in a browser: made by one administrator, given a role by another."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from typing import Any

import pytest

from nenghao.clock import china_now
from nenghao.platform import operators, sessions
from nenghao.platform.home import open_home
from nenghao.platform.permissions import Role
from nenghao.security import totp
from tests.console.conftest import AsRole
from tests.console.ground import PHONE, Ground, Seat
from tests.platform.staff import PASSWORD

NEW = "Battery-Staple-9"
SHOWN = re.compile("只显示这一次")


def dialog(seat: Seat) -> Any:
    """The dialog that is open."""
    found = seat.page.get_by_role("dialog").last
    found.wait_for()
    return found


def number_of(ground: Ground, name: str) -> int:
    with ground.store.read() as conn:
        found = operators.named(conn, name)
    assert found is not None
    return found.id


@pytest.mark.parametrize("role", [Role.CLERK, Role.UNIT])
def test_who_has_nothing_to_do_with_accounts_sees_none(as_role: AsRole, role: Role) -> None:
    seat = as_role(role)
    seat.open("/users", status=403)
    seat.open("/users/1", status=403)
    seat.open("/permissions")
    assert seat.page.get_by_role("row", name="授予角色").count() == 1


def test_an_account_is_made_by_one_and_given_its_role_by_another(
    ground: Ground, as_role: AsRole
) -> None:
    """And logs in with what each of them was shown: neither has all of it."""
    system = as_role(Role.SYSTEM)
    system.open("/users")
    system.page.get_by_role("button", name="建立账户").click()
    asked = dialog(system)
    asked.get_by_label("用户名").fill("wanglei")
    asked.get_by_label("姓名").fill("王<b>磊</b>")
    asked.get_by_role("button", name="建立", exact=True).click()
    shown = system.page.get_by_role("dialog").filter(has_text=SHOWN)
    password = shown.get_by_label("初始口令").input_value()
    shown.get_by_role("button", name="已妥善保存").click()
    system.page.get_by_role("link", name="wanglei").wait_for()
    assert system.page.get_by_text("王<b>磊</b>").count() == 1, "no markup"
    system.page.get_by_role("link", name="wanglei").click()
    system.page.get_by_role("button", name="重置口令").wait_for()
    assert system.page.get_by_role("button", name="授予角色").count() == 0

    security = as_role(Role.SECURITY)
    security.open(f"/users/{number_of(ground, 'wanglei')}")
    security.page.get_by_role("button", name="授予角色").click()
    asked = dialog(security)
    asked.get_by_label("角色").click()
    security.page.get_by_role("option", name="业务员").click()
    asked.get_by_role("button", name="授予").click()
    shown = security.page.get_by_role("dialog").filter(has_text=SHOWN)
    secret = shown.get_by_label("密钥", exact=True).input_value()
    drawn = shown.get_by_role("img", name="二维码").locator("path")
    assert len(drawn.get_attribute("d")) > 1000
    side = shown.get_by_role("img", name="二维码").evaluate("element => element.clientWidth")
    assert side > 150, "large enough for a camera, whatever the dialog's animation does"
    security.picture("users-handover", whole=False)
    shown.get_by_role("button", name="已妥善保存").click()
    security.page.locator("dd", has_text="业务员").wait_for()
    assert security.page.get_by_role("button", name="重置口令").count() == 0

    now = china_now()
    session = operators.login(
        ground.store,
        "wanglei",
        password,
        totp.code_of(base64.b32decode(secret), totp.step_of(now)),
        "10.0.0.9",
        now,
        master=open_home(ground.home, {}).master_key(),
    )
    assert session.role is Role.CLERK
    who = {row["action"]: row["actor"] for row in ground.audited() if row["subject"] == "wanglei"}
    assert (who["user.add"], who["user.grant"]) == ("user:system", "user:security")


def test_a_wrong_name_is_said_and_asked_again(as_role: AsRole) -> None:
    seat = as_role(Role.SYSTEM)
    seat.open("/users")
    seat.page.get_by_role("button", name="建立账户").click()
    asked = dialog(seat)
    asked.get_by_label("用户名").fill("clerk")
    asked.get_by_label("姓名").fill("又一个")
    asked.get_by_role("button", name="建立", exact=True).click()
    seat.page.get_by_text("用户名 clerk 已有账户").first.wait_for()
    assert asked.get_by_label("用户名").input_value() == "clerk", "still there"


def test_an_operator_is_locked_after_being_asked_and_opened_again(
    ground: Ground, as_role: AsRole
) -> None:
    victim = as_role(Role.AUDITOR)
    victim.open("/account")
    seat = as_role(Role.SECURITY)
    seat.open(f"/users/{number_of(ground, 'auditor')}")
    seat.page.get_by_role("button", name="停用").click()
    dialog(seat).get_by_role("button", name="取消").click()
    seat.page.get_by_role("dialog").wait_for(state="detached")
    seat.page.get_by_role("button", name="停用").click()
    dialog(seat).get_by_role("button", name="停用").click()
    seat.page.get_by_text("已停用", exact=True).first.wait_for()
    assert len(ground.audited("user.lock")) == 1, "asked twice, done once"
    with ground.client(Role.AUDITOR) as late:
        assert late.get("/account").status_code == 303
    seat.page.get_by_role("button", name="启用").click()
    seat.page.get_by_text("可登录", exact=True).first.wait_for()
    seat.open(f"/users/{number_of(ground, 'security')}")
    seat.page.get_by_text("这是您自己的账户").first.wait_for()
    assert seat.page.get_by_role("button", name="停用").count() == 0
    seat.open("/users/999999")
    seat.page.get_by_text("没有这个操作员").first.wait_for()


def test_one_changes_ones_own_password_and_ends_other_sessions(
    ground: Ground, as_role: AsRole
) -> None:
    other = ground.token(Role.CLERK)
    seat = as_role(Role.CLERK, PHONE)
    seat.open("/account")
    fields = [seat.page.get_by_label(name, exact=True) for name in ("原口令", "新口令")]
    again = seat.page.get_by_label("再输入一次新口令")
    fields[1].fill("short")
    seat.page.get_by_text("口令应为 12 至 128 个字符").first.wait_for()
    for field, text in zip((*fields, again), ("wrong", NEW, NEW), strict=True):
        field.fill(text)
    button = seat.page.get_by_role("button", name="改口令")
    button.click()
    seat.page.get_by_text("原口令不正确").first.wait_for()
    fields[0].fill(PASSWORD)
    button.click()
    seat.page.get_by_text("口令已改，其他会话已结束").first.wait_for()
    now = china_now() + timedelta(seconds=60)
    assert sessions.of(ground.store, other, now) is None
    secret = ground.seeded.people[Role.CLERK].secret
    session = operators.login(
        ground.store,
        "clerk",
        NEW,
        totp.code_of(secret, totp.step_of(now)),
        "10.0.0.9",
        now,
        master=open_home(ground.home, {}).master_key(),
    )
    seat.open("/account")
    seat.page.get_by_role("button", name="结束其他会话").click()
    dialog(seat).get_by_role("button", name="结束").click()
    seat.page.get_by_text("已结束 1 个会话").first.wait_for()
    assert session.name == "clerk"
    assert PASSWORD not in str(ground.audited())
