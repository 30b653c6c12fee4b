"""The unit's configuration file (config.json, 用能单位基础信息): checked here, uploaded as A.4.

It has A.4's shape: `collectItemConfig`, `enterprise` and, where there are any, `group`, `process`,
`processUnit`. `deviceId` and `enterpriseCode` may be left out and are filled in.
"""

from __future__ import annotations

from msgspec import Struct

from nenghao.device.home import Unit
from nenghao.standard import replies
from nenghao.standard.findings import Finding, Findings
from nenghao.standard.messages import codec, write
from nenghao.standard.messages.config_data import ConfigUpload

_PLACEHOLDER = "0" * 32
"""Stands for the device id until the platform has given one."""


def check(content: bytes, unit: Unit) -> ConfigUpload:
    """The configuration in a file; raises `replies.RequestError` with every finding."""
    return _read(content, unit, _PLACEHOLDER)


def request(content: bytes, unit: Unit, device_id: str) -> bytes:
    """The upload request of A.4; raises like `check`."""
    return write(_read(content, unit, device_id))


class ConfiguredItem(Struct, frozen=True):
    """What a configuration says about one data code."""

    name: str
    input_type: int
    """Where its values come from (采集数据来源, B.1)."""


def items(upload: ConfigUpload) -> dict[str, ConfiguredItem]:
    """What is configured, by data code; of rows that differ in frequency only, the first counts."""
    found: dict[str, ConfiguredItem] = {}
    for row in upload.collect_item_config:
        found.setdefault(row.data_code, ConfiguredItem(row.name, int(row.input_type)))
    return found


def _read(content: bytes, unit: Unit, device_id: str) -> ConfigUpload:
    findings = Findings()
    tree = codec.parse(content, findings)
    if findings:
        raise replies.refuse(findings)
    value = tree.value
    if isinstance(value, dict):
        given = value.get("enterpriseCode") or unit.code
        if given != unit.code:
            reason = f"应为证书所属单位的 {unit.code}"
            raise replies.refuse([Finding("enterpriseCode", reason, str(given))])
        value = {**value, "deviceId": device_id, "enterpriseCode": unit.code}
    return codec.read_value(ConfigUpload, value)
