from __future__ import annotations

import sqlite3
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from nenghao.device import history
from nenghao.device import store as store_module
from nenghao.device.aggregation import Total
from nenghao.device.history import Reading
from nenghao.device.store import DeviceStore, StoreError


def test_commits_are_on_the_disk_when_they_return(store: DeviceStore) -> None:
    with store.read() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def fail_in_the_middle(store: DeviceStore) -> None:
    with store.write() as connection:
        connection.execute("INSERT INTO item VALUES (1, 'x', '', 4, 15)")
        raise RuntimeError


def test_a_failed_transaction_leaves_nothing(store: DeviceStore) -> None:
    with pytest.raises(RuntimeError):
        fail_in_the_middle(store)
    with store.read() as connection:
        assert connection.execute("SELECT count(*) FROM item").fetchone() == (0,)


def test_another_process_reads_while_one_writes(store: DeviceStore, tmp_path: Path) -> None:
    with DeviceStore.open(tmp_path / "device.db") as other, store.write() as connection:
        connection.execute("INSERT INTO item VALUES (1, 'x', '', 4, 15)")
        with other.read() as reading:
            assert reading.execute("SELECT count(*) FROM item").fetchone() == (0,)


def test_a_file_that_is_none_of_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="找不到"):
        DeviceStore.open(tmp_path / "none.db")
    (tmp_path / "text.db").write_text("no database at all, but long enough to look at\n" * 99)
    with pytest.raises(StoreError, match="不是可用的数据库"):
        DeviceStore.open(tmp_path / "text.db")
    with sqlite3.connect(tmp_path / "new.db") as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StoreError, match="99"):
        DeviceStore.open(tmp_path / "new.db")
    with DeviceStore.create(tmp_path / "one.db"), pytest.raises(StoreError, match="已经存在"):
        DeviceStore.create(tmp_path / "one.db")


def test_a_file_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as old:
        old.executescript(f"{store_module._SCHEMA}PRAGMA user_version = 1;")
        old.execute("INSERT INTO item VALUES (1, '00-00-0000-023300-11', '', 4, 15)")
        ticks = ",".join(["1.5"] * 96)
        old.execute(
            "INSERT INTO day VALUES (1, '2026-03-01', 15, ?, 'x', '144', 1, '2026-03-02 00:00:00')",
            (ticks,),
        )
        old.commit()
    old.close()
    with DeviceStore.open(path) as store, store.write() as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        item = history.find_item(connection, "00-00-0000-023300-11")
        assert item is not None
        row = history.day_row(connection, item, date(2026, 3, 1))
        assert row is not None
        assert row.ticks == (Decimal("1.5"),) * 96
        assert row.suspect == frozenset()
        late = Reading(datetime(2026, 3, 1, 0, 15), Decimal(2))
        assert history.put(connection, item, [late], datetime(2026, 3, 2)).changed == 1
        row = history.day_row(connection, item, date(2026, 3, 1))
        assert row is not None
        assert row.total == Total(Decimal("144.5"), True)
    DeviceStore.open(path).close()
