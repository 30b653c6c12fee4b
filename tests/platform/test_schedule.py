"""Upload times are handed out one after another and wrap round (6.2.1)."""

from __future__ import annotations

from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nenghao.platform.schedule import DAY, UploadWindow

DEFAULT = UploadWindow(time(1), time(5), 4)


@pytest.mark.clause("6.2.1-2")
def test_times_follow_each_other_in_order_of_registration() -> None:
    assert [DEFAULT.upload_time(n) for n in range(4)] == [
        "01:00:00",
        "01:00:04",
        "01:00:08",
        "01:00:12",
    ]
    assert DEFAULT.upload_time(75) == "01:05:00"


def test_the_end_of_the_window_is_not_handed_out_and_the_next_begins_again() -> None:
    assert DEFAULT.places == 3600
    assert DEFAULT.upload_time(3599) == "04:59:56"
    assert DEFAULT.upload_time(3600) == "01:00:00"
    assert DEFAULT.upload_time(3601) == "01:00:04"


def test_a_window_may_go_over_midnight() -> None:
    night = UploadWindow(time(23, 59, 50), time(0, 0, 10), 5)
    assert [night.upload_time(n) for n in range(5)] == [
        "23:59:50",
        "23:59:55",
        "00:00:00",
        "00:00:05",
        "23:59:50",
    ]


def test_equal_ends_mean_the_whole_day() -> None:
    assert UploadWindow(time(0), time(0), 60).places == 1440


def test_a_step_longer_than_the_window_leaves_one_time_for_all() -> None:
    window = UploadWindow(time(2), time(2, 0, 30), 3600)
    assert {window.upload_time(n) for n in range(9)} == {"02:00:00"}


@pytest.mark.parametrize("step", [0, -4, DAY + 1])
def test_a_step_outside_a_day_is_refused(step: int) -> None:
    with pytest.raises(ValueError, match=str(step)):
        UploadWindow(time(1), time(5), step)


clocks = st.times().map(lambda moment: moment.replace(microsecond=0))


@pytest.mark.clause("6.3.1.2-j")
@given(clocks, clocks, st.integers(60, 7200), st.integers(0, 10**6))
def test_every_time_is_a_clock_time_inside_the_window(
    start: time, end: time, step: int, ordinal: int
) -> None:
    window = UploadWindow(start, end, step)
    given_out = time.fromisoformat(window.upload_time(ordinal))
    if start < end:
        assert start <= given_out < end
    elif start > end:
        assert given_out >= start or given_out < end
    one_round = {window.upload_time(ordinal + n) for n in range(window.places)}
    assert len(one_round) == window.places
