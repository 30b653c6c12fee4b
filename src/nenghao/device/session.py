"""The device's side of chapter 6 as a state machine: (now, event) → actions (6.2).

No sockets, no files, no clock: `agent` carries the actions out and tells what came of them.

An *occasion* is the daily upload time, a version check between two of them, or `run --once`. Its
round goes: register if the device is not → what is due is packed → register if it must again →
versions → base data if their version changed → configuration if it is new → the queue, oldest day
first. In one
occasion every request is sent at most once and three times again, with the pauses of the
settings (6.2.5-7); then its batch stays in the queue until the next (6.2.5-8). What fails on the
way to the data does not keep the data back, as long as the device is registered:

| what happened | what follows |
|---|---|
| no connection, TLS trouble | again; in the end the round is over, everything stays queued |
| time-out, broken answer, E1xxx, 404, 405, no code | again; in the end the next batch |
| E2xxx | the batch is refused and kept, the next one goes |
| E2xxx because of deviceId | register again, at most once in 24 h; the batch stays queued |
| 413 | the batch is split |
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from msgspec import Struct

from nenghao.device.events import (
    Accept,
    Action,
    Ask,
    Done,
    Event,
    Failure,
    FailureKind,
    Finish,
    Gone,
    Halve,
    NoteFailure,
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
    Warn,
    Woken,
)
from nenghao.device.state import Round, SessionState

DAY = timedelta(hours=24)

INTERRUPTED = Failure(FailureKind.BROKEN, "程序在等待应答时中断，平台是否收到不得而知")
CANNOT_SPLIT = "报文过大（HTTP 413），且已不能再分"
NO_CONFIGURATION = "没有用能单位配置（config.json），跳过基础信息上传"


class Schedule(Struct, frozen=True):
    """The settings that the session goes by."""

    pauses: Sequence[int] = (60, 300, 900)
    """Seconds before each resend; their number is the number of resends."""
    check_every: timedelta = DAY
    register_every: timedelta = timedelta(hours=1)
    """How long an unregistered device waits after a round in vain."""


class Session:
    """One device's protocol with its platform.

    `state` is all it remembers; make a new session from a stored state and tell it `Started`.
    """

    def __init__(self, state: SessionState, schedule: Schedule) -> None:
        self.state = state
        self.schedule = schedule

    def handle(self, now: datetime, event: Event) -> list[Action]:
        """Take in an event; what is to be done about it, in order."""
        match event:
            case Started(configuration):
                return self._start(now, configuration)
            case Woken(configuration):
                return self._wake(now, configuration)
            case Occasion(configuration):
                self.state.round = Round(True, now, immediate=True, configuration=configuration)
                return self._proceed(now)
        round_ = self.state.round
        if round_ is None:
            raise ValueError(f"nothing is in progress that {event} could be about")
        round_.in_flight = False
        match event:
            case Prepared(batches):
                round_.prepared = True
                round_.pending = list(batches)
                return self._proceed(now)
            case Failure():
                return self._failed(now, round_, event)
            case Split(halves):
                return self._halved(now, round_, halves)
            case Registered() | VersionsRead() | Done() | Gone():
                return self._succeeded(now, round_, event)
        raise TypeError(f"no event: {event!r}")

    # --- occasions -------------------------------------------------------------------------------

    def _start(self, now: datetime, configuration: str | None) -> list[Action]:
        round_ = self.state.round
        if round_ is None:
            return self._wake(now, configuration)
        round_.immediate = False
        round_.configuration = configuration
        if round_.in_flight:
            round_.in_flight = False
            return self._failed(now, round_, INTERRUPTED)
        return self._wake(now, configuration)

    def _wake(self, now: datetime, configuration: str | None) -> list[Action]:
        round_ = self.state.round
        if round_ is None:
            if now < (due := self._next_occasion(now)):
                return [WaitUntil(due)]
            upload = self.state.next_upload is not None and now >= self.state.next_upload
            self.state.round = Round(upload, now, immediate=False, configuration=configuration)
            return self._proceed(now)
        if round_.resume_at is not None:
            longest = timedelta(seconds=max(self.schedule.pauses, default=0))
            round_.resume_at = min(round_.resume_at, now + longest)  # the clock was set back
            if now < round_.resume_at:
                return [WaitUntil(round_.resume_at)]
        return self._proceed(now)

    def _next_occasion(self, now: datetime) -> datetime:
        """When the next round begins; never further away than the schedule allows from `now`."""
        state = self.state
        if state.registration is None:
            if state.next_check is None:
                return now
            state.next_check = min(state.next_check, now + self.schedule.register_every)
            return state.next_check
        latest = next_time_of_day(now, state.registration.upload_time)
        # `<=`: an upload time that has just come is due now, not tomorrow
        if state.next_upload is None or state.next_upload > latest:
            state.next_upload = latest
        state.next_check = min(state.next_check or now, now + self.schedule.check_every)
        return min(state.next_upload, state.next_check)

    def _finish(self, now: datetime, round_: Round) -> list[Action]:
        state = self.state
        state.round = None
        refused = state.refused_configuration
        if refused is not None and refused == round_.configuration:
            standing = f"{Step.CONFIGURATION.label}：{state.configuration_reason}"
            if standing not in round_.troubles:  # refused earlier and still the same
                round_.troubles.append(standing)
        state.troubles = round_.troubles
        if state.registration is None:
            state.next_check = now + self.schedule.register_every
        else:
            state.next_check = now + self.schedule.check_every
            if round_.upload:
                begun = now if round_.immediate else round_.started
                state.next_upload = next_time_of_day(begun, state.registration.upload_time)
        if round_.upload:
            state.last_upload = now
        return [Finish(tuple(round_.troubles)), WaitUntil(self._next_occasion(now))]

    # --- the way through a round -----------------------------------------------------------------

    def _proceed(self, now: datetime) -> list[Action]:
        """Send the request in hand (again), or take up the next one."""
        round_ = self.state.round
        assert round_ is not None  # noqa: S101 - callers have seen it
        if round_.upload and not round_.prepared and self._knows_what_is_due(round_):
            return [Prepare(self._due_before(now))]
        warnings: list[Action] = []
        if round_.step is None:
            round_.step = self._next_step(round_, warnings)
        if round_.step is None or self._is_overtaken(now, round_):
            return warnings + self._finish(now, round_)
        round_.resume_at = None
        round_.in_flight = True
        name = self._name(round_, round_.step)
        round_.spent[name] = round_.spent.get(name, 0) + 1
        batch = round_.pending[0] if round_.step is Step.DATA else None
        return [*warnings, Ask(round_.step, batch)]

    def _knows_what_is_due(self, round_: Round) -> bool:
        """Registration tells the upload time: while it may still come, nothing is packed."""
        return self.state.registration is not None or Step.REGISTER in round_.settled

    def _due_before(self, now: datetime) -> date:
        """A day is due at the upload time of the next (6.2.1-3); without a time, when it ends."""
        registration = self.state.registration
        if registration is None or now.time() >= time.fromisoformat(registration.upload_time):
            return now.date()
        return now.date() - DAY

    @staticmethod
    def _name(round_: Round, step: Step) -> str:
        return f"{step}:{round_.pending[0]}" if step is Step.DATA else str(step)

    def _has_attempts(self, round_: Round, step: Step) -> bool:
        return round_.spent.get(self._name(round_, step), 0) <= len(self.schedule.pauses)

    def _is_overtaken(self, now: datetime, round_: Round) -> bool:
        """Whether the next upload time has come while a long queue was still being sent.

        The round ends then and a new one begins at once: with a version check, and with the new
        day in the queue.
        """
        registration = self.state.registration
        if round_.immediate or not round_.upload or registration is None:
            return False
        fresh = self._name(round_, round_.step) not in round_.spent if round_.step else True
        return fresh and now >= next_time_of_day(round_.started, registration.upload_time)

    def _next_step(self, round_: Round, warnings: list[Action]) -> Step | None:
        for step in (Step.REGISTER, Step.VERSIONS, Step.BASE_DATA, Step.CONFIGURATION):
            possible = not round_.unreachable and self._has_attempts(round_, step)
            if possible and step not in round_.settled and self._is_due(step, round_):
                return step
            if step is Step.REGISTER and self.state.registration is None:
                return None
            if (
                step is Step.CONFIGURATION
                and step not in round_.settled
                and round_.configuration is None
            ):
                round_.settled.append(step)
                warnings.append(Warn(NO_CONFIGURATION))
        return Step.DATA if round_.pending else None

    def _is_due(self, step: Step, round_: Round) -> bool:
        state = self.state
        match step:
            case Step.REGISTER:
                return state.registration is None or state.register_again
            case Step.VERSIONS:
                return True
            case Step.BASE_DATA:
                return state.dic_version is None or (
                    state.seen_dic_version is not None
                    and state.dic_version != state.seen_dic_version
                )
            case Step.CONFIGURATION:
                known = (None, state.configuration, state.refused_configuration)
                return round_.configuration not in known
        return bool(round_.pending)

    def _settle(self, now: datetime, round_: Round, actions: list[Action]) -> list[Action]:
        """The request in hand is done with; go on with the next."""
        if round_.step is Step.DATA:
            round_.spent.pop(self._name(round_, Step.DATA), None)
            round_.pending.pop(0)
        elif round_.step is not None:
            round_.settled.append(round_.step)
        round_.step = None
        return actions + self._proceed(now)

    # --- outcomes --------------------------------------------------------------------------------

    def _succeeded(
        self, now: datetime, round_: Round, event: Registered | VersionsRead | Done | Gone
    ) -> list[Action]:
        state = self.state
        actions: list[Action] = []
        match event:
            case Registered(registration):
                self._registered(now, registration)
            case VersionsRead(reg_version, dic_version):
                return self._versions(now, round_, reg_version, dic_version)
            case Done() if round_.step is Step.BASE_DATA:
                state.dic_version = state.seen_dic_version or ""
                state.refused_configuration = None  # other dictionaries, another judgement
            case Done() if round_.step is Step.CONFIGURATION:
                state.configuration = round_.configuration
                state.configuration_reason = ""
            case Done() if round_.step is Step.DATA:
                actions = [Accept(round_.pending[0])]
        return self._settle(now, round_, actions)

    def _registered(self, now: datetime, registration: Registration) -> None:
        """Everything after a registration is done anew: base data and configuration too."""
        state = self.state
        before = state.registration
        state.registration = registration
        state.register_again = False
        state.reg_version = state.seen_reg_version
        state.dic_version = None
        state.configuration = None
        state.refused_configuration = None
        if before is None or before.upload_time != registration.upload_time:
            state.next_upload = next_time_of_day(now, registration.upload_time)

    def _versions(
        self, now: datetime, round_: Round, reg_version: str, dic_version: str
    ) -> list[Action]:
        state = self.state
        state.last_version_check = now
        state.seen_reg_version = reg_version
        state.seen_dic_version = dic_version
        if state.reg_version is None:
            state.reg_version = reg_version
        elif state.reg_version != reg_version:
            state.register_again = True
            if Step.REGISTER in round_.settled:
                round_.settled.remove(Step.REGISTER)
        return self._settle(now, round_, [])

    def _halved(self, now: datetime, round_: Round, halves: tuple[int, ...]) -> list[Action]:
        if not halves:
            return self._refused(now, round_, CANNOT_SPLIT)
        round_.pending[0:1] = halves
        round_.step = None
        return self._proceed(now)

    def _failed(self, now: datetime, round_: Round, failure: Failure) -> list[Action]:
        is_data = round_.step is Step.DATA
        if failure.kind is FailureKind.REFUSED:
            if failure.names_device and round_.step is not Step.REGISTER:
                return self._unknown_device(now, round_, failure)
            return self._refused(now, round_, failure.reason)
        if failure.kind is FailureKind.TOO_LARGE and is_data:
            return [Halve(round_.pending[0])]
        assert round_.step is not None  # noqa: S101 - a failure is about a step
        notes = self._note(round_, failure)
        if self._has_attempts(round_, round_.step):
            if round_.immediate:
                return notes + self._proceed(now)
            made = round_.spent[self._name(round_, round_.step)]
            pause = timedelta(seconds=self.schedule.pauses[made - 1])
            round_.resume_at = now + pause
            return [*notes, WaitUntil(round_.resume_at)]
        self._trouble(round_, failure.reason)
        if failure.kind is FailureKind.UNREACHABLE:
            if is_data:
                return notes + self._finish(now, round_)
            round_.unreachable = True
        return self._settle(now, round_, notes)

    def _refused(self, now: datetime, round_: Round, reason: str) -> list[Action]:
        self._trouble(round_, reason)
        if round_.step is Step.DATA:
            return self._settle(now, round_, [Refuse(round_.pending[0], reason)])
        if round_.step is Step.CONFIGURATION:
            self.state.refused_configuration = round_.configuration
            self.state.configuration_reason = reason
        return self._settle(now, round_, [])

    def _unknown_device(self, now: datetime, round_: Round, failure: Failure) -> list[Action]:
        """The platform refuses the device id: register again, at most once in 24 hours."""
        state = self.state
        notes = self._note(round_, failure)
        if state.last_unknown is not None and abs(now - state.last_unknown) < DAY:
            self._trouble(round_, failure.reason)
            return notes + self._finish(now, round_)
        state.last_unknown = now
        state.register_again = True
        if round_.step is Step.DATA and not self._has_attempts(round_, Step.DATA):
            self._trouble(round_, failure.reason)
            round_.pending.pop(0)
        round_.settled = [step for step in round_.settled if step is Step.VERSIONS]
        round_.step = None
        return notes + self._proceed(now)

    @staticmethod
    def _note(round_: Round, failure: Failure) -> list[Action]:
        if round_.step is Step.DATA:
            return [NoteFailure(round_.pending[0], failure.reason)]
        return []

    @staticmethod
    def _trouble(round_: Round, reason: str) -> None:
        assert round_.step is not None  # noqa: S101 - a failure is about a step
        round_.troubles.append(f"{round_.step.label}：{reason}")


def next_time_of_day(now: datetime, text: str) -> datetime:
    """The first moment after `now` at which a clock shows `HH:MM:SS`.

    >>> next_time_of_day(datetime(2026, 1, 1, 1, 5), "01:05:00")
    datetime.datetime(2026, 1, 2, 1, 5)
    """
    moment = datetime.combine(now.date(), time.fromisoformat(text))
    return moment if moment > now else moment + DAY
