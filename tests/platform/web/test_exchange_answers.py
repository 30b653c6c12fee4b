"""What units upload on the one side is what partners get on the other: totals, projects, units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import insert

from nenghao.platform.store.reports_schema import project
from tests.platform.partners import INDUSTRY, REGION, Gate, Partner, partner
from tests.platform.world import World, sample, unit_code

MARCH = {
    "periodCode": "month",
    "beginTime": 1772294400000,
    "endTime": 1774972800000,
    "onlinORreport": "online",
}
"""2026-03-01 to 2026-04-01."""
SHENYANG, DALIAN = "210102", "210202"


@dataclass
class Market:
    """Two units with a month of electricity each, and projects beside them."""

    world: World
    gate: Gate

    def unit(self, number: int, region: str, industry: str, electricity: float) -> str:
        """A unit that registered, configured itself and uploaded 10⁴ kWh of electricity."""
        code = unit_code(number)
        client = self.world.client(code)
        client.register()
        about = sample("uploadConfigData.request", deviceId=client.device_id, enterpriseCode=code)
        about["enterprise"] |= {"code": code, "regionCode": region, "industryCode": industry}
        assert client.post("/uploadConfigData", about).code == "0"
        value = {
            "dataCode": "00-00-0000-023300-11",
            "dataValue": electricity,
            "inputType": 1,
            "statType": 2,
            "statDate": "2026-03-01 00:00:00",
            "uploadDate": "2026-04-01 01:05:00",
            "scope": 1,
            "valid": True,
        }
        batch = {"deviceId": client.device_id, "enterpriseCode": code, "data": [value]}
        assert client.post("/uploadEnergyData", batch).code == "0"
        return code

    def project(self, code: str, region: str, industry: str) -> None:
        texts = {
            "type": "存量项目",
            "classified_disposal": "前期手续完成",
            "construction_content": "建设内容详情",
            "construction_site": "沈阳市和平区某大街12号",
            "design_energy_consumption": "1200",
        }
        row = {"code": code, "name": f"项目 {code}", "updated_at": self.world.now}
        with self.world.store.write() as conn:
            conn.execute(
                insert(project).values(**row, **texts, region_code=region, industry_code=industry)
            )


@pytest.fixture
def market(world: World) -> Market:
    made = Market(world, Gate(world))
    made.unit(1, SHENYANG, "C2511", 100.25)
    made.unit(2, DALIAN, "D4411", 10)
    made.project("1", SHENYANG, "C2511")
    made.project("2", DALIAN, "D4411")
    return made


def electricity(asker: Partner, interface: str, **query: str) -> tuple[float, float]:
    answer = asker.ask(interface, asker.plain(interface, query=MARCH | query))
    indicator = answer["data"]["elec"]
    return indicator["OriginValue"], indicator["value"]


def listed(asker: Partner, interface: str, query: dict[str, str]) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = asker.ask(interface, asker.plain(interface, query=query))["data"]
    return data


def codes(asker: Partner, interface: str, query: dict[str, str]) -> list[str]:
    return [one["code"] for one in listed(asker, interface, query)]


@pytest.mark.clause("5.1-3")
@pytest.mark.clause("7.3.1-1")
@pytest.mark.clause("7.3.1-2")
@pytest.mark.clause("7.3.2-1")
def test_what_units_uploaded_is_summed_up_by_region_and_by_industry(market: Market) -> None:
    """Electricity by hand: 110.25 × 1.229 = 135.49725, 100.25 × 1.229 = 123.20725."""
    asker = partner(market.gate)
    for everything in ("000000", "210000"):
        found = electricity(asker, "getRegionData", regionCode=everything)
        assert found == (110.25, 135.5)
    assert electricity(asker, "getRegionData", regionCode=SHENYANG) == (100.25, 123.21)
    assert electricity(asker, "getRegionData", regionCode="210200") == (10.0, 12.29)
    assert electricity(asker, "getIndustryData", industryCode="C25") == (100.25, 123.21)
    assert electricity(asker, "getIndustryData", industryCode="D") == (10.0, 12.29)
    assert electricity(asker, "getIndustryData", industryCode="B") == (0.0, 0.0)
    report = {"onlinORreport": "report"}
    assert electricity(asker, "getRegionData", regionCode="210000", **report) == (0.0, 0.0)


@pytest.mark.clause("7.3.1-1")
def test_an_account_limited_by_the_one_and_asking_by_the_other_gets_the_intersection(
    market: Market,
) -> None:
    local = partner(market.gate, "local", region="210100")
    assert electricity(local, "getIndustryData", industryCode="C") == (100.25, 123.21)
    assert electricity(local, "getIndustryData", industryCode="D") == (0.0, 0.0)
    assert codes(local, "getProjectDataByIndustry", {"industryCode": "C"}) == ["1"]
    assert codes(local, "getProjectDataByIndustry", {"industryCode": "D"}) == []
    assert codes(local, "getCompanyByIndustry", {"industryCode": "C"}) == [unit_code(1)]
    assert codes(local, "getCompanyByIndustry", {"industryCode": "D"}) == []
    branch = partner(market.gate, "branch", industries=("D", "E"))
    assert electricity(branch, "getRegionData", regionCode="210000") == (10.0, 12.29)
    assert electricity(branch, "getRegionData", regionCode="210100") == (0.0, 0.0)
    assert codes(branch, "getProjectDataByRegion", REGION) == ["2"]
    assert codes(branch, "getCompanyByRegion", REGION) == [unit_code(2)]
    both = partner(market.gate, "both", industries=("C", "D"))
    assert electricity(both, "getRegionData", regionCode="210000") == (110.25, 135.5)
    assert sorted(codes(both, "getProjectDataByRegion", REGION)) == ["1", "2"]
    assert sorted(codes(both, "getCompanyByRegion", REGION)) == [unit_code(1), unit_code(2)]


@pytest.mark.clause("7.3.3-1")
@pytest.mark.clause("7.3.4-1")
def test_projects_come_with_nine_fields_and_the_names_of_region_and_industry(
    market: Market,
) -> None:
    asker = partner(market.gate)
    (by_region,) = listed(asker, "getProjectDataByRegion", {"regionCode": "210100"})
    (by_industry,) = listed(asker, "getProjectDataByIndustry", INDUSTRY)
    assert by_region == by_industry
    shown = sample("getProjectDataByRegion.response")["data"][0]
    assert list(by_region) == list(shown)
    assert len(by_region) == 9
    assert by_region["region"] == "和平区"
    assert by_region["industry"] == "原油加工及石油制品制造"
    assert by_region["design_energy_consumption"] == "1200"
    assert len(listed(asker, "getProjectDataByRegion", REGION)) == 2


@pytest.mark.clause("7.3.5-1")
@pytest.mark.clause("7.3.6-1")
def test_units_come_with_every_key_as_they_uploaded_themselves(market: Market) -> None:
    asker = partner(market.gate)
    (by_region,) = listed(asker, "getCompanyByRegion", {"regionCode": "210100"})
    (by_industry,) = listed(asker, "getCompanyByIndustry", INDUSTRY)
    assert by_region == by_industry
    assert list(by_region) == list(sample("getCompanyByRegion.response")["data"][0])
    sent = sample("uploadConfigData.request")
    changed = {"code": unit_code(1), "regionCode": SHENYANG, "industryCode": "C2511"}
    parts = {name: sent[name] for name in ("group", "process", "processUnit")}
    assert by_region == sent["enterprise"] | changed | parts
    assert len(listed(asker, "getCompanyByRegion", REGION)) == 2
