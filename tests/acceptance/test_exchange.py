"""The exchange as its users have it: real processes, real accounts, sealed bodies over real TLS.

Two units upload, the operator imports projects and makes accounts, partners ask all six questions
through `nenghao exchange`, through the Python client and through the Node example, whose SM4 shares
no code with ours. Every amount that is expected was computed by hand: electricity counts 1.229,
coal 0.7143 tonnes of standard coal.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nenghao.exchange import Client, Refused, Unreachable, read_account
from tests.acceptance.market import Market, configuration, value
from tests.acceptance.world import Province, credit_code, nenghao
from tests.exchange.node import require_node

ELECTRICITY = "00-00-0000-023300-20"
COAL = "00-00-0000-010100-20"
OUTPUT_VALUE = "00-00-0000-090100-80"
PROJECTS = """\
name,code,type,regionCode,industryCode,classified_disposal,construction_content,construction_site,design_energy_consumption
焦炉煤气利用,2101-01,存量项目,210100,C2521,前期手续完成,"回收焦炉煤气，发电",沈阳市和平区一号,1200
常减压装置,2102-01,新建项目,210202,C2511,在建,新建装置,大连市中山区二号,56000.5
"""


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    folder = tmp_path_factory.mktemp("market")
    province = Province.init(folder / "home", exchange=True)
    province.start()
    try:
        steel = province.issue(folder / "steel", credit_code(1))
        oil = province.issue(folder / "oil", credit_code(2), "示例石化有限公司")
        made = Market(province, folder, steel, oil, {})
        for unit, region, industry in ((steel, "210102", "C3120"), (oil, "210202", "C2511")):
            made.ids[unit.code] = province.register(unit)["deviceId"]
            told = configuration(unit.code, region, industry)
            told["deviceId"] = made.ids[unit.code]
            _, answer = province.post(unit, "/uploadConfigData", told)
            assert answer["responseCode"] == "0", answer
        made.upload(
            steel,
            value(ELECTRICITY, 100, "2024-01"),
            value(ELECTRICITY, 80, "2024-02"),
            value(COAL, 1000, "2024-01"),
            value(OUTPUT_VALUE, 5000, "2024-01"),
            value(ELECTRICITY, 99, "2024-01", inputType=5),
            value(ELECTRICITY, 3, "2024-02", statType=1, statDate="2024-02-10 00:00:00"),
        )
        made.upload(oil, value(ELECTRICITY, 50, "2024-01"))
        projects = folder / "projects.csv"
        projects.write_text(PROJECTS, "utf-8")
        nenghao("platform", "projects", "import", "--home", province.home, projects)
        yield made
    finally:
        assert province.stop() == 0, province.log.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def partner(market: Market) -> Path:
    return market.account("lnxxzx")


def indicator(origin: float, standard_coal: float, unit: str) -> dict[str, Any]:
    return {"OriginValue": origin, "value": standard_coal, "unitName": unit}


def milliseconds(*date: int) -> int:
    """China Standard Time in epoch milliseconds, reckoned here on its own."""
    return int((datetime(*date) - datetime(1970, 1, 1, 8)).total_seconds()) * 1000  # type: ignore[arg-type]


JANUARY, MARCH = datetime(2024, 1, 1), datetime(2024, 3, 1)
WINTER = ["--begin", "2024-01", "--end", "2024-03"]


@pytest.mark.clause("5.1-3")
@pytest.mark.clause("7.3.1-1")
@pytest.mark.clause("7.3.1-2")
def test_a_region_is_told_in_ten_indicators_with_all_below_it(
    market: Market, partner: Path
) -> None:
    told = market.ask(partner, "region-data", "--region", "210000", *WINTER)
    assert told == {
        "nyxfzl": indicator(996.97, 996.97, "吨标准煤"),
        "zhnyxfl": indicator(996.97, 996.97, "吨标准煤"),
        "coal": indicator(1000, 714.3, "吨"),
        "coke": indicator(0, 0, "吨"),
        "elec": indicator(230, 282.67, "万千瓦时"),
        "oil": indicator(0, 0, "吨"),
        "gas": indicator(0, 0, "万立方米"),
        "hot": indicator(0, 0, "百万千焦"),
        "gyzcz": indicator(5000, 0, "万元"),
        "other": indicator(0, 0, "吨标准煤"),
    }
    with market.client(partner) as client:
        for region, amount in (("210100", 180), ("210102", 180), ("210200", 50), ("210300", 0)):
            assert client.region_data(region, JANUARY, MARCH)["elec"].origin_value == amount


@pytest.mark.clause("7.3.2-1")
def test_an_industry_is_told_with_all_below_it(market: Market, partner: Path) -> None:
    told = market.ask(partner, "industry-data", "--industry", "C31", *WINTER)
    assert told["elec"] == indicator(180, 221.22, "万千瓦时")
    assert told["nyxfzl"]["value"] == 935.52
    with market.client(partner) as client:
        assert client.industry_data("C", JANUARY, MARCH)["elec"].origin_value == 230


def test_days_months_years_and_reported_data_are_told_apart(market: Market, partner: Path) -> None:
    with market.client(partner) as client:

        def electricity(begin: datetime, **options: Any) -> tuple[float, float]:
            told = client.region_data("210102", begin, **options)["elec"]
            return told.origin_value, told.value

        assert electricity(datetime(2024, 2, 10), period="day") == (3, 3.69)
        assert electricity(datetime(2024, 2, 11), period="day") == (0, 0)
        assert electricity(datetime(2024, 1, 20)) == (100, 122.9)
        assert electricity(datetime(2024, 7, 1), period="year") == (180, 221.22)
        assert electricity(JANUARY, source="report") == (99, 121.67)


def test_an_answer_holds_what_was_acknowledged_before_the_question(
    market: Market, partner: Path
) -> None:
    with market.client(partner) as client:
        for day, amount in enumerate((10, 12.5, 7), 11):
            sent = value(ELECTRICITY, amount, "2024-05", uploadDate=f"2024-06-{day} 01:05:00")
            market.upload(market.oil, sent)
            told = client.region_data("210200", datetime(2024, 5, 1))["elec"]
            assert told.origin_value == amount


@pytest.mark.clause("7.3.3-1")
@pytest.mark.clause("7.3.4-1")
def test_projects_come_with_names_and_nine_fields(market: Market, partner: Path) -> None:
    coke = {
        "name": "焦炉煤气利用",
        "code": "2101-01",
        "type": "存量项目",
        "region": "沈阳市",
        "industry": "炼焦",
        "classified_disposal": "前期手续完成",
        "construction_content": "回收焦炉煤气，发电",
        "construction_site": "沈阳市和平区一号",
        "design_energy_consumption": "1200",
    }
    assert market.ask(partner, "projects", "--region", "210100") == [coke]
    assert market.ask(partner, "projects", "--industry", "C252") == [coke]
    with market.client(partner) as client:
        everything = client.projects(region="000000")
        assert [one.design_energy_consumption for one in everything] == ["1200", "56000.5"]
        assert client.projects(industry="B06") == []


@pytest.mark.clause("7.3.5-1")
@pytest.mark.clause("7.3.6-1")
def test_a_company_is_exactly_what_its_device_uploaded(market: Market, partner: Path) -> None:
    sent = configuration(market.steel.code, "210102", "C3120")
    expected = sent["enterprise"] | {
        "group": sent["group"],
        "process": sent["process"],
        "processUnit": sent["processUnit"],
    }
    for question in (("--region", "210100"), ("--industry", "C31")):
        told = market.ask(partner, "companies", *question)
        assert told == [expected]
        assert list(told[0]) == list(expected)
    with market.client(partner) as client:
        both = client.companies(region="210000")
    assert {one.code for one in both} == {market.steel.code, market.oil.code}


@pytest.mark.clause("7.1-4")
@pytest.mark.clause("C-1")
def test_an_independent_client_in_node_hears_the_same_in_either_cipher(
    market: Market, partner: Path
) -> None:
    require_node()
    cbc = market.account("cbc", "--cbc")
    span = {
        "periodCode": "month",
        "beginTime": milliseconds(2024, 1, 1),
        "endTime": milliseconds(2024, 3, 1),
        "onlinORreport": "online",
    }
    questions: dict[str, dict[str, Any]] = {
        "getRegionData": span | {"regionCode": "210000"},
        "getIndustryData": span | {"industryCode": "C"},
        "getProjectDataByRegion": {"regionCode": "210000"},
        "getProjectDataByIndustry": {"industryCode": "C"},
        "getCompanyByRegion": {"regionCode": "210000"},
        "getCompanyByIndustry": {"industryCode": "C"},
    }
    with market.client(partner) as client:
        heard = {
            "getRegionData": client.region_data("210000", JANUARY, MARCH),
            "getIndustryData": client.industry_data("C", JANUARY, MARCH),
            "getProjectDataByRegion": client.projects(region="210000"),
            "getProjectDataByIndustry": client.projects(industry="C"),
            "getCompanyByRegion": client.companies(region="210000"),
            "getCompanyByIndustry": client.companies(industry="C"),
        }
    for account in (partner, cbc):
        for name, query in questions.items():
            told = market.node(account, name, query)
            assert told["responseCode"] == "0"
            assert told["responseMessage"] == "RECEIVE SUCCESS"
            assert told["data"] == msgspec.to_builtins(heard[name])


@pytest.mark.clause("7.1-2")
@pytest.mark.clause("7.1-5")
def test_whoever_cannot_prove_who_he_is_hears_one_and_the_same(
    market: Market, partner: Path, tmp_path: Path
) -> None:
    told = json.loads(partner.read_text("utf-8"))
    wrong = {
        "key": "0" * 32,
        "password": "wrong",
        "userName": "other",
        "kid": "k9",
        "appId": "nobody",
    }
    heard = set()
    for name, odd in wrong.items():
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps(told | {name: odd}), "utf-8")
        with market.client(file) as client, pytest.raises(Refused) as caught:
            client.projects(region="210000")
        heard.add((caught.value.code, caught.value.text, caught.value.sealed))
    ((code, text, sealed),) = heard
    assert (code, sealed) == ("E2002", False)
    assert text.startswith("请求参数异常，参数格式不合法")
    asked = ("exchange", "projects", "--region", "210000", "--account", tmp_path / "key.json")
    done = nenghao(*asked, "--json", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"E2002 {text}" in done.stderr
    with market.client(partner) as client:
        assert client.projects(region="210300") == []


@pytest.mark.clause("7.1-1")
def test_a_plain_body_is_refused_and_an_account_keeps_to_its_scope(
    market: Market, partner: Path
) -> None:
    context = ssl.create_default_context(cafile=str(market.root))
    account = json.loads(partner.read_text("utf-8"))
    plain = {
        "securityParams": {"userName": account["userName"], "password": account["password"]},
        "queryParam": {"regionCode": "210000"},
    }
    connection = http.client.HTTPSConnection(
        "127.0.0.1", market.province.exchange_port, context=context, timeout=20
    )
    path = "/energyreport/common/getCompanyByRegion/"
    connection.request("POST", path, json.dumps(plain), {"content-type": "application/json"})
    answer = connection.getresponse()
    content = json.loads(answer.read())
    connection.close()
    assert (answer.status, content["responseCode"]) == (200, "E2002")
    assert "data" not in content

    dalian = market.account("dalian", "--region", "210200", "--interfaces", "getRegionData")
    with market.client(dalian) as client:
        assert client.region_data("210200", JANUARY, MARCH)["elec"].value == 61.45
        for ask in (
            lambda: client.region_data("210000", JANUARY),
            lambda: client.industry_data("C", JANUARY),
            lambda: client.companies(region="210200"),
        ):
            with pytest.raises(Refused) as caught:
                ask()
            assert (caught.value.code, caught.value.sealed) == ("E2002", True)


@pytest.mark.clause("7.1-1")
def test_a_client_talks_to_no_platform_whose_certificate_it_cannot_verify(
    market: Market, partner: Path
) -> None:
    account = read_account(partner)
    with Client(account.url, account) as client, pytest.raises(Unreachable, match="证书"):
        client.projects(region="210000")  # the system's roots do not know this province
    elsewhere = account.url.replace("127.0.0.1", "127.0.0.2")
    with (
        Client(elsewhere, account, ca=account.ca, timeout=5) as client,
        pytest.raises(Unreachable),
    ):
        client.projects(region="210000")


def test_the_listener_describes_itself_to_whoever_reaches_it(market: Market) -> None:
    context = ssl.create_default_context(cafile=str(market.root))
    heard = {}
    for path in ("/openapi.json", "/docs"):
        connection = http.client.HTTPSConnection(
            "127.0.0.1", market.province.exchange_port, context=context, timeout=20
        )
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200
        heard[path] = answer.read().decode()
        connection.close()
    document = json.loads(heard["/openapi.json"])
    assert document["openapi"] == "3.1.0"
    assert all(path in heard["/docs"] for path in document["paths"])


@pytest.mark.clause("7.1-3")
def test_every_call_is_audited_and_no_password_or_key_is_kept_in_the_clear(
    market: Market, partner: Path
) -> None:
    with market.client(partner) as client:
        client.projects(region="210100")
    records = market.audit()
    assert records[0]["subject"].endswith("/getProjectDataByRegion")
    detail = json.loads(records[0]["detail"])
    assert (detail["code"], detail["rows"]) == ("0", 1)
    assert detail["params"] == {"regionCode": "210100"}
    account = json.loads(partner.read_text("utf-8"))
    home = market.province.home
    files = [file for file in home.rglob("*") if file.is_file()]
    kept = b"".join(file.read_bytes() for file in [*files, market.province.log])
    assert account["userName"].encode() in kept
    for secret in (account["password"], account["key"]):
        assert secret.encode() not in kept
    assert bytes.fromhex(account["key"]) not in kept
