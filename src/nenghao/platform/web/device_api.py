"""The seven device interfaces (第 6 章; annex A) on the root of the device listener.

Each reads its message, asks one service in one transaction and encodes the answer; nothing is
decided here. Refusals and errors are `endpoint`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from nenghao.platform import (
    base_data_held,
    configuration,
    dictionary,
    download,
    enrolment,
    intake,
    item_limit,
    journal,
    registry,
)
from nenghao.platform.bulk import read_upload
from nenghao.platform.home import Home
from nenghao.platform.national import provinces
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.web import national_api, openapi
from nenghao.platform.web.binding import Listener
from nenghao.platform.web.encodings import ZSTD
from nenghao.platform.web.endpoint import MEGABYTE, Call, Interface, Platform, endpoint
from nenghao.platform.web.enrol_messages import handed_over, renewal_request
from nenghao.platform.web.limits import Limits
from nenghao.platform.web.refused_handshakes import RefusedHandshakes
from nenghao.security.contexts import renewing_server_context
from nenghao.security.enrolment import RENEW_PATH
from nenghao.standard.messages import Acknowledgement, read, write
from nenghao.standard.messages.base_data import BaseDataRequest
from nenghao.standard.messages.config_data import ConfigDownloadRequest, ConfigUpload
from nenghao.standard.messages.energy_data import EnergyDownloadRequest, columns_of
from nenghao.standard.messages.registration import RegistrationRequest
from nenghao.standard.messages.version_check import VersionAnswer, VersionRequest

log = structlog.get_logger(__name__)


def register(platform: Platform, call: Call) -> bytes:
    """A.1: takes the device in and tells it the addresses and its upload time."""
    request = read(RegistrationRequest, call.body)
    with platform.store.write() as conn:
        answer = registry.register(
            conn, platform.settings, call.identity, request, call.now, call.address
        )
    return write(answer)


def base_data(platform: Platform, call: Call) -> bytes:
    """A.2: hands out the code tables, and notes which version the device has."""
    request = read(BaseDataRequest, call.body)
    with platform.store.read() as conn:
        peer = provinces.check(conn, platform.settings, call.identity, request.device_id)
        answer = dictionary.encoded_answer(conn, request.type)
        version = dictionary.version(conn)
        if peer is None or not base_data_held.is_news(
            conn, peer.unit_id, peer.device, version, request.type
        ):
            return answer
    base_data_held.note(platform.store, peer.unit_id, peer.device, version, request.type, call.now)
    return answer


def versions(platform: Platform, call: Call) -> bytes:
    """A.3: tells the versions of registration and base data."""
    request = read(VersionRequest, call.body)
    with platform.store.read() as conn:
        provinces.check(conn, platform.settings, call.identity, request.device_id)
        reg_version, dic_version = registry.versions(conn)
    return write(VersionAnswer(reg_version=str(reg_version), dic_version=str(dic_version)))


def upload_configuration(platform: Platform, call: Call) -> bytes:
    """A.4: takes the unit's basic information and the device's whole set of items."""
    request = read(ConfigUpload, call.body)
    body = journal.Body.of(call.body)
    with platform.store.write() as conn:
        peer = registry.identify(conn, call.identity, request.device_id, request.enterprise_code)
        codes = {item.data_code for item in request.collect_item_config}
        item_limit.check(
            conn, peer.unit_id, codes, platform.settings.items_per_unit, "collectItemConfig"
        )
        configuration.upload(
            conn, peer, request, body, call.now, call.address, platform.settings.strict
        )
    return write(Acknowledgement())


def upload_energy(platform: Platform, call: Call) -> bytes:
    """A.5: takes a batch of collected data, whole and durable before the answer."""
    settings = platform.settings
    request = read_upload(
        call.body,
        record_limit=settings.record_limit,
        statdate_tolerance=settings.statdate_tolerance,
    )
    with platform.store.read() as conn:
        peer = provinces.speaker(
            conn,
            platform.settings,
            call.identity,
            request.device_id,
            request.enterprise_code,
        )
        codes = columns_of(request.data).data_code.distinct
        item_limit.check(conn, peer.unit_id, codes, settings.items_per_unit, "data")
    packed = call.raw if call.encoding == ZSTD else b""
    body = journal.Body.of(call.body, packed)
    if call.identity.province:
        national_api.take_batch(platform, call, peer, request, body)
    else:
        intake.upload(platform.store, settings, peer, request, body, call.now, call.address)
    return write(Acknowledgement())


def download_configuration(platform: Platform, call: Call) -> bytes:
    """centerInfoDownloadURL: hands back what the device uploaded last."""
    request = read(ConfigDownloadRequest, call.body)
    with platform.store.read() as conn:
        peer = provinces.speaker(
            conn,
            platform.settings,
            call.identity,
            request.device_id,
            request.enterprise_code,
        )
        return write(configuration.download(conn, peer))


def download_energy(platform: Platform, call: Call) -> bytes:
    """centerDataDownloadURL: hands back a page of the unit's collected data."""
    request = read(EnergyDownloadRequest, call.body)
    with platform.store.read() as conn:
        peer = provinces.speaker(
            conn,
            platform.settings,
            call.identity,
            request.device_id,
            request.enterprise_code,
        )
        return write(download.energy(conn, peer, request, platform.settings.download_page_size))


def renew(platform: Platform, call: Call) -> bytes:
    """Ours (docs/certificates.md): a new certificate for the holder of one that is still valid."""
    asked = renewal_request(call.body)
    authority = platform.authority()
    with platform.store.write() as conn:
        issued = enrolment.renew(conn, authority, call.identity, asked.csr, call.now, call.address)
    return handed_over(issued)


INTERFACES: Mapping[str, Interface] = {
    "/": Interface(register, identity_field="enterpriseCode"),
    "/downloadBaseData": Interface(base_data),
    "/versionCheck": Interface(versions),
    "/uploadConfigData": Interface(upload_configuration, keeps_refused=True),
    "/uploadEnergyData": Interface(upload_energy, keeps_refused=True),
    "/downloadConfigData": Interface(download_configuration),
    "/downloadEnergyData": Interface(download_energy),
}
"""What the standard has the device listener answer; another method than POST is 405."""

EXTENSIONS: Mapping[str, Interface] = {RENEW_PATH: Interface(renew, identity_field="csr")}
"""What it answers beside that, under a name of our own (1-1); beside them stands only their
description (`openapi`). Any other path is 404."""


def device_app(platform: Platform) -> Starlette:
    """The application of the device listener."""
    routes = [
        Route(path, endpoint(platform, interface), methods=["POST"])
        for path, interface in (
            *INTERFACES.items(),
            *EXTENSIONS.items(),
            *national_api.interfaces(platform.settings).items(),
        )
    ]
    routes += openapi.routes(openapi.device_document())
    app = Starlette(routes=routes, exception_handlers={404: not_found, 405: not_allowed})
    app.router.redirect_slashes = False
    return app


async def not_found(request: Request, error: Exception) -> Response:
    """404 of every listener."""
    return PlainTextResponse("没有这个接口", 404)


async def not_allowed(request: Request, error: Exception) -> Response:
    """405 of every listener."""
    headers = error.headers if isinstance(error, HTTPException) else None
    allowed = sorted((headers or {}).get("Allow", "POST").split(", "))
    return PlainTextResponse(f"只接受 {allowed[0]} 请求", 405, {"allow": ", ".join(allowed)})


def place(settings: PlatformSettings) -> Listener:
    """Where the device listener is to be bound; it has no application."""
    return Listener(
        "device",
        settings.listen_address,
        settings.device_port,
        None,
        interface=settings.bind_interface,
    )


def listener(home: Home, platform: Platform) -> Listener:
    """The device listener of a platform: mutual TLS (6.1-1).

    Trusted are the device CA and the outside issuers that were taken in, and no root.
    """
    settings = platform.settings
    return replace(
        place(settings),
        app=device_app(platform),
        ssl_factory=partial(
            renewing_server_context,
            home.server_chain,
            home.server_key,
            home.client_cas,
            _not_taken_up,
            home.client_lists,
            platform.clock,
        ),
        limits=limits_of(settings),
        on_refused=RefusedHandshakes(platform, "device").note,
    )


def limits_of(settings: PlatformSettings) -> Limits:
    """The limits on connections and bodies that the settings ask for, of one worker."""
    return Limits(
        handshake_seconds=settings.handshake_seconds,
        header_seconds=settings.header_seconds,
        body_seconds=settings.body_seconds,
        body_min_rate=settings.body_min_rate,
        body_limit=settings.body_limit_mb * MEGABYTE,
        body_budget=settings.body_budget_mb * MEGABYTE // settings.workers,
        connections=settings.connections,
        connections_per_address=settings.connections_per_address,
        handshakes_per_minute=settings.handshakes_per_minute,
        keep_alive_seconds=settings.idle_seconds,
    )


def _not_taken_up(error: Exception) -> None:
    log.error("新的服务器证书或 CA 未能启用，仍用原来的", reason=str(error))
