"""Revision 0010 enters the monthly forms that operators had imported before."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import insert, select

from nenghao.platform import report_log
from nenghao.platform.report_log import Act
from nenghao.platform.store import schema
from nenghao.platform.store.engine import Store
from nenghao.platform.store.report_states_schema import report_state


def test_forms_imported_before_there_were_states_count_as_accepted(database: str) -> None:
    store = Store.open(database)
    store.upgrade("0009")
    plain = {"kind": "energy", "address": "", "sha256": b"", "size": 0, "records": 1}
    plain |= {"settings": "{}", "result": "{}", "previous_digest": b"", "digest": b""}
    plain |= {"encoding": "zstd", "body": b"", "unit_id": 7}
    rows = [
        (1, 0, datetime(2026, 2, 1), {"2": ["2026-01-01 00:00:00", "2026-01-01 00:00:00"]}),
        (2, 1, datetime(2026, 2, 2), {"2": ["2026-02-01 00:00:00", "2026-02-01 00:00:00"]}),
        (3, 0, datetime(2026, 2, 3), {"2": ["2026-01-01 00:00:00", "2026-01-01 00:00:00"]}),
    ]
    with store.write() as conn:
        for sequence, device, at, covers in rows:
            told = {"sequence": sequence, "device_number": device, "received_at": at}
            conn.execute(insert(schema.receipt).values(**plain, **told, covers=json.dumps(covers)))
    store.upgrade()
    with store.read() as conn:
        (state,) = conn.execute(select(report_state)).all()
        (step,) = report_log.history(conn, 7, "2026-01")
    store.close()
    assert (state.month, state.state, state.sequence) == ("2026-01", "accepted", 3)
    assert state.taken_at == step.at == datetime(2026, 2, 3)
    assert step.act is Act.IMPORT
