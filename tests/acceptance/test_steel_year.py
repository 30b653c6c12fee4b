"""A year of real readings through a device and the province, and back value for value."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.acceptance.world import nenghao, nenghao_json, province

READINGS = Path(__file__).parents[3] / "shared" / "data" / "steel_plant_15min_2018.csv"
CODE = "00-00-0000-023300-21"


def expected() -> dict[str, float]:
    """Tick → 万千瓦时, as the file's README says: a row of 00:00 closes its own date."""
    ticks: dict[str, float] = {}
    with READINGS.open(encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            time = datetime.strptime(row["date"], "%d/%m/%Y %H:%M")
            if time.hour == time.minute == 0:
                time += timedelta(days=1)
            value = Decimal(row["Usage_kWh"]) * Decimal("0.0001")
            ticks[f"{time:%Y-%m-%d %H:%M:%S}"] = float(value)
    return ticks


@pytest.mark.clause("5.1-1")
@pytest.mark.clause("6.2.5-2")
@pytest.mark.clause("6.3.1.2-i")
@pytest.mark.skipif(not READINGS.exists(), reason=f"the steel plant's year is not at {READINGS}")
def test_a_steel_plants_year_arrives_unchanged(tmp_path: Path) -> None:
    ticks = expected()
    assert len(ticks) == 35_040
    with province(tmp_path / "home") as platform:
        out = platform.issue(tmp_path / "out", "91330000573973053F")
        device = tmp_path / "device"
        nenghao(
            *("device", "init", "--home", device),
            *("--platform", platform.url, "--credentials", out.folder),
        )
        nenghao(
            *("device", "import", "--home", device, "--csv", READINGS, "--data-code", CODE),
            *("--column", "Usage_kWh", "--time-column", "date"),
            *("--time-format", "%d/%m/%Y %H:%M", "--label", "end", "--scale", "0.0001"),
        )
        nenghao("device", "run", "--home", device, "--once", "--at", "2019-01-01 06:00:00")
        assert nenghao_json("device", "queue", "--home", device) == []
        device_id = nenghao_json("device", "status", "--home", device)["deviceId"]
        back: dict[str, float] = {}
        page: int | None = 1
        while page:
            _, answer = platform.post(
                out,
                "/downloadEnergyData",
                {
                    "deviceId": device_id,
                    "enterpriseCode": out.code,
                    "statType": 0,
                    "beginTime": "2018-01-01 00:00:00",
                    "endTime": "2019-01-01 00:00:00",
                    "dataCode": CODE,
                    "page": page,
                },
            )
            assert answer["responseCode"] == "0"
            back |= {item["statDate"]: item["dataValue"] for item in answer["data"]}
            page = answer.get("nextPage")
        assert back == ticks
        assert platform.stop() == 0
        assert repr(ticks["2018-01-01 00:15:00"]) == "0.000317"
