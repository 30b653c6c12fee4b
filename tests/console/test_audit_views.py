"""What the page of the audit trail shows, and what it does: searched, exported, verified."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from openpyxl import load_workbook

from nenghao.console.views import audit as view
from nenghao.platform import audit, audit_chain, audit_export, audit_verify
from nenghao.platform.audit import Filter
from nenghao.platform.audit_export import EVERYTHING, ExportError
from nenghao.platform.store.engine import Store
from tests.platform.world import NOW, fill

DAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audit") / "fresh.db"
    fill(f"sqlite:///{path}")
    return path


@pytest.fixture
def store(fresh: Path, tmp_path: Path) -> Iterator[Store]:
    shutil.copy(fresh, tmp_path / "nenghao.db")
    opened = Store.open(f"sqlite:///{tmp_path / 'nenghao.db'}")
    yield opened
    opened.close()


def note(
    store: Store,
    action: str = "user.login",
    actor: str = "user:zhang",
    *,
    at: datetime = NOW,
    address: str = "10.0.0.1",
    subject: str = "zhang",
    result: str = audit.OK,
    detail: str = "",
) -> None:
    with store.write() as conn:
        audit.record(conn, at, actor, address, action, subject, result, detail)


def found(store: Store, **asked: str) -> list[str]:
    """The actions of what a search of that day finds."""
    with store.read() as conn:
        told = view.search(conn, view.wanted(first=DAY, last=DAY, **asked))
    assert told.total == len(told.records)
    return [record.action for record in told.records]


def test_a_search_goes_by_day_actor_action_subject_and_result(store: Store) -> None:
    assert found(store) == []
    note(store, at=NOW - timedelta(days=1))
    note(store, at=datetime(2026, 11, 23))
    note(store, at=datetime(2026, 11, 22, 23, 59, 59))
    note(store, "user.login", "user:li", result=audit.REFUSED, detail="口令不正确")
    note(store, "exchange.add", "operator", address="", subject="lnxxzx", detail="100% 范围")
    note(store, "exchange", "exchange:lnxxzx", address="10.1.2.3", subject="/a_b")
    newest_first = ["其他应用平台：调用 exchange", "其他应用平台：账户 exchange.add"]
    login = "操作员：登录 user.login"
    assert found(store) == [login, *newest_first, login], "by time, not as they were written"
    assert found(store, who="user:li") == ["操作员：登录 user.login"]
    assert found(store, who="10.1.2") == newest_first[:1]
    assert found(store, action="exchange.") == newest_first[1:]
    assert found(store, action="exchange") == newest_first[:1]
    assert found(store, action="user.") == ["操作员：登录 user.login"] * 2
    assert found(store, what="lnxx") == newest_first[1:]
    assert found(store, what="100%") == newest_first[1:], "no wildcard"
    assert found(store, what="a_b") == newest_first[:1]
    assert found(store, what="1%范") == []
    assert found(store, result="refused") == ["操作员：登录 user.login"]


def test_a_record_is_told_in_words(store: Store) -> None:
    note(store, "ca.something-new", result=audit.REFUSED, subject="<b>", detail="x")
    note(store, "unheard-of")
    with store.read() as conn:
        later, sooner = view.search(conn, view.wanted(first=DAY, last=DAY)).records
        assert view.length(conn) == later.sequence == sooner.sequence + 1
    assert later.action == "unheard-of"
    assert (sooner.action, sooner.result, sooner.is_refused) == (
        "数字证书 ca.something-new",
        "被拒绝",
        True,
    )
    assert (sooner.at, sooner.subject) == ("2026-11-22 01:30:00", "<b>")


def test_pages_are_cut_and_an_endless_search_is(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        note(store, subject=str(number))
    wanted = view.wanted(first=DAY, last=DAY)
    with store.read() as conn:
        told = view.search(conn, wanted, limit=3, offset=6)
        assert ([record.subject for record in told.records], told.total) == (["0"], 7)
        assert not told.is_cut
        monkeypatch.setattr(view, "MOST", 5)
        told = view.search(conn, wanted, limit=3)
        assert (len(told.records), told.total, told.is_cut) == (3, 5, True)
        assert view.search(conn, wanted, limit=3, offset=6).records == []


def export(store: Store, name: str, wanted: Filter = EVERYTHING, most: int = 1000) -> bytes:
    out = io.BytesIO()
    with audit.acting("user:auditor", "10.0.0.2"):
        audit_export.export(store, name, out, wanted, NOW, most=most)
    return out.getvalue()


def last(store: Store) -> tuple[str, str, str]:
    with store.read() as conn:
        row = audit.listing(conn, EVERYTHING, 1)[0]
    return row["actor"], row["action"], row["detail"]


def test_lines_are_the_whole_chain_and_prove_it(store: Store) -> None:
    for number in range(3):
        note(store, subject=f"={number}\n名")
    content = export(store, "a.JSONL")
    lines = content.decode().splitlines()
    checked = audit_chain.verify_exported(lines)
    assert checked.breaks == []
    assert last(store) == ("user:auditor", "audit.export", f"{checked.records} 条")
    with pytest.raises(ExportError, match="只导出全部记录"):
        export(store, "a.jsonl", Filter(actor="user:zhang"))


def test_tables_have_what_was_searched_and_no_formulas(store: Store) -> None:
    note(store, "user.add", subject="=1+1")
    note(store, "user.login", subject="other")
    wanted = Filter(action="user.add", since=NOW)
    table = export(store, "审计.csv", wanted).decode("utf-8-sig").splitlines()
    assert len(table) == 2
    assert "'=1+1" in table[1]
    assert last(store)[2] == "1 条（操作 user.add，自 2026-11-22 01:30:00）"
    sheet = load_workbook(io.BytesIO(export(store, "a.xlsx", wanted))).active
    assert sheet is not None
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0][:3] == ("sequence", "at", "actor")
    assert rows[1][5] == "=1+1"
    assert sheet.cell(2, 6).data_type == "s"


@pytest.mark.parametrize(
    ("name", "most", "why"),
    [("a.pdf", 9, "文件应为"), ("a.csv", 2, "超过 2 条"), ("csv", 9, "应为")],
)
def test_what_cannot_be_exported_leaves_no_record(
    store: Store, name: str, most: int, why: str
) -> None:
    for _ in range(3):
        note(store)
    with pytest.raises(ExportError, match=why):
        export(store, name, most=most)
    assert last(store)[1] == "user.login"


class StopHere(Exception):
    """The operator has had enough."""


def stop(done: int, total: int) -> None:
    assert 0 < done <= total
    raise StopHere


def test_long_work_tells_where_it_is_and_can_be_ended(store: Store) -> None:
    with store.write() as conn:
        for _ in range(1001):
            audit.record(conn, NOW, "user:zhang", "", "user.login", "zhang")
    told: list[tuple[int, int]] = []
    with store.read() as conn:
        total = audit_chain.last(conn)
    audit_verify.verify(store, NOW, None, lambda *at: told.append(at))
    assert told == [(500, total), (1000, total)]
    with pytest.raises(StopHere):
        audit_verify.verify(store, NOW, None, stop)
    with pytest.raises(StopHere):
        audit_export.export(store, "a.csv", io.BytesIO(), EVERYTHING, NOW, stop)
    assert last(store)[1] == "audit.verify", "the one that was not ended"


def test_verifying_is_recorded_with_what_it_found(store: Store) -> None:
    note(store)
    with audit.acting("user:auditor", "10.0.0.2"):
        checked = audit_verify.verify(store, NOW)
    assert checked.breaks == []
    actor, action, detail = last(store)
    assert (actor, action) == ("user:auditor", "audit.verify")
    assert detail == (
        f"{checked.records} 条，完好；最后一条 {checked.sequence}，摘要 {checked.digest}"
    )
    again = audit_verify.verify(store, NOW, (checked.sequence, checked.digest))
    assert again.breaks == []
    wrong = audit_verify.verify(store, NOW, (checked.sequence, "0" * 64))
    assert [one.fault for one in wrong.breaks] == [audit_chain.Fault.NOTED]
    assert "1 处问题" in last(store)[2]
