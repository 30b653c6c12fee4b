"""Open tabs (打开的页面): what ends with the session, and what data never become: markup.

In the browser, on the pages themselves.
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from nenghao.clock import china_now
from nenghao.console.page import Entry
from nenghao.platform import certificates, operators_admin, projects, registry
from nenghao.platform.operators_admin import MACHINE
from nenghao.platform.permissions import Role
from nenghao.platform.settings import PlatformSettings
from nenghao.security.identity import PeerIdentity
from nenghao.standard.messages.registration import RegistrationRequest
from tests.console.atlas import ENTRIES, IDS, KEYS, address, first_who_may
from tests.console.conftest import AsRole
from tests.console.ground import COOKIE, Ground, Seat
from tests.console.seeding import CEMENT, PROJECT, STEEL

BAD: Final = "</textarea>'\"><img src=/x onerror=alert(1)>{{alert(2)}}${alert(3)}`"
"""What would run where it is taken for markup, for a template of Vue, or for a script's text."""


# --- sessions -------------------------------------------------------------------------------


def ask_for_more(seat: Seat) -> None:
    """Something that the open page must ask the server for: its list in another order."""
    seat.page.locator("main th[aria-sort]").first.click()


def is_led_out(seat: Seat) -> None:
    seat.page.wait_for_url("**/login?over=1")
    assert "登录已失效" in seat.page.content()


def test_logging_out_ends_what_other_tabs_may(ground: Ground, as_role: AsRole) -> None:
    seat = as_role(Role.CLERK)
    seat.open("/units")
    other = seat.context.new_page()
    other.goto(ground.url + "/account")
    other.get_by_role("button", name="退出").click()
    other.wait_for_url("**/login")
    assert [one for one in seat.context.cookies() if one["name"] == COOKIE] == []
    ask_for_more(seat)
    is_led_out(seat)


def test_a_role_taken_away_ends_what_open_tabs_may(ground: Ground, as_role: AsRole) -> None:
    seat, name = as_role(Role.CLERK), ground.operators[Role.CLERK]
    seat.open("/units")
    master = ground.seeded.people[Role.CLERK].master
    give: Any = lambda role: operators_admin.grant(  # noqa: E731
        ground.store, MACHINE, name, role, china_now(), master=master
    )
    give(Role.AUDITOR)
    try:
        ask_for_more(seat)
        is_led_out(seat)
    finally:
        give(Role.CLERK)


def test_a_locked_account_ends_what_open_tabs_may(ground: Ground, as_role: AsRole) -> None:
    seat, name = as_role(Role.CLERK), ground.operators[Role.CLERK]
    seat.open("/units")
    operators_admin.lock(ground.store, MACHINE, name, china_now())
    try:
        ask_for_more(seat)
        is_led_out(seat)
    finally:
        operators_admin.unlock(ground.store, MACHINE, name, china_now())


def test_a_login_in_the_browser_leads_on_and_out_again(ground: Ground, as_role: AsRole) -> None:
    seat = as_role(None)
    seat.open("/units")
    assert "/login?next=" in seat.page.url
    seat.picture("login")
    seat.page.get_by_label("用户名").fill(ground.operators[Role.CLERK])
    seat.page.get_by_label("口令", exact=True).fill(ground.password)
    seat.page.get_by_label("动态口令").fill(ground.totp(Role.CLERK))
    seat.page.get_by_role("button", name="登录").click()
    seat.page.wait_for_url(f"{ground.url}/units")
    seat.settled()
    assert seat.page.evaluate("document.cookie").find(COOKIE) < 0, "no script reads it"
    seat.page.get_by_role("button", name="退出").click()
    seat.page.wait_for_url(f"{ground.url}/login")


# --- markup ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def poisoned(ground: Ground) -> Ground:
    """Names that came from outside, as bad as they can be."""
    now = china_now()
    with ground.store.write() as conn:
        serial = str(certificates.live(conn, CEMENT.code, 1, now)[0]["serial"])
        identity = PeerIdentity(CEMENT.code, 1, serial)
        request = RegistrationRequest(CEMENT.code, BAD, CEMENT.region, BAD)
        registry.register(conn, PlatformSettings(), identity, request, now, BAD)
        cells = (BAD, PROJECT, BAD, "210102", "C3120", BAD, BAD, BAD, "1")
        projects.replace_or_add(conn, [(2, cells)], now)
    return ground


WITHOUT_NAMES: Final = {
    "/account", "/permissions", "/health", "/settings", "/screen", "/coefficients",
    "/coefficients/{kind}", "/base-data", "/base-data/{table}", "/base-data/draft",
    "/base-data/versions", "/partners/new", "/certificates/new",
}  # fmt: skip
"""Pages that show nothing from outside but their address; tried in `make soak`."""


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(one, id=name, marks=[pytest.mark.soak] * (one.path in WITHOUT_NAMES))
        for one, name in zip(ENTRIES, IDS, strict=True)
    ],
)
def test_nothing_in_data_or_address_is_ever_markup(
    poisoned: Ground, as_role: AsRole, entry: Entry
) -> None:
    role = first_who_may(entry)
    seat = as_role(role)
    code = STEEL.code if role is Role.UNIT else CEMENT.code
    path = address(entry, code=code)
    seat.open(path)
    parts = [str(link.get_attribute("href")) for link in seat.page.locator("nav.tabs a").all()]
    is_no_markup(seat)
    others = [part for part in parts if part != path] if entry.of_unit else []
    for opened in [*others, address(entry, dict.fromkeys(KEYS, BAD), code=code)]:
        seat.open(opened)
        is_no_markup(seat)


def is_no_markup(seat: Seat) -> None:
    seat.page.wait_for_load_state("networkidle")
    hover_charts(seat)
    assert seat.page.locator("img[onerror]").count() == 0
    assert "alert(" not in "".join(seat.page.locator("main script").all_inner_texts())


def hover_charts(seat: Seat) -> None:
    """Make the charts show their tooltips, which are markup of their own."""
    for chart in seat.page.locator("main canvas").all()[:6]:
        if chart.is_visible():
            chart.hover(timeout=3000, force=True)


def test_the_names_are_shown_as_they_are(poisoned: Ground, as_role: AsRole) -> None:
    seat = as_role(Role.CLERK)
    seat.open("/units")
    seat.page.get_by_text(BAD).first.wait_for()
    seat.open(f"/units/{CEMENT.code}")
    seat.page.get_by_text(BAD).first.wait_for()
