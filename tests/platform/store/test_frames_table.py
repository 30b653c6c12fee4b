"""The rows of frames: all that are wanted are found, in whatever shape they lie."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from nenghao.platform.store import frames_table
from nenghao.platform.store.engine import Store
from nenghao.platform.store.frames_table import Row
from nenghao.platform.store.schema import frame

CODES = [f"00-00-0000-02{number:04d}-11" for number in range(40)]
DENSE = [(0, day, code, 0) for day in (9000, 9001) for code in CODES]
SHAPES: dict[str, list[Row]] = {
    "many items on one day": [(0, 9000, code, 0) for code in CODES],
    "many items on two days": list(DENSE),
    "every other item": [(0, 9000, code, 0) for code in CODES[::2]],
    "both sources": [(1, 322, code, source) for code in CODES for source in (0, 1)],
    "one item on many days": [(0, 8000 + day, CODES[0], 0) for day in range(500)],
    "a cross": [(0, 9000, code, 0) for code in CODES]
    + [(0, 9000 + day, CODES[3], 0) for day in range(1, 450)],
    "all statTypes": [(kind, 0, code, 0) for kind in range(4) for code in CODES],
    "a few": [(0, -1, CODES[0], 0), (3, 0, CODES[1], 1)],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_wanted_is_found_and_nothing_else(store: Store, shape: str) -> None:
    wanted = SHAPES[shape]
    kept = {row: repr(row).encode() for row in wanted[:: 2 if len(wanted) > 2 else 1]}
    others = [(0, 9000, "00-00-0000-020000-12", 0), (0, 9000, CODES[0], 1), (2, 26, CODES[0], 0)]
    with store.write() as conn:
        frames_table.write(conn, 1, [(*row, planes) for row, planes in kept.items()])
        frames_table.write(conn, 2, [(*row, b"another unit's") for row in wanted])
        frames_table.write(
            conn, 1, [(*row, b"not asked for") for row in others if row not in wanted]
        )
        assert dict(frames_table.stored(conn, 1, wanted)) == kept


def test_a_row_that_is_there_is_changed(store: Store) -> None:
    row = SHAPES["a few"][0]
    with store.write() as conn:
        frames_table.write(conn, 1, [(*row, b"old")])
        frames_table.write(conn, 1, [(*row, b"new"), (*DENSE[0], b"first")])
        frames_table.write(conn, 1, [])
        rows = conn.execute(select(frame.c.data_code, frame.c.planes).order_by(frame.c.frame))
        assert [tuple(one) for one in rows] == [(row[2], b"new"), (DENSE[0][2], b"first")]


def test_an_ordinary_batch_is_one_question_per_stat_type() -> None:
    for shape, questions in (("many items on two days", 1), ("all statTypes", 4), ("a few", 2)):
        assert len(list(frames_table._conditions(SHAPES[shape]))) == questions
