"""What the page of upload times shows, and what it changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nenghao.console.views import schedule as schedule_views
from nenghao.console.views.devices import Part
from nenghao.platform import audit, registry, schedule_changes
from nenghao.platform.schedule import UploadWindow
from nenghao.platform.schedule_changes import ScheduleError
from tests.console.worlds import BACKENDS, home_of, register, world_on
from tests.platform.world import World, unit_code

STEEL = unit_code(1)


@pytest.fixture(params=BACKENDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with world_on(request.param, request, tmp_path) as made:
        yield made


def test_the_chart_counts_devices_by_minute_and_those_outside(world: World) -> None:
    for number in range(1, 19):
        register(world, unit_code(number), f"单位{number:02d}")
    with world.store.write() as conn:
        version = schedule_changes.assign(conn, unit_code(3), 1, "23:30", world.now)
        plan = schedule_views.plan(conn, world.settings)
        page = schedule_views.page(conn, world.settings, "23:3", Part())
        everything = schedule_views.page(conn, world.settings, "", Part(limit=5, offset=15))
        latest = audit.entries(conn)[0]
    assert (plan.by_minute["01:00"], plan.by_minute["01:01"]) == (14, 3)
    assert (plan.outside, plan.by_minute["23:30"], plan.busiest) == (1, 1, 14)
    assert (plan.version, version) == (2, 2)
    assert [(one.name, one.upload_time, one.by_hand) for one in page.rows] == [
        ("单位03", "23:30:00", True)
    ]
    assert (len(everything.rows), everything.total) == (3, 18)
    assert (latest["action"], latest["subject"]) == ("schedule.assign", f"{unit_code(3)}#1")
    assert "01:00:08" in latest["detail"]


def test_a_time_that_is_none_is_refused_and_the_same_one_changes_nothing(world: World) -> None:
    register(world, STEEL, "炼钢厂")
    with world.store.write() as conn:
        for text in ("24:00:00", "1:00", "01:00:61", "０1:00:00", ""):
            with pytest.raises(ScheduleError, match="HH:MM:SS"):
                schedule_changes.assign(conn, STEEL, 1, text, world.now)
        with pytest.raises(ScheduleError, match="尚未注册"):
            schedule_changes.assign(conn, STEEL, 2, "02:00:00", world.now)
        assert schedule_changes.assign(conn, STEEL, 1, "01:00:00", world.now) == 0
        assert registry.versions(conn)[0] == 1


def test_a_preview_says_what_reissuing_then_does(world: World) -> None:
    for number in range(1, 6):
        register(world, unit_code(number), f"单位{number}")
    window = schedule_changes.window_of("23:59:30", "00:00:30", 15)
    with world.store.write() as conn:
        schedule_changes.assign(conn, unit_code(2), 1, "09:00:00", world.now)
        preview = schedule_views.preview(conn, world.settings, window)
        same = schedule_views.preview(conn, world.settings, world.settings.window)
    assert (preview.devices, preview.moved, preview.by_hand, preview.rounds) == (5, 5, 1, 2)
    assert preview.by_minute == {"23:59": 3, "00:00": 2}
    assert (preview.moves[1].before, preview.moves[1].after) == ("09:00:00", "23:59:45")
    assert [move.code for move in same.moves] == [unit_code(2)]
    changes: dict[str, str | int] = {
        "upload_window_start": "23:59:30",
        "upload_window_end": "00:00:30",
        "upload_step_seconds": 15,
    }
    done = schedule_changes.reissue(home_of(world), world.store, changes, world.now)
    assert (done.devices, done.version) == (5, 3)
    text = home_of(world).settings_file.read_text("utf-8")
    assert 'upload_window_start = "23:59:30"' in text
    with world.store.read() as conn:
        plan = schedule_views.plan(conn, world.settings)  # a console that began before it
        rows = registry.devices(conn)
    assert (plan.by_minute, plan.step) == (preview.by_minute, 15)
    assert {row["code"]: row["upload_time"] for row in rows}[unit_code(2)] == "23:59:45"


def test_a_window_that_is_none_changes_nothing(world: World) -> None:
    register(world, STEEL, "炼钢厂")
    before = home_of(world).settings_file.read_bytes()
    with pytest.raises(ScheduleError, match="HH:MM:SS"):
        schedule_changes.window_of("25:00", "05:00", 4)
    with pytest.raises(ScheduleError, match="间隔"):
        schedule_changes.window_of("01:00", "05:00", 0)
    changes: dict[str, str | int] = {"upload_window_end": "99"}
    with pytest.raises(ScheduleError, match="upload_window_end"):
        schedule_changes.reissue(home_of(world), world.store, changes, world.now)
    assert home_of(world).settings_file.read_bytes() == before


@pytest.mark.parametrize(
    ("start", "end", "first", "last", "count"),
    [
        ("01:00", "05:00", "01:00", "04:59", 240),
        ("23:30", "00:30", "23:30", "00:29", 60),
        ("00:00", "00:00", "00:00", "23:59", 1440),
        ("01:00:30", "01:01:30", "01:00", "01:01", 2),
    ],
)
def test_the_minutes_of_a_window(start: str, end: str, first: str, last: str, count: int) -> None:
    window: UploadWindow = schedule_changes.window_of(start, end, 4)
    minutes = schedule_views.minutes_of(window)
    assert (minutes[0], minutes[-1], len(minutes)) == (first, last, count)
