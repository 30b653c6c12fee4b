"""A conversation with a session: events in, actions out, and the time between them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from nenghao.device.events import (
    Action,
    Ask,
    Done,
    Event,
    Failure,
    FailureKind,
    Prepare,
    Prepared,
    Registered,
    Registration,
    Started,
    Step,
    VersionsRead,
    WaitUntil,
    Woken,
)
from nenghao.device.session import Schedule, Session
from nenghao.device.state import SessionState

NOON = datetime(2026, 3, 1, 12, 0)
UPLOAD = datetime(2026, 3, 2, 1, 5)

UNREACHABLE = Failure(FailureKind.UNREACHABLE, "无法连接")
BROKEN = Failure(FailureKind.BROKEN, "超时")
FAULT = Failure(FailureKind.FAULT, "E1001 平台服务异常")
REFUSED = Failure(FailureKind.REFUSED, "E2002 data[0].dataCode")
UNKNOWN = Failure(FailureKind.REFUSED, "E2002 deviceId 未注册", names_device=True)
TOO_LARGE = Failure(FailureKind.TOO_LARGE, "413")


def registration(upload_time: str = "01:05:00") -> Registration:
    return Registration(
        "a" * 32, "https://p/b", "https://p/v", "https://p/c", "https://p/d", "https://p/e",
        "https://p/f", upload_time, NOON,
    )  # fmt: skip


class Talk:
    """A session and the time, to be told events one after another."""

    def __init__(self, state: SessionState | None = None) -> None:
        self.session = Session(state or SessionState(), Schedule())
        self.now = NOON

    @property
    def state(self) -> SessionState:
        return self.session.state

    def say(self, *events: Event) -> list[Action]:
        """The actions after the last of the events."""
        actions: list[Action] = []
        for event in events:
            actions = self.session.handle(self.now, event)
        return actions

    def asks(self, *events: Event) -> Step:
        """The step that the session asks for after the events."""
        last = self.say(*events)[-1]
        assert isinstance(last, Ask), last
        return last.step

    def wait(self, configuration: str | None = None) -> list[Action]:
        """Let the time come that the session waits for."""
        (waiting,) = self.session.handle(self.now, Woken(configuration))
        assert isinstance(waiting, WaitUntil)
        self.now = waiting.moment
        return self.say(Woken(configuration))


def ready(configuration: str | None = "c") -> Talk:
    """A device that is registered and initialised, at noon."""
    talk = Talk()
    talk.say(Started(configuration), Registered(registration()), VersionsRead("1", "1"), Done())
    if configuration is not None:
        talk.say(Done())
    assert talk.state.round is None
    return talk


def at_upload(batches: Sequence[int], configuration: str | None = "c") -> Talk:
    """The same at its upload time, about to send these batches."""
    talk = ready(configuration)
    talk.now = UPLOAD
    assert talk.say(Woken(configuration)) == [Prepare(UPLOAD.date())]
    assert talk.asks(Prepared(tuple(batches))) is Step.VERSIONS
    return talk
