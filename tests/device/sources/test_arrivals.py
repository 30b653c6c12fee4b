from __future__ import annotations

from datetime import datetime, timedelta

from nenghao.device.sources.arrivals import Arrivals

NOW = datetime(2026, 3, 1, 12, 0, 10)


def test_what_came_later_is_never_dated_earlier_unless_the_clock_was_set() -> None:
    clock = Arrivals()
    clock.set(NOW, 100.0)
    first = clock.at(100.0)
    clock.set(NOW + timedelta(seconds=10), 110.9)  # `now` has whole seconds
    assert clock.at(100.1) > first
    clock.set(NOW + timedelta(seconds=21), 120.9)
    assert clock.at(120.9) == NOW + timedelta(seconds=21)
    clock.set(NOW - timedelta(hours=1), 130.9)
    assert clock.at(130.9) == NOW - timedelta(hours=1)
    clock.set(NOW + timedelta(hours=1), 140.9)
    assert clock.at(140.9) == NOW + timedelta(hours=1)
