"""What the pages of reports show: who has reported, and a form beside what was computed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from nenghao.console.views import reports as view
from nenghao.console.views import reports_form as form_view
from nenghao.console.views.reports import Wanted
from nenghao.platform import audit, companies, report_states, reports
from nenghao.platform.permissions import Role
from nenghao.platform.registry import Peer
from nenghao.platform.report_cells import Cell
from nenghao.platform.report_log import State
from nenghao.platform.reports_form import Entry, Field, Filled, Line
from nenghao.platform.sessions import Session
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store import schema
from nenghao.platform.store.engine import Store
from tests.platform import energy as uploads
from tests.platform.conftest import quick_passwords as quick_passwords
from tests.platform.staff import at_work
from tests.platform.world import STEEL, fill, unit_code

NOW = datetime(2026, 11, 22, 1, 30)
MONTH = "2026-10"
EVERYTHING = Wanted()
SETTINGS = PlatformSettings()
POWER = "023300"
SECOND, THIRD, FOREIGN = unit_code(2), unit_code(3), unit_code(9)
UNITS = ((STEEL, "示例钢铁", "210102"), (SECOND, "大连%化工", "210202"), (THIRD, "丙厂", "210203"))


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Store]:
    """A platform that nobody has registered with."""
    url = f"sqlite:///{tmp_path / 'nenghao.db'}"
    fill(url)
    opened = Store.open(url)
    yield opened
    opened.close()


@pytest.fixture
def store(empty: Store, quick_passwords: None) -> Store:
    """Three units in two cities."""
    with empty.write() as conn:
        for code, name, region in UNITS:
            told = {"name": name, "region": region, "region_name": "某区"}
            times = {"registered_at": NOW, "updated_at": NOW}
            conn.execute(insert(schema.unit).values(code=code, **told, **times))
            query = select(schema.unit.c.id).where(schema.unit.c.code == code)
            companies.registered(conn, conn.execute(query).scalar_one())
    return empty


@pytest.fixture
def clerk(store: Store) -> Session:
    return at_work(store, "clerk", Role.CLERK)


@pytest.fixture
def own(store: Store) -> Session:
    return at_work(store, "factory", Role.UNIT)


def submitted(store: Store, who: Session, code: str = STEEL, **cells: str) -> int:
    typed = {POWER: {usage[1:]: value for usage, value in (cells or {"u10": "5"}).items()}}
    with audit.acting(who.actor, "10.9.9.9"):
        return report_states.submit(store, SETTINGS, who, code, MONTH, typed, 0, NOW)


def listed(store: Store, wanted: Wanted = EVERYTHING, **order: Any) -> list[tuple[str, str]]:
    with store.read() as conn:
        found, total = view.of_month(conn, MONTH, wanted, **order)
    assert total >= len(found)
    return [(one.name, one.said) for one in found]


class TestWhoHasReported:
    """The list of a month."""

    def test_is_empty_on_an_empty_platform(self, empty: Store) -> None:
        with empty.read() as conn:
            assert view.of_month(conn, MONTH, Wanted()) == ([], 0)
            assert set(view.counts(conn, MONTH).values()) == {0}

    def test_has_everybody_and_first_what_waits_for_a_decision(
        self, store: Store, own: Session, clerk: Session
    ) -> None:
        submitted(store, own)
        version = submitted(store, clerk, THIRD)
        report_states.accept(store, SETTINGS, clerk, THIRD, MONTH, "", version, NOW)
        assert listed(store) == [
            ("示例钢铁", "待审核"),
            ("大连%化工", "未开始填报"),
            ("丙厂", "已接受"),
        ]
        with store.read() as conn:
            counted = view.counts(conn, MONTH)
            assert counted[None] == counted[State.SUBMITTED] == counted[State.ACCEPTED] == 1
            assert view.counts(conn, "2026-09")[None] == 3

    def test_says_who_did_it_when_and_how_much(self, store: Store, own: Session) -> None:
        submitted(store, own, u10="5", u20="5")
        with store.read() as conn:
            (one,), total = view.of_month(conn, MONTH, Wanted(state="submitted"))
        assert total == 1
        assert (one.filled, one.changed_at, one.changed_by) == (2, NOW, "张三（factory）")
        assert one.taken_at is None
        assert one.region == "和平区"

    @pytest.mark.parametrize(
        ("wanted", "names"),
        [
            (Wanted(text="%"), ["大连%化工"]),
            (Wanted(text="_"), []),
            (Wanted(text=STEEL.lower()[:12]), ["示例钢铁"]),
            (Wanted(region="210200"), ["丙厂", "大连%化工"]),
            (Wanted(region="210100"), ["示例钢铁"]),
            (Wanted(state="missing"), ["丙厂", "大连%化工"]),
            (Wanted(state="none", text="丙"), ["丙厂"]),
            (Wanted(state="accepted"), []),
        ],
    )
    def test_can_be_searched(
        self, store: Store, own: Session, wanted: Wanted, names: list[str]
    ) -> None:
        submitted(store, own)
        assert sorted(name for name, _ in listed(store, wanted)) == sorted(names)

    def test_is_sorted_and_paged_by_the_database(self, store: Store) -> None:
        codes = sorted(code for code, _, _ in UNITS)
        with store.read() as conn:
            found, total = view.of_month(
                conn, MONTH, Wanted(), sort="code", descending=True, limit=2, offset=1
            )
            beyond, still = view.of_month(conn, MONTH, Wanted(), limit=2, offset=9)
        assert [one.code for one in found] == codes[::-1][1:]
        assert (total, beyond, still) == (3, [], 3)


class TestAUnitsMonths:
    """Two years back, and what was begun before."""

    def test_are_listed_latest_first(self, store: Store, own: Session) -> None:
        submitted(store, own)
        report_states.save(store, own, STEEL, "2020-02", {POWER: {"10": "1"}}, 0, NOW)
        with store.read() as conn:
            found, total = view.of_unit(conn, STEEL, NOW, limit=3)
            rest, _ = view.of_unit(conn, STEEL, NOW, offset=total - 1)
        assert [(one.month, one.said) for one in found] == [
            ("2026-11", "未开始填报"),
            ("2026-10", "待审核"),
            ("2026-09", "未开始填报"),
        ]
        assert total == view.MONTHS_BACK + 1
        assert [(one.month, one.said) for one in rest] == [("2020-02", "填写中")]

    def test_of_another_unit_are_not_among_them(self, store: Store, own: Session) -> None:
        submitted(store, own)
        with store.read() as conn:
            found, _ = view.of_unit(conn, SECOND, NOW)
        assert {one.state for one in found} == {None}

    def test_of_no_unit_there_are_none(self, store: Store) -> None:
        with store.read() as conn:
            assert view.unit_of(conn, FOREIGN) is None
            assert form_view.form_page(conn, SETTINGS, FOREIGN, MONTH, NOW) is None

    @pytest.mark.parametrize(
        ("now", "last"), [(datetime(2026, 1, 1), "2025-12"), (datetime(2026, 12, 31), "2026-11")]
    )
    def test_end_with_the_present_one_and_the_one_before_is_due(
        self, now: datetime, last: str
    ) -> None:
        assert view.last_month(now) == last
        assert view.months_until(now, 2) == [f"{now:%Y-%m}", last]


class TestAForm:
    """What is typed beside what the platform has."""

    def peer(self, store: Store) -> Peer:
        with store.read() as conn:
            query = select(schema.unit.c.id).where(schema.unit.c.code == STEEL)
            return Peer(conn.execute(query).scalar_one(), STEEL, 1, "示例钢铁", "210102")

    def page(self, store: Store) -> form_view.FormPage:
        with store.read() as conn:
            found = form_view.form_page(conn, SETTINGS, STEEL, MONTH, NOW)
        assert found is not None
        return found

    def test_offers_output_value_alone_where_nothing_is_known(self, store: Store) -> None:
        page = self.page(store)
        assert page.first == ["090100"]
        assert page.computed == {}
        assert page.report.version == 0
        assert [usage for usage, _ in form_view.usages_of(page.sheet.kinds["090100"])] == ["80"]

    def test_has_the_sum_of_the_days_and_says_what_it_lacks(self, store: Store) -> None:
        days = [
            uploads.record(2.5, f"{MONTH}-{day:02d} 00:00:00", code=uploads.ELECTRICITY)
            for day in (1, 2, 3)
        ]
        uploads.send(store, self.peer(store), days)
        page = self.page(store)
        computed = page.computed[Cell(POWER, "11")]
        assert (computed.text, computed.origin) == ("7.5", "日数据合计，缺 28 天")
        assert POWER in page.first

    def test_takes_the_value_of_the_month_where_the_device_sent_one(self, store: Store) -> None:
        own = uploads.record(9.0, f"{MONTH}-01 00:00:00", stat_type=2)
        uploads.send(store, self.peer(store), [own])
        computed = self.page(store).computed[Cell(POWER, "11")]
        assert (computed.text, computed.origin) == ("9", "设备上传的月数据")

    def test_compares_field_by_field(self, store: Store, own: Session, clerk: Session) -> None:
        at = Field("电力", "11 购进已消费")
        told = Filled(MONTH, [Line(1, STEEL, POWER, [Entry(at, "11", 8.0)])], [])
        reports.take(store, SETTINGS, told, NOW)
        sent = uploads.record(10.0, f"{MONTH}-01 00:00:00", stat_type=2)
        uploads.send(store, self.peer(store), [sent])
        page = self.page(store)
        cells = {POWER: {"11": "11", "20": "-1", "21": "x"}}
        bought, used, wrong = form_view.compared(page, cells, NOW)
        assert (bought.computed, bought.apart, bought.far) == ("10", "+10.0%", True)
        assert (bought.in_force, bought.unit) == ("8", page.sheet.kinds[POWER].unit)
        assert "数值为负" in used.said
        assert "应为数值" in wrong.said
        assert (wrong.apart, wrong.far) == ("", False)

    def test_tells_its_history(self, store: Store, own: Session, clerk: Session) -> None:
        version = submitted(store, own)
        with audit.acting(clerk.actor, "10.9.9.9"):
            report_states.send_back(store, clerk, STEEL, MONTH, "缺煤", version, NOW)
        page = self.page(store)
        assert [(one.who, one.act, one.remark) for one in page.history] == [
            ("张三（clerk）", "退回", "缺煤"),
            ("张三（factory）", "提交", ""),
        ]
        assert page.changed_by == "张三（clerk）"
