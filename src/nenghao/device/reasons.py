"""Why a connection could not be made (连接失败原因), in Chinese, from the system's error."""

from __future__ import annotations

import errno
import re
import socket
import ssl

_REASONS = {
    errno.ECONNREFUSED: "对方拒绝连接（端口没有监听）",
    errno.ECONNRESET: "连接被对方中断",
    errno.EPIPE: "连接已被对方关闭",
    errno.EHOSTUNREACH: "主机不可达",
    errno.ENETUNREACH: "网络不可达",
    errno.EACCES: "被防火墙禁止",
    errno.EPERM: "被防火墙禁止",
    errno.ETIMEDOUT: "超时",
}

_ERRNO = re.compile(r"\[Errno (\d+)\]")


def number_of(error: OSError) -> int:
    """The error's number, also where several addresses of one host were tried; 0: none."""
    if error.errno is None and (found := _ERRNO.search(str(error))):
        return int(found[1])
    return error.errno or 0


def reason_of(error: OSError) -> str:
    """What to tell the person on site."""
    if isinstance(error, socket.gaierror):
        return "主机名无法解析"
    if error.errno == errno.ENODEV and error.strerror:
        return error.strerror
    if isinstance(error, TimeoutError):
        return "超时"
    known = _REASONS.get(number_of(error))
    return known or error.strerror or str(error) or type(error).__name__


def cause_of(error: BaseException) -> OSError | None:
    """The system's error at the bottom of what a library raised; None where there is none."""
    found: OSError | None = None
    at: BaseException | None = error
    seen: set[int] = set()
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        if isinstance(at, OSError) and (at.errno is not None or not found):
            found = at
        inner = at.exceptions[0] if isinstance(at, BaseExceptionGroup) else None
        at = at.__cause__ or at.__context__ or inner
    return found


_ALERTS = {
    "CERTIFICATE_REVOKED": "平台不接受本机证书：证书已被吊销",
    "CERTIFICATE_EXPIRED": "平台不接受本机证书：证书已过期或尚未生效",
    "UNKNOWN_CA": "平台不接受本机证书：平台不认其签发机构",
    "BAD_CERTIFICATE": "平台不接受本机证书",
    "CERTIFICATE_UNKNOWN": "平台不接受本机证书",
    "UNSUPPORTED_CERTIFICATE": "平台不接受本机证书：用途不符",
    "CERTIFICATE_REQUIRED": "平台要求出示证书，本机没有出示",
    "HANDSHAKE_FAILURE": "双方没有共同支持的加密方式，或平台不接受本机证书",
}


def alert_of(error: ssl.SSLError) -> str:
    """What the platform's TLS alert says of this device's certificate; else the error's text."""
    reason = getattr(error, "reason", None) or ""  # absent on one that Python code made
    known = [text for alert, text in _ALERTS.items() if reason.endswith(f"ALERT_{alert}")]
    return f"{known[0]}（{reason}）" if known else str(error)
