"""What a national platform answers to provinces beside chapter 6 (国家平台接口; docs/decisions 9).

Batches of data come on chapter 6's own path and are taken by `take_batch`; announcements,
configurations and digests have paths under a name of our own (1-1). They stand on the device
listener of a platform whose role is national, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from nenghao.platform import configuration, intake, journal
from nenghao.platform.national import announcements, digests, provinces
from nenghao.platform.registry import IdentityRefusal, Peer
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.web.endpoint import Call, Interface, Platform
from nenghao.standard import periods
from nenghao.standard.findings import Finding
from nenghao.standard.messages import Acknowledgement, read, uplink, write
from nenghao.standard.messages.config_data import ConfigUpload


def announce(platform: Platform, call: Call) -> bytes:
    """Takes a unit of the province in, before its data."""
    request = read(uplink.Announcement, call.body)
    with platform.store.write() as conn:
        announcements.announce(
            conn, platform.settings, call.identity, request, call.now, call.address
        )
    return write(Acknowledgement())


def upload_configuration(platform: Platform, call: Call) -> bytes:
    """Takes a device's configuration, in force since the province accepted it."""
    request = read(uplink.ConfigurationUp, call.body)
    plain = ConfigUpload(
        **{name: getattr(request, name) for name in ConfigUpload.__struct_fields__}
    )
    body = journal.Body.of(call.body)
    settings = platform.settings
    with platform.store.write() as conn:
        if not call.identity.province:
            finding = Finding("deviceId", provinces.NO_PROVINCE)
            raise IdentityRefusal([finding])
        peer = provinces.speaker(
            conn, settings, call.identity, request.device_id, request.enterprise_code
        )
        provinces.in_order(conn, peer.unit_id, request.order)
        configuration.upload(
            conn,
            peer,
            plain,
            body,
            call.now,
            call.address,
            settings.strict,
            periods.parse_time(request.received_at),
        )
    return write(Acknowledgement())


def take_batch(
    platform: Platform, call: Call, peer: Peer, upload: intake.Upload, body: journal.Body
) -> None:
    """Takes a batch that a province sends for one of its units, in the order it was made."""
    extension = uplink.read_extension(call.body)
    received_at = periods.parse_time(extension.received_at)
    prepared = intake.prepare(
        platform.store, platform.settings, peer, upload, call.now, received_at
    )
    with platform.store.write() as conn:
        provinces.in_order(conn, peer.unit_id, extension.order)
        intake.take(conn, prepared, body, call.now, call.address)


def tell_digests(platform: Platform, call: Call) -> bytes:
    """Tells counts and digests of the province's units by day."""
    request = read(uplink.DigestsRequest, call.body)
    with platform.store.read() as conn:
        provinces.check_province(conn, platform.settings, call.identity, request.device_id)
        found = digests.of_province(conn, call.identity.province, request)
    return msgspec.json.encode(uplink.DigestsAnswer(data=found))


INTERFACES: Mapping[str, Interface] = {
    uplink.ANNOUNCE: Interface(announce),
    uplink.CONFIGURATION: Interface(upload_configuration, keeps_refused=True),
    uplink.DIGESTS: Interface(tell_digests),
}


def interfaces(settings: PlatformSettings) -> Mapping[str, Interface]:
    """The paths that this platform has for provinces."""
    return INTERFACES if settings.role == provinces.NATIONAL else {}
