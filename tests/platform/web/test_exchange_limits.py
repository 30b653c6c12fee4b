"""Locks, rates and keys of accounts; scope, faults and plain bodies: what follows the proof."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import anyio
import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from nenghao.platform import accounts, admission, exchange
from nenghao.platform import exchange_memory as memory
from nenghao.platform.accounts import Scope
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.store.exchange_schema import exchange_nonce
from nenghao.platform.web.exchange_api import DENIED
from nenghao.security.passwords import is_right
from nenghao.security.sealing import MasterKey
from nenghao.standard.messages.exchange_interfaces import INTERFACES
from tests.platform.partners import (
    MASTER,
    PATH,
    QUERIES,
    Gate,
    Partner,
    denied,
    later,
    partner,
    reason,
)
from tests.platform.partners import (
    REGION_DATA as REGION,
)
from tests.platform.world import World

PLAIN = PlatformSettings(allow_nonconforming_plain_exchange=True)
MANY = PlatformSettings(exchange_failure_limit=100_000)


@pytest.fixture
def gate(world: World) -> Gate:
    return Gate(world, MANY)


@pytest.fixture
def asker(gate: Gate) -> Partner:
    return partner(gate)


# --- locks and limits -------------------------------------------------------------------------


def test_five_wrong_passwords_lock_the_account_for_15_minutes(gate: Gate, asker: Partner) -> None:
    def wrong() -> bytes:
        return asker.sealed(REGION, asker.plain(REGION, password="wrong"))[0]

    for _ in range(4):
        denied(gate, wrong(), "口令错误")
    assert asker.ask(REGION)["responseCode"] == "0"
    denied(gate, wrong(), "口令错误，账户锁定 15 分钟")
    denied(gate, asker.sealed(REGION)[0], "账户因口令错误锁定至 2026-11-22 01:45:00")
    later(gate.world, minutes=14, seconds=59)
    denied(gate, asker.sealed(REGION)[0], "账户因口令错误锁定至")
    later(gate.world, seconds=1)
    assert asker.ask(REGION)["responseCode"] == "0"


def test_wrong_passwords_far_apart_lock_nobody(gate: Gate, asker: Partner) -> None:
    for _ in range(10):
        denied(gate, asker.sealed(REGION, asker.plain(REGION, password="wrong"))[0], "口令错误")
        later(gate.world, minutes=4)
    assert asker.ask(REGION)["responseCode"] == "0"


def test_who_has_no_key_locks_nobody_out(gate: Gate, asker: Partner) -> None:
    """Neither by guessing nor by sending a partner's own mistake again and again."""
    mistake, _ = asker.sealed(REGION, asker.plain(REGION, password="wrong"))
    for _ in range(6):
        gate.post(PATH, mistake)
        gate.post(PATH, asker.sealed(REGION, key=bytes(16))[0])
        gate.post(PATH, json.dumps(asker.plain(REGION, password="wrong")).encode())
    assert asker.ask(REGION)["responseCode"] == "0"


def test_guesses_at_the_same_moment_are_counted_one_after_another(
    gate: Gate, asker: Partner
) -> None:
    bodies = [
        asker.sealed(REGION, asker.plain(REGION, password=f"guess {number}"))[0]
        for number in range(8)
    ]

    async def guess() -> None:
        transport = httpx.ASGITransport(gate.app, client=("10.9.9.9", 1))
        async with (
            httpx.AsyncClient(transport=transport, base_url="https://platform") as client,
            anyio.create_task_group() as group,
        ):
            for body in bodies:
                group.start_soon(partial(client.post, PATH, content=body))

    anyio.run(guess)
    reasons = [record["detail"]["reason"] for record in gate.records()]
    assert sum(reason.startswith("口令错误") for reason in reasons) == 5
    assert sum("锁定" in reason for reason in reasons) == 4


def test_a_minute_has_so_many_requests_and_the_next_one_as_many(gate: Gate) -> None:
    asker = partner(gate, requests_per_minute=3)
    assert [asker.ask(REGION)["responseCode"] for _ in range(3)] == ["0", "0", "0"]
    refused = asker.ask(REGION)
    assert refused == {"responseCode": "E1001", "responseMessage": "平台服务异常：稍后重试"}
    assert "稍后重试" in reason(gate)
    later(gate.world, minutes=1)
    assert asker.ask(REGION)["responseCode"] == "0"


def test_failures_from_an_address_are_recorded_up_to_a_limit_and_partners_there_go_on(
    world: World,
) -> None:
    gate = Gate(world, PlatformSettings(exchange_failure_limit=3))
    asker = partner(gate)
    for _ in range(6):
        assert gate.post(PATH, b"{}").content == DENIED
    assert len(gate.records()) == 3
    assert "已达 3 次" in reason(gate)
    assert asker.ask(REGION)["responseCode"] == "0"
    assert gate.post(PATH, b"{}", address="10.9.9.9").content == DENIED
    assert gate.records()[0]["address"] == "10.9.9.9"
    later(world, minutes=1)
    assert gate.post(PATH, b"{}").content == DENIED
    assert len(gate.records()) == 6


def test_a_password_is_hashed_once_and_remembered(
    gate: Gate, asker: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []

    def counting(stored: str, password: str) -> bool:
        hashed.append(password)
        return is_right(stored, password)

    monkeypatch.setattr("nenghao.platform.web.exchange_api.is_right", counting)
    for _ in range(3):
        asker.ask(REGION)
    assert len(hashed) == 1
    gate.post(PATH, asker.sealed(REGION, key=bytes(16))[0])
    gate.post(PATH, asker.sealed(REGION, asker.plain(REGION, userName="x"))[0])
    assert len(hashed) == 1


def test_a_new_password_holds_at_once_in_every_worker(gate: Gate, asker: Partner) -> None:
    asker.ask(REGION)
    with gate.world.store.write() as conn:
        new = accounts.rotate(conn, MASTER, "lnxxzx", gate.world.now, password=True)
    denied(gate, asker.sealed(REGION)[0], "口令错误")
    renewed = Partner(gate, asker.issued._replace(password=new.password))
    assert renewed.ask(REGION)["responseCode"] == "0"


def test_two_keys_are_valid_while_they_rotate(gate: Gate, asker: Partner) -> None:
    now = gate.world.now

    def rotated() -> Partner:
        with gate.world.store.write() as conn:
            new = accounts.rotate(conn, MASTER, "lnxxzx", now)
        return Partner(gate, new._replace(password=asker.issued.password))

    second = rotated()
    assert asker.ask(REGION)["responseCode"] == second.ask(REGION)["responseCode"] == "0"
    third = rotated()
    denied(gate, asker.sealed(REGION)[0], "没有这样的 appId 和 kid")
    assert second.ask(REGION)["responseCode"] == third.ask(REGION)["responseCode"] == "0"
    with gate.world.store.write() as conn:
        assert accounts.retire(conn, "lnxxzx", now) == ("k2",)
    denied(gate, second.sealed(REGION)[0], "没有这样的 appId 和 kid")
    assert third.ask(REGION)["responseCode"] == "0"


def test_the_operators_lock_holds_at_once(gate: Gate, asker: Partner) -> None:
    asker.ask(REGION)
    with gate.world.store.write() as conn:
        accounts.lock(conn, "lnxxzx", gate.world.now)
    denied(gate, asker.sealed(REGION)[0], "账户已停用")
    with gate.world.store.write() as conn:
        accounts.unlock(conn, "lnxxzx", gate.world.now)
    assert asker.ask(REGION)["responseCode"] == "0"


# --- what fails after that is said, sealed -------------------------------------------------------


@pytest.mark.parametrize("interface", list(INTERFACES))
def test_missing_and_illegal_items_are_named_in_a_sealed_answer(
    gate: Gate, asker: Partner, interface: str
) -> None:
    (field,) = set(QUERIES[interface]) & {"regionCode", "industryCode"}
    for value, code, told in [
        (None, "E2001", f"queryParam.{field} 缺失"),
        ("?", "E2002", f"queryParam.{field} 应为"),
    ]:
        answer = asker.ask(
            interface, asker.plain(interface, query=QUERIES[interface] | {field: value})
        )
        assert (answer["responseCode"], list(answer)) == (
            code,
            ["responseCode", "responseMessage"],
        )
        assert told in answer["responseMessage"]
        assert told in reason(gate)


@pytest.mark.parametrize(
    ("scope", "interface", "query", "field"),
    [
        (Scope(region="210100"), REGION, {"regionCode": "210000"}, "regionCode"),
        (Scope(region="210100"), REGION, {"regionCode": "000000"}, "regionCode"),
        (Scope(region="210100"), REGION, {"regionCode": "210201"}, "regionCode"),
        (Scope(region="210100"), "getCompanyByRegion", {"regionCode": "210200"}, "regionCode"),
        (Scope(region="210100"), "getProjectDataByRegion", {"regionCode": "210200"}, "regionCode"),
        (Scope(industries=("C25",)), "getIndustryData", {"industryCode": "C"}, "industryCode"),
        (Scope(industries=("C25",)), "getCompanyByIndustry", {"industryCode": "C26"}, "industry"),
        (Scope(industries=("C25",)), "getProjectDataByIndustry", {"industryCode": "D"}, "industry"),
        (Scope(interfaces=("getIndustryData",)), REGION, {}, "接口 getRegionData"),
    ],
)
def test_what_lies_outside_the_scope_is_e2002_sealed_and_audited(
    gate: Gate, scope: Scope, interface: str, query: dict[str, str], field: str
) -> None:
    asker = partner(gate, **scope._asdict())
    answer = asker.ask(interface, asker.plain(interface, query=QUERIES[interface] | query))
    assert answer["responseCode"] == "E2002"
    assert list(answer) == ["responseCode", "responseMessage"]
    assert field in answer["responseMessage"]
    assert field in reason(gate)


@pytest.mark.parametrize(
    ("scope", "interface", "query"),
    [
        (Scope(region="210100"), REGION, {"regionCode": "210100"}),
        (Scope(region="210100"), REGION, {"regionCode": "210102"}),
        (Scope(region="210100"), "getIndustryData", {"industryCode": "C"}),
        (Scope(industries=("C25", "D")), "getIndustryData", {"industryCode": "C251"}),
        (Scope(industries=("C25", "D")), "getCompanyByRegion", {"regionCode": "000000"}),
        (Scope(interfaces=(REGION,)), REGION, {}),
    ],
)
def test_what_lies_inside_is_answered(
    gate: Gate, scope: Scope, interface: str, query: dict[str, str]
) -> None:
    asker = partner(gate, **scope._asdict())
    answer = asker.ask(interface, asker.plain(interface, query=QUERIES[interface] | query))
    assert answer["responseCode"] == "0"


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (RuntimeError("inner detail"), "E1001", "平台服务异常：参考号 "),
        (OperationalError("SELECT secret", {}, Exception()), "E1002", "服务器数据库异常"),
    ],
)
def test_a_fault_is_sealed_with_a_number_that_the_log_carries(
    gate: Gate,
    asker: Partner,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    code: str,
    told: str,
) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(exchange, "answer", failing)
    with capture_logs() as logs:
        answer = asker.ask(REGION)
    assert answer["responseCode"] == code
    assert answer["responseMessage"].startswith(told)
    (reference,) = {entry["reference"] for entry in logs if "reference" in entry}
    assert answer["responseMessage"].endswith(reference)
    assert reference in reason(gate)


def test_no_answer_leaves_that_cannot_be_audited(
    gate: Gate, asker: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> bool:
        raise OperationalError("INSERT", {}, Exception())

    monkeypatch.setattr(admission, "concluded", failing)
    answer = asker.ask(REGION)
    assert answer["responseCode"] == "E1002"
    assert "data" not in answer


def test_a_key_that_cannot_be_unsealed_is_a_fault_of_the_platform(
    gate: Gate, asker: Partner
) -> None:
    gate.exchange.master = MasterKey(bytes(16))
    reply = gate.post(PATH, asker.sealed(REGION)[0])
    assert reply.code == "E1001"
    assert "参考号" in reply.text


@pytest.mark.parametrize("denies", [False, True])
def test_what_is_old_is_dropped_by_whatever_call_comes(
    gate: Gate, asker: Partner, denies: bool
) -> None:
    asker.ask(REGION)
    later(gate.world, minutes=12)
    if denies:
        gate.post(PATH, b"{}")
    else:
        asker.ask(REGION)
    assert len(gate.world.rows(select(exchange_nonce))) == (0 if denies else 1)
    with gate.world.store.read() as conn:
        assert memory.times(conn, "account", "1", gate.world.now) == (0 if denies else 1)


# --- plain bodies -----------------------------------------------------------------------------


def plainly(gate: Gate, asker: Partner, **changes: Any) -> dict[str, Any]:
    reply = gate.post(PATH, json.dumps(asker.plain(REGION, **changes)).encode())
    message: dict[str, Any] = reply.json
    return message


@pytest.mark.clause("7.1-4")
def test_a_plain_body_is_answered_only_for_a_plain_account_and_while_the_setting_is_on(
    world: World,
) -> None:
    on, off = Gate(world, PLAIN), Gate(world)
    plain, usual = partner(on, "plain", plain=True), partner(on, "usual")
    assert plainly(on, plain)["responseCode"] == "0"
    assert list(plainly(on, plain)["data"])
    denied(on, json.dumps(usual.plain(REGION)).encode(), "该账户不得使用明文")
    denied(off, json.dumps(plain.plain(REGION)).encode(), "平台的设置不接受明文")
    assert plain.ask(REGION)["responseCode"] == usual.ask(REGION)["responseCode"] == "0"


def test_plain_refusals_are_plain_and_name_what_is_wrong(world: World) -> None:
    gate = Gate(world, PLAIN)
    asker = partner(gate, plain=True, region="210100")
    assert plainly(gate, asker)["responseCode"] == "E2002"
    assert "regionCode" in plainly(gate, asker)["responseMessage"]
    assert plainly(gate, asker, query={})["responseCode"] == "E2001"


def test_wrong_plain_passwords_lock_nobody_and_are_limited_by_address(world: World) -> None:
    gate = Gate(
        world,
        PlatformSettings(allow_nonconforming_plain_exchange=True, exchange_failure_limit=6),
    )
    asker = partner(gate, plain=True)
    for _ in range(6):
        denied(gate, json.dumps(asker.plain(REGION, password="wrong")).encode(), "口令错误")
    assert gate.post(PATH, json.dumps(asker.plain(REGION)).encode()).content == DENIED
    elsewhere = gate.post(PATH, json.dumps(asker.plain(REGION)).encode(), address="10.9.9.9")
    assert elsewhere.code == "0"
    assert asker.ask(REGION)["responseCode"] == "0"
