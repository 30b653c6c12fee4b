"""One-time codes of an authenticator (动态口令): TOTP after RFC 6238, as every such app makes them.

SHA-1, six digits, thirty seconds: the one set of parameters that all apps know. Whoever checks a
code keeps the step that it was good for and takes none at or before it again; where the secret is
kept, sealed, is the caller's business.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

from nenghao.standard.periods import to_epoch_ms

SECRET_BYTES: Final = 20
STEP_SECONDS: Final = 30
DIGITS: Final = 6
NEAR_STEPS: Final = 1
"""How many steps the two clocks may be apart, either way."""


def fresh_secret() -> bytes:
    """A new secret, 160 bits (RFC 4226, 4)."""
    return secrets.token_bytes(SECRET_BYTES)


def step_of(now: datetime) -> int:
    """The number of the half minute that `now` (China Standard Time) lies in."""
    return to_epoch_ms(now) // 1000 // STEP_SECONDS


def code_of(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """The code of one step."""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = mac[-1] & 0x0F
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def matching_step(secret: bytes, code: str, now: datetime, after: int) -> int | None:
    """The step that `code` is good for just now; None for a wrong one, or one not after `after`.

    Keep the step and give it as `after` the next time: then no code works twice.
    """
    here = step_of(now)
    found = None
    for step in range(here - NEAR_STEPS, here + NEAR_STEPS + 1):
        right = hmac.compare_digest(code_of(secret, step).encode(), code.encode())
        if right and step > after and found is None:
            found = step
    return found


def shown(secret: bytes) -> str:
    """The secret as people type it into an app (base32)."""
    return base64.b32encode(secret).decode("ascii")


def uri(secret: bytes, name: str, issuer: str) -> str:
    """The `otpauth://` address that an app reads from a QR code."""
    label = quote(f"{issuer}:{name}", safe="")
    query = urlencode(
        {"secret": shown(secret).rstrip("="), "issuer": issuer}, quote_via=quote, safe=""
    )
    return f"otpauth://totp/{label}?{query}"
