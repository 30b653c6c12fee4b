"""Connections (网络连接): why one failed, as a fault with a Chinese text, and TLS for sources."""

from __future__ import annotations

import errno
import ssl
from pathlib import Path

from nenghao.device.reasons import number_of, reason_of
from nenghao.device.sources.base import FaultKind, SourceFault


def timed_out(peer: str, seconds: float, doing: str = "连接上") -> SourceFault:
    """Nobody answered in time."""
    return SourceFault(FaultKind.TIMEOUT, f"{seconds:g} 秒内没有{doing} {peer}")


def unreachable(peer: str, error: OSError) -> SourceFault:
    """The fault that an error of the socket or of TLS means. Texts hold no secrets."""
    if isinstance(error, ssl.SSLError):
        return _tls(peer, error)
    if isinstance(error, TimeoutError) or number_of(error) == errno.ETIMEDOUT:
        return SourceFault(FaultKind.TIMEOUT, f"连接 {peer} 超时")
    return SourceFault(FaultKind.UNREACHABLE, f"无法连接 {peer}：{reason_of(error)}")


def _tls(peer: str, error: ssl.SSLError) -> SourceFault:
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"{peer} 的证书未通过验证：{error.verify_message}"
        return SourceFault(FaultKind.CREDENTIALS, text)
    reason = error.reason or str(error)
    if "ALERT" in reason and ("CERT" in reason or "CA" in reason or "ACCESS" in reason):
        return SourceFault(FaultKind.CREDENTIALS, f"{peer} 不接受本机的证书（{reason}）")
    return SourceFault(FaultKind.GARBAGE, f"与 {peer} 的加密连接失败：{reason}")


def tls_context(
    home_dir: Path, *, ca_file: str = "", certificate: str = "", private_key: str = ""
) -> ssl.SSLContext:
    """TLS that always verifies the peer: by `ca_file`, else by the system's authorities.

    Paths are relative to the device's directory; certificate and key are the device's own, for
    peers that ask for one. SourceFault (configuration) names the file that cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=str(home_dir / ca_file) if ca_file else None)
    except (OSError, ValueError) as error:
        raise _unusable(ca_file, error) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate:
        try:
            context.load_cert_chain(
                home_dir / certificate,
                home_dir / private_key if private_key else None,
                password=_no_password,
            )
        except (OSError, ValueError) as error:
            raise _unusable(f"{certificate} {private_key}".strip(), error) from None
    return context


def _no_password() -> str:
    """Asked for by a key under a password; without this the terminal would be asked."""
    raise ValueError("私钥受密码保护")


def _unusable(files: str, error: Exception) -> SourceFault:
    reason = str(error)
    if isinstance(error, ssl.SSLError):
        reason = "不是可用的 PEM 证书或私钥，或两者不匹配"
    elif isinstance(error, OSError):
        reason = error.strerror or reason
    return SourceFault(FaultKind.CONFIGURATION, f"无法使用证书文件 {files}：{reason}")
