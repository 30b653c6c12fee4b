"""A province and the nation as two programs: everything arrives, whatever happens to the nation."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nenghao.cli import main
from tests.acceptance.world import (
    Credentials,
    Province,
    credit_code,
    record,
)
from tests.postgres import Server

CONFIG = Path(__file__).parents[2] / "docs" / "examples" / "config.json"
FIRST = datetime(2026, 10, 1)
DAYS = 31
DEVICES = 10
PATIENCE = 60.0


def command(*arguments: object) -> str:
    """Run `nenghao ARGUMENTS` in this process, where it costs no start; what it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = main([str(one) for one in arguments])
    assert code == 0, printed.getvalue()
    return printed.getvalue()


def json_of(*arguments: object) -> Any:
    return json.loads(command(*arguments, "--json"))


@dataclass
class Device:
    """A device of the province and the deviceId that it got."""

    credentials: Credentials
    device_id: str

    def post(self, province: Province, path: str, **body: Any) -> Any:
        own = {"deviceId": self.device_id, "enterpriseCode": self.credentials.code}
        status, answer = province.post(self.credentials, path, own | body)
        assert (status, answer["responseCode"]) == (200, "0"), answer
        return answer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uplink")


@pytest.fixture(scope="module")
def nation(folder: Path, postgres: Server) -> Iterator[Province]:
    with postgres.database() as url:
        made = Province.init(folder / "nation", "--role", "national", "--database", url)
        made.start()
        yield made
        if made.process is not None:
            assert made.stop() == 0, made.log.read_text("utf-8")


@pytest.fixture(scope="module")
def below(folder: Path, nation: Province) -> Iterator[Province]:
    """A running province with its uplink to the nation, always."""
    home = folder / "below"
    command(
        *("ca", "issue", "--home", nation.home, "--province", "210000"),
        *("--name", "辽宁省", "--out", folder / "out"),
    )
    made = Province.init(home)
    command(
        *("platform", "uplink", "set", "--home", home, "--to", nation.url),
        *("--credentials", folder / "out", "--window", "always"),
    )
    made.start()
    yield made
    if made.process is not None:
        assert made.stop() == 0, made.log.read_text("utf-8")


def a_day(day: int, values: Callable[[int], float]) -> list[dict[str, Any]]:
    """96 ticks and the day's value."""
    begin = FIRST + timedelta(days=day)
    stamp = f"{begin + timedelta(days=1, hours=2):%Y-%m-%d %H:%M:%S}"
    ticks = [
        record(
            statType=0,
            statDate=f"{begin + timedelta(minutes=15 * number):%Y-%m-%d %H:%M:%S}",
            dataValue=values(number),
            uploadDate=stamp,
        )
        for number in range(1, 97)
    ]
    whole = record(statDate=f"{begin:%Y-%m-%d %H:%M:%S}", dataValue=values(0), uploadDate=stamp)
    return [*ticks, whole]


def status(below: Province) -> Any:
    return json_of("platform", "uplink", "status", "--home", below.home)


def wait_until_up(below: Province) -> None:
    """With `always` what is left goes up within seconds."""
    end = time.monotonic() + PATIENCE
    while (now := status(below))["backlog"]:
        assert time.monotonic() < end, now
        time.sleep(0.5)
    assert (now["backlog"], now["oldest"], now["refused"]) == (0, None, [])


def verified(below: Province) -> Any:
    return json_of(
        *("platform", "uplink", "verify", "--home", below.home),
        *("--from", "2026-10-01", "--to", "2026-10-31"),
    )


def register(below: Province, folder: Path, number: int) -> Device:
    code, name, out = credit_code(500 + number), "示例钢铁有限责任公司", folder / f"{number}"
    about = ("--code", code, "--name", name, "--region", "210102")
    command("ca", "issue", "--home", below.home, *about, "--out", out)
    credentials = Credentials(out, code, name)
    return Device(credentials, below.register(credentials)["deviceId"])


@pytest.mark.clause("5.1-2")
def test_month_of_ten_devices_reaches_a_nation_that_is_restarted(
    nation: Province, below: Province, folder: Path
) -> None:
    devices = [register(below, folder / "devices", number) for number in range(DEVICES)]
    config = json.loads(CONFIG.read_bytes())
    for device in devices:
        config["enterprise"]["code"] = device.credentials.code
        device.post(
            below, "/uploadConfigData",
            collectItemConfig=config["collectItemConfig"], enterprise=config["enterprise"],
        )  # fmt: skip
    for number, device in enumerate(devices):
        if number == 3:
            nation.stop(signal.SIGKILL)
        if number == 6:
            assert status(below)["backlog"] > 0
            nation.start()
        data = [
            one
            for day in range(DAYS)
            for one in a_day(day, lambda tick, day=day, number=number: day + tick / 7 + number)  # type: ignore[misc]
        ]
        device.post(below, "/uploadEnergyData", data=data)
    nation.stop(signal.SIGTERM)
    nation.start()
    corrected = [one | {"dataValue": -1.5} for one in a_day(4, float)]
    for one in corrected:
        one["uploadDate"] = "2026-11-02 08:00:00"
    devices[0].post(below, "/uploadEnergyData", data=corrected)
    wait_until_up(below)
    assert verified(below) == {"differences": []}
    compare_downloads(nation, below, devices, folder / "out")


def compare_downloads(
    nation: Province, below: Province, devices: list[Device], credentials: Path
) -> None:
    """What each device gets back from its province, the province gets back from the nation."""
    of_province = Credentials(credentials, "", "辽宁省")
    for device in devices:
        own = {"deviceId": device.device_id, "enterpriseCode": device.credentials.code}
        for stat_type in (0, 1):
            asked = own | {
                "statType": stat_type,
                "beginTime": "2026-10-01 00:00:00",
                "endTime": "2026-11-01 00:00:00",
            }
            here = below.post(device.credentials, "/downloadEnergyData", asked)
            assert here == nation.post(of_province, "/downloadEnergyData", asked)
            assert len(here[1]["data"]) == DAYS * (96 if stat_type == 0 else 1)
        here = below.post(device.credentials, "/downloadConfigData", own)
        assert here == nation.post(of_province, "/downloadConfigData", own)


def test_new_base_data_of_the_nation_come_down(
    nation: Province, below: Province, folder: Path
) -> None:
    table = folder / "entType.csv"
    command("platform", "base-data", "export", "--home", nation.home, table)
    with table.open("a", encoding="utf-8") as file:
        file.write("998,新类别\n")
    command("platform", "base-data", "import", "--home", nation.home, table)
    done = command("platform", "uplink", "dictionary", "approve", "--home", below.home)
    assert "entType" in done or "现有版本" in done
    device = register(below, folder / "devices", 90)
    own = {"deviceId": device.device_id, "type": "entType"}
    _, answer = below.post(device.credentials, "/downloadBaseData", own)
    assert {"code": "998", "name": "新类别"} in answer["data"]["entType"]
