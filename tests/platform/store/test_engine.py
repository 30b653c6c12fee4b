"""Transactions: no update is lost, a snapshot stays one, a failure leaves nothing."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, func, insert, select, update
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as StoreTimeout

from nenghao.platform.store import engine
from nenghao.platform.store.engine import FairLock, Store, upsert
from nenghao.platform.store.schema import configured_item, finding, platform_state, unit_head

UNIT = 7


SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
POSTGRESQL = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)


def _sequence(conn: Connection) -> int:
    query = select(unit_head.c.sequence).where(unit_head.c.unit_id == UNIT)
    return int(conn.execute(query).scalar_one())


def _count_up(store: Store, times: int) -> None:
    """Lock and read, then write what was read plus one: loses updates wherever it can."""
    query = select(unit_head.c.sequence).where(unit_head.c.unit_id == UNIT).with_for_update()
    for _ in range(times):
        with store.write() as conn:
            reached = int(conn.execute(query).scalar_one())
            conn.execute(
                update(unit_head).where(unit_head.c.unit_id == UNIT).values(sequence=reached + 1)
            )


def _count_up_elsewhere(database: str, times: int) -> None:
    store = Store.open(database)
    _count_up(store, times)
    store.close()


@pytest.fixture
def counter(store: Store) -> Store:
    with store.write() as conn:
        conn.execute(insert(unit_head).values(unit_id=UNIT, sequence=0))
    return store


def test_no_update_of_threads_is_lost(counter: Store) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: _count_up(counter, 20), range(6)))
    with counter.read() as conn:
        assert _sequence(conn) == 120


def test_no_update_of_two_stores_on_one_file_is_lost(counter: Store, database: str) -> None:
    other = Store.open(database)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda store: _count_up(store, 20), [counter, other, counter, other]))
    other.close()
    with counter.read() as conn:
        assert _sequence(conn) == 80


def test_no_update_of_processes_is_lost(counter: Store, database: str) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_count_up_elsewhere, args=(database, 40)) for _ in range(3)]
    for process in processes:
        process.start()
    _count_up(counter, 40)
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    with counter.read() as conn:
        assert _sequence(conn) == 160


def test_processes_that_open_a_fresh_file_together_all_find_it_upgraded(database: str) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_open_fresh, args=(database,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]


def _open_fresh(database: str) -> None:
    store = Store.open(database)
    store.upgrade()
    with store.read() as conn:
        assert conn.execute(select(func.count()).select_from(unit_head)).scalar() == 0
    store.close()


def test_a_failed_write_leaves_nothing(counter: Store) -> None:
    with pytest.raises(LookupError):
        _change_and_fail(counter)
    with counter.read() as conn:
        assert _sequence(conn) == 0


def _change_and_fail(store: Store) -> None:
    with store.write() as conn:
        conn.execute(update(unit_head).values(sequence=99))
        assert _sequence(conn) == 99
        raise LookupError


def test_a_writer_waits_for_nobody_after_a_failed_one(counter: Store) -> None:
    with pytest.raises(LookupError):
        _change_and_fail(counter)
    _count_up(counter, 1)
    with counter.read() as conn:
        assert _sequence(conn) == 1


def test_a_reader_sees_one_moment(counter: Store) -> None:
    with counter.read() as conn:
        before = _sequence(conn)
        _count_up(counter, 1)
        assert _sequence(conn) == before
    with counter.read() as conn:
        assert _sequence(conn) == before + 1


def test_a_reader_cannot_write(counter: Store) -> None:
    with pytest.raises(DBAPIError, match=r"read-?only"), counter.read() as conn:
        conn.execute(update(unit_head).values(sequence=99))


@SQLITE
def test_a_write_holds_the_lock_from_its_beginning(counter: Store, database: str) -> None:
    locked = pytest.raises(OperationalError, match="locked")
    with counter.write(), _second_connection(database) as conn, locked:
        conn.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _second_connection(database: str) -> Iterator[Connection]:
    other = create_engine(
        database, connect_args={"timeout": 0, "isolation_level": None}, pool_size=1
    )
    with other.connect() as conn:
        yield conn
    other.dispose()


@SQLITE
def test_commits_are_synced_to_the_disk_before_they_return(store: Store) -> None:
    with store.write() as conn:
        assert conn.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert conn.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL


@SQLITE
def test_a_write_within_a_write_is_an_error_and_no_deadlock(store: Store) -> None:
    with store.write(), pytest.raises(RuntimeError, match="already open"), store.write():
        pytest.fail("a second writer was let in")


@SQLITE
def test_who_waits_too_long_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "WAIT_SECONDS", 0.01)
    failures: list[Exception] = []

    def write_too() -> None:
        try:
            with store.write():
                pytest.fail("a second writer was let in")
        except StoreTimeout as error:
            failures.append(error)

    with store.write():
        thread = threading.Thread(target=write_too)
        thread.start()
        thread.join(10)
    assert len(failures) == 1


def test_the_lock_is_granted_in_the_order_of_asking() -> None:
    lock = FairLock()
    order: list[int] = []
    assert lock.acquire(1)

    def take(number: int) -> None:
        assert lock.acquire(10)
        order.append(number)
        lock.release()

    threads = [threading.Thread(target=take, args=(number,)) for number in range(5)]
    for number, thread in enumerate(threads):
        thread.start()
        while lock.queue_length() <= number:
            threading.Event().wait(0.001)
    lock.release()
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 2, 3, 4]


def test_who_gave_up_waiting_is_not_granted_the_lock() -> None:
    lock = FairLock()
    assert lock.acquire(1)
    refused: list[bool] = []
    thread = threading.Thread(target=lambda: refused.append(lock.acquire(0.001)))
    thread.start()
    thread.join(10)
    lock.release()
    assert refused == [False]
    assert lock.acquire(0)


def test_an_interrupted_wait_leaves_the_lock_to_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lock = FairLock()
    assert lock.acquire(1)
    holder = lock._owner
    lock._owner = -1  # as if another thread held it

    def interrupt(_event: threading.Event, _timeout: float) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(threading.Event, "wait", interrupt)
        with pytest.raises(KeyboardInterrupt):
            lock.acquire(1)
    lock._owner = holder
    lock.release()
    assert lock.acquire(0)


def test_upsert_inserts_and_replaces(store: Store) -> None:
    with store.write() as conn:
        upsert(conn, platform_state, [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}])
        upsert(conn, platform_state, [{"name": "b", "value": "3"}, {"name": "c", "value": "4"}])
        upsert(conn, platform_state, [])
        ours = platform_state.c.name.in_(["a", "b", "c"])
        rows = conn.execute(select(platform_state).where(ours).order_by("name")).all()
    assert [tuple(row) for row in rows] == [("a", "1"), ("b", "3"), ("c", "4")]


def test_upsert_of_many_rows_keeps_every_kind_of_value(store: Store) -> None:
    rows = [
        {
            "unit_id": UNIT,
            "device_number": 1,
            "data_code": f"00-00-0000-0233{number:02d}-11",
            "stat_type": -1,
            "name": "电 '\"\\%s :x {,} \n",
            "input_type": 4,
            "value_min": None if number else -1.5,
            "value_max": 1e300,
            "scope": 1,
            "retired_at": datetime(2026, 11, 22, 1, 2, 3) if number else None,
        }
        for number in range(30)
    ]
    again = [row | {"name": f"项 {number}"} for number, row in enumerate(rows)]
    with store.write() as conn:
        for written in (rows, [*again, rows[0], again[0]]):
            upsert(conn, configured_item, written)
        query = select(configured_item).order_by(configured_item.c.data_code)
        assert [dict(row) for row in conn.execute(query).mappings()] == again
        upsert(conn, configured_item, rows)
        assert [dict(row) for row in conn.execute(query).mappings()] == rows


@POSTGRESQL
def test_upsert_of_many_rows_cuts_nothing_to_its_length(store: Store) -> None:
    rows = [{"name": "a" * 41, "value": "1"}, {"name": "b", "value": "2"}]
    with pytest.raises(DBAPIError, match="too long"), store.write() as conn:
        upsert(conn, platform_state, rows)


def test_upsert_can_add_to_what_is_there(store: Store) -> None:
    row = {
        "unit_id": UNIT,
        "kind": "negative",
        "subject": "00-00-0000-023300-11",
        "first_at": datetime(2026, 11, 22),
        "last_at": datetime(2026, 11, 22),
        "last_sequence": 1,
        "times": 2,
        "detail": "",
    }
    with store.write() as conn:
        for _ in range(3):
            upsert(conn, finding, [row], lambda new: {"times": finding.c.times + new.times})
        assert conn.execute(select(finding.c.times)).scalar_one() == 6


@POSTGRESQL
def test_on_a_server_too_commits_are_on_the_disk_whatever_its_default(database: str) -> None:
    first = Store.open(database)
    with first.write() as conn:
        name = conn.exec_driver_sql("SELECT current_database()").scalar_one()
        conn.exec_driver_sql(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    first.close()
    store = Store.open(database)
    with store.write() as conn:
        assert conn.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    store.close()


@POSTGRESQL
def test_on_a_server_too_who_waits_too_long_is_told(
    database: str, counter: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "WAIT_SECONDS", 0.05)
    hasty = Store.open(database)
    query = select(unit_head.c.sequence).with_for_update()
    with counter.write() as conn:
        conn.execute(query)
        with pytest.raises(OperationalError, match="lock timeout"), hasty.write() as other:
            other.execute(query)
    hasty.close()


@POSTGRESQL
def test_writers_of_different_units_do_not_wait_for_each_other(counter: Store) -> None:
    with counter.write() as conn:
        conn.execute(insert(unit_head).values(unit_id=UNIT + 1, sequence=0))
    query = select(unit_head.c.sequence).with_for_update()
    with counter.write() as conn, counter.write() as other:
        conn.execute(query.where(unit_head.c.unit_id == UNIT))
        assert other.execute(query.where(unit_head.c.unit_id == UNIT + 1)).scalar() == 0


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://localhost/nenghao", "nenghao", ""]
)
def test_a_database_that_cannot_be_shared_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="数据库"):
        Store.open(url)


def test_a_path_with_percent_signs_and_chinese_is_a_path(tmp_path: Path) -> None:
    folder = tmp_path / "能耗 100%s"
    folder.mkdir()
    store = Store.open(f"sqlite:///{folder / 'n.db'}")
    store.upgrade()
    store.close()
    assert (folder / "n.db").stat().st_size > 0
