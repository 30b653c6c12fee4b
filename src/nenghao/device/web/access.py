"""Who may use the page: the password on disk, sessions in memory, tokens against forged forms.

The password lies salted and hashed with scrypt in `page.password` (0600); a page without the file
lets nobody in. A session ends after two hours without a visit, after a day, with a new password,
and with the process. Every visitor has a random cookie, logged in or not; the token of a form is
an HMAC of it, so a form that another site sends is refused. Times are seconds of a clock that the
caller passes in.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from nenghao.device.home import write_file

FILE_NAME: Final = "page.password"
SHORTEST: Final = 10
"""Characters of a password, at least."""
LONGEST: Final = 256

IDLE_SECONDS: Final = 2 * 3600.0
LONGEST_SECONDS: Final = 24 * 3600.0
MOST_SESSIONS: Final = 32

FREE_ATTEMPTS: Final = 5
"""Wrong passwords in a row that cost no waiting."""
LONGEST_WAIT: Final = 300.0

_N, _R, _P = 2**13, 8, 10  # OWASP's choice for little memory: 8 MB, some 300 ms


class BadPassword(ValueError):
    """A password that will not be taken; the text says why, in Chinese."""


class _Stored(Struct, frozen=True, forbid_unknown_fields=True):
    """page.password."""

    salt: str
    hash: str
    n: int
    r: int
    p: int


def set_password(home: Path, password: str) -> None:
    """Write the password's hash into the device's directory; BadPassword when it is too weak."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadPassword(f"密码应为 {SHORTEST} 至 {LONGEST} 个字符，收到 {len(password)} 个")
    if not password.isprintable() or len(set(password)) < 4:
        raise BadPassword("密码不应含控制字符，且至少有 4 种不同的字符")
    salt = secrets.token_bytes(16)
    stored = _Stored(salt.hex(), _hash(password, salt, _N, _R, _P).hex(), _N, _R, _P)
    write_file(home / FILE_NAME, msgspec.json.encode(stored), 0o600)


def random_password() -> str:
    """A password of 80 random bits that can be read out over the telephone."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    groups = ["".join(secrets.choice(alphabet) for _ in range(4)) for _ in range(4)]
    return "-".join(groups)


def _hash(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=256 * r * (n + p))


class Session(Struct):
    """A visitor who gave the password."""

    stamp: bytes
    """Of the password that was given."""
    born: float
    seen: float
    notices: list[str] = msgspec.field(default_factory=list)
    """What the next page tells once."""


class Access:
    """The password check and the sessions of one page."""

    def __init__(self, home: Path) -> None:
        self._file = home / FILE_NAME
        self._secret = secrets.token_bytes(32)
        self._sessions: dict[bytes, Session] = {}
        self._failures = 0
        self._blocked_until = 0.0

    # --- password ---------------------------------------------------------------------------------

    def has_password(self) -> bool:
        """Whether anybody can log in at all."""
        return self._read() is not None

    def wait(self, seconds: float) -> float:
        """How long the next attempt must still wait, after wrong ones."""
        return max(0.0, self._blocked_until - seconds)

    def check(self, password: str, seconds: float) -> bool:
        """Whether it is the password; takes some 300 ms of CPU, so call it in a thread.

        False without trying while `wait` says so. Wrong ones in a row make the wait longer.
        """
        if self.wait(seconds) > 0.0:
            return False
        stored = self._read()
        if stored is None or len(password) > LONGEST:
            return False
        # counted before the work: attempts at the same time must not be free
        self._failures += 1
        if self._failures >= FREE_ATTEMPTS:
            pause = min(LONGEST_WAIT, 2.0 ** (self._failures - FREE_ATTEMPTS + 1))
            self._blocked_until = seconds + pause
        salt = bytes.fromhex(stored.salt)
        found = _hash(password, salt, stored.n, stored.r, stored.p)
        if not hmac.compare_digest(found.hex(), stored.hash):
            return False
        self._failures = 0
        self._blocked_until = 0.0
        return True

    def _read(self) -> _Stored | None:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_Stored)
        except (OSError, msgspec.DecodeError):
            return None

    def _stamp(self) -> bytes:
        try:
            return hashlib.sha256(self._file.read_bytes()).digest()
        except OSError:
            return b""

    # --- sessions ---------------------------------------------------------------------------------

    def begin(self, seconds: float) -> str:
        """A new session for who has just given the password; the cookie's value."""
        self._forget(seconds)
        while len(self._sessions) >= MOST_SESSIONS:
            oldest = min(self._sessions, key=lambda key: self._sessions[key].seen)
            del self._sessions[oldest]
        cookie = new_cookie()
        self._sessions[_key(cookie)] = Session(self._stamp(), seconds, seconds)
        return cookie

    def session(self, cookie: str, seconds: float, *, visit: bool = True) -> Session | None:
        """The session of a cookie, if it is one; `visit` False does not keep it awake."""
        self._forget(seconds)
        session = self._sessions.get(_key(cookie))
        if session is not None and session.stamp != self._stamp():
            del self._sessions[_key(cookie)]
            return None
        if session is not None and visit:
            session.seen = seconds
        return session

    def end(self, cookie: str) -> None:
        """Log out."""
        self._sessions.pop(_key(cookie), None)

    def _forget(self, seconds: float) -> None:
        over = [
            key
            for key, session in self._sessions.items()
            if seconds - session.seen > IDLE_SECONDS or seconds - session.born > LONGEST_SECONDS
        ]
        for key in over:
            del self._sessions[key]

    # --- forms ------------------------------------------------------------------------------------

    def token(self, cookie: str) -> str:
        """What a form of the cookie's holder carries."""
        return hmac.new(self._secret, cookie.encode(), hashlib.sha256).hexdigest()

    def is_token(self, token: str, cookie: str) -> bool:
        """Whether a form came from a page of ours that the cookie's holder was shown."""
        return bool(cookie) and hmac.compare_digest(token.encode(), self.token(cookie).encode())


def new_cookie() -> str:
    """A random value for a visitor's cookie."""
    return secrets.token_urlsafe(32)


def _key(cookie: str) -> bytes:
    """Sessions are kept by a digest: comparing keys must not tell how much of one is right."""
    return hashlib.sha256(cookie.encode()).digest()
