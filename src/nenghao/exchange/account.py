"""The account that a platform gave a partner (账户): names, key and password, from a small file.

The file is what `nenghao exchange account add --json` printed, or the same keys as TOML; `url`,
`ca` and `cipher` may stand in it too.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
from msgspec import Struct

from nenghao.security.envelope import GCM, KEY_BYTES, CipherName
from nenghao.standard.messages.exchange import NAME

NEEDED = ("appId", "kid", "key", "userName", "password")
"""What an account's file must have."""


class AccountError(ValueError):
    """The account cannot be used as it stands; the text says why, in Chinese."""


class Account(Struct, frozen=True, rename="camel"):
    """Who asks, and with which key. Shows neither key nor password of itself.

    `key` is the agreed key in hexadecimal, 32 digits; `cipher` is what the platform set for the
    account; `url` and `ca` (a PEM file with the platform's root certificate) may be empty.
    """

    app_id: str
    kid: str
    key: str
    user_name: str
    password: str
    cipher: CipherName = GCM
    url: str = ""
    ca: str = ""

    def __post_init__(self) -> None:
        for name, value in (("appId", self.app_id), ("kid", self.kid)):
            if NAME.fails(value):
                raise ValueError(f"{name} {NAME.expected}")
        if not re.fullmatch(f"[0-9A-Fa-f]{{{2 * KEY_BYTES}}}", self.key):
            raise ValueError(f"key 应为 {2 * KEY_BYTES} 位十六进制数")

    @property
    def key_bytes(self) -> bytes:
        """The agreed key."""
        return bytes.fromhex(self.key)

    def __repr__(self) -> str:
        return f"Account(app_id={self.app_id!r}, kid={self.kid!r}, user_name={self.user_name!r})"


def read_account(path: Path | str) -> Account:
    """The account in a JSON or TOML file; a relative `ca` is meant from the file's folder.

    Raises AccountError (which never shows a key) and OSError.
    """
    path = Path(path)
    return account_of(read_fields(path), str(path))


def read_fields(path: Path) -> dict[str, object]:
    """The keys of an account's file as they stand, `ca` made absolute; raises as `read_account`."""
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        if path.suffix.lower() == ".toml":
            fields = tomllib.loads(content.decode())
        else:
            fields = msgspec.json.decode(content)
    except (msgspec.DecodeError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise AccountError(f"{path}：不是合法的 JSON 或 TOML") from None
    if not isinstance(fields, dict):
        raise AccountError(f"{path}：应为一个 JSON 对象")
    ca = fields.get("ca")
    if isinstance(ca, str) and ca:
        fields["ca"] = str(path.parent / ca)
    return fields


def account_of(fields: dict[str, object], where: str = "账户") -> Account:
    """The account that the keys make, unknown ones ignored. Raises AccountError naming `where`."""
    known = {name: fields[name] for name in Account.__struct_encode_fields__ if name in fields}
    if missing := [name for name in NEEDED if not known.get(name)]:
        raise AccountError(f"{where}：缺少 {'、'.join(missing)}")
    try:
        return msgspec.convert(known, Account)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, ValueError):
            raise AccountError(f"{where}：{error.__cause__}") from None
        field = str(error).rpartition("$.")[2].strip("`")  # msgspec names it, and no value
        raise AccountError(f"{where}：{field} 的值不合法") from None
