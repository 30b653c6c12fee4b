from __future__ import annotations

import errno
import socket
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from nenghao.device.sources.base import FaultKind, SourceFault
from nenghao.device.sources.network import tls_context, unreachable


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "kind", "word"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), FaultKind.UNREACHABLE, "没有监听"),
        (OSError(errno.EHOSTUNREACH, "x"), FaultKind.UNREACHABLE, "主机不可达"),
        (OSError(errno.ETIMEDOUT, "x"), FaultKind.TIMEOUT, "超时"),
        (TimeoutError(), FaultKind.TIMEOUT, "超时"),
        (socket.gaierror(-2, "x"), FaultKind.UNREACHABLE, "主机名无法解析"),
        (
            OSError("Multiple exceptions: [Errno 111] a, [Errno 111] b"),
            FaultKind.UNREACHABLE,
            "监听",
        ),
        (ssl.SSLCertVerificationError(1, "x"), FaultKind.CREDENTIALS, "证书未通过验证"),
        (tls_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"), FaultKind.CREDENTIALS, "不接受本机"),
        (tls_error("TLSV1_ALERT_UNKNOWN_CA"), FaultKind.CREDENTIALS, "不接受本机"),
        (tls_error("WRONG_VERSION_NUMBER"), FaultKind.GARBAGE, "加密连接失败"),
    ],
)
def test_errors_of_connections_have_a_kind_and_a_reason(
    error: OSError, kind: FaultKind, word: str
) -> None:
    if isinstance(error, ssl.SSLCertVerificationError):
        error.verify_message = "expired"
    fault = unreachable("10.1.1.1:1", error)
    assert fault.kind is kind
    assert word in fault.text
    assert "10.1.1.1:1" in fault.text


def test_peers_are_always_verified() -> None:
    context = tls_context(Path("/nowhere"))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_key_under_a_password_is_refused_without_asking_the_terminal(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    (tmp_path / "device.pem").write_bytes(sealed)
    with pytest.raises(SourceFault) as caught:
        tls_context(tmp_path, certificate="device.pem", private_key="device.pem")
    assert caught.value.kind is FaultKind.CONFIGURATION
    assert "device.pem" in caught.value.text
