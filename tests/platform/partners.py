"""Other application platforms for tests: accounts of a `World`, calls as their clients make them.

The exchange application is asked through ASGI, its floor so short that tests do not wait; the
clock is the world's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import anyio
import httpx

from nenghao.platform import accounts, audit
from nenghao.platform.accounts import Issued, Scope
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.web.endpoint import Platform
from nenghao.platform.web.exchange_api import DENIED, Exchange, exchange_app
from nenghao.security import envelope as envelopes
from nenghao.security.envelope import GCM, CipherName
from nenghao.security.sealing import MasterKey
from nenghao.standard import periods
from nenghao.standard.messages.exchange_interfaces import FOLDER
from tests.platform.world import ADDRESS, SAMPLES, Reply, World

MASTER = MasterKey(bytes(range(16)))
REGION = {"regionCode": "210000"}
INDUSTRY = {"industryCode": "C25"}
STATISTICS = {
    "periodCode": "month",
    "beginTime": 1619798400000,
    "endTime": 1627747200000,
    "onlinORreport": "report",
}
QUERIES: dict[str, dict[str, Any]] = {
    "getRegionData": STATISTICS | REGION,
    "getIndustryData": STATISTICS | INDUSTRY,
    "getProjectDataByRegion": REGION,
    "getProjectDataByIndustry": INDUSTRY,
    "getCompanyByRegion": REGION,
    "getCompanyByIndustry": INDUSTRY,
}
"""The question of each interface, as annex C prints it."""
REGION_DATA = "getRegionData"
PATH = FOLDER + REGION_DATA


def sample(name: str) -> Any:
    """A message of annex C as it is printed."""
    return json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))


def add(world: World, user_name: str = "lnxxzx", **options: Any) -> Issued:
    """A new account."""
    given: dict[str, Any] = {"app_id": user_name, "now": world.now} | options
    with world.store.write() as conn:
        return accounts.add(conn, MASTER, user_name=user_name, **given)


@dataclass
class Gate:
    """The exchange application of one worker."""

    world: World
    settings: PlatformSettings = field(default_factory=PlatformSettings)
    floor: float = 0.0001

    def __post_init__(self) -> None:
        platform = Platform(self.world.store, self.settings, lambda: self.world.now)
        self.exchange = Exchange(platform, MASTER, self.floor)
        self.app = exchange_app(self.exchange)

    def post(self, path: str, body: bytes, address: str = ADDRESS, method: str = "POST") -> Reply:
        """What the application answers."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=(address, 4711))
            async with httpx.AsyncClient(transport=transport) as client:
                return await client.request(method, f"https://platform{path}", content=body)

        response = anyio.run(ask)
        return Reply(response.status_code, response.headers, response.content)

    def records(self) -> list[dict[str, Any]]:
        """The calls in the audit trail, latest first; detail decoded."""
        with self.world.store.read() as conn:
            found = [dict(one) for one in audit.entries(conn, 10_000)]
        return [
            one | {"detail": json.loads(one["detail"])}
            for one in found
            if one["action"] == "exchange"
        ]


@dataclass
class Partner:
    """One account's client. Calls are sealed now with a fresh nonce unless told otherwise."""

    gate: Gate
    issued: Issued
    cipher: CipherName = GCM

    def plain(self, interface: str, **changes: Any) -> dict[str, Any]:
        """The request of annex C with this account's name and password."""
        security = {"userName": self.issued.user_name, "password": self.issued.password}
        query = changes.pop("query", QUERIES[interface])
        return {"securityParams": security | changes, "queryParam": query}

    def sealed(
        self,
        interface: str,
        plain: object = None,
        *,
        at: datetime | None = None,
        nonce: str = "",
        **changes: Any,
    ) -> tuple[bytes, str]:
        """The body of a call and its nonce."""
        content = self.plain(interface) if plain is None else plain
        plaintext = content if isinstance(content, bytes) else json.dumps(content).encode()
        nonce = nonce or envelopes.fresh_nonce()
        given: dict[str, Any] = {
            "key": self.issued.key,
            "kid": self.issued.kid,
            "app_id": self.issued.app_id,
            "path": FOLDER + interface,
            "timestamp": periods.to_epoch_ms(at or self.gate.world.now),
            "nonce": nonce,
            "iv": envelopes.fresh_iv(self.cipher),
            "cipher": self.cipher,
        }
        return envelopes.seal_request(plaintext, **(given | changes)), nonce

    def opened(self, interface: str, reply: Reply, nonce: str) -> dict[str, Any]:
        """What is sealed in an answer."""
        plaintext = envelopes.open_answer(
            envelopes.read_answer(reply.content),
            key=self.issued.key,
            kid=self.issued.kid,
            app_id=self.issued.app_id,
            path=FOLDER + interface,
            nonce=nonce,
            status=reply.status,
            cipher=self.cipher,
        )
        message: dict[str, Any] = json.loads(plaintext)
        return message

    def ask(self, interface: str, plain: object = None, **options: Any) -> dict[str, Any]:
        """Ask and open the answer."""
        body, nonce = self.sealed(interface, plain, **options)
        return self.opened(interface, self.gate.post(FOLDER + interface, body), nonce)


def partner(gate: Gate, user_name: str = "lnxxzx", **options: Any) -> Partner:
    """A new account and its client; `region`, `industries`, `interfaces` make its scope."""
    scope = Scope(
        options.pop("interfaces", ()), options.pop("region", ""), options.pop("industries", ())
    )
    issued = add(gate.world, user_name, scope=scope, **options)
    return Partner(gate, issued, options.get("cipher", GCM))


def later(world: World, **time: float) -> None:
    """Let the world's clock go on."""
    world.now += timedelta(**time)


def reason(gate: Gate) -> str:
    """The reason of the latest call in the audit trail."""
    latest = gate.records()[0]
    assert latest["result"] == "refused"
    text: str = latest["detail"]["reason"]
    return text


def denied(gate: Gate, body: bytes, why: str, path: str = PATH) -> None:
    """The one answer outside, the reason in the audit trail."""
    before = len(gate.records())
    reply = gate.post(path, body)
    assert (reply.status, reply.content) == (200, DENIED)
    assert sorted(reply.headers) == ["content-length", "content-type"]
    assert why in reason(gate)
    assert len(gate.records()) == before + 1
