from __future__ import annotations

import asyncio
import json
from datetime import datetime

import httpx
import pytest

from nenghao.device import download
from nenghao.device.client import PlatformClient
from nenghao.device.events import Registration
from nenghao.standard.messages.energy_data import EnergyDownloadRequest, EnergyRecord
from tests.device.world import ELECTRICITY, OK, UNIT_CODE

URL = "https://p.test/x"
GIVEN = Registration("a" * 32, URL, URL, URL, URL, URL, URL, "01:05:00", datetime(2026, 1, 1))
REQUEST = EnergyDownloadRequest(
    device_id="a" * 32,
    enterprise_code=UNIT_CODE,
    stat_type=0,
    begin_time="2026-01-01 00:00:00",
    end_time="2026-01-02 00:00:00",
)


def row(value: float) -> dict[str, object]:
    return {
        "dataCode": ELECTRICITY,
        "dataValue": value,
        "inputType": 4,
        "statType": 0,
        "statDate": "2026-01-01 00:15:00",
        "uploadDate": "2026-01-02 01:05:00",
        "scope": 1,
        "valid": True,
    }


def ask(pages: dict[int, dict[str, object]]) -> list[EnergyRecord]:
    async def answer(request: httpx.Request) -> httpx.Response:
        page = json.loads(request.content).get("page", 1)
        return httpx.Response(200, json=OK[1] | pages[page])

    async def conversation() -> list[EnergyRecord]:
        async with PlatformClient(timeout=5, transport=httpx.MockTransport(answer)) as client:
            return await download.energy(client, GIVEN, REQUEST)

    return asyncio.run(conversation())


def test_all_pages_are_followed_to_the_last() -> None:
    pages: dict[int, dict[str, object]] = {
        1: {"data": [row(1)], "nextPage": 2},
        2: {"data": [row(2)]},
    }
    assert [record.data_value for record in ask(pages)] == [1, 2]


def test_pages_that_go_round_are_an_error_and_not_for_ever() -> None:
    with pytest.raises(download.DownloadError, match="第 1 页之后平台给出第 1 页"):
        ask({1: {"data": [], "nextPage": 1}})


def test_a_refusal_says_the_platforms_words() -> None:
    refused: dict[str, object] = {"responseCode": "E2002", "responseMessage": "beginTime 应早于"}
    with pytest.raises(download.DownloadError, match="beginTime 应早于"):
        ask({1: refused})


def test_the_csv_writes_values_without_exponent() -> None:
    text = download.as_csv(ask({1: {"data": [row(1e-7), row(0.000317), row(5)]}}))
    lines = text.splitlines()
    assert lines[0].startswith("dataCode,statDate,dataValue,")
    assert [line.split(",")[2] for line in lines[1:]] == ["0.0000001", "0.000317", "5"]
    assert lines[1].split(",")[6] == "true"
