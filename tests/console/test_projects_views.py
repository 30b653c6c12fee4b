"""Key projects in the console: searched and paged, edited one by one, compared before an import."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from nenghao.console.views import projects as view
from nenghao.console.views.projects import Wanted
from nenghao.platform import audit, projects, table_file
from nenghao.platform.projects import HEADER, ProjectsError, Row
from nenghao.platform.store.engine import Store
from tests.platform.world import fill

NOW = datetime(2026, 11, 22, 1, 30)
EVERYTHING = Wanted()


def row(code: str = "P-1", **changes: str) -> Row:
    plain = dict.fromkeys(HEADER, "") | {
        "name": f"项目{code}",
        "code": code,
        "regionCode": "210102",
        "industryCode": "C2521",
        "design_energy_consumption": "1200",
    }
    return plain | changes


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path / 'nenghao.db'}"
    fill(url)
    opened = Store.open(url)
    yield opened
    opened.close()


@pytest.fixture
def three(store: Store) -> Store:
    """Three projects in two cities and two industries."""
    with store.write() as conn:
        projects.add(conn, row("P-1", name="焦炉%改造"), NOW)
        projects.add(conn, row("P-2", regionCode="210202", industryCode="D4411"), NOW)
        projects.add(conn, row("P-3", regionCode="210203", type="<b>新建</b>"), NOW)
    return store


def found(store: Store, wanted: Wanted = EVERYTHING, **order: Any) -> list[str]:
    with store.read() as conn:
        return [one.code for one in view.find(conn, wanted, **order)[0]]


def audited(store: Store) -> list[tuple[str, str, str]]:
    with store.read() as conn:
        return [(one.action, one.subject, one.detail) for one in audit.entries(conn)]


class TestTheList:
    """Is searched, sorted and paged by the database."""

    def test_of_none_is_empty(self, store: Store) -> None:
        with store.read() as conn:
            assert view.find(conn, Wanted()) == ([], 0)

    @pytest.mark.parametrize(
        ("wanted", "codes"),
        [
            (Wanted(), ["P-1", "P-2", "P-3"]),
            (Wanted(text="%"), ["P-1"]),
            (Wanted(text="P-2"), ["P-2"]),
            (Wanted(region="210200"), ["P-2", "P-3"]),
            (Wanted(industry="C25"), ["P-1", "P-3"]),
            (Wanted(region="210200", industry="D"), ["P-2"]),
        ],
    )
    def test_finds(self, three: Store, wanted: Wanted, codes: list[str]) -> None:
        assert found(three, wanted) == codes

    def test_is_sorted_and_paged(self, three: Store) -> None:
        assert found(three, sort="region", descending=True) == ["P-3", "P-2", "P-1"]
        assert found(three, limit=2, offset=1) == ["P-2", "P-3"]
        assert found(three, limit=2, offset=5) == []

    def test_shows_names_and_what_was_typed_as_it_is(self, three: Store) -> None:
        with three.read() as conn:
            (one,), total = view.find(conn, Wanted(text="P-3"))
        assert total == 1
        assert (one.type, one.region, one.industry) == ("<b>新建</b>", "西岗区", "炼焦")


class TestOneProject:
    """Is added, changed and removed as the operator saw it."""

    def test_is_added_once(self, three: Store) -> None:
        with three.write() as conn, pytest.raises(ProjectsError, match="已有这个代码"):
            projects.add(conn, row("P-1"), NOW)
        assert audited(three)[0] == ("projects.add", "P-3", "项目P-3")

    @pytest.mark.parametrize(
        ("name", "value", "said"),
        [
            ("regionCode", "999999", "基础数据中没有"),
            ("design_energy_consumption", "-1", "十进制数"),
            ("name", " ", "缺失"),
        ],
    )
    def test_that_is_wrong_is_refused_by_field(
        self, store: Store, name: str, value: str, said: str
    ) -> None:
        with store.read() as conn:
            assert said in projects.wrong(conn, row() | {name: value})[name]
        with store.write() as conn, pytest.raises(ProjectsError, match=name):
            projects.add(conn, row() | {name: value}, NOW)
        assert found(store) == []

    def test_is_changed_and_what_changed_is_recorded(self, three: Store) -> None:
        with three.read() as conn:
            before = projects.get(conn, "P-2")
        assert before is not None
        with three.write() as conn:
            projects.change(conn, before, before | {"type": "新建", "code": "P-9"}, NOW)
        with three.read() as conn:
            assert projects.get(conn, "P-2") == before | {"type": "新建"}
            assert projects.get(conn, "P-9") is None
        assert audited(three)[0] == ("projects.change", "P-2", "type： → 新建")

    def test_that_somebody_changed_meanwhile_stays(self, three: Store) -> None:
        seen = row("P-2", regionCode="210202", industryCode="D4411", type="另一种")
        with three.write() as conn:
            with pytest.raises(ProjectsError, match="已被改动"):
                projects.change(conn, seen, seen, NOW)
            with pytest.raises(ProjectsError, match="已被改动"):
                projects.remove(conn, seen, NOW)
            with pytest.raises(ProjectsError, match="已被删除"):
                projects.remove(conn, row("P-7"), NOW)
        assert len(found(three)) == 3

    def test_is_removed(self, three: Store) -> None:
        with three.read() as conn:
            before = projects.get(conn, "P-2")
        assert before is not None
        with three.write() as conn:
            projects.remove(conn, before, NOW)
        assert found(three) == ["P-1", "P-3"]
        assert audited(three)[0] == ("projects.remove", "P-2", "项目P-2")


class TestAnImport:
    """Is compared first, and does what was shown or nothing."""

    def content(self) -> bytes:
        changed = row("P-1", name="焦炉%改造", type="=1+1")
        return table_file.write_csv(HEADER, [changed, row("P-4")])

    def test_is_compared_without_changing_anything(self, three: Store) -> None:
        with three.read() as conn:
            told = view.preview(conn, self.content(), ".csv", whole=True)
        assert (told.rows, told.added, told.changed, told.removed) == (2, 1, 1, 2)
        assert [(one.what, one.code) for one in told.shown] == [
            ("删除", "P-2"),
            ("删除", "P-3"),
            ("修改", "P-1"),
            ("新增", "P-4"),
        ]
        assert told.shown[2].detail == "项目类型：（空） → =1+1"
        assert len(found(three)) == 3

    def test_does_what_was_shown(self, three: Store) -> None:
        with three.read() as conn:
            told = view.preview(conn, self.content(), ".csv", whole=False)
        lines = table_file.read(self.content(), ".csv", HEADER)
        with three.write() as conn:
            done = projects.replace_or_add(conn, lines, NOW, seen=told.digest)
        assert (done.added, done.changed, done.removed, done.unchanged) == (1, 1, 0, 0)
        assert found(three) == ["P-1", "P-2", "P-3", "P-4"]

    def test_of_what_has_changed_since_is_refused(self, three: Store) -> None:
        with three.read() as conn:
            told = view.preview(conn, self.content(), ".csv", whole=False)
        lines = table_file.read(self.content(), ".csv", HEADER)
        with three.write() as conn:
            projects.add(conn, row("P-4"), NOW)
        with three.write() as conn, pytest.raises(ProjectsError, match="重新比较"):
            projects.replace_or_add(conn, lines, NOW, seen=told.digest)

    @pytest.mark.parametrize("suffix", [table_file.EXCEL, table_file.CSV])
    def test_of_an_export_changes_nothing(self, three: Store, suffix: str) -> None:
        with three.read() as conn:
            content = view.file_of(conn, suffix)
            assert view.preview(conn, content, suffix, whole=True).total == 0
