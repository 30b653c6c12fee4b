"""Writing keys and certificates to disk: whole or not at all, secrets for the owner only.

Everybody who writes a key goes through here, so that no key is ever readable by others, not
even for a moment, and a crash leaves the old file rather than half a new one.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

SECRET_MODE = 0o600
PUBLIC_MODE = 0o644


def write_secret(path: Path, data: bytes) -> None:
    """Write a key or password: mode 0600 from the first byte, atomically, synced to disk."""
    _write(path, data, SECRET_MODE)


def write_public(path: Path, data: bytes) -> None:
    """Write a certificate, list or description: mode 0644, atomically, synced to disk."""
    _write(path, data, PUBLIC_MODE)


def _write(path: Path, data: bytes, mode: int) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    # O_EXCL: never follow a link that somebody put there; the mode holds from creation on.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)  # whatever the umask took away
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
