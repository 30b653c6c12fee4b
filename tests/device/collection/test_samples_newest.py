"""The last good sample of every point, wherever it lies: in the journal or sorted into its hour."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nenghao.device.collection import samples
from nenghao.device.collection.counters import HOUR
from nenghao.device.store import DeviceStore

BEGIN = 200_000 * HOUR
SAMPLE = st.tuples(st.integers(0, 3), st.integers(0, 12), st.integers(0, 99), st.booleans())
"""Point, time in steps of half an hour, value, good."""
POLL = st.lists(SAMPLE, max_size=5) | st.just("sort in")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(POLL, max_size=12))
def test_the_newest_is_that_of_all_samples_put_in_order(
    store: DeviceStore, polls: list[list[tuple[int, int, int, bool]] | str]
) -> None:
    expected: dict[int, dict[int, tuple[int, bool]]] = {}
    with store.write() as connection:
        connection.execute("DELETE FROM raw_journal")
        connection.execute("DELETE FROM raw")
        numbers = [samples.point(connection, "gate", f"p{number}").id for number in range(4)]
        for poll in polls:
            if isinstance(poll, str):
                samples.compact(connection, BEGIN)
                continue
            kept = []
            for point, step, value, good in poll:
                time = BEGIN + step * HOUR // 2
                made = samples.raw(numbers[point], time, Decimal(value), good)
                assert made is not None
                kept.append(made)
                expected.setdefault(numbers[point], {})[time] = value, good
            samples.append(connection, kept, BEGIN)
        found = samples.newest(connection, numbers)
        journal = samples.journal_size(connection)
        assert journal == sum(map(len, _since_sorted(polls)))  # nothing is sorted in for it
    last = {
        number: max((time, value) for time, (value, good) in of_point.items() if good)
        for number, of_point in expected.items()
        if any(good for _, good in of_point.values())
    }
    assert {number: (raw.time, int(raw.value)) for number, raw in found.items()} == last


def _since_sorted(
    polls: list[list[tuple[int, int, int, bool]] | str],
) -> list[list[tuple[int, int, int, bool]]]:
    since: list[list[tuple[int, int, int, bool]]] = []
    for poll in polls:
        if isinstance(poll, str):
            since = []
        else:
            since.append(poll)
    return since
