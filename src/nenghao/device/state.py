"""What a session must remember over a restart: a plain value, written after every event."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct, field

from nenghao.device.events import Registration, Step


class Round(Struct):
    """One occasion in progress: its plan, and where it stands."""

    upload: bool
    """Whether batches are sent in it; else only what comes before them."""
    started: datetime
    immediate: bool
    """No pauses between attempts (`run --once`)."""
    configuration: str | None
    """Digest of the configuration at its beginning."""
    prepared: bool = False
    pending: list[int] = field(default_factory=list)
    """Batches still to be sent in it, in order; the first is the one in hand."""
    settled: list[Step] = field(default_factory=list)
    """Control steps that are done with in this round, with or without success."""
    step: Step | None = None
    """The request in hand."""
    spent: dict[str, int] = field(default_factory=dict)
    """How often each request was sent on this occasion, by `Session`'s name for it."""
    in_flight: bool = False
    resume_at: datetime | None = None
    """When the request in hand is sent again."""
    unreachable: bool = False
    """A control step found no platform: the others are left out."""
    troubles: list[str] = field(default_factory=list)


class SessionState(Struct):
    """Everything the session knows; `Session` alone changes it."""

    registration: Registration | None = None
    register_again: bool = False
    """The platform changed its registration service, or does not know the device id any more."""
    reg_version: str | None = None
    """The version the device is registered under; None until it was first told."""
    seen_reg_version: str | None = None
    """The version that the platform told last."""
    dic_version: str | None = None
    """The version of the base data that was downloaded last."""
    seen_dic_version: str | None = None
    configuration: str | None = None
    """Digest of the configuration that the platform accepted."""
    refused_configuration: str | None = None
    """Digest of a configuration that the platform refused: not sent again as it is."""
    configuration_reason: str = ""
    last_version_check: datetime | None = None
    last_unknown: datetime | None = None
    """When the device last began to register again because its id was refused: at most daily."""
    next_upload: datetime | None = None
    next_check: datetime | None = None
    last_upload: datetime | None = None
    """When the last upload occasion ended."""
    troubles: list[str] = field(default_factory=list)
    """Of the last occasion."""
    round: Round | None = None
