"""The exchange answers who proves everything, and nobody else; outside all failures look alike."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from structlog.testing import capture_logs

from nenghao.platform import accounts
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.web.exchange_api import BODY_LIMIT, DENIED, FLOOR_SECONDS
from nenghao.security.envelope import CBC, CIPHERS, GCM, CipherName, EnvelopeError
from nenghao.standard.indicators import INDICATORS
from nenghao.standard.messages import read
from nenghao.standard.messages.exchange_interfaces import FOLDER, INTERFACES
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
    sample,
)
from tests.platform.partners import (
    REGION_DATA as REGION,
)
from tests.platform.world import World

MANY = PlatformSettings(exchange_failure_limit=100_000)


@pytest.fixture
def gate(world: World) -> Gate:
    return Gate(world, MANY)


@pytest.fixture
def asker(gate: Gate) -> Partner:
    return partner(gate)


# --- what is answered -------------------------------------------------------------------------


@pytest.mark.clause("C-1")
def test_these_six_paths_and_nothing_else(gate: Gate) -> None:
    assert [one.path for one in INTERFACES.values()] == [
        "/energyreport/common/getRegionData",
        "/energyreport/common/getIndustryData",
        "/energyreport/common/getProjectDataByRegion",
        "/energyreport/common/getProjectDataByIndustry",
        "/energyreport/common/getCompanyByRegion",
        "/energyreport/common/getCompanyByIndustry",
    ]
    for path in ("/", "/energyreport/common", "/energyreport/common/getregiondata", f"{PATH}//"):
        assert gate.post(path, b"{}").status == 404
    for method in ("GET", "PUT", "DELETE"):
        reply = gate.post(PATH, b"", method=method)
        assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.clause("7.1-2")
@pytest.mark.clause("7.1-4")
@pytest.mark.clause("7.1-5")
@pytest.mark.clause("7.3.1-1")
@pytest.mark.clause("7.3.1-2")
@pytest.mark.clause("7.3.2-1")
@pytest.mark.clause("7.3.3-1")
@pytest.mark.clause("7.3.4-1")
@pytest.mark.clause("7.3.5-1")
@pytest.mark.clause("7.3.6-1")
@pytest.mark.clause("C-1")
@pytest.mark.parametrize("cipher", CIPHERS)
def test_each_of_the_six_answers_the_question_of_annex_c_sealed(
    gate: Gate, cipher: CipherName
) -> None:
    asker = partner(gate, cipher=cipher)
    for name, interface in INTERFACES.items():
        for slash in ("", "/"):
            asked = asker.plain(name)
            assert list(asked) == list(sample(f"{name}.request"))
            assert asked["queryParam"] == sample(f"{name}.request")["queryParam"]
            body, nonce = asker.sealed(name, asked)
            reply = gate.post(interface.path + slash, body)
            assert reply.status == 200
            assert reply.headers["content-type"] == "application/json; charset=utf-8"
            assert set(reply.json) == {"ver", "appId", "kid", "timestamp", "iv", "encData"}
            told = asker.opened(name, reply, nonce)
            assert (told["responseCode"], told["responseMessage"]) == ("0", "RECEIVE SUCCESS")
            assert read(interface.answer, json.dumps(told).encode())
    assert len(gate.records()) == 12


@pytest.mark.clause("7.3.1-2")
def test_a_statistics_answer_has_the_ten_indicators_with_two_decimals(asker: Partner) -> None:
    data = asker.ask(REGION)["data"]
    assert list(data) == list(INDICATORS)
    assert data["elec"] == {"OriginValue": 0.0, "value": 0.0, "unitName": "万千瓦时"}


def test_a_call_is_audited_with_account_question_result_and_what_it_took(
    gate: Gate, asker: Partner
) -> None:
    asker.ask(REGION)
    (record,) = gate.records()
    assert (record["actor"], record["address"]) == ("exchange:lnxxzx", "10.1.2.3")
    assert (record["subject"], record["result"]) == (PATH, "ok")
    detail = record["detail"]
    assert (detail["code"], detail["kid"], detail["rows"]) == ("0", "k1", 10)
    assert detail["params"] == QUERIES[REGION]
    assert detail["ms"] >= 0


# --- what is denied ---------------------------------------------------------------------------


def test_the_one_answer_says_nothing() -> None:
    assert json.loads(DENIED) == {
        "responseCode": "E2002",
        "responseMessage": "请求参数异常，参数格式不合法：身份验证未通过",
    }


@pytest.mark.clause("7.1-4")
@pytest.mark.parametrize(("cipher", "every"), [(GCM, 1), (CBC, 10)])
def test_a_request_altered_in_any_byte_is_denied(
    gate: Gate, cipher: CipherName, every: int
) -> None:
    """That it does not open is `test_envelope`'s; here, that nobody hears of it."""
    asker = partner(gate, cipher=cipher)
    body, _ = asker.sealed(REGION)
    bodies = [
        body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        for place in range(0, len(body), every)
    ]
    with ThreadPoolExecutor(4) as threads:
        answers = set(threads.map(lambda one: gate.post(PATH, one).content, bodies))
    assert answers == {DENIED}
    records = gate.records()
    assert len(records) == len(bodies)
    assert {record["result"] for record in records} == {"refused"}
    assert all(record["detail"]["reason"] for record in records)
    assert gate.post(PATH, body).content != DENIED


def test_a_replayed_request_is_denied_and_the_first_was_answered(
    gate: Gate, asker: Partner
) -> None:
    body, nonce = asker.sealed(REGION)
    assert asker.opened(REGION, gate.post(PATH, body), nonce)["responseCode"] == "0"
    denied(gate, body, "重放")
    later(gate.world, minutes=5)
    denied(gate, body, "重放")


def test_a_replay_to_another_worker_is_denied(gate: Gate, asker: Partner) -> None:
    body, _ = asker.sealed(REGION)
    assert gate.post(PATH, body).content != DENIED
    denied(Gate(gate.world, MANY), body, "重放")


def test_of_equal_requests_at_the_same_moment_one_is_answered(gate: Gate, asker: Partner) -> None:
    asker.ask(REGION)
    body, _ = asker.sealed(REGION)
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: gate.post(PATH, body).content, range(6)))
    assert answers.count(DENIED) == 5


def test_a_nonce_in_other_letters_is_another_request_and_not_this_one(
    gate: Gate, asker: Partner
) -> None:
    body, _ = asker.sealed(REGION, nonce="ab" * 16)
    assert gate.post(PATH, body).content != DENIED
    denied(gate, body.replace(b"ab" * 16, b"AB" * 16), "认证标签不符")
    again, _ = asker.sealed(REGION, nonce="AB" * 16)
    denied(gate, again, "重放")


@pytest.mark.parametrize("seconds", [-301, 301, -86_400])
def test_a_request_of_another_time_is_denied(gate: Gate, asker: Partner, seconds: int) -> None:
    now = gate.world.now
    later(gate.world, seconds=seconds)
    body, _ = asker.sealed(REGION)
    gate.world.now = now
    denied(gate, body, "时间戳")


@pytest.mark.parametrize("seconds", [-300, 300])
def test_a_request_within_300_seconds_is_answered(gate: Gate, asker: Partner, seconds: int) -> None:
    now = gate.world.now
    later(gate.world, seconds=seconds)
    body, nonce = asker.sealed(REGION)
    gate.world.now = now
    assert asker.opened(REGION, gate.post(PATH, body), nonce)["responseCode"] == "0"


@pytest.mark.parametrize("other", [name for name in INTERFACES if name != REGION])
def test_a_request_sent_to_another_path_is_denied(gate: Gate, asker: Partner, other: str) -> None:
    body, _ = asker.sealed(REGION)
    denied(gate, body, "认证标签不符", FOLDER + other)


def test_a_request_under_another_key_id_or_account_is_denied(gate: Gate, asker: Partner) -> None:
    other = partner(gate, "other")
    with gate.world.store.write() as conn:
        accounts.rotate(conn, MASTER, "lnxxzx", gate.world.now)
    fields = json.loads(asker.sealed(REGION)[0])
    for change, why in [
        ({"kid": "k2"}, "认证标签不符"),
        ({"kid": "k3"}, "没有这样的 appId 和 kid"),
        ({"appId": "other"}, "认证标签不符"),
        ({"appId": "nobody"}, "没有这样的 appId 和 kid"),
    ]:
        denied(gate, json.dumps(fields | change).encode(), why)
    body, _ = asker.sealed(REGION, key=other.issued.key)
    denied(gate, body, "认证标签不符")


def test_the_cipher_is_the_accounts_and_not_the_messages(gate: Gate) -> None:
    asker = partner(gate, cipher=CBC)
    body, _ = Partner(gate, asker.issued, GCM).sealed(REGION)
    denied(gate, body, "iv 应为 16 字节")


@pytest.mark.clause("7.1-2")
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"password": "wrong"}, "口令错误"),
        ({"userName": "nobody"}, "用户名与账户不符"),
        ({"userName": "other"}, "用户名与账户不符"),
        ({"userName": "LNXXZX"}, "用户名与账户不符"),
        ({"password": ""}, "securityParams"),
        ({"password": 123456}, "securityParams"),
        ({"userName": None}, "securityParams"),
    ],
)
def test_a_wrong_user_name_or_password_is_denied(
    gate: Gate, asker: Partner, change: dict[str, Any], why: str
) -> None:
    partner(gate, "other")
    denied(gate, asker.sealed(REGION, asker.plain(REGION, **change))[0], why)


@pytest.mark.parametrize("plain", [b"", b"[]", b"\xff", b"{}", b'"x"', b'{"securityParams":[]}'])
def test_a_sealed_text_that_names_nobody_is_denied(
    gate: Gate, asker: Partner, plain: bytes
) -> None:
    assert gate.post(PATH, asker.sealed(REGION, plain)[0]).content == DENIED
    assert reason(gate)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 5000, b'{"ver":1}', b"\x1f\x8b"]
)
def test_what_is_no_envelope_is_denied(gate: Gate, body: bytes) -> None:
    denied(gate, body, "")


def test_nothing_of_keys_and_passwords_is_left_anywhere(gate: Gate, asker: Partner) -> None:
    secrets = [asker.issued.password, asker.issued.key.hex(), "wrong-password"]
    with capture_logs() as logs:
        asker.ask(REGION)
        for change in ({"password": "wrong-password"}, {"userName": asker.issued.password}):
            gate.post(PATH, asker.sealed(REGION, asker.plain(REGION, **change))[0])
        gate.post(PATH, json.dumps(asker.plain(REGION)).encode())
    with gate.world.store.read() as conn:
        dump = [
            str(row)
            for table in ("audit", "exchange_account", "exchange_key", "exchange_nonce")
            for row in conn.exec_driver_sql(f"SELECT * FROM {table}")
        ]
    told = "\n".join(dump + [str(entry) for entry in logs])
    assert [secret for secret in secrets if secret in told] == []
    assert repr(asker.issued.key) not in told
    assert len(gate.records()) == 4


def test_no_denial_comes_before_the_floor_is_over_and_all_on_a_multiple_of_it(
    world: World,
) -> None:
    gate = Gate(world, floor=FLOOR_SECONDS)
    began = time.perf_counter()
    gate.post(PATH, b"{}")
    assert time.perf_counter() - began >= 0.15


def test_an_answer_cannot_be_read_with_another_request(gate: Gate, asker: Partner) -> None:
    body, _ = asker.sealed(REGION)
    reply = gate.post(PATH, body)
    with pytest.raises(EnvelopeError):
        asker.opened(REGION, reply, "0" * 32)


def test_the_largest_question_is_far_below_the_limit(asker: Partner) -> None:
    assert 20 * len(asker.sealed(REGION)[0]) < BODY_LIMIT
