"""Names that may stand in a certificate: of units, cut to what X.520 has room for, and of hosts."""

from __future__ import annotations

import ipaddress
import re
import unicodedata

from cryptography import x509

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)


class AuthorityError(Exception):
    """The CA cannot be created, opened or made to issue; the text says why, in Chinese."""


def host_name(host: str) -> x509.GeneralName:
    """A DNS name or an IP address for a server's certificate; raises `AuthorityError`."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        ascii_host = host.encode("idna").decode("ascii")
    except UnicodeError as e:
        raise AuthorityError(f"不是合法的主机名：{host}") from e
    if not _HOST_NAME.fullmatch(ascii_host):
        raise AuthorityError(f"不是合法的主机名：{host}")
    return x509.DNSName(ascii_host)


def checked_name(name: str) -> str:
    """A unit's name without the blanks around it; raises `AuthorityError`."""
    name = name.strip()
    if not name:
        raise AuthorityError("单位名称不能为空")
    # Controls and lone surrogates; a full-width space (U+3000) within a name is quite usual.
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise AuthorityError("单位名称含有不可显示的字符")
    return name


def cut(text: str, size: int) -> str:
    """`text` in at most `size` bytes of UTF-8; a cut one ends in "…", never inside a character."""
    if len(text.encode()) <= size:
        return text
    return text.encode()[: size - len("…".encode())].decode(errors="ignore") + "…"
