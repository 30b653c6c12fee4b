"""The nation's base data come down to the province, and from there to its devices."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal

import httpx
import pytest
from sqlalchemy import select

from nenghao.platform import coefficients, dictionary, state
from nenghao.platform.national import base_data
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.schema import audit
from nenghao.platform.uplink.line import HttpsLine
from nenghao.standard.energy_amounts import Kind
from tests.platform.national.lines import line_of
from tests.platform.national.world import Nation, Province
from tests.platform.world import World


def set_up(mode: Literal["automatic", "approve", "off"]) -> PlatformSettings:
    return PlatformSettings(uplink_base_data=mode)


def add_category(nation: Nation, name: str = "新类别") -> None:
    """The nation's operator adds a unit category."""
    with nation.store.write() as conn:
        text = dictionary.export_table(conn, "entType")
        kept = [line for line in text.splitlines() if not line.startswith("998,")]
        dictionary.import_table(conn, "entType", "\n".join([*kept, f"998,{name}"]), nation.now)


def category(below: World) -> str | None:
    with below.store.read() as conn:
        return dictionary.names(conn, "entType").get("998")


@pytest.mark.clause("6.2.3-1")
def test_new_dictionary_of_the_nation_reaches_the_devices(
    below: World, nation: Nation, line: HttpsLine, liaoning: Province
) -> None:
    steel = below.client()
    steel.register()
    asked = {"deviceId": steel.device_id}
    before = int(steel.post("/versionCheck", asked).json["dicVersion"])
    add_category(nation)
    settings = set_up("automatic")
    told = base_data.look(below.store, settings, line, liaoning.device_id, below.now)
    assert told == "已采用国家平台的基础数据，版本 2：entType"
    assert int(steel.post("/versionCheck", asked).json["dicVersion"]) == before + 1
    rows = steel.post("/downloadBaseData", asked | {"type": "entType"}).json["data"]["entType"]
    assert {"code": "998", "name": "新类别"} in rows
    assert base_data.look(below.store, settings, line, liaoning.device_id, below.now) is None
    assert [
        row.actor
        for row in below.rows(select(audit.c.actor).where(audit.c.action == "base-data.import"))
    ] == ["national"]


def test_several_tables_raise_the_version_once_and_coefficients_are_dated(
    below: World, nation: Nation, line: HttpsLine, liaoning: Province
) -> None:
    add_category(nation)
    with nation.store.write() as conn:
        text = dictionary.export_table(conn, "energyType")
        row = next(line for line in text.splitlines() if line.startswith("3300,"))
        changed = text.replace(row, row.replace("1.2290", "1.2345"))
        dictionary.import_table(conn, "energyType", changed, nation.now)
    with below.store.read() as conn:
        version = dictionary.version(conn)
    base_data.look(below.store, set_up("automatic"), line, liaoning.device_id, below.now)
    with below.store.read() as conn:
        assert dictionary.version(conn) == version + 1
        told = coefficients.table(conn).of(Kind("02", "3300"), date(2026, 11, 1))
        before = coefficients.table(conn).of(Kind("02", "3300"), date(2025, 11, 1))
    assert told is not None
    assert before is not None
    assert (told.zbckz, before.zbckz) == (Decimal("1.2345"), Decimal("1.229"))


def test_dictionary_waits_for_the_operator_where_the_setting_says_so(
    below: World, nation: Nation, line: HttpsLine, liaoning: Province
) -> None:
    add_category(nation)
    own = liaoning.device_id
    told = base_data.look(below.store, set_up("approve"), line, own, below.now)
    assert told is not None
    assert "等待批准" in told
    assert category(below) is None
    with below.store.read() as conn:
        assert state.text(conn, state.NATIONAL_OFFERED) == "2"
    assert base_data.approve(below.store, line, own, below.now) == ["entType"]
    assert category(below) == "新类别"
    with below.store.read() as conn:
        assert state.text(conn, state.NATIONAL_OFFERED) == ""
    assert base_data.approve(below.store, line, own, below.now) is None


def test_the_same_tables_change_nothing(
    below: World, nation: Nation, line: HttpsLine, liaoning: Province
) -> None:
    told = base_data.look(below.store, set_up("automatic"), line, liaoning.device_id, below.now)
    assert told == "已采用国家平台的基础数据，版本 1：与现有的相同"
    with below.store.read() as conn:
        assert dictionary.version(conn) == 1


def test_setting_off_asks_for_nothing(below: World) -> None:
    def nobody(request: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing was to be asked")

    with line_of(httpx.MockTransport(nobody)) as line:
        assert base_data.look(below.store, set_up("off"), line, "d" * 32, below.now) is None


def test_nation_that_cannot_be_reached_or_read_is_told_and_changes_nothing(below: World) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    def odd(request: httpx.Request) -> httpx.Response:
        answer: dict[str, object]
        if request.url.path == "/versionCheck":
            answer = {"regVersion": "1", "dicVersion": "7"}
        else:
            answer = {"data": {"entType": [{"code": "x"}]}}
        return httpx.Response(
            200, json={"responseCode": "0", "responseMessage": "RECEIVE SUCCESS"} | answer
        )

    for service, words in ((away, "无法连接国家平台"), (odd, "应答不可用")):
        with line_of(httpx.MockTransport(service)) as line:
            told = base_data.look(below.store, set_up("automatic"), line, "d" * 32, below.now)
        assert told is not None
        assert words in told
    with below.store.read() as conn:
        assert dictionary.version(conn) == 1
        assert state.text(conn, state.NATIONAL_VERSION) is None
