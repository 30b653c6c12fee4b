"""Secrets at rest (密钥的封存): sealed under a master key that lies in a file of its own.

Whoever copies the database has none of the partners' keys; whoever has the master key file as
well has all of them, so the file is for its owner alone (mode 0600) and is not taken when it is
not. A sealed secret is bound to its purpose: moved to another account's row it does not open.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from nenghao.security import sm
from nenghao.security.files import write_secret


class SealingError(Exception):
    """The master key or what it sealed cannot be used; the text says why, in Chinese."""


class MasterKey:
    """The key (SM4, 16 bytes) under which a platform seals the keys of its partners."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "MasterKey(***)"

    @classmethod
    def load_or_create(cls, path: Path) -> MasterKey:
        """The key of the file, made with a new one if it is not there. Raises SealingError."""
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
            write_secret(fresh, secrets.token_hex(sm.KEY_BYTES).encode() + b"\n")
            try:
                os.link(fresh, path)  # whoever comes second takes the first one's
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> MasterKey:
        """The key of an existing file. Raises SealingError, also when others may read it."""
        try:
            mode = path.stat().st_mode
            text = path.read_text("ascii").strip()
            key = bytes.fromhex(text)
        except FileNotFoundError:
            raise SealingError(f"缺少主密钥文件 {path}") from None
        except ValueError:
            raise SealingError(f"主密钥文件 {path} 已损坏") from None
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise SealingError(f"主密钥文件 {path} 的权限应为 0600，现为 {stat.S_IMODE(mode):04o}")
        if len(key) != sm.KEY_BYTES:
            raise SealingError(f"主密钥文件 {path} 已损坏")
        return cls(key)

    def seal(self, secret: bytes, purpose: str) -> bytes:
        """The secret, sealed for one purpose: vector ‖ ciphertext ‖ tag (SM4-GCM)."""
        iv = secrets.token_bytes(sm.GCM_IV_BYTES)
        return iv + sm.seal_gcm(self._key, iv, secret, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """The secret again. Raises SealingError under another key or for another purpose."""
        iv, rest = sealed[: sm.GCM_IV_BYTES], sealed[sm.GCM_IV_BYTES :]
        try:
            return sm.open_gcm(self._key, iv, rest, purpose.encode())
        except sm.Forged:
            raise SealingError("封存的密钥无法打开：主密钥文件不是封存时的那一个") from None
