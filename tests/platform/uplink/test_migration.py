"""A database from before the uplink has everything marked once it is brought up to date."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from sqlalchemy import insert

from nenghao.platform.store.engine import Store
from nenghao.platform.store.schema import configuration, frame, unit
from nenghao.platform.uplink import marks
from nenghao.platform.uplink.marks import ALL
from tests.platform.energy import COAL, CODE, ELECTRICITY, NOW


@pytest.mark.clause("5.1-2")
def test_what_was_there_before_is_marked(database: str) -> None:
    store = Store.open(database)
    try:
        store.upgrade("0007")
        about: Mapping[str, object] = {"name": "某厂", "region": "210102", "region_name": "和平区"}
        with store.write() as conn:
            conn.execute(
                insert(unit).values(id=7, code=CODE, registered_at=NOW, updated_at=NOW, **about)
            )
            for number, device in ((1, 1), (2, 2), (3, 1)):
                told = {"unit_id": 7, "sequence": number, "device_number": device, "message": "{}"}
                conn.execute(insert(configuration).values(received_at=NOW, **told))
            for code in (COAL, ELECTRICITY):
                for stat_type, number in ((0, 9801), (1, 322), (0, 9802)):
                    row = {"unit_id": 7, "stat_type": stat_type, "frame": number}
                    conn.execute(insert(frame).values(data_code=code, source=0, planes=b"", **row))
        store.upgrade()
        with store.read() as conn:
            found = marks.held(conn, 7)
            assert marks.due_units(conn, 10) == [7]
        assert [(one.kind, one.number) for one in found] == [
            *((marks.UNIT, 0), (marks.CONFIGURATION, 1), (marks.CONFIGURATION, 2)),
            *((0, 9801), (0, 9802), (1, 322)),
        ]
        assert {one.slots for one in found} == {ALL}
        assert {one.since for one in found} == {NOW}
    finally:
        store.close()
