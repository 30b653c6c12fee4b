"""The only place that answers (应答): body → service → reply, once for all interfaces.

A service is a function of a `Platform` and a `Call` that returns the encoded answer or raises.
What it raises becomes HTTP 200 with the code of table 1 (docs/decisions 2); refusals of identity
are audited, refused uploads kept for the operator. Limits on bodies and time are `protocol`'s and
were settled before anything here runs; which path is which service is `device_api`'s.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from anyio import CapacityLimiter, to_thread
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from nenghao.clock import china_now
from nenghao.platform import audit, journal, outside, registry
from nenghao.platform.national import provinces
from nenghao.platform.registry import IdentityRefusal
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store
from nenghao.platform.web import metrics
from nenghao.platform.web.bodies import BODY_ROOM, BodyBudgetExceeded, too_large_text
from nenghao.platform.web.encodings import IDENTITY, Arrived, TooLarge, encoding_of
from nenghao.platform.web.limits import BodyRoom, Rates
from nenghao.platform.web.peer import peer_certificate
from nenghao.security.authority import AuthorityLocked, CertificateAuthority
from nenghao.security.identity import IdentityError, PeerIdentity
from nenghao.standard.findings import Finding
from nenghao.standard.messages import Acknowledgement, write
from nenghao.standard.replies import (
    SUCCESS_CODE,
    Busy,
    DatabaseFault,
    PlatformFault,
    Refusal,
    RequestError,
)

log = structlog.get_logger(__name__)

JSON = "application/json; charset=utf-8"


MEGABYTE = 1_000_000
LISTENER = "device"
"""Under which name requests are counted, whichever port or gateway they came by."""
HEAVY_BYTES = MEGABYTE
"""A larger body is heavy: the day of a usual unit (0.4 to 1 MB) is not."""


class Platform:
    """What every request of one running platform shares. `clock` gives China Standard Time."""

    def __init__(
        self,
        store: Store,
        settings: PlatformSettings,
        clock: Callable[[], datetime] = china_now,
        authority: Callable[[], CertificateAuthority] | None = None,
    ) -> None:
        """`authority` opens the CA for renewals and enrolments; without it there are none."""
        self.store = store
        self._authority = authority
        self.settings = settings
        self.clock = clock
        self.limiter = CapacityLimiter(settings.worker_threads)
        self.heavy_limiter = CapacityLimiter(settings.heavy_threads)
        """Apart for large bodies: a few at a time, since each takes many times its size while it
        is worked on, and small ones never wait behind them."""
        self.body_limit = settings.body_limit_mb * MEGABYTE
        self.rates = Rates(settings.requests_per_minute)

    def authority(self) -> CertificateAuthority:
        """The CA, opened. Raises `AuthorityLocked` where it cannot sign."""
        opened = None if self._authority is None else self._authority()
        if opened is None or opened.is_locked:
            raise AuthorityLocked("签发机构未解锁")
        return opened

    def limiter_for(self, size: int) -> CapacityLimiter:
        """What a body of `size` bytes, unpacked, waits for."""
        return self.limiter if size <= HEAVY_BYTES else self.heavy_limiter


@dataclass(frozen=True)
class Call:
    """One request as a service sees it."""

    identity: PeerIdentity
    path: str
    body: bytes
    now: datetime
    address: str
    encoding: str = IDENTITY
    """How the body came (`encodings`)."""
    raw: bytes = b""
    """The body as it came: `body` itself, or that compressed."""

    @property
    def actor(self) -> str:
        """The certificate's device, as the audit trail writes it."""
        return registry.actor_of(self.identity)


Service = Callable[[Platform, Call], bytes]


@dataclass(frozen=True)
class Interface:
    """One interface: its service, and what of it matters when the answer is a refusal."""

    service: Service
    identity_field: str = "deviceId"
    """The field that a refusal names when the certificate itself is at fault."""
    keeps_refused: bool = False
    """Whether a refused body is kept for the operator: uploads."""


@dataclass
class _Reply:
    """What is sent back, and what the log says of it."""

    content: bytes
    code: str = SUCCESS_CODE
    told: dict[str, Any] = field(default_factory=dict)
    limits: frozenset[str] = frozenset()
    """Limits that the request reached."""


def endpoint(platform: Platform, interface: Interface) -> Callable[[Request], Awaitable[Response]]:
    """The Starlette endpoint of one interface: always HTTP 200 and a code of table 1."""

    async def answer(request: Request) -> Response:
        began = time.perf_counter()
        path = request.url.path
        address = _address(request)
        size = 0
        try:
            raw = await body_of(request)
            size = len(raw)
            arrived = Arrived(raw, encoding_of(_encoding_header(request)))
            del raw
            reply = await _work(platform, interface, request, arrived)
        except TooLarge:
            metrics.reached(LISTENER, "body_limit_mb")
            log.warning("请求体过大", path=path, size=size, address=address)
            return Response(
                too_large_text(platform.body_limit), 413, media_type="text/plain; charset=utf-8"
            )
        except ClientDisconnect:  # nobody is there to read an answer
            return Response(status_code=400)
        except (BodyBudgetExceeded, MemoryError):
            reply = _refused(Busy())
        except Refusal as refusal:
            reply = _refused(refusal)
        except Exception:
            reply = _refused(PlatformFault(reference=_logged("未预料的错误", path, address)))
        seconds = time.perf_counter() - began
        metrics.served(LISTENER, reply.code, seconds)
        for limit in reply.limits:
            metrics.reached(LISTENER, limit)
        log.info(
            "请求",
            path=path,
            code=reply.code,
            size=size,
            ms=round(seconds * 1000),
            address=address,
            **reply.told,
        )
        return Response(reply.content, media_type=JSON)

    return answer


async def body_of(request: Request) -> bytes:
    """The whole body, without a copy where it comes in one piece, as the listener gives it.

    Starlette would join that one piece with an empty one, and keep both.
    """
    parts: list[bytes] = []
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        if part := message.get("body"):
            parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _encoding_header(request: Request) -> str:
    return ",".join(request.headers.getlist("content-encoding"))


async def _work(
    platform: Platform, interface: Interface, request: Request, arrived: Arrived
) -> _Reply:
    """Have a worker thread serve the request, once there is room for its unpacked body."""
    room: BodyRoom | None = None
    if arrived.encoding != IDENTITY:
        room = request.scope.get("state", {}).get(BODY_ROOM)
    now = platform.clock()

    async def within(limit: int) -> _Reply:
        if room is not None and not await room.grow(len(arrived.raw) + limit):
            raise Busy("body_budget_mb")
        limiter = platform.limiter_for(limit)
        if limiter.statistics().tasks_waiting >= platform.settings.waiting_requests:
            raise Busy("waiting_requests")
        work = partial(_serve, platform, interface, request, arrived, limit, now)
        return await to_thread.run_sync(work, limiter=limiter)

    hint = arrived.hint(platform.body_limit)
    try:
        return await within(hint)
    except TooLarge:
        if hint >= platform.body_limit:
            raise
    return await within(platform.body_limit)  # it did not say what it needs


def _serve(
    platform: Platform,
    interface: Interface,
    request: Request,
    arrived: Arrived,
    limit: int,
    now: datetime,
) -> _Reply:
    """In a worker thread: the service's answer, or the refusal that its exception stands for."""
    path, address = request.url.path, _address(request)
    try:
        identity = _identity(platform, request, now)
    except IdentityError as error:
        return _foreign(platform, interface, path, now, address, str(error))
    except (SQLAlchemyError, sqlite3.Error):
        return _refused(DatabaseFault(reference=_logged("数据库故障", path, "")))
    call = Call(identity, path, arrived.raw, now, address, arrived.encoding, arrived.raw)
    try:
        # A province speaks for all of its units: what limits it is the size of its line.
        if not identity.province and platform.rates.is_over(identity.credit_code, now):
            raise Busy("requests_per_minute")
        if arrived.encoding != IDENTITY:
            call = replace(call, body=arrived.unpacked(limit))
        reply = _Reply(interface.service(platform, call))
    except TooLarge:
        raise
    except MemoryError:
        reply = _refused(Busy())
    except RequestError as refusal:
        reply = _refused(refusal)
        _remember(platform, interface, call, refusal)
    except Busy as busy:
        reply = _refused(busy)
    except Refusal as refusal:
        reply = _refused(refusal)
        log.error("平台故障", path=path, text=refusal.text, exc_info=True)
    except AuthorityLocked:
        reply = _refused(PlatformFault(reference=_logged("签发机构未解锁", path, call.actor)))
    except (SQLAlchemyError, sqlite3.Error):
        reply = _refused(DatabaseFault(reference=_logged("数据库故障", path, call.actor)))
    except Exception:
        reply = _refused(PlatformFault(reference=_logged("未预料的错误", path, call.actor)))
    reply.told["unit"] = call.actor
    return reply


def _identity(platform: Platform, request: Request, now: datetime) -> PeerIdentity:
    """Whom the client's certificate speaks for, if it still does: connections outlive their dates.

    Raises IdentityError.
    """
    der = peer_certificate(request.scope)
    with platform.store.read() as conn:
        identity = outside.identity(conn, der)
    if identity.has_expired(now):
        raise IdentityError("证书已过期")
    return identity


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _refused(refusal: Refusal) -> _Reply:
    message = Acknowledgement(response_code=refusal.code, response_message=refusal.text)
    limits = {finding.limit for finding in refusal.findings} | {getattr(refusal, "limit", "")}
    return _Reply(
        write(message), refusal.code, {"text": refusal.text}, frozenset(filter(None, limits))
    )


def _logged(event: str, path: str, who: str) -> str:
    """Log the present exception in full; the number under which it can be found."""
    reference = secrets.token_hex(4)
    log.exception(event, reference=reference, path=path, who=who)
    return reference


def _foreign(
    platform: Platform,
    interface: Interface,
    path: str,
    now: datetime,
    address: str,
    reason: str,
) -> _Reply:
    """The certificate names no unit: refused and audited like any other refusal of identity."""
    finding = Finding(interface.identity_field, f"与客户端数字证书不符（{reason}）")
    refusal = IdentityRefusal([finding])
    _try(lambda: _audit(platform, now, "（证书无身份）", address, path, refusal))
    return _refused(refusal)


def _remember(platform: Platform, interface: Interface, call: Call, refusal: RequestError) -> None:
    """What is left behind by a refusal: an audit record, the refused body. Neither may fail it."""
    if isinstance(refusal, IdentityRefusal):
        _try(lambda: _audit(platform, call.now, call.actor, call.address, call.path, refusal))
    if interface.keeps_refused:
        _try(lambda: _keep(platform, call, refusal))


def _audit(
    platform: Platform, now: datetime, actor: str, address: str, path: str, refusal: Refusal
) -> None:
    with platform.store.write() as conn:
        audit.record(
            conn, now, actor, address, "identity", path, audit.REFUSED, detail=refusal.text
        )


def _keep(platform: Platform, call: Call, refusal: RequestError) -> None:
    with platform.store.read() as conn:
        if call.identity.province:
            peer = provinces.unit_named_in(conn, call.identity, call.body)
        else:
            peer = registry.peer_of_certificate(conn, call.identity)
    if peer is None:
        return
    journal.keep_refused(
        platform.store,
        peer,
        path=call.path,
        code=refusal.code,
        text=refusal.text,
        body=call.body,
        now=call.now,
        address=call.address,
        keep_days=platform.settings.refused_keep_days,
        keep_mb=platform.settings.refused_keep_mb,
    )


def _try(work: Callable[[], None]) -> None:
    """The refusal is answered whether or not the operator's traces of it could be written."""
    try:
        work()
    except Exception:
        log.exception("拒绝记录未能保存")
