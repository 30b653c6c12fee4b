"""What the pages of other application platforms show, and the test call that is a real one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from nenghao.console.views import partners as views
from nenghao.console.views import partners_call
from nenghao.console.views.partners_call import AccountError, Question
from nenghao.platform import accounts
from nenghao.platform.accounts import Scope
from nenghao.platform.home import Home
from nenghao.platform.settings import PlatformSettings
from nenghao.standard import periods
from tests.console.worlds import BACKENDS, home_of, register, world_on
from tests.platform.partners import MASTER, Gate, Partner, add, partner
from tests.platform.world import World, unit_code

TODAY = date(2026, 11, 22)


@pytest.fixture(params=BACKENDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with world_on(request.param, request, tmp_path) as made:
        yield made


@pytest.fixture
def gate(world: World) -> Gate:
    return Gate(world)


def at(world: World, day: int, hour: int, minute: int = 0, second: int = 0) -> None:
    world.now = datetime(2026, 11, day, hour, minute, second)


def days(world: World, name: str, first: date = TODAY, last: date = TODAY) -> list[views.Day]:
    with world.store.read() as conn:
        return views.by_day(conn, name, first, last)


# --- accounts -------------------------------------------------------------------------------


def test_an_empty_platform_has_no_accounts_and_no_calls(world: World) -> None:
    with world.store.read() as conn:
        assert views.listing(conn, world.now) == []
        assert views.partner(conn, "lnxxzx", world.now) is None
        assert views.calls(conn, "", TODAY, TODAY) == views.Calls([], 0)
        assert views.times(conn, TODAY, TODAY) == {}
    (day,) = days(world, "")
    assert (day.day, day.total, set(day.by_code)) == (TODAY, 0, set(views.CODES))


def test_an_account_shows_its_scope_in_words_and_never_its_secrets(world: World) -> None:
    scope = Scope(("getRegionData",), "210100", ("C25",))
    issued = add(world, "lnxxzx", scope=scope)
    with world.store.read() as conn:
        found = views.partner(conn, "lnxxzx", world.now)
    assert found is not None
    assert found.scope == {
        "接口": "地区能耗统计数据",
        "行政区划": "沈阳市（210100）",
        "行业": found.industry_names[0],
    }
    assert found.industry_names[0].startswith("C25 石油")
    assert found.state == ("启用", "good")
    for secret in (issued.key.hex(), issued.password, repr(issued.key)):
        assert secret not in repr(found)


def test_the_state_of_an_account_follows_rotation_and_locks(world: World) -> None:
    add(world, "a")

    def state() -> tuple[str, str]:
        with world.store.read() as conn:
            found = views.partner(conn, "a", world.now)
        assert found is not None
        return found.state

    with world.store.write() as conn:
        accounts.rotate(conn, MASTER, "a", world.now)
    assert state() == ("换密钥中", "warn")
    with world.store.write() as conn:
        accounts.retire(conn, "a", world.now)
    assert state() == ("启用", "good")
    with world.store.write() as conn:
        accounts.lock(conn, "a", world.now)
    assert state() == ("已停用", "bad")
    with world.store.read() as conn:
        found = views.partner(conn, "a", world.now)
    assert found is not None
    assert (found.kids, [key.kid for key in found.keys]) == (("k2",), ["k1", "k2"])


def test_the_choices_have_names_and_no_more_than_a_list_can_hold(world: World) -> None:
    with world.store.read() as conn:
        regions, industries = views.choices(conn)
    assert regions["210102"] == "210102 和平区"
    assert industries["C25"].startswith("C25 石油")
    assert max(map(len, industries)) == 4
    assert len(industries) < 800


# --- calls ----------------------------------------------------------------------------------


def test_calls_are_counted_by_day_and_result_from_the_trail(world: World, gate: Gate) -> None:
    asks = partner(gate, "lnxxzx", region="210100")
    other = partner(gate, "another")
    at(world, 20, 23, 59, 59)
    asks.ask("getCompanyByRegion", asks.plain("getCompanyByRegion", query={"regionCode": "210100"}))
    at(world, 21, 0)
    asks.ask("getCompanyByRegion")  # the whole province: out of scope
    asks.ask("getCompanyByRegion", {"securityParams": _security(asks), "queryParam": {}})
    at(world, 22, 9)
    other.ask("getCompanyByRegion")
    body, _ = asks.sealed("getCompanyByRegion", kid="k9")
    gate.post("/energyreport/common/getCompanyByRegion", body)  # nobody's
    mine = days(world, "lnxxzx", date(2026, 11, 19), TODAY)
    assert [one.total for one in mine] == [0, 1, 2, 0]
    assert mine[1].by_code["0"] == 1
    assert (mine[2].by_code["E2002"], mine[2].by_code["E2001"]) == (1, 1)
    everything = days(world, "", date(2026, 11, 19), TODAY)
    assert [one.total for one in everything] == [0, 1, 2, 2]
    with world.store.read() as conn:
        times = views.times(conn, date(2026, 11, 21), TODAY)
    assert (times["lnxxzx"], times["another"]) == ((2, 2), (1, 0))


def _security(asks: Partner) -> dict[str, str]:
    return {"userName": asks.issued.user_name, "password": asks.issued.password}


def test_each_call_tells_what_was_asked_and_why_it_was_refused(world: World, gate: Gate) -> None:
    asks = partner(gate, "lnxxzx", region="210100")
    for _ in range(3):
        asks.ask(
            "getCompanyByRegion",
            asks.plain("getCompanyByRegion", query={"regionCode": "210100"}),
        )
    asks.ask("getCompanyByRegion")
    with world.store.read() as conn:
        found = views.calls(conn, "lnxxzx", TODAY, TODAY, limit=2)
        rest = views.calls(conn, "lnxxzx", TODAY, TODAY, offset=2, limit=2)
        refused = views.calls(conn, "lnxxzx", TODAY, TODAY, refused=True)
    assert (found.total, len(found.rows), len(rest.rows), refused.total) == (4, 2, 2, 1)
    latest, before = found.rows
    assert (latest.ok, latest.code, latest.rows) == (False, "E2002", None)
    assert "行政区划范围" in latest.reason
    assert (before.ok, before.interface, before.rows) == (True, "地区企业基础信息", 0)
    assert before.asked == '{"regionCode": "210100"}'
    assert asks.issued.password not in repr(found)


# --- the test call --------------------------------------------------------------------------


class Listener(httpx.BaseTransport):
    """The exchange application of a world, where its listener would be."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.urls: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.urls.append(str(request.url))
        reply = self.gate.post(request.url.path, request.read(), "127.0.0.1")
        return httpx.Response(reply.status, content=reply.content)


def question(asks: Partner, **changes: object) -> Question:
    made = Question(
        app_id=asks.issued.app_id,
        user_name=asks.issued.user_name,
        cipher=asks.cipher,
        kid=asks.issued.kid,
        key=asks.issued.key.hex(),
        password=asks.issued.password,
        interface="getCompanyByRegion",
        place="210100",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def call(world: World, gate: Gate, asked: Question) -> partners_call.Outcome:
    return partners_call.call(
        home_of(world), asked, lambda: 0.0, Listener(gate), lambda: periods.to_epoch_ms(world.now)
    )


def test_a_test_call_is_sealed_answered_and_recorded_as_the_accounts(
    world: World, gate: Gate
) -> None:
    asks = partner(gate)
    register(world, unit_code(1), "沈阳示例炼钢厂")
    told = call(world, gate, question(asks, key=f" {asks.issued.key.hex().upper()} "))
    assert (told.ok, told.rows) == (True, 1)
    assert "沈阳示例炼钢厂" in told.content
    assert told.url == "https://127.0.0.1:9001"
    statistics = question(
        asks,
        interface="getRegionData",
        begin=datetime(2026, 10, 1),
        end=datetime(2026, 11, 1),
    )
    assert call(world, gate, statistics).rows == 10
    with world.store.read() as conn:
        found = views.calls(conn, "lnxxzx", TODAY, TODAY)
    assert [one.interface for one in found.rows] == ["地区能耗统计数据", "地区企业基础信息"]
    assert found.rows[0].address == "127.0.0.1"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"key": "0" * 32}, "未加密的应答"),
        ({"kid": "k7"}, "身份验证未通过"),
        ({"password": "wrong"}, "未加密的应答"),
        ({"place": "110000"}, "密封的应答"),
    ],
)
def test_a_refused_test_call_says_how_it_was_refused(
    world: World, gate: Gate, changes: dict[str, str], said: str
) -> None:
    asks = partner(gate, region="210100")
    told = call(world, gate, question(asks, **changes))
    assert (told.ok, told.content) == (False, "")
    assert said in told.said
    assert asks.issued.password not in told.said
    assert asks.issued.key.hex() not in told.said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"key": ""}, "缺少 key"),
        ({"key": "xyz"}, "32 位"),
        ({"password": " "}, "缺少 password"),
        ({"place": ""}, "行政区划代码"),
        ({"interface": "getCompanyByIndustry", "place": ""}, "行业代码"),
        ({"interface": "getRegionData", "begin": None}, "开始日期"),
        ({"place": "沈阳"}, "regionCode"),
    ],
)
def test_what_cannot_be_asked_is_told_before_anything_is_sent(
    world: World, gate: Gate, changes: dict[str, str], said: str
) -> None:
    asks = partner(gate)
    with pytest.raises((AccountError, ValueError), match=said):
        call(world, gate, question(asks, **changes))
    assert gate.records() == []


def test_no_port_and_nobody_there_are_told_in_words(world: World, gate: Gate) -> None:
    asks = partner(gate)
    closed = replace(home_of(world), settings=PlatformSettings(exchange_port=0))
    with pytest.raises(AccountError, match="exchange_port"):
        partners_call.call(closed, question(asks), lambda: 0.0)
    nobody = replace(home_of(world), settings=PlatformSettings(exchange_port=1))
    told = partners_call.call(nobody, question(asks), lambda: 0.0)
    assert not told.ok
    assert "请确认平台正在运行" in told.said


@pytest.mark.parametrize(
    ("host", "bind", "url"),
    [
        ("127.0.0.1", "", "https://127.0.0.1:9001"),
        ("ln.example.cn", "0.0.0.0", "https://127.0.0.1:9001"),
        ("ln.example.cn", "", "https://ln.example.cn:9001"),
        ("ln.example.cn", "10.0.0.5", "https://10.0.0.5:9001"),
        ("::1", "", "https://[::1]:9001"),
    ],
)
def test_the_listener_is_asked_where_it_listens(host: str, bind: str, url: str) -> None:
    settings = PlatformSettings(host=host, bind=bind)
    assert partners_call.url_of(Home(Path("/nowhere"), settings)) == url


def test_a_question_shows_no_secret_of_itself(gate: Gate) -> None:
    asks = partner(gate)
    asked = question(asks)
    assert asks.issued.password not in repr(asked)
    assert asks.issued.key.hex() not in repr(asked)


def test_a_long_time_is_cut_into_whole_days(world: World) -> None:
    year = days(world, "x", TODAY - timedelta(days=365), TODAY)
    assert (len(year), year[0].day) == (366, date(2025, 11, 22))
