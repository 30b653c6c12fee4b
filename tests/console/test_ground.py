"""The ground itself: what is seeded is there, the console comes up, a seat tells what is wrong."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import distinct, func, select

from nenghao.platform import enrolment, projects, registry
from nenghao.platform.permissions import Role
from nenghao.platform.store import schema
from nenghao.platform.store.totals_schema import total_mark, unit_total
from tests.console.conftest import AsRole
from tests.console.ground import COOKIE, Ground
from tests.console.seeding import EVIL, PARTNER, PROJECT, SILENT, STEEL, UNITS


def test_the_platform_is_filled_with_what_pages_show(ground: Ground) -> None:
    with ground.store.read() as conn:
        units = conn.execute(select(schema.unit.c.code, schema.unit.c.name))
        names = {row.code: row.name for row in units}
        counted = conn.execute(select(func.count(distinct(unit_total.c.unit_id)))).scalar_one()
        waiting = conn.execute(select(func.count()).select_from(total_mark)).scalar_one()
        kinds = set(conn.execute(select(schema.finding.c.kind)).scalars())
        refused = conn.execute(select(func.count()).select_from(schema.refused_upload)).scalar_one()
        ending = conn.execute(
            select(func.count())
            .select_from(schema.certificate)
            .where(schema.certificate.c.not_after < ground.now + timedelta(days=30))
        ).scalar_one()
        revoked = select(schema.certificate.c.revoked_at).where(
            schema.certificate.c.revoked_at.is_not(None)
        )
        assert len(conn.execute(revoked).all()) == 1
        assert [row["credit_code"] for row in enrolment.listing(conn)] == [SILENT.code]
        assert [row["code"] for row in projects.listing(conn)] == [PROJECT]
        assert len(registry.devices(conn)) == len(UNITS)
    assert names == {one.code: one.name for one in UNITS}
    assert sum(EVIL in name for name in names.values()) == 1
    assert (counted, waiting) == (len(UNITS) - 1, 0)
    assert kinds == {"duplicate", "not_configured", "out_of_range"}
    assert (refused, ending) == (2, 1)
    calls = [(one["actor"], one["result"]) for one in ground.audited("exchange")]
    assert calls == [(f"exchange:{PARTNER}", result) for result in ("ok", "ok", "refused")]


def test_every_role_has_an_operator_and_a_session(ground: Ground) -> None:
    assert set(ground.operators) == set(Role)
    for role in Role:
        with ground.client(role) as client:
            assert client.get("/login").status_code == 303, "whoever is logged in is led on"
    with ground.client() as client:
        assert COOKIE not in client.cookies
        assert "能耗在线监测" in client.get("/").text


def test_a_one_time_code_can_be_used_again_and_again(ground: Ground) -> None:
    for _ in range(3):
        form = {"name": ground.operators[Role.UNIT], "password": ground.password}
        form["totp"] = ground.totp(Role.UNIT)
        with ground.client() as client:
            answer = client.post("/login", data=form, headers={"origin": ground.url})
            assert answer.status_code == 303, answer.text


def test_a_seat_is_logged_in_and_tells_what_went_wrong(ground: Ground, as_role: AsRole) -> None:
    seat = as_role(Role.UNIT)
    seat.open(f"/units/{STEEL.code}")
    seat.is_clean()
    seat.page.evaluate("() => { console.error('bad'); alert('hello') }")
    with pytest.raises(AssertionError, match="bad"):
        seat.is_clean()
    seat.errors.clear()
    with pytest.raises(AssertionError, match="hello"):
        seat.is_clean()
    seat.alerts.clear()
    seat.page.goto(ground.url.replace("127.0.0.1", "localhost"))
    with pytest.raises(AssertionError, match="asked: https://localhost"):
        seat.is_clean()
    seat.asked.clear()


def test_a_forbidden_page_is_no_error_where_it_was_expected(
    ground: Ground, as_role: AsRole
) -> None:
    seat = as_role(Role.UNIT)
    seat.open(f"/units/{SILENT.code}", status=403)
    with pytest.raises(AssertionError, match="403"):
        seat.open(f"/units/{SILENT.code}")
