"""The overview and the big screen in a real browser."""

from __future__ import annotations

import re

from nenghao.platform.permissions import Role
from tests.console.conftest import AsRole
from tests.console.ground import PHONE, Ground
from tests.console.seeding import REFINERY, SILENT, STEEL
from tests.platform.web.wire import until


def test_a_clerk_sees_the_province_and_goes_to_a_city(as_role: AsRole, ground: Ground) -> None:
    seat = as_role(Role.CLERK)
    seat.open("/")
    page = seat.page
    for part in (
        "本月能源消费总量",
        "本年能源消费总量",
        "在线单位",
        "今日已到端设备",
        "待上送国家平台",
    ):
        page.get_by_text(part).first.wait_for()
    alarms = page.locator(".ov-alarms").inner_text()
    assert SILENT.name in alarms
    assert REFINERY.name in alarms
    until(lambda: page.locator(".ov-map a").count() == 14)
    until(lambda: page.locator(".chart canvas").count() == 1)
    seat.picture("overview")
    dalian = page.locator(".ov-map a", has_text="大连")
    assert dalian.get_attribute("href") == "/units?region=210200"
    industry = page.locator(".ov-bars a", has_text="C31").first
    assert industry.get_attribute("href") == "/units?industry=C31"


def test_what_is_chosen_stands_in_the_address(as_role: AsRole) -> None:
    seat = as_role(Role.CLERK, dark=True)
    seat.open("/")
    seat.page.get_by_role("link", name="本年", exact=True).click()
    seat.page.wait_for_url(re.compile("period=year"))
    seat.settled()
    seat.page.get_by_role("link", name="综合能源消费量", exact=True).click()
    seat.page.wait_for_url(re.compile("indicator=zhnyxfl"))
    seat.settled()
    assert "period=year" in seat.page.url
    assert seat.page.get_by_role("heading", name=re.compile("综合能源消费量")).is_visible()
    current = seat.page.locator(".ov-choices a[aria-current]").all_inner_texts()
    assert current == ["本年", "综合能源消费量"]
    seat.picture("overview-dark")


def test_who_may_not_see_totals_sees_units_and_his_own_alarms(as_role: AsRole) -> None:
    seat = as_role(Role.SECURITY)
    seat.open("/")
    seat.page.wait_for_selector(".ov-map a")
    body = seat.page.locator("#content").inner_text()
    assert "在线单位" in body
    assert "标准煤" not in body
    assert "待上送国家平台" not in body
    assert "拒收" not in body
    until(lambda: seat.page.locator(".ov-map a").count() == 14)


def test_a_units_user_is_sent_to_his_unit_and_refused_the_screen(
    as_role: AsRole, ground: Ground
) -> None:
    with ground.client(Role.UNIT) as client:
        answer = client.get("/")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/units/{STEEL.code}")
        assert client.get("/screen").status_code == 403
    with ground.client() as client:
        for path in ("/", "/screen"):
            answer = client.get(path)
            assert "口令" in answer.text or "/login" in answer.headers["location"], path


def test_the_screen_fills_the_window_and_refreshes_itself(as_role: AsRole) -> None:
    seat = as_role(Role.CLERK, (1920, 1080))
    seat.open("/screen?period=year")
    page = seat.page
    page.wait_for_selector(".screen .ov-map a")
    assert page.locator(".menu").count() == 0
    assert page.evaluate("document.querySelector('.screen').offsetWidth") >= 1880
    until(lambda: page.evaluate("document.documentElement.scrollHeight <= innerHeight + 8"))
    until(lambda: page.locator(".ov-map a").count() == 14)
    seat.picture("overview-screen", whole=False)
    page.evaluate("document.querySelector('.ov-map').id = 'before'")
    page.get_by_role("button", name="立即刷新").click()
    page.wait_for_function("!document.getElementById('before')")
    until(lambda: page.locator(".ov-map a").count() == 14)


def test_on_a_phone_nothing_sticks_out(as_role: AsRole) -> None:
    seat = as_role(Role.CLERK, PHONE)
    for path in ("/?period=year", "/screen"):
        seat.open(path)
        seat.page.wait_for_selector(".ov-map a")
        assert seat.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    seat.picture("overview-phone")
