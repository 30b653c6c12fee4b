"""Companies: exactly what the unit uploaded last, every key of C.5 present."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import delete

from nenghao.platform import companies
from nenghao.platform.store.reports_schema import company
from nenghao.standard.messages import read_value
from nenghao.standard.messages.companies import Company
from tests.platform.world import STEEL, Client, World, sample, unit_code


def found(
    world: World, region: str | None = None, industry: str | None = None
) -> list[dict[str, Any]]:
    with world.store.read() as conn:
        return [json.loads(one) for one in companies.find(conn, region, industry)]


def codes(world: World, region: str | None = None, industry: str | None = None) -> list[str]:
    return [one["code"] for one in found(world, region, industry)]


def configured(client: Client, **enterprise: Any) -> dict[str, Any]:
    """Upload the sample configuration with another enterprise; what was sent."""
    message = sample("uploadConfigData.request", deviceId=client.device_id)
    assert client.issued is not None
    message["enterpriseCode"] = client.issued.credit_code
    message["enterprise"] |= enterprise
    assert client.post("/uploadConfigData", message).code == "0"
    return message


@pytest.mark.clause("7.3.5-1")
@pytest.mark.clause("7.3.6-1")
@pytest.mark.parametrize("by", [("410481", None), (None, "C31")])
def test_a_company_is_what_the_unit_uploaded_with_the_rest_inside(
    steel: Client, by: tuple[str | None, str | None]
) -> None:
    sent = configured(steel)
    (one,) = found(steel.world, *by)
    inside = {key: sent[key] for key in ("group", "process", "processUnit")}
    assert one == sent["enterprise"] | inside
    assert list(one) == list(sample("getCompanyByRegion.response")["data"][0])


def test_every_key_is_there_when_the_upload_left_out_what_it_may(steel: Client) -> None:
    sent = sample("uploadConfigData.request", deviceId=steel.device_id)
    for key in ("group", "process", "processUnit"):
        del sent[key]
    for key in ("fax", "registerPrincipal", "energyPass", "remark"):
        del sent["enterprise"][key]
    assert steel.post("/uploadConfigData", sent).code == "0"
    (one,) = found(steel.world)
    assert list(one) == list(sample("getCompanyByRegion.response")["data"][0])
    assert (one["fax"], one["registerPrincipal"], one["energyPass"]) == ("", None, None)
    assert (one["group"], one["process"], one["processUnit"]) == (None, [], [])


def test_numbers_come_back_as_they_came(steel: Client) -> None:
    configured(steel, registerPrincipal=10000.5, latitude=41, longitude=123.0001)
    (one,) = found(steel.world)
    assert (one["registerPrincipal"], one["latitude"]) == (10000.5, 41)
    assert isinstance(one["latitude"], int)


def test_the_last_upload_of_any_device_of_the_unit_is_shown(world: World, steel: Client) -> None:
    second = world.client(STEEL, 2)
    second.register()
    configured(steel, name="甲")
    configured(second, name="乙")
    assert [one["name"] for one in found(world)] == ["乙"]
    configured(steel, name="丙")
    assert [one["name"] for one in found(world)] == ["丙"]


def test_a_unit_that_only_registered_is_found_by_its_region(steel: Client) -> None:
    world = steel.world
    (one,) = found(world, "210101")
    assert read_value(Company, one).code == STEEL
    assert list(one) == list(sample("getCompanyByRegion.response")["data"][0])
    assert (one["regionCode"], one["industryCode"], one["group"]) == ("210101", "", None)
    assert one["name"] == sample("register.request")["enterpriseName"]
    assert codes(world, industry="C") == []
    assert codes(world, "210102") == []


def test_registering_elsewhere_moves_a_unit_that_told_no_region(world: World) -> None:
    identity = world.identity()
    world.register(identity)
    assert codes(world, "210102") == [STEEL]
    world.register(identity, "210103", "沈河区")
    assert codes(world, "210102") == []
    assert codes(world, "210103") == [STEEL]
    assert found(world)[0]["regionName"] == "沈河区"


def test_a_city_told_by_the_configuration_gives_way_to_the_county_registered(
    steel: Client,
) -> None:
    world = steel.world
    configured(steel, code=STEEL, regionCode="210100", regionName="沈阳市")
    assert codes(world, "210101") == [STEEL]
    assert found(world)[0]["regionCode"] == "210100"  # shown as it was uploaded
    configured(steel, code=STEEL, regionCode="210200")
    assert codes(world, "210101") == []
    assert codes(world, "210200") == [STEEL]
    configured(steel, code=STEEL, regionCode="210103")
    assert codes(world, "210103") == [STEEL]


def test_regions_are_asked_by_their_subtree_and_industries_by_prefix(world: World) -> None:
    places = [("210102", "C2511"), ("210103", "C3120"), ("210202", "C2521"), ("210211", "D4411")]
    for number, (region, industry) in enumerate(places, start=1):
        client = world.client(unit_code(number))
        client.register()
        configured(client, code=unit_code(number), regionCode=region, industryCode=industry)
    every = [unit_code(number) for number in (1, 2, 3, 4)]
    assert codes(world) == codes(world, "000000") == codes(world, "210000") == every
    assert codes(world, "210100") == every[:2]
    assert codes(world, "210103") == every[1:2]
    assert codes(world, industry="C") == every[:3]
    assert codes(world, industry="C25") == [every[0], every[2]]
    assert codes(world, industry="C251") == every[:1]
    assert codes(world, industry="C2521") == [every[2]]
    assert codes(world, "210100", "C25") == every[:1]
    assert codes(world, "210200", "C31") == []
    assert codes(world, "110000") == codes(world, industry="A") == []


def test_an_upgrade_prepares_the_units_that_are_there(world: World, steel: Client) -> None:
    configured(steel)
    other = world.client(unit_code(1))
    other.register()
    third = world.client(unit_code(2))
    third.register()
    configured(third, regionCode="210100")
    before = world.rows(company.select().order_by(company.c.unit_id))
    with world.store.write() as conn:
        conn.execute(delete(company))
        _migration()._fill(conn)
    after = world.rows(company.select().order_by(company.c.unit_id))
    shown = [(row[:3], json.loads(row.content)) for row in before]
    assert [(row[:3], json.loads(row.content)) for row in after] == shown
    assert [list(json.loads(row.content)) for row in after] == [list(one) for _, one in shown]


def _migration() -> Any:
    from nenghao.platform.store.migrations.versions import v0004_reports

    return v0004_reports
