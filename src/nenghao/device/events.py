"""What the session hears and what it wants done: small typed values, no behaviour.

`session.Session.handle` takes an event and gives actions; `agent` carries them out and brings the
next event. Of the actions one `handle` gives, at most one is a request to the platform (`Ask`)
or a `WaitUntil`, and it is the last: request and answer take turns (5.2-1).
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from msgspec import Struct


class FailureKind(StrEnum):
    """Why a request brought no success; it decides what happens next."""

    UNREACHABLE = "unreachable"
    """No connection: refused, unknown host, TLS trouble. Nothing else would arrive either."""
    BROKEN = "broken"
    """Time-out, or the connection ended before the answer: the platform may have it or not."""
    FAULT = "fault"
    """E1xxx, HTTP 404, 405, 5xx, an answer without a responseCode: send again."""
    TOO_LARGE = "too_large"
    """HTTP 413: the batch is to be split."""
    REFUSED = "refused"
    """E2xxx: the request itself is at fault; sending it again would not help."""


class Failure(Struct, frozen=True):
    """An attempt without success."""

    kind: FailureKind
    reason: str
    """The platform's own words, or what happened, in Chinese."""
    names_device: bool = False
    """A refusal because of `deviceId`: the platform does not know the device (any more)."""


class Registration(Struct, frozen=True):
    """What the platform gave at registration (6.3.1.2), URLs already read as https."""

    device_id: str
    base_data_url: str
    version_url: str
    config_url: str
    data_url: str
    config_download_url: str
    data_download_url: str
    upload_time: str
    """HH:MM:SS, the time of day to upload at (6.2.1-3)."""
    registered_at: datetime


# --- events --------------------------------------------------------------------------------------


class Started(Struct, frozen=True):
    """The program came up, perhaps after a crash in the middle of a request."""

    configuration: str | None
    """Digest of the unit's configuration (config.json), None without one."""


class Woken(Struct, frozen=True):
    """Time went by: what the session waited for may be due."""

    configuration: str | None
    """As in `Started`."""


class Occasion(Struct, frozen=True):
    """`run --once`: an upload occasion now, with no pauses between its attempts."""

    configuration: str | None
    """As in `Started`."""


class Prepared(Struct, frozen=True):
    """What was due is in the queue."""

    batches: tuple[int, ...]
    """Ids of everything queued, oldest day first."""


class Registered(Struct, frozen=True):
    """The platform registered the device."""

    registration: Registration


class VersionsRead(Struct, frozen=True):
    """The platform told its versions; they are compared for inequality only."""

    reg_version: str
    dic_version: str


class Done(Struct, frozen=True):
    """The request in flight succeeded and has nothing more to tell."""


class Split(Struct, frozen=True):
    """The batch in flight was replaced by its halves; none: it could not be split any further."""

    halves: tuple[int, ...]


class Gone(Struct, frozen=True):
    """The batch that was to be sent is not queued any more: an operator took it out."""


Event = (
    Started
    | Woken
    | Occasion
    | Prepared
    | Registered
    | VersionsRead
    | Done
    | Split
    | Gone
    | Failure
)


# --- actions -------------------------------------------------------------------------------------


class Step(StrEnum):
    """The kinds of requests a device makes, in the order of 6.2."""

    REGISTER = "register"
    VERSIONS = "versions"
    BASE_DATA = "base_data"
    CONFIGURATION = "configuration"
    DATA = "data"

    @property
    def label(self) -> str:
        """The Chinese name."""
        return _STEP_LABELS[self]


_STEP_LABELS = {
    Step.REGISTER: "注册",
    Step.VERSIONS: "版本校验",
    Step.BASE_DATA: "基础数据下载",
    Step.CONFIGURATION: "基础信息上传",
    Step.DATA: "采集数据上传",
}


class Ask(Struct, frozen=True):
    """Send a request to the platform; its outcome is the next event."""

    step: Step
    batch: int | None = None
    """Which batch, for `Step.DATA`: the attempt is counted before it is made."""


class Prepare(Struct, frozen=True):
    """Put what is due into batches and tell the queue: `Prepared` is the next event."""

    before: date
    """Due are days, months and years that ended with this date's beginning or earlier."""


class NoteFailure(Struct, frozen=True):
    """The batch stays queued; keep what came of the attempt."""

    batch: int
    reason: str


class Accept(Struct, frozen=True):
    """The platform has the batch."""

    batch: int


class Refuse(Struct, frozen=True):
    """The platform will not have the batch: keep it aside, with the reason."""

    batch: int
    reason: str


class Halve(Struct, frozen=True):
    """The batch is too large: replace it by halves; `Split` is the next event."""

    batch: int


class Warn(Struct, frozen=True):
    """Tell whoever watches."""

    text: str


class Finish(Struct, frozen=True):
    """The occasion is over."""

    troubles: tuple[str, ...]
    """What did not succeed in it, in Chinese; empty when everything did."""


class WaitUntil(Struct, frozen=True):
    """Nothing to do before that moment; then `Woken`."""

    moment: datetime


Action = Ask | Prepare | NoteFailure | Accept | Refuse | Halve | Warn | Finish | WaitUntil
