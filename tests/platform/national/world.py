"""A national platform in memory, and provinces that call it as their uplinks do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nenghao.clock import china_now
from nenghao.platform import certificates
from nenghao.platform.national import provinces
from nenghao.platform.settings import PlatformSettings
from tests.platform.world import Client, Reply, World, sample, unit_code

UNIT = unit_code(1)
DEVICE = "d" * 32


@dataclass
class Nation(World):
    """One national platform. `now` is what its clock says."""

    settings: PlatformSettings = field(default_factory=lambda: PlatformSettings(role="national"))

    def province(self, region: str, name: str) -> Province:
        """The platform of a province, with a certificate that was just issued."""
        issued = self.authority.issue_province(region, name, china_now())
        with self.store.write() as conn:
            certificates.register(conn, issued, self.now)
            device_id = provinces.enter(conn, region, name, self.now)
        made = Province(self, issued)
        made.device_id = device_id
        return made


class Province(Client):
    """A province's platform, calling the nation's application as its listener would."""

    last_order = 0

    def order(self) -> int:
        """A later one with every attempt."""
        self.last_order += 1
        return self.last_order

    def announce(self, code: str = UNIT, **changes: Any) -> Reply:
        """Announce a unit with one device."""
        return self.post(
            "/nenghao/announce", announcement(self.device_id, self.order(), code) | changes
        )

    def upload(self, data: list[dict[str, Any]], **changes: Any) -> Reply:
        """Send a batch of a unit."""
        body = {
            "deviceId": DEVICE,
            "enterpriseCode": UNIT,
            "receivedAt": "2026-11-22 01:00:00",
            "order": self.order(),
        }
        return self.post("/uploadEnergyData", body | changes | {"data": data})

    def configure(self, **changes: Any) -> Reply:
        """Send a unit's configuration."""
        body = sample("uploadConfigData.request", deviceId=DEVICE, enterpriseCode=UNIT)
        body["enterprise"]["code"] = UNIT
        body |= {"receivedAt": "2026-11-20 08:00:00", "order": self.order()}
        return self.post("/nenghao/uploadConfigData", body | changes)

    def download(self, **changes: Any) -> list[dict[str, Any]]:
        """The unit's days of November, as the nation has them."""
        body = {
            "deviceId": DEVICE,
            "enterpriseCode": UNIT,
            "statType": 1,
            "beginTime": "2026-11-01 00:00:00",
            "endTime": "2026-12-01 00:00:00",
        }
        reply = self.post("/downloadEnergyData", body | changes)
        assert reply.code == "0", reply.text
        data: list[dict[str, Any]] = reply.json["data"]
        return data


def announcement(device_id: str, order: int, code: str = UNIT) -> dict[str, Any]:
    """A unit with one device."""
    return {
        "deviceId": device_id,
        "enterpriseCode": code,
        "enterpriseName": "示例钢铁",
        "region": "210102",
        "regionName": "和平区",
        "devices": [{"device": 1, "deviceId": DEVICE}],
        "order": order,
    }


def record(**changes: Any) -> dict[str, Any]:
    """A day's value of A.5."""
    return {
        "dataCode": "00-00-0000-023300-11",
        "dataValue": 123.45,
        "inputType": 1,
        "statType": 1,
        "statDate": "2026-11-20 00:00:00",
        "uploadDate": "2026-11-21 01:05:00",
        "scope": 1,
        "valid": True,
        **changes,
    }
