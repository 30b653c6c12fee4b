"""The device listener of national cryptography (国密监听): clause 6.1-1 with RFC 8998.

The same application as on the ordinary port, on a port that speaks TLS_SM4_GCM_SM3 with SM2
certificates and nothing else. The addresses handed out at registration are those of this port.
pyOpenSSL is loaded only when there is such a port.
"""

from __future__ import annotations

import copy
import importlib.util
from dataclasses import replace

import msgspec
import structlog

from nenghao.platform import sm2_home
from nenghao.platform.home import Home, HomeError
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.web.binding import Listener
from nenghao.platform.web.device_api import device_app, limits_of
from nenghao.platform.web.endpoint import Platform
from nenghao.platform.web.handshake import TlsContext
from nenghao.platform.web.refused_handshakes import RefusedHandshakes

NAME = "device-sm"

log = structlog.get_logger(__name__)


def check() -> None:
    """Raise HomeError when this installation cannot serve national cryptography."""
    if importlib.util.find_spec("OpenSSL") is None:
        raise HomeError("设置项 sm_port 需要 Python 包 pyOpenSSL：pip install 'nenghao[sm]'")


def places(settings: PlatformSettings) -> list[Listener]:
    """Where it is to be bound; empty when the settings ask for none."""
    if not settings.sm_port:
        return []
    interface = settings.bind_interface
    return [Listener(NAME, settings.listen_address, settings.sm_port, None, interface=interface)]


def listeners(home: Home, platform: Platform) -> list[Listener]:
    """The listener of `places`, with its application."""

    def context() -> TlsContext:
        from nenghao.security.sm_tls import sm_server_context

        chain, key = sm2_home.server_files(home)
        trusted, crl = sm2_home.client_ca_file(home), sm2_home.list_file(home)
        return sm_server_context(chain, key, trusted, _not_taken_up, crl, platform.clock)

    return [
        replace(
            place,
            app=device_app(reached_at(platform, port=place.port)),
            ssl_factory=context,
            limits=limits_of(platform.settings),
            on_refused=RefusedHandshakes(platform, NAME).note,
        )
        for place in places(platform.settings)
    ]


def reached_at(platform: Platform, *, host: str = "", port: int) -> Platform:
    """The same platform, telling its devices another address."""
    settings = platform.settings
    other = copy.copy(platform)
    other.settings = msgspec.structs.replace(settings, host=host or settings.host, device_port=port)
    return other


def _not_taken_up(error: Exception) -> None:
    log.error("新的国密服务器证书、CA 或吊销列表未能启用，仍用原来的", reason=str(error))
