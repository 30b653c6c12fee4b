"""A device at work against a platform that fails as told, in simulated time."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from datetime import date, datetime, timedelta
from itertools import pairwise

import httpx
import msgspec
import pytest

from nenghao.device import agent as agent_module
from nenghao.device import history, outbox
from nenghao.device.agent import Agent, Summary, WallClock, load_state
from nenghao.device.client import PlatformClient
from nenghao.device.outbox import BatchState
from nenghao.device.state import SessionState
from tests.device.agents import (
    BEGIN,
    DATA,
    FIRST,
    live,
    on_data,
    once,
    reading_every_day,
    waiting,
)
from tests.device.world import (
    COAL,
    DOWN,
    ELECTRICITY,
    LOST,
    Answer,
    SimulatedClock,
    World,
    a_day,
    put,
    put_days,
    refusal,
    settings,
)


@pytest.mark.clause("6.2.1-1")
@pytest.mark.clause("6.2.2-1")
@pytest.mark.clause("6.2.4-1")
@pytest.mark.clause("6.2.5-1")
def test_once_does_everything_that_is_due(world: World) -> None:
    world.configure()
    put_days(world.store, FIRST, 2, BEGIN)
    summary = once(world, datetime(2026, 3, 3, 6, 0))
    assert summary == Summary(2, 0, 0, ())
    assert summary.is_well
    assert world.platform.asked == [
        "/",
        "/versionCheck",
        "/downloadBaseData",
        "/uploadConfigData",
        DATA,
        DATA,
    ]
    assert world.platform.days == ["2026-03-01", "2026-03-02"]
    sent = json.loads(world.platform.bodies["/uploadConfigData"])
    assert sent["deviceId"] == "a" * 32
    assert json.loads(world.home.base_data_file.read_bytes())["data"] == {"region": []}


def test_once_again_has_nothing_to_send_and_is_well(world: World) -> None:
    put_days(world.store, FIRST, 2, BEGIN)
    once(world, datetime(2026, 3, 3, 6, 0))
    world.platform.asked.clear()
    assert once(world, datetime(2026, 3, 3, 7, 0)).is_well
    assert world.platform.asked == ["/versionCheck"]


@pytest.mark.clause("6.2.1-3")
@pytest.mark.clause("6.2.5-1")
@pytest.mark.clause("6.2.5-5")
def test_a_week_of_service_sends_each_day_at_its_time(world: World) -> None:
    world.configure()
    clock = SimulatedClock(BEGIN, datetime(2026, 3, 8, 12, 0), reading_every_day(world))
    live(world, clock)
    sent = [(receipt.at, receipt.day) for receipt in world.platform.taken]
    assert sent == [(datetime(2026, 3, day, 1, 5), f"2026-03-{day - 1:02d}") for day in range(2, 9)]
    checks = [moment for moment, path in world.platform.times if path == "/versionCheck"]
    assert len(checks) == 8
    assert world.platform.count("/uploadConfigData") == 1
    assert world.platform.count("/") == 1


@pytest.mark.clause("6.2.5-7")
@pytest.mark.clause("6.2.5-8")
def test_a_platform_that_is_down_for_two_days_gets_everything_once_oldest_first(
    world: World,
) -> None:
    world.configure()
    down = (datetime(2026, 3, 3), datetime(2026, 3, 5))

    def trouble(path: str, request: httpx.Request) -> Answer | None:
        return DOWN if down[0] <= world.platform.now() < down[1] else None

    world.platform.trouble = trouble
    clock = SimulatedClock(BEGIN, datetime(2026, 3, 6, 12, 0), reading_every_day(world))
    live(world, clock)
    assert world.platform.days == [f"2026-03-{day:02d}" for day in range(1, 6)]
    assert [receipt.at.day for receipt in world.platform.taken] == [2, 5, 5, 5, 6]
    third = [
        moment
        for moment, path in world.platform.times
        if path == DATA and moment.date() == date(2026, 3, 3)
    ]
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(third)]
    assert pauses == [60, 300, 900]
    assert waiting(world) == []


@pytest.mark.clause("6.2.5-7")
def test_a_lost_answer_brings_the_same_batch_again(world: World) -> None:
    world.platform.trouble = on_data(LOST, times=2)
    put_days(world.store, FIRST, 1, BEGIN)
    assert once(world, datetime(2026, 3, 2, 6, 0)).is_well
    first, second, third = (receipt.body for receipt in world.platform.taken)
    assert first == second == third


@pytest.mark.clause("6.2.5-8")
def test_after_four_attempts_the_batch_waits_for_the_next_upload_unchanged(world: World) -> None:
    world.platform.trouble = on_data(LOST)
    put_days(world.store, FIRST, 1, BEGIN)
    summary = once(world, datetime(2026, 3, 2, 6, 0))
    assert (summary.accepted, summary.queued, summary.is_well) == (0, 1, False)
    (batch,) = waiting(world)
    assert (batch.state, batch.attempts) == (BatchState.QUEUED, 4)
    assert "连接中断" in batch.last_error
    world.platform.trouble = on_data(LOST, times=0)
    assert once(world, datetime(2026, 3, 3, 6, 0)).is_well
    assert len({receipt.body for receipt in world.platform.taken}) == 1
    assert len(world.platform.taken) == 5


@pytest.mark.parametrize(
    "answer",
    [
        refusal("E1001", "平台服务异常"),
        refusal("E1002", "服务器数据库异常"),
        (404, b""),
        (405, b""),
        (503, b"busy"),
        (200, b"{}"),
        httpx.ReadTimeout(""),
    ],
)
def test_what_is_sent_again_is_tried_four_times_and_the_next_batch_goes_too(
    world: World, answer: Answer
) -> None:
    world.platform.trouble = on_data(answer, times=4)
    put_days(world.store, FIRST, 2, BEGIN)
    summary = once(world, datetime(2026, 3, 3, 6, 0))
    assert (summary.accepted, summary.queued) == (1, 1)
    assert world.platform.days == ["2026-03-02"]
    assert [batch.attempts for batch in waiting(world)] == [4]


def test_without_a_connection_the_rest_of_the_queue_is_left_alone(world: World) -> None:
    put_days(world.store, FIRST, 1, BEGIN)
    once(world, datetime(2026, 3, 2, 6, 0))
    put_days(world.store, date(2026, 3, 2), 3, BEGIN)
    world.platform.trouble = lambda path, request: DOWN
    assert not once(world, datetime(2026, 3, 5, 6, 0)).is_well
    assert [batch.attempts for batch in waiting(world)] == [4, 0, 0]


def test_a_refused_batch_is_kept_with_the_platforms_words_and_not_sent_again(
    world: World,
) -> None:
    words = "请求参数异常，参数格式不合法：data[3].dataCode 应为…"
    world.platform.trouble = on_data(refusal("E2002", words), times=1)
    put_days(world.store, FIRST, 2, BEGIN)
    summary = once(world, datetime(2026, 3, 3, 6, 0))
    assert (summary.accepted, summary.refused, summary.is_well) == (1, 1, False)
    (batch,) = waiting(world)
    assert (batch.state, batch.attempts) == (BatchState.REFUSED, 1)
    assert words in batch.reason
    world.platform.asked.clear()
    assert not once(world, datetime(2026, 3, 4, 6, 0)).is_well
    assert world.platform.count(DATA) == 0
    with world.store.write() as connection:
        outbox.retry(connection, batch.id)
    assert once(world, datetime(2026, 3, 5, 6, 0)).is_well


def test_a_batch_over_the_platforms_limit_is_split_and_all_of_it_arrives(world: World) -> None:
    def trouble(path: str, request: httpx.Request) -> Answer | None:
        return (413, b"") if len(request.content) > 6_000 else None

    world.platform.trouble = trouble
    put_days(world.store, FIRST, 1, BEGIN)
    assert once(world, datetime(2026, 3, 2, 6, 0)).is_well
    assert len(world.platform.taken) > 2
    assert len(world.platform.values()) == 97
    assert sum(len(receipt.upload.data) for receipt in world.platform.taken) == 97


def test_a_batch_that_cannot_be_split_is_refused_and_the_rest_goes(world: World) -> None:
    def trouble(path: str, request: httpx.Request) -> Answer | None:
        return (413, b"") if path == DATA and b"01 00:15:00" in request.content else None

    world.platform.trouble = trouble
    put_days(world.store, FIRST, 1, BEGIN)
    summary = once(world, datetime(2026, 3, 2, 6, 0))
    assert summary.refused == 1
    (batch,) = waiting(world)
    assert (batch.records, "不能再分" in batch.reason) == (1, True)
    assert len(world.platform.values()) == 96


@pytest.mark.clause("6.2.3-2")
def test_changed_versions_are_followed_the_next_time(world: World) -> None:
    world.configure()
    once(world, datetime(2026, 3, 1, 6, 0))
    world.platform.asked.clear()
    world.platform.dic_version = "2"
    once(world, datetime(2026, 3, 1, 7, 0))
    assert world.platform.asked == ["/versionCheck", "/downloadBaseData"]
    world.platform.asked.clear()
    world.platform.reg_version = "9"
    world.platform.upload_time = "04:00:00"
    once(world, datetime(2026, 3, 1, 8, 0))
    assert world.platform.asked == ["/versionCheck", "/", "/downloadBaseData", "/uploadConfigData"]
    given = load_state(world.store).registration
    assert given is not None
    assert given.upload_time == "04:00:00"
    world.platform.asked.clear()
    once(world, datetime(2026, 3, 1, 9, 0))
    assert world.platform.asked == ["/versionCheck"]


def test_a_platform_that_forgot_the_device_is_registered_with_again_once_a_day(
    world: World,
) -> None:
    put_days(world.store, FIRST, 1, BEGIN)
    once(world, datetime(2026, 3, 1, 6, 0))
    world.platform.device_id = "b" * 32
    assert once(world, datetime(2026, 3, 2, 6, 0)).is_well
    assert json.loads(world.platform.taken[0].body)["deviceId"] == "b" * 32
    put_days(world.store, date(2026, 3, 2), 1, BEGIN)
    world.platform.device_id = "c" * 32
    assert not once(world, datetime(2026, 3, 3, 5, 0)).is_well
    (batch,) = waiting(world)
    assert batch.state is BatchState.QUEUED
    assert world.platform.count("/") == 2
    assert once(world, datetime(2026, 3, 3, 6, 0)).is_well
    assert world.platform.count("/") == 3


def test_a_late_reading_is_sent_with_its_day_and_wins(world: World) -> None:
    put(world.store, a_day(FIRST)[1:], BEGIN)
    once(world, datetime(2026, 3, 2, 6, 0))
    put(world.store, a_day(FIRST)[:1], BEGIN)
    once(world, datetime(2026, 3, 3, 6, 0))
    assert world.platform.days == ["2026-03-01", "2026-03-01"]
    assert world.platform.values()[ELECTRICITY, 1, "2026-03-01 00:00:00"] == 0.4656


def test_a_backlog_of_days_and_items_arrives_oldest_first_and_whole(world: World) -> None:
    for code in (ELECTRICITY, COAL):
        put_days(world.store, date(2026, 1, 1), 59, BEGIN, code=code)
    assert once(world, datetime(2026, 3, 1, 6, 0)).accepted == 59
    assert world.platform.days == sorted(world.platform.days)
    assert len(world.platform.values()) == 2 * (59 * 97 + 2)


def test_ticks_are_forgotten_once_they_are_accepted_and_old(world: World) -> None:
    put_days(world.store, FIRST, 1, BEGIN)
    once(world, datetime(2026, 3, 2, 6, 0), history_days=31)
    with world.store.read() as connection:
        item = history.find_item(connection, ELECTRICITY)
        assert item is not None
    once(world, datetime(2026, 6, 1, 6, 0), history_days=31)
    with world.store.read() as connection:
        row = history.day_row(connection, item, FIRST)
    assert row is not None
    assert row.ticks is None


def test_a_configuration_that_breaks_the_form_is_not_sent_and_keeps_no_data_back(
    world: World,
) -> None:
    world.configure({"collectItemConfig": []})
    put_days(world.store, FIRST, 1, BEGIN)
    summary = once(world, datetime(2026, 3, 2, 6, 0))
    assert summary.accepted == 1
    assert "本机检查未通过" in summary.troubles[0]
    assert world.platform.count("/uploadConfigData") == 0


def test_a_stopped_service_ends_within_its_grace_and_goes_on_where_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nenghao.device.agent.GRACE_SECONDS", 0.01)
    put_days(world.store, FIRST, 1, BEGIN)
    once(world, datetime(2026, 3, 1, 6, 0))
    stop = asyncio.Event()

    async def stalled(request: httpx.Request) -> httpx.Response:
        if request.url.path == DATA:
            stop.set()
            await asyncio.Event().wait()
        return await world.platform(request)

    async def run() -> None:
        transport = httpx.MockTransport(stalled)
        async with PlatformClient(timeout=120, transport=transport) as client:
            agent = Agent(world.home, settings(), world.store, client)
            await agent.run(stop, SimulatedClock(datetime(2026, 3, 2, 9), datetime(2026, 3, 3)))

    asyncio.run(run())
    (batch,) = waiting(world)
    assert (batch.state, batch.attempts) == (BatchState.QUEUED, 1)
    clock = SimulatedClock(datetime(2026, 3, 2, 9, 1), datetime(2026, 3, 2, 10))
    live(world, clock)
    assert clock.waits[0] == datetime(2026, 3, 2, 9, 2)
    assert world.platform.days == ["2026-03-01"]


def test_what_the_queue_and_the_session_know_is_written_together_or_not_at_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_days(world.store, FIRST, 1, BEGIN)
    save = agent_module.save_state

    def full_disk(connection: sqlite3.Connection, state: SessionState) -> None:
        if world.platform.taken:
            raise sqlite3.OperationalError("disk is full")
        save(connection, state)

    with monkeypatch.context() as patch:
        patch.setattr(agent_module, "save_state", full_disk)
        with pytest.raises(sqlite3.OperationalError):
            once(world, datetime(2026, 3, 2, 6, 0))
    assert [batch.state for batch in waiting(world)] == [BatchState.QUEUED]
    left = load_state(world.store).round
    assert left is not None
    assert left.in_flight
    assert once(world, datetime(2026, 3, 2, 6, 1)).is_well
    assert len({receipt.body for receipt in world.platform.taken}) == 1


def test_an_agents_state_is_plain_and_survives_the_disk(world: World) -> None:
    world.configure()
    once(world, datetime(2026, 3, 1, 6, 0))
    state = load_state(world.store)
    assert msgspec.json.decode(msgspec.json.encode(state), type=type(state)) == state
    assert state.round is None


def test_the_wall_clock_shows_what_it_is_told_and_stops_waiting_when_told() -> None:
    begin = datetime(2030, 1, 1)
    clock = WallClock(begin)
    assert begin <= clock.now() < begin + timedelta(minutes=1)

    async def wait() -> None:
        stop = asyncio.Event()
        await clock.wait(clock.now() - timedelta(seconds=1), stop)
        stop.set()
        await clock.wait(clock.now() + timedelta(days=1), stop)

    asyncio.run(wait())
