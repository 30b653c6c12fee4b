"""Thousands of random lives of a session: whatever the platform does, nothing is lost."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nenghao.device.events import (
    Accept,
    Action,
    Ask,
    Done,
    Event,
    Failure,
    FailureKind,
    Finish,
    Halve,
    Occasion,
    Prepare,
    Prepared,
    Refuse,
    Registered,
    Registration,
    Split,
    Started,
    Step,
    VersionsRead,
    WaitUntil,
    Woken,
)
from nenghao.device.session import Schedule, Session
from nenghao.device.state import SessionState

BEGIN = datetime(2026, 3, 1, 12, 0)

# What the platform does next, drawn at random; "ok" is the usual case.
DEEDS = ("ok", "ok", "ok", "unreachable", "broken", "fault", "refused", "unknown", "large", "crash")
FAILURES = {
    "unreachable": Failure(FailureKind.UNREACHABLE, "无法连接"),
    "broken": Failure(FailureKind.BROKEN, "超时"),
    "fault": Failure(FailureKind.FAULT, "E1001"),
    "refused": Failure(FailureKind.REFUSED, "E2002 data"),
    "unknown": Failure(FailureKind.REFUSED, "E2002 deviceId", names_device=True),
    "large": Failure(FailureKind.TOO_LARGE, "413"),
}


class Life:
    """A session with a queue in memory, and a count of everything that must not happen."""

    def __init__(self) -> None:
        self.now = BEGIN
        self.session = Session(SessionState(), Schedule())
        self.queue: dict[int, date] = {}
        self.done: dict[int, str] = {}
        self.made = 0
        self.packed_until = BEGIN.date()
        self.attempts: Counter[int] = Counter()
        self.last_day: date | None = None
        self.registered = False
        self.forced: list[datetime] = []
        self.begun: list[datetime] = []

    def live(self, deeds: list[tuple[str, str, str, bool]]) -> None:
        event: Event = Started("c")
        for deed, reg_version, dic_version, once in deeds:
            actions = self.session.handle(self.now, event)
            moment = self.session.state.last_unknown
            if moment is not None and moment not in self.begun:
                self.begun.append(moment)
            event = self._after(actions, deed, reg_version, dic_version, once)
            if deed == "crash":  # everything but the stored state is gone
                stored = msgspec.json.encode(self.session.state)
                state = msgspec.json.decode(stored, type=SessionState)
                self.session = Session(state, Schedule())
                event = Started("c")

    def _after(
        self, actions: list[Action], deed: str, reg_version: str, dic_version: str, once: bool
    ) -> Event:
        assert sum(isinstance(action, Ask | WaitUntil) for action in actions) <= 1
        for action in actions[:-1]:
            assert not isinstance(action, Ask | WaitUntil | Prepare | Halve)
        for action in actions:
            match action:
                case Accept(batch):
                    del self.queue[batch]
                    self.done[batch] = "accepted"
                case Refuse(batch, _):
                    del self.queue[batch]
                    self.done[batch] = "refused"
                case Finish():
                    self.attempts.clear()
                    self.last_day = None
        last = actions[-1]
        match last:
            case Prepare():
                return self._prepare()
            case WaitUntil(moment):
                self.now = max(self.now, moment)
                if once:
                    self.attempts.clear()
                    self.last_day = None
                    return Occasion("c")
                return Woken("c")
            case Halve(batch):
                return self._halve(batch)
            case Ask(step, asked):
                self.now += timedelta(seconds=120 if deed == "broken" else 1)
                return self._answer(step, asked, deed, (reg_version, dic_version))
        raise AssertionError(last)

    def _prepare(self) -> Prepared:
        self.attempts.clear()
        self.last_day = None
        while self.packed_until < self.now.date() and len(self.queue) < 6:
            self.made += 1
            self.queue[self.made] = self.packed_until
            self.packed_until += timedelta(days=1)
        return Prepared(tuple(sorted(self.queue, key=lambda one: (self.queue[one], one))))

    def _halve(self, batch: int) -> Split:
        if batch % 2:
            return Split(())
        day = self.queue.pop(batch)
        self.done[batch] = "split"
        self.made += 2
        self.queue |= {self.made - 1: day, self.made: day}
        return Split((self.made - 1, self.made))

    def _answer(self, step: Step, batch: int | None, deed: str, versions: tuple[str, str]) -> Event:
        if step is Step.DATA:
            assert batch is not None
            assert self.registered
            self.attempts[batch] += 1
            assert self.attempts[batch] <= 4
            day = self.queue[batch]  # what is sent is queued
            assert self.last_day is None or day >= self.last_day
            self.last_day = day
        if deed in FAILURES:
            if deed == "unknown" and step is not Step.REGISTER:
                self.forced.append(self.now)
            return FAILURES[deed]
        match step:
            case Step.REGISTER:
                self.registered = True
                return Registered(
                    Registration("a" * 32, "b", "v", "c", "d", "e", "f", "01:05:00", self.now)
                )
            case Step.VERSIONS:
                return VersionsRead(*versions)
        return Done()


lives = st.lists(
    st.tuples(st.sampled_from(DEEDS), st.sampled_from("12"), st.sampled_from("12"), st.booleans()),
    max_size=120,
)


@pytest.mark.clause("5.2-1")
@settings(max_examples=400, deadline=None)
@given(lives)
def test_nothing_is_lost_oldest_goes_first_and_nobody_is_asked_too_often(
    deeds: list[tuple[str, str, str, bool]],
) -> None:
    life = Life()
    life.live(deeds)
    assert set(life.queue) | set(life.done) == set(range(1, life.made + 1))
    assert not set(life.queue) & set(life.done)


@settings(max_examples=200, deadline=None)
@given(lives)
def test_a_refused_device_id_never_registers_twice_in_24_hours(
    deeds: list[tuple[str, str, str, bool]],
) -> None:
    life = Life()
    life.live(deeds)
    assert all(later - earlier >= timedelta(hours=24) for earlier, later in pairwise(life.begun))
    assert set(life.begun) <= set(life.forced)


@settings(max_examples=200, deadline=None)
@given(lives)
def test_once_the_platform_is_well_everything_arrives(
    deeds: list[tuple[str, str, str, bool]],
) -> None:
    life = Life()
    life.live(deeds)
    life.now += timedelta(days=2)  # past whatever it waited for
    life.live([("ok", "1", "1", False)] * 200)
    assert life.registered
    late = [batch for batch, day in life.queue.items() if day < life.now.date() - timedelta(1)]
    assert late == []
