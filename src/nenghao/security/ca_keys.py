"""How the CA's keys lie on disk (签发机构密钥的封存): encrypted, under a key file or a passphrase.

- Key file (default): a random passphrase in `seal`, mode 0600, beside the keys. No command ever
  asks for anything, and a copy of the keys without that file is worth nothing.
- Passphrase: nothing beside the keys but the salt (`seal.scrypt`). Whoever has the disk has
  nothing; without the passphrase the CA is locked and cannot sign, and everything else goes on.

A passphrase of a person is stretched by scrypt (64 MiB, about a quarter of a second) before it
encrypts anything. Where it comes from is the command line's business.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from nenghao.security.files import write_public, write_secret
from nenghao.security.names import AuthorityError

KEY_FILE: Final = "seal"
SALT_FILE: Final = "seal.scrypt"
PASSPHRASE_LENGTH = 12
"""Characters that a passphrase must have at least."""
_COST = 2**16
_BLOCK = 8
_MEMORY = 128 * 1024 * 1024


class AuthorityLocked(AuthorityError):
    """The CA's keys are sealed by a passphrase that was not given."""


def is_sealed_by_passphrase(directory: Path) -> bool:
    """Whether a passphrase is needed to sign with the keys in `directory`."""
    return (directory / SALT_FILE).exists()


def is_sealed(directory: Path) -> bool:
    """Whether there are keys of a CA in `directory` already."""
    return is_sealed_by_passphrase(directory) or (directory / KEY_FILE).exists()


class Seal:
    """What the keys of one folder are encrypted under."""

    def __init__(self, secret: bytes, name: str, content: bytes) -> None:
        self._secret = secret
        self._name = name
        self._content = content

    def __repr__(self) -> str:
        return "Seal(***)"

    @classmethod
    def fresh(cls, passphrase: str | None) -> Seal:
        """A new one, of a passphrase or of random bits for a key file. Raises AuthorityError."""
        if passphrase is None:
            secret = secrets.token_urlsafe(32).encode()
            return cls(secret, KEY_FILE, secret)
        if len(passphrase) < PASSPHRASE_LENGTH:
            raise AuthorityError(f"签发机构的口令至少 {PASSPHRASE_LENGTH} 个字符")
        salt = secrets.token_bytes(16)
        costs = {"salt": base64.b64encode(salt).decode(), "n": _COST, "r": _BLOCK, "p": 1}
        return cls(_stretched(passphrase, costs), SALT_FILE, json.dumps(costs).encode())

    @classmethod
    def of(cls, directory: Path, passphrase: str | None) -> Seal:
        """The one of an existing folder. Raises AuthorityLocked, FileNotFoundError, ValueError."""
        salt_file = directory / SALT_FILE
        if not salt_file.exists():
            secret = (directory / KEY_FILE).read_bytes()
            return cls(secret, KEY_FILE, secret)
        if passphrase is None:
            raise AuthorityLocked("签发机构的密钥以口令封存，需要口令才能签发")
        content = salt_file.read_bytes()
        return cls(_stretched(passphrase, json.loads(content)), SALT_FILE, content)

    @property
    def secret(self) -> bytes:
        """For keys that `openssl` encrypts (SM2); one line of ASCII."""
        return self._secret

    def write(self, directory: Path) -> None:
        """Put the key file, or the salt, beside the keys."""
        write = write_secret if self._name == KEY_FILE else write_public
        write(directory / self._name, self._content)

    def write_key(self, path: Path, key: ec.EllipticCurvePrivateKey) -> None:
        """Put a key in place, encrypted (PKCS#8, AES-256)."""
        encryption = BestAvailableEncryption(self._secret)
        write_secret(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))

    def read_key(self, path: Path) -> ec.EllipticCurvePrivateKey:
        """A key again. Raises ValueError under another seal, or for what is no P-256 key."""
        key = load_pem_private_key(path.read_bytes(), self._secret)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{path.name} is no key of an elliptic curve")
        return key


def _stretched(passphrase: str, costs: dict[str, object]) -> bytes:
    """What a passphrase encrypts by; costs of a file that somebody wrote are not obeyed blindly."""
    n, r, p = (int(str(costs[name])) for name in ("n", "r", "p"))
    if not (2**14 <= n <= 2**17 and r == _BLOCK and p == 1):
        raise ValueError("costs out of range")
    salt = base64.b64decode(str(costs["salt"]))
    derived = hashlib.scrypt(
        passphrase.encode(), salt=salt, n=n, r=r, p=p, maxmem=2 * _MEMORY, dklen=32
    )
    return base64.b64encode(derived)
