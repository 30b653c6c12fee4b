"""A platform's far end of the envelope, as little as a client needs: it opens, answers and seals.

What it is to answer is said by the test, byte for byte where it has to be.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
from msgspec.structs import replace

from nenghao.exchange import Account
from nenghao.security import envelope
from nenghao.security.envelope import GCM, CipherName
from tests.standard.messages.samples import sample

KEY = "0123456789abcdeffedcba9876543210"
NOW = 1_772_294_400_000
"""2026-03-01 00:00:00 China Standard Time."""
ACCOUNT = Account("lnxxzx", "k1", KEY, "lnxxzx", "123456")


class FarEnd:
    """Answers sealed questions with the standard's samples; remembers what was asked."""

    def __init__(self, account: Account = ACCOUNT) -> None:
        self.account = account
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.nonces: list[str] = []
        self.answer: bytes | None = None
        """What is sealed, instead of the sample."""
        self.status = 200
        self.shift_ms = 0
        """How far the answer's time is from the question's."""
        self.reseal: dict[str, Any] = {}
        """What the answer is sealed with, instead of what is right."""
        self.tamper: Callable[[bytes], bytes] = lambda body: body
        self.fails: Exception | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.fails is not None:
            raise self.fails
        cipher: CipherName = self.account.cipher
        path = request.url.path
        sealed = envelope.read_request(request.read())
        key = self.account.key_bytes
        plaintext = envelope.open_request(sealed, key=key, path=path, cipher=cipher)
        name = path.rpartition("/")[2]
        self.asked.append((name, json.loads(plaintext)))
        self.nonces.append(sealed.nonce)
        told: dict[str, Any] = {
            "key": key,
            "kid": sealed.kid,
            "app_id": sealed.app_id,
            "path": path,
            "timestamp": sealed.timestamp + self.shift_ms,
            "nonce": sealed.nonce,
            "iv": envelope.fresh_iv(cipher),
            "status": self.status,
            "cipher": cipher,
        } | self.reseal
        content = self.answer if self.answer is not None else sample(f"{name}.response")
        body = self.tamper(envelope.seal_answer(content, **told))
        return httpx.Response(self.status, content=body)

    async def asynchronous(self, request: httpx.Request) -> httpx.Response:
        """The same for an asynchronous client."""
        return self(request)


def with_cipher(cipher: CipherName = GCM) -> Account:
    return replace(ACCOUNT, cipher=cipher)
