"""The audit trail is only added to, chained at commit, and every tampering shows."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from nenghao.platform import audit, audit_chain
from nenghao.platform.audit import OPERATOR, REFUSED, Filter
from nenghao.platform.audit_chain import Fault
from nenghao.platform.store.engine import Store, at_end
from tests.platform.world import ADDRESS, NOW

SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
TRIGGERS = ("update", "delete", "truncate")


def write(conn: Connection, subject: str, actor: str = "user:lisi", now: datetime = NOW) -> None:
    audit.record(conn, now, actor, ADDRESS, "unit.set", subject, detail="说明，“引号”\n换行")


def filled(store: Store, count: int = 5) -> Store:
    for number in range(count):
        with store.write() as conn:
            write(conn, f"对象 {number}")
    return store


def checked(store: Store, noted: tuple[int, str] | None = None) -> audit_chain.Checked:
    with store.read() as conn:
        return audit_chain.verify(conn, noted)


def faults(store: Store) -> list[tuple[int, Fault]]:
    return [(one.sequence, one.fault) for one in checked(store).breaks]


def tamper(store: Store, *statements: str) -> None:
    """As somebody with the database's own password would, triggers and all."""
    with store.write() as conn:
        for table in ("audit", "audit_link"):
            if store.on_postgresql:
                conn.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
            else:
                for event in TRIGGERS:
                    conn.execute(text(f"DROP TRIGGER IF EXISTS {table}_{event}"))
        for statement in statements:
            conn.execute(text(statement))


def test_every_record_has_its_place_in_the_chain(store: Store) -> None:
    with filled(store).write() as conn:  # several in one transaction
        write(conn, "a")
        write(conn, "b")
    found = checked(store)
    assert (found.breaks, found.records, found.sequence) == ([], 7, 7)
    with store.read() as conn:
        assert audit_chain.exported(conn)
        last = list(audit_chain.exported(conn))[-1]
    assert (last["sequence"], last["subject"], last["digest"]) == (7, "b", found.digest)


class Undone(Exception):
    """What a transaction is rolled back for."""


def write_and_fail(conn: Connection) -> None:
    write(conn, "never")
    raise Undone


def test_what_is_rolled_back_leaves_nothing(store: Store) -> None:
    filled(store)
    with pytest.raises(Undone), store.write() as conn:
        write_and_fail(conn)
    with store.write() as conn:
        with pytest.raises(Undone), conn.begin_nested():
            write_and_fail(conn)
        write(conn, "kept")
    found = checked(store)
    assert (found.breaks, found.records) == ([], 6)


def test_writers_side_by_side_make_one_chain(store: Store) -> None:
    def work(number: int) -> None:
        for _ in range(8):
            with store.write() as conn:
                write(conn, f"{number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = checked(store)
    assert (found.breaks, found.records, found.sequence) == ([], 32, 32)


def test_a_record_in_the_middle_of_work_holds_nobody_up(store: Store) -> None:
    """The head is locked at commit only: on PostgreSQL another transaction passes meanwhile."""
    if not store.on_postgresql:
        pytest.skip("SQLite has one writer at a time anyway")
    passed = threading.Event()

    def other() -> None:
        with store.write() as conn:
            write(conn, "other")
        passed.set()

    with store.write() as conn:
        write(conn, "long work")
        thread = threading.Thread(target=other)
        thread.start()
        assert passed.wait(20)
    thread.join()
    assert checked(store).breaks == []


@pytest.mark.parametrize("table", ["audit", "audit_link"])
@pytest.mark.parametrize("deed", ["UPDATE {} SET {}", "DELETE FROM {}"])
def test_the_database_itself_refuses_to_change_a_record(
    store: Store, table: str, deed: str
) -> None:
    column = {"audit": "detail = ''", "audit_link": "digest = digest"}[table]
    with (
        pytest.raises(DBAPIError, match="never changed"),
        filled(store).write() as conn,
    ):
        conn.execute(text(deed.format(table, column)))
    assert checked(store).breaks == []


@SQLITE
@pytest.mark.parametrize(
    ("statements", "found"),
    [
        (["UPDATE audit SET detail = 'x' WHERE id = 3"], [(3, Fault.CONTENT)]),
        (["UPDATE audit SET actor = 'x' WHERE id = 3"], [(3, Fault.CONTENT)]),
        (["UPDATE audit SET address = 'x' WHERE id = 3"], [(3, Fault.CONTENT)]),
        (["UPDATE audit SET action = 'x' WHERE id = 3"], [(3, Fault.CONTENT)]),
        (["UPDATE audit SET subject = 'x' WHERE id = 3"], [(3, Fault.CONTENT)]),
        (["UPDATE audit SET result = 'x' WHERE id = 3"], [(3, Fault.CONTENT)]),
        (
            ["UPDATE audit SET at = '2026-01-01 00:00:00.000000' WHERE id = 3"],
            [(3, Fault.CONTENT)],
        ),
        (["DELETE FROM audit WHERE id = 3"], [(3, Fault.MISSING)]),
        (
            ["DELETE FROM audit_link WHERE sequence = 3"],
            [(3, Fault.GAP), (4, Fault.CONTENT), (6, Fault.UNLINKED)],
        ),
        (
            ["DELETE FROM audit WHERE id = 3", "DELETE FROM audit_link WHERE sequence = 3"],
            [(3, Fault.GAP), (4, Fault.CONTENT)],
        ),
        (
            ["DELETE FROM audit WHERE id > 3", "DELETE FROM audit_link WHERE sequence > 3"],
            [(5, Fault.HEAD)],
        ),
        (
            [
                "INSERT INTO audit (at, actor, address, action, subject, result, detail)"
                " VALUES ('2026-01-01 00:00:00.000000', 'x', '', 'x', '', 'ok', '')"
            ],
            [(6, Fault.UNLINKED)],
        ),
        (
            [
                "UPDATE audit_link SET audit_id = -1 WHERE sequence = 2",
                "UPDATE audit_link SET audit_id = 2 WHERE sequence = 3",
                "UPDATE audit_link SET audit_id = 3 WHERE sequence = 2",
            ],
            [(2, Fault.CONTENT), (3, Fault.CONTENT)],
        ),
        (["DELETE FROM platform_state WHERE name = 'audit_head'"], [(5, Fault.HEAD)]),
        (["UPDATE platform_state SET value = 'x' WHERE name = 'audit_head'"], [(5, Fault.HEAD)]),
    ],
)
def test_every_tampering_is_found_where_it_is(
    store: Store, statements: list[str], found: list[tuple[int, Fault]]
) -> None:
    tamper(filled(store), *statements)
    assert faults(store) == found


@SQLITE
def test_a_chain_made_anew_is_found_by_the_digest_that_was_noted(store: Store) -> None:
    before = checked(filled(store))
    noted = (before.sequence, before.digest)
    with store.write() as conn:
        write(conn, "later")
    assert checked(store, noted).breaks == []
    tamper(store, "UPDATE audit SET actor = 'x' WHERE id = 2", "DELETE FROM audit_link")
    with store.write() as conn:
        audit_chain.begin(conn)
    assert faults(store) == []
    assert [one.fault for one in checked(store, noted).breaks] == [Fault.NOTED]
    tamper(store, "DELETE FROM audit", "DELETE FROM audit_link")
    with store.write() as conn:
        audit_chain.begin(conn)
    assert [one.fault for one in checked(store, noted).breaks] == [Fault.NOTED]


def test_records_from_before_the_chain_are_its_beginning(database: str) -> None:
    store = Store.open(database)
    store.upgrade("0006")
    with store.write() as conn:
        for number in range(1200):
            conn.execute(
                text(
                    "INSERT INTO audit (at, actor, address, action, subject, result, detail) "
                    "VALUES ('2026-01-01 00:00:00', 'operator', '', 'x', :subject, 'ok', '')"
                ),
                {"subject": str(number)},
            )
    store.upgrade()
    found = checked(store)
    assert (found.breaks, found.records) == ([], 1200)
    filled(store, 1)
    assert checked(store).records == 1201
    store.close()


def lines(store: Store) -> list[str]:
    with store.read() as conn:
        return [json.dumps(one, ensure_ascii=False) for one in audit_chain.exported(conn)]


def test_an_export_verifies_by_itself(store: Store) -> None:
    found = checked(filled(store))
    alone = audit_chain.verify_exported(lines(store), (found.sequence, found.digest))
    assert (alone.breaks, alone.records, alone.digest) == ([], 5, found.digest)


@SQLITE
@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda all_: all_[:2] + all_[3:], [(3, Fault.GAP)]),
        (
            lambda all_: [*all_[:2], all_[2].replace("对象 2", "对象 9"), *all_[3:]],
            [(3, Fault.CONTENT)],
        ),
        (lambda all_: all_[1:], [(1, Fault.GAP)]),
    ],
)
def test_a_changed_export_does_not(
    store: Store, change: Callable[[list[str]], list[str]], found: list[tuple[int, Fault]]
) -> None:
    broken = audit_chain.verify_exported(change(lines(filled(store)))).breaks
    assert [(one.sequence, one.fault) for one in broken] == found
    noted = (5, "00" * 32)
    assert audit_chain.verify_exported(lines(store), noted).breaks[0].fault is Fault.NOTED


@pytest.mark.parametrize("line", ["", "x", "[]", "{}", '{"sequence": 1, "digest": "zz"}', "1e999"])
def test_what_is_no_export_is_named_by_its_line(line: str) -> None:
    with pytest.raises(ValueError, match="第 1 行"):
        audit_chain.verify_exported([line])


@SQLITE
def test_whoever_acts_is_recorded_in_place_of_the_operator_of_the_machine(store: Store) -> None:
    with audit.acting("user:lisi", "10.0.0.9"), store.write() as conn:
        write(conn, "a", OPERATOR)
        write(conn, "b", "91330000573973053F#1")
    with store.write() as conn:
        write(conn, "c", OPERATOR)
    with store.read() as conn:
        found = [(row["actor"], row["address"]) for row in audit.entries(conn)][::-1]
    assert found == [
        ("user:lisi", "10.0.0.9"),
        ("91330000573973053F#1", ADDRESS),
        (OPERATOR, ADDRESS),
    ]


@SQLITE
def test_a_record_belongs_into_a_write_of_the_store(store: Store) -> None:
    with store.read() as conn, pytest.raises(RuntimeError, match="write"):
        at_end(conn, audit_chain.link)


@SQLITE
@pytest.mark.parametrize(
    ("wanted", "subjects"),
    [
        (Filter(), ["3", "2", "1", "0"]),
        (Filter(actor="user:b"), ["1"]),
        (Filter(action="user.login"), ["3", "0"]),
        (Filter(action="user."), ["3", "2", "0"]),
        (Filter(result=REFUSED), ["2"]),
        (Filter(since=NOW + timedelta(days=1), until=NOW + timedelta(days=3)), ["2", "1"]),
    ],
)
def test_records_are_listed_as_asked_for(store: Store, wanted: Filter, subjects: list[str]) -> None:
    given: list[tuple[str, str, str]] = [
        ("user:a", "user.login", "ok"),
        ("user:b", "users", "ok"),
        ("user:a", "user.add", REFUSED),
        ("user:a", "user.login", "ok"),
    ]
    with store.write() as conn:
        for number, (actor, action, result) in enumerate(given):
            now = NOW + timedelta(days=number)
            audit.record(conn, now, actor, "", action, str(number), result)
    with store.read() as conn:
        assert [row["subject"] for row in audit.listing(conn, wanted, 10)] == subjects
        first: list[Any] = list(audit.listing(conn, wanted, 1))
        rest = audit.listing(conn, wanted, 10, before=first[-1]["sequence"])
        assert [row["subject"] for row in rest] == subjects[1:]
