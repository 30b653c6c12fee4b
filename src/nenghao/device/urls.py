"""How a device reads the platform's addresses (URL 地址), its own and those of the registration.

The standard prints them without a scheme, `IP:port/uploadEnergyData`; that means https, and
`http://` is refused (5.3-1, docs/decisions 3). What is sent there is `client`'s business.
"""

from __future__ import annotations

from urllib.parse import urlsplit


class BadAddress(ValueError):
    """An address that a device must not or cannot use; the text says why, in Chinese."""


def read_url(text: str) -> str:
    """The https URL that `text` stands for; BadAddress for anything that is none.

    >>> read_url("10.1.2.3:9443/versionCheck")
    'https://10.1.2.3:9443/versionCheck'
    """
    stripped = text.strip()
    if not stripped:
        raise BadAddress("地址为空")
    if any(character.isspace() or not character.isprintable() for character in stripped):
        raise BadAddress(f"地址 {stripped!r} 含有空白或控制字符")
    scheme, found, rest = stripped.partition("://")
    if not found:
        scheme, rest = "https", stripped
    if scheme.lower() == "http":
        raise BadAddress(f"地址 {stripped} 不是 https：数据只在加密通道中传输")
    if scheme.lower() != "https":
        raise BadAddress(f"地址 {stripped} 的协议应为 https")
    try:
        parts = urlsplit(f"https://{rest}")
        port = parts.port
    except ValueError:
        raise BadAddress(f"地址 {stripped} 不合法") from None
    if not parts.hostname or port == 0:
        raise BadAddress(f"地址 {stripped} 缺少主机或端口不合法")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise BadAddress(f"地址 {stripped} 不应含有用户名、密码或 #")
    return f"https://{rest}"
