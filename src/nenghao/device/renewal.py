"""Renewing the certificate (证书续期): over the still valid one, from 30 days before it ends.

A new key is made here, the request goes to the platform's own extension `/nenghao/renew` over
mutual TLS, and what comes back is checked before it replaces anything. The old certificate stays
valid until it ends. Certificate and key lie in two files, which cannot be replaced in one step;
so both lie complete beside the old ones first (`*.next`), and `home.finish_pair` ends a change
that a crash left in the middle. A platform that knows no renewal is told of in the log once a day.
SM2 certificates have no such way: their keys come from the CA, and the log says once that one is to
be issued by hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from nenghao.device.client import PlatformClient
from nenghao.device.events import Failure
from nenghao.device.home import DeviceHome, finish_pair, next_file
from nenghao.device.service import Service
from nenghao.device.settings import DeviceSettings
from nenghao.device.urls import read_url
from nenghao.security.enrolment import (
    RENEW_PATH,
    AnswerRefused,
    CertificateAnswer,
    RenewRequest,
    check_handed_over,
)
from nenghao.security.files import write_public, write_secret
from nenghao.security.leaves import PrivateKey, china, key_pem, new_key
from nenghao.security.requests import make_request
from nenghao.security.sm2_certificates import is_sm2

RENEW_BEFORE = timedelta(days=30)
LOOK_EVERY = 3600.0
"""Seconds between two looks at the certificate."""
TRY_EVERY = timedelta(days=1)
"""Between two tries, also after one that succeeded: a platform may hand out short ones."""

log = structlog.get_logger()


def ends_at(certificate: Path) -> datetime | None:
    """When the device's certificate ends, China Standard Time; None when it cannot be read."""
    try:
        leaf = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    except (OSError, ValueError):
        return None
    return china(leaf.not_valid_after_utc)


def is_due(home: DeviceHome, settings: DeviceSettings, now: datetime) -> bool:
    """Whether the certificate is to be renewed at `now`: it ends soon and still holds."""
    end = ends_at(home.root / settings.certificate)
    return end is not None and now < end <= now + RENEW_BEFORE


def is_by_hand(home: DeviceHome, settings: DeviceSettings) -> bool:
    """Whether the certificate is one of SM2, which the platform's operator issues anew."""
    try:
        return is_sm2((home.root / settings.certificate).read_bytes())
    except OSError:
        return False


def _tell_by_hand(home: DeviceHome, settings: DeviceSettings) -> None:
    log.warning(
        "国密证书不能自动续期：请平台运维人员在到期前用 nenghao ca issue --algorithm sm2 重新签发",
        until=str(ends_at(home.root / settings.certificate)),
    )


async def renew(home: DeviceHome, settings: DeviceSettings, client: PlatformClient) -> str:
    """Renew the certificate now; "" when it is done, else why not (Chinese)."""
    chain_file, key_file = home.root / settings.certificate, home.root / settings.private_key
    waiting = next_file(key_file)
    if not waiting.exists():
        write_secret(waiting, key_pem(new_key()))
    try:
        key: PrivateKey = load_pem_private_key(waiting.read_bytes(), None)  # type: ignore[assignment]
    except (ValueError, TypeError):
        waiting.unlink()
        return f"私钥文件 {waiting} 已损坏，下次重新生成"
    csr = make_request(key, home.unit().code).decode("ascii")
    parts = urlsplit(read_url(settings.platform))
    url = f"{parts.scheme}://{parts.netloc}{RENEW_PATH}"
    reply = await client.post(url, msgspec.json.encode(RenewRequest(csr)))
    if isinstance(reply, Failure):
        return reply.reason
    try:
        answer = msgspec.json.decode(reply.body, type=CertificateAnswer)
        chain = answer.certificate.encode()
        trust = (home.root / settings.trust).read_bytes()
        identity = check_handed_over(chain, trust, waiting.read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError, AnswerRefused) as error:
        return f"续期的证书不可用：{error}"
    unit = home.unit()
    if (identity.credit_code, identity.device) != (unit.code, unit.device):
        return "续期的证书属于别的端设备，未采用"
    write_public(next_file(chain_file), chain)
    finish_pair(chain_file, key_file)
    log.info("证书已续期", until=str(identity.not_after))
    return ""


async def renew_if_due(
    home: DeviceHome, settings: DeviceSettings, client: PlatformClient, now: datetime
) -> bool:
    """Renew the certificate when it is due; whether that was done. Never fails: it tells."""
    if not is_due(home, settings, now):
        return False
    if is_by_hand(home, settings):
        _tell_by_hand(home, settings)
        return False
    reason = await renew(home, settings, client)
    if reason:
        log.warning(
            "证书未能续期，请联系平台运维人员",
            until=str(ends_at(home.root / settings.certificate)),
            reason=reason,
        )
    return not reason


def companion(
    client_of: Callable[[DeviceSettings], PlatformClient], clock: Callable[[], datetime]
) -> Callable[[Service, asyncio.Event], Awaitable[None]]:
    """What renews beside a running service (`Service.run`); `clock` judges certificates."""

    async def keep(service: Service, stop: asyncio.Event) -> None:
        tried: datetime | None = None
        told = False
        while not stop.is_set():
            now = clock()
            due = is_due(service.home, service.settings, now)
            if due and is_by_hand(service.home, service.settings):
                if not told:
                    _tell_by_hand(service.home, service.settings)
                told = True
            elif due and (tried is None or now - tried >= TRY_EVERY):
                async with client_of(service.settings) as client:
                    done = await renew_if_due(service.home, service.settings, client, now)
                if done:
                    service.take_up_certificate()
                tried = now
            await service.clock.sleep(LOOK_EVERY, stop)

    return keep
