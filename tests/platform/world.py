"""A province in memory for tests: a database, a certificate authority, devices that call it.

The application is asked through ASGI with the client certificate put where the TLS listener puts
it; the clock is what the test says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from nenghao.clock import china_now
from nenghao.platform import certificates, dictionary, registry
from nenghao.platform.registry import Peer
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.engine import Store
from nenghao.platform.web.device_api import device_app
from nenghao.platform.web.endpoint import Platform
from nenghao.platform.web.peer import PEER_CERTIFICATE
from nenghao.security.authority import CertificateAuthority, Issued
from nenghao.security.identity import PeerIdentity
from nenghao.standard import credit_code
from nenghao.standard.messages.registration import RegistrationAnswer, RegistrationRequest

SAMPLES = Path(__file__).parents[1] / "standard" / "messages" / "samples"
STEEL = "91330000573973053F"
"""The unit of the annex's samples."""
NOW = datetime(2026, 11, 22, 1, 30)
ADDRESS = "10.1.2.3"


def sample(name: str, **changes: object) -> dict[str, Any]:
    """A sample message of the annexes, with changes to its top level."""
    message: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    return message | changes


def unit_code(number: int) -> str:
    """The valid credit code of made-up unit `number`."""
    return credit_code.complete(f"91210102MA{number:07d}")


@dataclass
class World:
    """One province. `now` is what its clock says."""

    store: Store
    authority: CertificateAuthority
    settings: PlatformSettings = field(default_factory=PlatformSettings)
    now: datetime = NOW

    def issue(self, code: str = STEEL, device: int = 1, *, registered: bool = True) -> Issued:
        """A device's certificate, entered in the register unless the test says otherwise."""
        issued = self.authority.issue_device(code, "示例钢铁", "210102", device, china_now())
        if registered:
            with self.store.write() as conn:
                certificates.register(conn, issued, self.now)
        return issued

    def identity(self, code: str = STEEL, device: int = 1) -> PeerIdentity:
        """What the endpoint reads from a certificate that was issued."""
        return PeerIdentity(code, device, self.issue(code, device).serial)

    def register(
        self, identity: PeerIdentity, region: str = "210102", region_name: str = "和平区"
    ) -> RegistrationAnswer:
        """Register at the service, without the web."""
        request = RegistrationRequest(identity.credit_code, "示例钢铁", region, region_name)
        with self.store.write() as conn:
            return registry.register(conn, self.settings, identity, request, self.now, ADDRESS)

    def peer(self, code: str = STEEL, device: int = 1) -> Peer:
        """A registered device."""
        identity = self.identity(code, device)
        answer = self.register(identity)
        with self.store.read() as conn:
            return registry.identify(conn, identity, answer.device_id, code)

    def client(self, code: str = STEEL, device: int = 1, *, registered: bool = True) -> Client:
        """A device with a certificate of this province."""
        return Client(self, self.issue(code, device, registered=registered))

    def rows(self, query: Any) -> list[Any]:
        """All rows of a query."""
        with self.store.read() as conn:
            return list(conn.execute(query))


@dataclass(frozen=True)
class Reply:
    """An answer of the application."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.content)
        return decoded

    @property
    def code(self) -> str:
        """responseCode."""
        code: str = self.json["responseCode"]
        return code

    @property
    def text(self) -> str:
        """responseMessage."""
        text: str = self.json["responseMessage"]
        return text


class Client:
    """One device, calling the application as its listener would."""

    def __init__(self, world: World, issued: Issued | None, app: ASGIApp | None = None) -> None:
        self.world = world
        self.issued = issued
        self.platform = Platform(world.store, world.settings, lambda: world.now)
        self._app = app or device_app(self.platform)
        self.device_id = ""

    def register(self) -> RegistrationAnswer:
        """Register and remember the deviceId."""
        assert self.issued is not None
        reply = self.post("/", sample("register.request", enterpriseCode=self.issued.credit_code))
        assert reply.code == "0", reply.text
        self.device_id = reply.json["deviceId"]
        return RegistrationAnswer(device_id=self.device_id, upload_time=reply.json["uploadTime"])

    def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> Reply:
        """POST bytes as they are, anything else as JSON."""
        return self.request("POST", path, body, headers)

    def request(
        self, method: str, path: str, body: object, headers: Mapping[str, str] | None = None
    ) -> Reply:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._with_certificate, client=(ADDRESS, 4711))
            async with httpx.AsyncClient(transport=transport) as client:
                url = f"https://platform{path}"
                return await client.request(method, url, content=content, headers=headers)

        response = anyio.run(ask)
        return Reply(response.status_code, response.headers, response.content)

    async def _with_certificate(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.issued is not None:
            scope["state"] = {PEER_CERTIFICATE: der_of(self.issued)}
        await self._app(scope, receive, send)


def der_of(issued: Issued) -> bytes:
    """The leaf as the TLS layer gives it."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    return x509.load_pem_x509_certificate(issued.certificate).public_bytes(Encoding.DER)


def fill(url: str) -> None:
    """Make an empty database a fresh province's, with its base data."""
    store = Store.open(url)
    store.upgrade()
    with store.write() as conn:
        dictionary.seed(conn)
        registry.note_registration_settings(conn, PlatformSettings())
    store.close()
