"""Passwords at rest (口令的保存; 7.1-3): hashed with a salt, slowly, never kept.

argon2id as a rule; PBKDF2-HMAC-SM3 for sites that may use SM algorithms only. A stored hash says
itself which it is, so both are verified side by side. A verification costs 25 to 300 ms on
purpose: whoever verifies does so in a thread, few at a time, and remembers what was right for a
while (`VerifiedPasswords`).
"""

from __future__ import annotations

import base64
import hmac
import secrets
from typing import Final, Literal

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from argon2.low_level import Type

from nenghao.security.sm import hmac_sm3, pbkdf2_hmac_sm3

Scheme = Literal["argon2id", "pbkdf2-hmac-sm3"]
ARGON2ID: Final = "argon2id"
PBKDF2_SM3: Final = "pbkdf2-hmac-sm3"

ITERATIONS = 600_000
REMEMBER_SECONDS = 600.0
_SALT_BYTES = 16
_ARGON2 = PasswordHasher(
    time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16, type=Type.ID
)


def fresh_password() -> str:
    """A new password of 24 characters, from 144 random bits."""
    return secrets.token_urlsafe(18)


def hash_password(password: str, scheme: Scheme = ARGON2ID, iterations: int = ITERATIONS) -> str:
    """The text to be stored: scheme, costs, salt and hash. `iterations` are PBKDF2's."""
    if scheme == ARGON2ID:
        return _ARGON2.hash(password)
    salt = secrets.token_bytes(_SALT_BYTES)
    derived = pbkdf2_hmac_sm3(password.encode(), salt, iterations)
    return f"${PBKDF2_SM3}$i={iterations}${_encoded(salt)}${_encoded(derived)}"


def is_right(stored: str, password: str) -> bool:
    """Whether `password` is the one that was stored. ValueError for what is no stored password."""
    if stored.startswith(f"${ARGON2ID}$"):
        try:
            return _ARGON2.verify(stored, password)
        except VerificationError:
            return False
    if not stored.startswith(f"${PBKDF2_SM3}$i="):
        raise ValueError("no stored password")
    costs, salt, derived = stored.split("$")[2:]
    found = pbkdf2_hmac_sm3(
        password.encode(), base64.b64decode(salt), int(costs.removeprefix("i="))
    )
    return hmac.compare_digest(found, base64.b64decode(derived))


class VerifiedPasswords:
    """Which passwords were right lately, of one process: none can be read back from it.

    Kept is an HMAC under a key that the process made for itself, over account, stored hash and
    password: a changed hash is forgotten by itself. Times are any clock's seconds that only rise.
    """

    def __init__(self, seconds: float = REMEMBER_SECONDS) -> None:
        self._key = secrets.token_bytes(32)
        self._seconds = seconds
        self._known: dict[int, tuple[float, bytes]] = {}

    def knows(self, account: int, stored: str, password: str, now: float) -> bool:
        """Whether this password was right for this account within the last ten minutes."""
        until, mark = self._known.get(account, (float("-inf"), b""))
        return now < until and hmac.compare_digest(mark, self._mark(account, stored, password))

    def remember(self, account: int, stored: str, password: str, now: float) -> None:
        """It was verified at `now`."""
        self._known[account] = (now + self._seconds, self._mark(account, stored, password))

    def _mark(self, account: int, stored: str, password: str) -> bytes:
        text = f"{account}|{stored}|".encode()  # neither holds the separator
        return hmac_sm3(self._key, text + password.encode())


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
