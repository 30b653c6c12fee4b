"""The enrolment listener (领取证书): a device with a one-time code and no certificate yet.

A listener of its own, because the device listener never lets anybody in without a certificate.
It serves the platform's root and the device CA's list to everybody, and a certificate to who has
a code; it is off unless `enrol_port` is set. Whoever fails too often from one address is not heard
for a while. Refusals are HTTP 200 with the code of table 1, as everywhere.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import structlog
from anyio import CapacityLimiter, to_thread
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from nenghao.platform import audit, enrolment
from nenghao.platform.home import Home
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.web.binding import Listener
from nenghao.platform.web.device_api import limits_of
from nenghao.platform.web.endpoint import JSON, Platform
from nenghao.platform.web.enrol_messages import enrol_request, handed_over
from nenghao.security.authority import DEVICE_CA, AuthorityLocked
from nenghao.security.contexts import renewing_exchange_context
from nenghao.security.enrolment import ENROL_PATH, LIST_PATH, ROOT_PATH, UnitTold
from nenghao.standard.messages import Acknowledgement, write
from nenghao.standard.replies import Busy, DatabaseFault, PlatformFault, Refusal, RequestError

BODY_LIMIT = 32_768
FAILURES = 10
"""So many refused codes from one address within `FAILURE_SECONDS` are answered for."""
FAILURE_SECONDS = 600.0
_ADDRESSES = 10_000
_THREADS = 2

log = structlog.get_logger(__name__)


class Failures:
    """Refused codes by address, of one process; the oldest are forgotten when there are many."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def is_heard(self, address: str, now: float) -> bool:
        """Whether an address may try again."""
        until, count = self._counts.get(address, (0.0, 0))
        return now >= until or count < FAILURES

    def note(self, address: str, now: float) -> None:
        """It failed at `now` (seconds)."""
        until, count = self._counts.pop(address, (0.0, 0))
        fresh = now >= until
        self._counts[address] = (now + FAILURE_SECONDS, 1) if fresh else (until, count + 1)
        if len(self._counts) > _ADDRESSES:
            self._counts.popitem(last=False)


class Enroller:
    """Answers the enrolment listener of one process."""

    def __init__(self, home: Home, platform: Platform) -> None:
        self._home = home
        self._platform = platform
        self._failures = Failures()
        self._limiter = CapacityLimiter(_THREADS)

    async def enrol(self, request: Request) -> Response:
        """POST: a certificate for a code and a request."""
        body = await request.body()
        address = request.client.host if request.client else ""
        content = await to_thread.run_sync(self._enrol, body, address, limiter=self._limiter)
        return Response(content, media_type=JSON)

    async def file(self, request: Request, name: str) -> Response:
        """GET: a public file of the CA."""
        content = await to_thread.run_sync((self._home.ca / name).read_bytes)
        return Response(content, media_type="application/x-pem-file")

    def _enrol(self, body: bytes, address: str) -> bytes:
        now = self._platform.clock()
        if not self._failures.is_heard(address, now.timestamp()):
            return _refused(Busy())
        try:
            return self._served(body, address)
        except RequestError as refusal:
            self._failures.note(address, now.timestamp())
            self._remember(address, refusal)
            return _refused(refusal)
        except AuthorityLocked:
            log.error("签发机构未解锁，注册码未使用")
            return _refused(PlatformFault(reference="ca-locked"))
        except SQLAlchemyError:
            log.exception("数据库故障", path=ENROL_PATH)
            return _refused(DatabaseFault(reference="enrol"))
        except Exception:
            log.exception("未预料的错误", path=ENROL_PATH)
            return _refused(PlatformFault(reference="enrol"))

    def _served(self, body: bytes, address: str) -> bytes:
        platform = self._platform
        asked = enrol_request(body)
        authority = platform.authority()
        with platform.store.write() as conn:
            issued, row = enrolment.enrol(
                conn, authority, asked.secret, asked.csr, platform.clock(), address
            )
        unit = UnitTold(
            row["credit_code"], row["name"], row["region"], row["region_name"],
            row["device_number"],
        )  # fmt: skip
        host, port = platform.settings.host, platform.settings.device_port
        url = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
        return handed_over(issued, unit, url)

    def _remember(self, address: str, refusal: RequestError) -> None:
        try:
            with self._platform.store.write() as conn:
                audit.record(
                    conn, self._platform.clock(), "（领取证书）", address, "ca.enrol", ENROL_PATH,
                    audit.REFUSED, detail=refusal.text,
                )  # fmt: skip
        except Exception:
            log.exception("拒绝记录未能保存")


def enrol_app(home: Home, platform: Platform) -> Starlette:
    """The application of the enrolment listener."""
    enroller = Enroller(home, platform)
    return Starlette(
        routes=[
            Route(ENROL_PATH, enroller.enrol, methods=["POST"]),
            Route(ROOT_PATH, _file(enroller, "root.pem"), methods=["GET"]),
            Route(LIST_PATH, _file(enroller, f"{DEVICE_CA}.crl"), methods=["GET"]),
        ],
        exception_handlers={404: _not_found, 405: _not_allowed},
    )


def place(settings: PlatformSettings) -> list[Listener]:
    """Where the enrolment listener is to be bound, without its application; nowhere for port 0."""
    if settings.enrol_port == 0:
        return []
    return [Listener("enrol", settings.listen_address, settings.enrol_port, None)]


def listeners(home: Home, platform: Platform) -> list[Listener]:
    """The enrolment listener: TLS, no client certificate; none for port 0."""
    limits = replace(limits_of(platform.settings), body_limit=BODY_LIMIT)
    return [
        replace(
            one,
            app=enrol_app(home, platform),
            ssl_factory=partial(
                renewing_exchange_context, home.server_chain, home.server_key, _not_taken_up
            ),
            limits=limits,
        )
        for one in place(platform.settings)
    ]


def _file(enroller: Enroller, name: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return await enroller.file(request, name)

    return answer


def _refused(refusal: Refusal) -> bytes:
    message = Acknowledgement(response_code=refusal.code, response_message=refusal.text)
    return write(message)


def _not_taken_up(error: Exception) -> None:
    log.error("新的服务器证书未能启用，仍用原来的", reason=str(error))


async def _not_found(request: Request, error: Exception) -> Response:
    return PlainTextResponse("没有这个接口", 404)


async def _not_allowed(request: Request, error: Exception) -> Response:
    return PlainTextResponse("请求方法不对", 405)
