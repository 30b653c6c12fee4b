"""Every page as every role (页面与角色): who may sees it, who may not gets 403 and an audit record.

In the browser each page is opened once and its picture kept in `build/screenshots/`.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest

from nenghao.console.page import Entry
from nenghao.platform.permissions import Role, reaches
from tests.console.atlas import ENTRIES, IDS, KEYS, MAY, address, first_who_may, who_may
from tests.console.conftest import AsRole
from tests.console.ground import DESKTOP, PHONE, ROOT, Ground, Seat
from tests.console.seeding import REFINERY, STEEL

NICEGUI: Final = "/_nicegui/"
"""What every page of NiceGUI loads its scripts from, and no other does."""
each_page = pytest.mark.parametrize("entry", ENTRIES, ids=IDS)


def test_there_are_pages_and_none_is_listed_that_is_gone() -> None:
    assert len(ENTRIES) > 10
    assert {entry.path for entry in ENTRIES} == MAY.keys()


def test_the_documentation_lists_every_page_and_who_may_see_it() -> None:
    text = (ROOT / "docs" / "console.md").read_text("utf-8")
    rows = re.findall(r"^\| (\S+) \| `(/[^`]*)` \| ([scabu ]+) \|", text, re.MULTILINE)
    told = {path: (title, letters.replace(" ", "")) for title, path, letters in rows}
    assert told == {entry.path: (entry.title, MAY[entry.path]) for entry in ENTRIES}


@each_page
def test_a_page_opens_for_who_may_and_for_nobody_else(ground: Ground, entry: Entry) -> None:
    allowed = who_may(entry)
    for role in Role:
        before = len(refusals(ground, role))
        with ground.client(role) as client:
            answer = client.get(address(entry))
        if role in allowed:
            assert answer.status_code in (200, 303), role
            assert role is Role.UNIT or answer.status_code == 200, "only his unit leads elsewhere"
            assert "页面未能打开" not in answer.text
            assert answer.status_code == 303 or has_content(answer.text), "it comes at once"
            assert len(refusals(ground, role)) == before
        else:
            assert answer.status_code == 403, role
            assert NICEGUI not in answer.text, "nothing of the page was made"
            assert len(refusals(ground, role)) == before + 1
        own = STEEL.code if role is Role.UNIT else ""
        unit = STEEL.code if entry.of_unit else None
        reached = any(reaches(role, own, act, unit) for act in entry.acts)
        assert (role in allowed) == reached, f"{role}: the table of permissions says otherwise"


@each_page
def test_a_page_leads_strangers_to_the_login(ground: Ground, entry: Entry) -> None:
    with ground.client() as client:
        answer = client.get(address(entry))
        if entry.path == "/":
            assert "<form class='login'" in answer.text
            return
        assert answer.status_code == 303
        login = client.get(answer.headers["location"])
    assert "<form class='login'" in login.text
    assert NICEGUI not in login.text


OF_UNITS: Final = [entry for entry in ENTRIES if entry.of_unit]


@pytest.mark.parametrize("entry", OF_UNITS, ids=[entry.path for entry in OF_UNITS])
def test_a_units_user_sees_no_other_unit(ground: Ground, entry: Entry) -> None:
    with ground.client(Role.UNIT) as client:
        for code in (REFINERY.code, STEEL.code.lower(), f"{STEEL.code} ", "%2e%2e", "x"):
            before = len(refusals(ground, Role.UNIT))
            answer = client.get(address(entry, code=code))
            assert answer.status_code == 403, code
            assert REFINERY.name not in answer.text
            assert len(refusals(ground, Role.UNIT)) == before + 1


@each_page
def test_a_page_takes_what_is_no_state_of_it(ground: Ground, entry: Entry) -> None:
    odd = dict.fromkeys(KEYS, "no-such") | dict.fromkeys(("page", "size", "year"), "9" * 20)
    odd |= {"q": "%_'\";--", "sort": "id; DROP TABLE unit"}
    with ground.client(first_who_may(entry)) as client:
        begun = ground.log_size()
        answer = client.get(address(entry, odd))
    assert answer.status_code in (200, 303)
    assert "页面未能打开" not in answer.text
    assert ground.complaints(begun) == ""


@each_page
def test_a_page_shows_in_the_browser(as_role: AsRole, entry: Entry) -> None:
    """It and its parts: named, labelled, no wider than a telephone."""
    seat = as_role(first_who_may(entry))
    seat.open(address(entry))
    shows(seat, entry, address(entry))
    for path in parts_of(seat):
        if path != address(entry):
            seat.open(path)
            shows(seat, entry, path)


def shows(seat: Seat, entry: Entry, path: str) -> None:
    seat.page.wait_for_load_state("networkidle")
    assert seat.page.locator("h1").count() == 1, path
    assert seat.page.title().endswith("能耗在线监测")
    assert unlabelled(seat.page) == [], path
    seat.picture(picture_name(entry, path))
    seat.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    # Charts follow the window a moment later.
    seat.page.wait_for_function(f"document.documentElement.scrollWidth <= {PHONE[0]}")
    seat.page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})


def picture_name(entry: Entry, path: str) -> str:
    """`units-code-totals` of `/units/{code}?tab=totals`."""
    found = parse_qs(urlsplit(path).query).get("tab", [""])[0]
    words = "page-" + (re.sub(r"[{}]", "", entry.path).strip("/").replace("/", "-") or "overview")
    return f"{words}-{found}" if found else words


def parts_of(seat: Seat) -> list[str]:
    """The addresses of the page's parts, where it has several."""
    links = seat.page.locator("nav.tabs a").all()
    return [str(link.get_attribute("href")) for link in links]


def test_the_menu_leads_to_pages_that_open(ground: Ground, as_role: AsRole) -> None:
    for role in Role:
        seat = as_role(role)
        seat.open("/account")
        links = seat.page.locator("nav.menu a")
        targets = [links.nth(at).get_attribute("href") for at in range(links.count())]
        assert len(targets) >= 3, role
        assert len(targets) == len(set(targets))
        with ground.client(role) as client:
            for target in targets:
                assert client.get(str(target)).status_code in (200, 303), target


@pytest.mark.soak
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_opened_on_a_phone_fit(ground: Ground, as_role: AsRole, dark: bool) -> None:
    seat = as_role(Role.CLERK, PHONE, dark=dark)
    wide = []
    for entry in ENTRIES:
        if Role.CLERK not in who_may(entry):
            continue
        seat.open(address(entry))
        for path in [address(entry), *parts_of(seat)]:
            seat.open(path)
            if seat.page.evaluate("document.documentElement.scrollWidth") > PHONE[0]:
                wide.append(path)
            if entry.path in ("/", "/units/{code}"):
                seat.picture(f"phone-{'dark' if dark else 'light'}-{picture_name(entry, path)}")
    assert wide == []


def has_content(text: str) -> bool:
    """Whether the first answer has more of the page than its frame and heading."""
    return NICEGUI in text and text.partition('"tag":"h1"')[2].count('"tag":') >= 2


def refusals(ground: Ground, role: Role) -> list[object]:
    """The records of what the role's operator was not permitted."""
    actor = f"user:{ground.operators[role]}"
    return [
        one["subject"] for one in ground.audited("permission", "refused") if one["actor"] == actor
    ]


def unlabelled(page: Any) -> list[str]:
    """Fields and buttons of a page that have no name for who cannot see them."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('main input, main button, main a, header button')]
            .filter(one => one.offsetParent !== null && one.tabIndex >= 0)
            .filter(one => !(one.innerText.trim() || one.ariaLabel || one.title
                || one.labels?.length || one.closest('[aria-label]')
                || one.getAttribute('aria-labelledby')))
            .map(one => one.outerHTML.slice(0, 200))"""
    )
    return found
