"""Coefficients on the console: what holds when, what was changed, what a change would do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from nenghao.console.views import coefficients as view
from nenghao.console.views.coefficients import NoKind, Search
from nenghao.platform import audit, coefficients, coefficients_file, coefficients_impact, table_file
from nenghao.platform.coefficients import Change
from nenghao.platform.coefficients_impact import Impact
from nenghao.platform.packing import ONLINE
from nenghao.platform.statistics import Question, answer
from nenghao.platform.store.engine import Store
from nenghao.platform.table_file import FileError
from nenghao.platform.totals import settle
from nenghao.standard.energy_amounts import Kind
from nenghao.standard.indicators import NANO
from tests.platform.energy import COAL, new_peer, record, send
from tests.platform.world import fill, unit_code

NOW = datetime(2026, 11, 22, 10, 0)
TODAY = NOW.date()
ELECTRICITY = Kind("02", "3300")
MAY = date(2026, 5, 1)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("coefficients") / "fresh.db"
    fill(f"sqlite:///{path}")
    return path


@pytest.fixture
def store(fresh: Path, tmp_path: Path) -> Iterator[Store]:
    shutil.copy(fresh, tmp_path / "nenghao.db")
    opened = Store.open(f"sqlite:///{tmp_path / 'nenghao.db'}")
    yield opened
    opened.close()


def put(store: Store, zbckz: str, since: date = MAY) -> None:
    with store.write() as conn, audit.acting("user:zhang", "10.0.0.1"):
        coefficients.set_(conn, ELECTRICITY, Decimal(zbckz), valid_from=since, now=NOW)


def proposal(store: Store, zbckz: str = "2.229", since: date = MAY) -> list[Change]:
    with store.read() as conn:
        known = coefficients.table(conn)
    change = coefficients.propose(known, ELECTRICITY, Decimal(zbckz), valid_from=since)
    assert change is not None
    return [change]


def some_units(store: Store, count: int) -> None:
    """Units with 100 万千瓦时 in April, May and June, and one that burns coal only."""
    for number in range(1, count + 1):
        peer = new_peer(store, unit_code(number))
        months = [f"2026-{month:02d}-01 00:00:00" for month in (4, 5, 6)]
        send(store, peer, [record(100, month, stat_type=2) for month in months])
    send(
        store,
        new_peer(store, unit_code(count + 1)),
        [record(10, "2026-05-01 00:00:00", code=COAL, stat_type=2)],
    )
    settle.settle(store, NOW)


def effect(store: Store, changes: list[Change], most: int | None = None) -> Impact:
    with store.read() as conn:
        return coefficients_impact.impact(conn, changes, NOW, most)


def total(store: Store, month: int) -> float:
    begin = datetime(2026, month, 1)
    made = answer(store, Question("month", begin, begin, "online"), NOW)
    return made["nyxfzl"].value / NANO


# --- what holds -----------------------------------------------------------------------------------


def test_the_list_has_what_holds_on_the_day(store: Store) -> None:
    put(store, "1.3")
    with store.read() as conn:
        (now,) = view.listing(conn, Search(TODAY, "电力")).rows
        (before,) = view.listing(conn, Search(date(2026, 4, 30), "023300")).rows
        dated = view.listing(conn, Search(TODAY, changed=True))
    assert (now.factor, now.valid_from) == ("1.3 吨标准煤/万千瓦时", "2026-05-01")
    assert (before.zbckz, before.valid_from, before.until) == ("1.2290", "自始", "2026-04-30")
    assert [row.kind for row in dated.rows] == ["023300"]


def test_the_list_is_filtered_sorted_and_paged(store: Store) -> None:
    with store.read() as conn:
        every = view.listing(conn, Search(TODAY, limit=1000))
        page = view.listing(conn, Search(TODAY, limit=10, offset=every.total - 3))
        primary = view.listing(conn, Search(TODAY, energy_class="01", limit=1000))
        largest = view.listing(conn, Search(TODAY, sort="factor", descending=True, limit=2))
        assert view.classes(conn)["01"] == "01 一次能源"
        assert view.listing(conn, Search(TODAY, "没有这个")).total == 0
    assert len(page.rows) == 3
    assert {row.kind[:2] for row in primary.rows} == {"01"}
    assert [row.name for row in largest.rows] == ["天然气", "煤层气"]


def test_a_types_page_has_its_rows_and_every_change(store: Store) -> None:
    put(store, "1.3")
    put(store, "1.4")  # of the same day: takes the place of the other
    with store.read() as conn:
        found = view.detail(conn, "023300", TODAY)
        with pytest.raises(NoKind):
            view.detail(conn, "029999", TODAY)
        with pytest.raises(NoKind):
            view.detail(conn, "02330", TODAY)
    assert [row.zbckz for row in found.dated] == ["1.2290", "1.4"]
    assert found.today is found.dated[-1]
    assert [(one.actor, one.after[:3], one.before[:3]) for one in found.history] == [
        ("user:zhang", "1.4", "1.3"),
        ("user:zhang", "1.3", "1.2"),
    ]


def test_the_list_as_a_file_changes_nothing_when_it_comes_back(store: Store) -> None:
    put(store, "1.3")
    with store.read() as conn:
        for suffix in (".csv", ".xlsx"):
            file = view.list_file(conn, suffix)
            lines = table_file.read(file, suffix, coefficients_file.HEADER)
            assert view.from_lines(conn, lines) == []


def test_a_file_is_read_without_changing_anything(store: Store) -> None:
    line = ["02", "3300", "2026-05-01", "1.3", "", "", "省统计局"]
    later = ["02", "3300", "2026-07-01", "1.35", "", "", ""]
    with store.read() as conn:
        first, second = view.proposed(view.from_lines(conn, [(2, line), (3, later)]))
        with pytest.raises(FileError, match="第 2 行 zbckz 列"):
            view.from_lines(conn, [(2, [*line[:3], "x", "", "", ""])])
        assert view.detail(conn, "023300", TODAY).history == []
    assert (first.before, first.after) == ("1.2290 吨标准煤/万千瓦时", "1.3 吨标准煤/万千瓦时")
    assert second.before == "1.3 吨标准煤/万千瓦时"


# --- what a change would do -----------------------------------------------------------------------


def test_the_effects_are_what_the_change_then_does(store: Store) -> None:
    some_units(store, 3)
    before = {month: total(store, month) for month in (4, 5, 6)}
    found = effect(store, proposal(store))
    assert (found.units, found.exact, found.unit_months) == (3, True, 6)
    assert [(one.start.month, one.source, one.units) for one in found.months] == [
        (5, ONLINE, 3),
        (6, ONLINE, 3),
    ]
    assert [one.before for one in found.months] == pytest.approx([before[5], before[6]])
    assert found.change(ONLINE) == pytest.approx(600)  # 1 more a unit, 6 times 100 万千瓦时
    put(store, "2.229")
    settle.settle(store, NOW)
    assert total(store, 4) == pytest.approx(before[4])
    assert [one.after for one in found.months] == pytest.approx([total(store, 5), total(store, 6)])


def test_looking_at_effects_changes_nothing(store: Store) -> None:
    some_units(store, 1)
    before = total(store, 5)
    effect(store, proposal(store))
    with store.read() as conn:
        assert not settle.pending(conn, NOW, ())
        assert view.detail(conn, "023300", TODAY).history == []
    assert total(store, 5) == before


def test_of_many_units_an_even_sample_is_computed(store: Store) -> None:
    some_units(store, 6)
    found = effect(store, proposal(store), most=3)
    assert (found.units, found.computed, found.exact) == (6, 3, False)
    assert found.change(ONLINE) == pytest.approx(1200)
    assert found.unit_months == 12
    assert coefficients_impact.even_sample(range(10), 3) == [0, 3, 6]


def test_a_change_ends_where_the_next_dated_row_begins(store: Store) -> None:
    some_units(store, 1)
    put(store, "1.5", date(2026, 6, 1))
    found = effect(store, proposal(store))
    assert [one.start.month for one in found.months] == [5]


def test_without_data_of_the_type_nothing_is_recomputed(store: Store) -> None:
    assert effect(store, proposal(store)) == Impact(0, 0, 0, ())
    assert effect(store, []) == Impact(0, 0, 0, ())
    some_units(store, 1)
    found = effect(store, proposal(store, since=date(2027, 3, 1)))
    assert (found.units, found.months) == (0, ())


def test_months_without_data_do_not_change(store: Store) -> None:
    some_units(store, 1)
    found = effect(store, proposal(store, since=date(2026, 9, 1)))
    assert (found.unit_months, list(found.months)) == (0, [])


def test_whoever_waits_hears_of_every_unit_and_may_call_it_off(store: Store) -> None:
    some_units(store, 3)
    heard: list[tuple[int, int]] = []

    def tell(done: int, all_of_them: int) -> None:
        heard.append((done, all_of_them))
        if done == 1:
            raise InterruptedError

    with pytest.raises(InterruptedError), store.read() as conn:
        coefficients_impact.impact(conn, proposal(store), NOW, None, tell)
    assert heard == [(0, 3), (1, 3)]
