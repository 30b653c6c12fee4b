"""The exchange listener (第 7 章; annex C): six interfaces behind envelope, account and scope.

A call is admitted, its password verified, its question answered, its traces left, the answer
sealed. Whatever fails before the password is known to be right gets **one** answer, the same
bytes, and not before 150 ms are over; the reason is in the audit trail. What fails after that
(items missing or illegal, scope, rate, faults) is answered by table 1 like anywhere else, sealed.

The event loop only waits here: work is done in threads of the exchange's own, so that partners and
devices do not wait for each other, and passwords are verified two at a time.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from math import ceil
from typing import TypeVar

import msgspec
import structlog
from anyio import CapacityLimiter, to_thread
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from nenghao.platform import admission, exchange
from nenghao.platform import exchange_memory as memory
from nenghao.platform.admission import Caller, Denied, Facts
from nenghao.platform.home import Home
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.web import metrics, openapi
from nenghao.platform.web.binding import Listener
from nenghao.platform.web.bodies import BodyBudgetExceeded
from nenghao.platform.web.device_api import limits_of, not_allowed, not_found
from nenghao.platform.web.endpoint import JSON, Platform, body_of
from nenghao.security import envelope as envelopes
from nenghao.security.contexts import renewing_exchange_context
from nenghao.security.passwords import VerifiedPasswords, is_right
from nenghao.security.sealing import MasterKey
from nenghao.standard import periods
from nenghao.standard.findings import Finding
from nenghao.standard.messages import Acknowledgement, read, write
from nenghao.standard.messages.exchange_interfaces import INTERFACES, ExchangeInterface
from nenghao.standard.replies import (
    SUCCESS_CODE,
    Busy,
    DatabaseFault,
    IllegalFormat,
    PlatformFault,
    Refusal,
    RequestError,
)

log = structlog.get_logger(__name__)
T = TypeVar("T")

LISTENER = "exchange"
FLOOR_SECONDS = 0.15
BODY_LIMIT = 100_000
"""Bytes of the largest request; one of the six has some hundred."""
PASSWORD_THREADS = 2

DENIED = write(
    Acknowledgement(
        response_code=IllegalFormat.code,
        response_message=IllegalFormat([Finding("", "身份验证未通过")]).text,
    )
)
"""The one answer to whatever does not prove who calls."""


@dataclass
class Call:
    """One request on its way: the interface, what came, and what the audit trail will say."""

    interface: ExchangeInterface
    body: bytes
    facts: Facts
    began: float
    over_rate: bool = False
    """Whether the account has had all its requests of the minute."""


class Exchange:
    """What every call of one worker shares."""

    def __init__(self, platform: Platform, master: MasterKey, floor: float = FLOOR_SECONDS) -> None:
        self.platform = platform
        self.store = platform.store
        self.settings = platform.settings
        self.master = master
        self.floor = floor
        self.verified = VerifiedPasswords()
        self._threads = CapacityLimiter(platform.settings.worker_threads)
        self._password_threads = CapacityLimiter(PASSWORD_THREADS)
        self._verifying: dict[int, asyncio.Lock] = {}
        """One password of an account at a time: the second of a burst finds it verified, and
        guesses made at once are counted one after another."""
        self._tidied: datetime | None = None

    # --- in the event loop --------------------------------------------------------------

    async def answer(self, interface: ExchangeInterface, request: Request) -> Response:
        """The answer to a request, always HTTP 200 with a code of table 1, sealed or not."""
        address = request.client.host if request.client else ""
        facts = Facts(interface.path, address, self.platform.clock())
        began = time.perf_counter()
        try:
            call = Call(interface, await body_of(request), facts, began)
            content = await self._answered(call)
        except ClientDisconnect:  # nobody is there to read an answer
            return Response(status_code=400)
        except Denied as denied:
            facts.code = IllegalFormat.code
            facts.ms = _milliseconds(began, time.perf_counter())
            content = await self._denied(denied, facts)
            elapsed = time.perf_counter() - began
            # Whole floors: what took longer does not show by how much.
            await asyncio.sleep(max(ceil(elapsed / self.floor), 1) * self.floor - elapsed)
        except (BodyBudgetExceeded, MemoryError, Busy):
            facts.code, content = _plain(Busy(), facts)
        except (SQLAlchemyError, sqlite3.Error):
            facts.code, content = _plain(DatabaseFault(reference=_logged("数据库故障")), facts)
        except Exception:
            facts.code, content = _plain(PlatformFault(reference=_logged("未预料的错误")), facts)
        seconds = time.perf_counter() - began
        metrics.served(LISTENER, facts.code, seconds)
        ms = round(seconds * 1000)
        log.info("请求", path=facts.path, code=facts.code, ms=ms, address=address)
        return Response(content, media_type=JSON)

    async def _answered(self, call: Call) -> bytes:
        found = await self._in_thread(partial(self._begin, call))
        if isinstance(found, bytes):
            return found
        account = found.account.id
        async with self._verifying.setdefault(account, asyncio.Lock()):
            await to_thread.run_sync(
                partial(self._verify, call, found), limiter=self._password_threads
            )
        return await self._in_thread(partial(self._serve, call, found))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._threads.statistics().tasks_waiting >= self.settings.waiting_requests:
            metrics.reached(LISTENER, "waiting_requests")
            raise Busy
        return await to_thread.run_sync(work, limiter=self._threads)

    async def _denied(self, denied: Denied, facts: Facts) -> bytes:
        log.warning("接口调用未通过身份验证", path=facts.path, reason=denied.reason)
        if not denied.settled:
            try:
                await self._in_thread(partial(self._settle, denied, facts))
            except Exception:
                log.exception("审计记录未能保存")
        return DENIED

    # --- in threads ---------------------------------------------------------------------

    def _begin(self, call: Call) -> bytes | Caller:
        """The answer, or who calls where the password is still to be verified."""
        settings = self.settings
        with self.store.read() as conn:
            caller = admission.admit(
                conn,
                self.master,
                call.body,
                call.facts,
                plain=settings.allow_nonconforming_plain_exchange,
                limit=settings.exchange_failure_limit,
            )
            call.over_rate = admission.over_rate(conn, caller.account, call.facts.now)
        return self._serve(call, caller) if self._is_verified(caller) else caller

    def _is_verified(self, caller: Caller) -> bool:
        account = caller.account
        return self.verified.knows(
            account.id, account.password_hash, caller.password, time.perf_counter()
        )

    def _verify(self, call: Call, caller: Caller) -> None:
        """Verify the password. Raises `Denied`, its traces left before the next one's turn."""
        if self._is_verified(caller):
            return
        account = caller.account
        with self.store.read() as conn:
            if memory.is_locked(conn, account.id, call.facts.now):
                raise Denied("账户已锁定", account=account, nonce=caller.nonce)
        if is_right(account.password_hash, caller.password):
            self.verified.remember(
                account.id, account.password_hash, caller.password, time.perf_counter()
            )
            return
        denied = Denied(
            "口令错误", account=account, nonce=caller.nonce, wrong_password=caller.sealed
        )
        call.facts.code = IllegalFormat.code
        call.facts.ms = _milliseconds(call.began, time.perf_counter())
        self._settle(denied, call.facts)
        raise denied

    def _settle(self, denied: Denied, facts: Facts) -> None:
        denied.settled = True
        limit = self.settings.exchange_failure_limit
        if not admission.refused(self.store, denied, facts, limit, tidy=self._is_untidy(facts.now)):
            metrics.reached(LISTENER, "exchange_failure_limit")

    def _serve(self, call: Call, caller: Caller) -> bytes:
        """Answer who has proven everything. Raises `Denied` for a call that was answered before."""
        facts = call.facts
        try:
            content = self._content(call, caller)
        except RequestError as refusal:
            facts.code, content = _plain(refusal, facts)
        except (Busy, MemoryError):
            facts.code, content = _plain(Busy(), facts)
        except Refusal as refusal:
            log.error("平台故障", path=facts.path, text=refusal.text, exc_info=True)
            facts.code, content = _plain(refusal, facts)
        except (SQLAlchemyError, sqlite3.Error):
            facts.code, content = _plain(DatabaseFault(reference=_logged("数据库故障")), facts)
        except Exception:
            facts.code, content = _plain(PlatformFault(reference=_logged("未预料的错误")), facts)
        facts.ms = _milliseconds(call.began, time.perf_counter())
        try:
            fresh = admission.concluded(self.store, caller, facts, tidy=self._is_untidy(facts.now))
        except (SQLAlchemyError, sqlite3.Error):  # no answer leaves that left no trace
            facts.code, content = _plain(DatabaseFault(reference=_logged("数据库故障")), facts)
            fresh = True
        if not fresh:
            raise Denied(admission.REPLAYED, account=caller.account)
        return self._sealed(caller, facts, content) if caller.sealed else content

    def _content(self, call: Call, caller: Caller) -> bytes:
        facts = call.facts
        if call.over_rate:
            metrics.reached(LISTENER, "account_requests_per_minute")
            raise Busy
        request = read(call.interface.request, caller.plaintext)
        facts.params = msgspec.to_builtins(request.query_param)
        outcome = exchange.answer(
            self.store, caller.account.scope, call.interface, request, facts.now
        )
        facts.code, facts.rows = SUCCESS_CODE, outcome.rows
        return outcome.content

    def _sealed(self, caller: Caller, facts: Facts, content: bytes) -> bytes:
        cipher = caller.account.cipher
        return envelopes.seal_answer(
            content,
            key=caller.key,
            kid=caller.kid,
            app_id=caller.account.app_id,
            path=facts.path,
            timestamp=periods.to_epoch_ms(facts.now),
            nonce=caller.nonce,
            iv=envelopes.fresh_iv(cipher),
            cipher=cipher,
        )

    def _is_untidy(self, now: datetime) -> bool:
        """Once a minute, in each worker."""
        minute = now.replace(second=0, microsecond=0)
        due, self._tidied = self._tidied != minute, minute
        return due


def exchange_app(exchange: Exchange) -> Starlette:
    """The application of the exchange listener."""
    routes = [
        Route(path, _endpoint(exchange, interface), methods=["POST"])
        for interface in INTERFACES.values()
        for path in (interface.path, f"{interface.path}/")
    ]
    routes += openapi.routes(openapi.exchange_document())
    app = Starlette(routes=routes, exception_handlers={404: not_found, 405: not_allowed})
    app.router.redirect_slashes = False
    return app


def _endpoint(
    exchange: Exchange, interface: ExchangeInterface
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return await exchange.answer(interface, request)

    return answer


def place(settings: PlatformSettings) -> list[Listener]:
    """Where the exchange listener is to be bound, without its application; nowhere for port 0."""
    if settings.exchange_port == 0:
        return []
    return [
        Listener(
            "exchange",
            settings.listen_address,
            settings.exchange_port,
            None,
            interface=settings.bind_interface,
        )
    ]


def listeners(home: Home, platform: Platform) -> list[Listener]:
    """The exchange listener of a platform: TLS, no client certificate (7.1-1); none for port 0."""
    limits = replace(limits_of(platform.settings), body_limit=BODY_LIMIT)
    return [
        replace(
            one,
            app=exchange_app(Exchange(platform, home.master_key())),
            ssl_factory=partial(
                renewing_exchange_context, home.server_chain, home.server_key, _not_taken_up
            ),
            limits=limits,
        )
        for one in place(platform.settings)
    ]


def _plain(refusal: Refusal, facts: Facts) -> tuple[str, bytes]:
    """Code and answer of a refusal, which is also the reason in the audit trail."""
    facts.reason = refusal.text
    message = Acknowledgement(response_code=refusal.code, response_message=refusal.text)
    return refusal.code, write(message)


def _logged(event: str) -> str:
    """Log the present exception in full; the number under which it can be found."""
    reference = secrets.token_hex(4)
    log.exception(event, reference=reference)
    return reference


def _milliseconds(began: float, now: float) -> int:
    return round((now - began) * 1000)


def _not_taken_up(error: Exception) -> None:
    log.error("新的服务器证书未能启用，仍用原来的", reason=str(error))
