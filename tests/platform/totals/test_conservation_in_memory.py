"""Conservation without a database, on most of the cases; see `test_conservation`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.platform.totals.conserving import cases, conserved
from tests.platform.totals.events import SMALL_UPLOADS, Upload
from tests.platform.totals.in_memory import Frames, sums_of_frames
from tests.platform.totals.scenes import sums_of


@cases(1700)
@given(uploads=st.lists(SMALL_UPLOADS, min_size=1, max_size=3), data=st.data())
def test_order_repetition_and_partial_uploads_change_nothing(
    uploads: list[Upload], data: st.DataObject
) -> None:
    """Without a database: frames, arithmetic and sums as intake and settling put them together."""
    straight = Frames()
    for number, upload in enumerate(uploads):
        straight.take(upload, number)
    again = list(enumerate(uploads))
    for number, upload in data.draw(st.lists(st.sampled_from(again), max_size=3)):
        some = data.draw(st.integers(1, len(upload.records)))
        last = {
            (one.data_code, one.stat_type, one.stat_date, one.input_type == 5): one
            for one in upload.records
        }
        again.append((number, Upload(upload.unit, tuple(last.values())[:some])))
    crooked = Frames()
    for number, upload in data.draw(st.permutations(again)):
        crooked.take(upload, number)
    assert crooked.planes == straight.planes
    totals, sums = sums_of_frames(straight)
    assert totals == straight.expected()
    for period, row in sums_of(totals, "*", "*").items():
        conserved(sums, period, row)
