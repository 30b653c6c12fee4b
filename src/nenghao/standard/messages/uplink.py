"""What a province and the nation say to each other beyond chapter 6 (省级平台与国家平台; 5.1-2).

The standard names the upload of collected data to the national platform and not its interface
(docs/decisions 9). So the province speaks the messages of chapter 6 with the unit's own deviceId,
and adds what a device has no need to say: when the province received it, and `order`.

| path | message | deviceId |
|---|---|---|
| /nenghao/announce | `Announcement` | the province's own |
| /nenghao/uploadConfigData | `ConfigurationUp` | the unit's device |
| /uploadEnergyData | `EnergyUpload`, the keys of `DataUp` before `data` | the unit's first device |
| /nenghao/digests | `DigestsRequest` | the province's own |

`order` grows with every attempt that a province makes (it begins with the clock, in milliseconds).
The receiving side keeps the last of each unit, in the transaction that takes the message in, and
refuses what is not later by `stale`: so an attempt that was given up, and arrives after all, does
not overwrite what its repetition brought. A sender whose clock was set back goes on after the
number that the refusal names (`stale_after`).

Everybody else is free to leave these keys unread: they are unknown fields to chapter 6.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import field

from nenghao.standard import forms
from nenghao.standard.findings import Finding
from nenghao.standard.messages.codec import drop_bom, read_value
from nenghao.standard.messages.config_data import ConfigUpload
from nenghao.standard.messages.energy_data import EnergyRecord
from nenghao.standard.messages.fields import Answer, Message, optional, present, required

ANNOUNCE = "/nenghao/announce"
CONFIGURATION = "/nenghao/uploadConfigData"
DATA = "/uploadEnergyData"
DIGESTS = "/nenghao/digests"

ORDER = forms.integer_between(1, 10**15)
DATE = forms.matching(" YYYY-MM-DD", "20[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])")
DIGEST = forms.matching(" 64 位十六进制 SM3 摘要", "[0-9a-f]{64}")
UNIT_LIMIT = 1_000
"""Units that one request for digests may name."""


class AnnouncedDevice(Message):
    """A device of the unit: its number in its certificate, and the deviceId that it keeps."""

    device: Annotated[int, required(forms.integer_between(1, 10**9))]
    device_id: Annotated[str, required(forms.DEVICE_ID)]


class Announcement(Message, kw_only=True):
    """A unit as it registered with the province, and all its devices: said before its data."""

    device_id: Annotated[str, required(forms.DEVICE_ID)]
    enterprise_code: Annotated[str, required(forms.CREDIT_CODE)]
    enterprise_name: Annotated[str, required(forms.TEXT)]
    region: Annotated[str, required(forms.REGION_CODE)]
    region_name: Annotated[str, required(forms.TEXT)]
    devices: Annotated[list[AnnouncedDevice], required()]
    order: Annotated[int, required(ORDER)]


class ConfigurationUp(ConfigUpload, kw_only=True):
    """A device's configuration as the province accepted it, and when."""

    received_at: Annotated[str, required(forms.TIME)]
    order: Annotated[int, required(ORDER)]


class DataExtension(Message, kw_only=True):
    """What stands in a batch beside chapter 6's keys.

    `received_at` caps the uploadDate of every record, as the receipt did in the province. The
    province puts records whose caps differ into batches of their own.
    """

    received_at: Annotated[str, required(forms.TIME)]
    order: Annotated[int, required(ORDER)]


class DataUp(DataExtension, kw_only=True):
    """A whole batch with its extension; `data` goes last. For writing and for documentation.

    A receiver reads the records as any upload, and the rest by `read_extension`.
    """

    device_id: Annotated[str, required(forms.DEVICE_ID)]
    enterprise_code: Annotated[str, required(forms.CREDIT_CODE)]
    data: Annotated[list[EnergyRecord], required(most=200_000)]


class DigestUnit(Message):
    """A unit to compare."""

    enterprise_code: Annotated[str, required(forms.CREDIT_CODE)]


class DigestsRequest(Message, kw_only=True, omit_defaults=True):
    """Counts and digests of the days `begin`..`end`, both included; no `units`: all of them."""

    device_id: Annotated[str, required(forms.DEVICE_ID)]
    begin: Annotated[str, required(DATE)] = field(name="from")
    end: Annotated[str, required(DATE)] = field(name="to")
    units: Annotated[list[DigestUnit] | None, optional()] = None


class DayDigest(Message):
    """What one unit has of one day: how many values, and the SM3 digest over them."""

    enterprise_code: Annotated[str, required(forms.CREDIT_CODE)]
    day: Annotated[str, required(DATE)]
    count: Annotated[int, required(forms.integer_between(0, 10**12))]
    digest: Annotated[str, required(DIGEST)]


class DigestsAnswer(Answer):
    """Days without values are absent."""

    data: Annotated[list[DayDigest], present()] = field(default_factory=list)


class _Head(msgspec.Struct, rename="camel"):
    received_at: object = None
    order: object = None


_head = msgspec.json.Decoder(_Head)


def read_extension(body: bytes) -> DataExtension:
    """The extension of a batch whose form was read already; MissingItem, IllegalFormat.

    The records are passed over, not decoded.
    """
    head = _head.decode(drop_bom(body))
    return read_value(DataExtension, {"receivedAt": head.received_at, "order": head.order})


_STALE = re.compile(r"order 应大于 ([0-9]{1,15})(?:，|；|$)")


def stale(order: int, last: int) -> Finding:
    """The finding (E2002) that an attempt came after a later one of its unit."""
    return Finding("order", f"应大于 {last}", str(order))


def stale_after(response_message: str) -> int | None:
    """The last `order` that such a refusal names; None of any other refusal."""
    found = _STALE.search(response_message)
    return int(found[1]) if found else None
