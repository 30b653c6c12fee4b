"""Both clients ask the six questions sealed, and believe nothing that is not the platform's."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from nenghao.exchange import (
    AsyncClient,
    Client,
    ExchangeError,
    Forged,
    Refused,
    Unanswered,
    Unreachable,
)
from nenghao.security.envelope import CIPHERS, CipherName
from nenghao.standard.messages import write
from nenghao.standard.messages.exchange import RegionQuery
from nenghao.standard.messages.exchange_interfaces import INTERFACES
from tests.exchange.platform import ACCOUNT, KEY, NOW, FarEnd, with_cipher
from tests.standard.messages.samples import sample

URL = "https://platform:9001"
MAY, AUGUST = datetime(2021, 5, 1), datetime(2021, 8, 1)


def client(far: FarEnd) -> Client:
    return Client(URL, far.account, transport=httpx.MockTransport(far), clock=lambda: NOW)


def asynchronous(far: FarEnd) -> AsyncClient:
    transport = httpx.MockTransport(far.asynchronous)
    return AsyncClient(URL, far.account, transport=transport, clock=lambda: NOW)


QUESTIONS: dict[str, tuple[str, tuple[Any, ...], dict[str, str]]] = {
    "getRegionData": ("region_data", ("210000", MAY, AUGUST), {"source": "report"}),
    "getIndustryData": ("industry_data", ("C25", MAY, AUGUST), {"source": "report"}),
    "getProjectDataByRegion": ("projects", (), {"region": "210000"}),
    "getProjectDataByIndustry": ("projects", (), {"industry": "C25"}),
    "getCompanyByRegion": ("companies", (), {"region": "210000"}),
    "getCompanyByIndustry": ("companies", (), {"industry": "C25"}),
}


def plain(value: Any) -> Any:
    return json.loads(write(value))


def as_json(answered: Any) -> Any:
    if isinstance(answered, dict):
        return {key: plain(one) for key, one in answered.items()}
    return [plain(one) for one in answered]


@pytest.mark.clause("7.1-4")
@pytest.mark.clause("C-1")
@pytest.mark.parametrize("name", INTERFACES)
def test_each_question_is_the_sample_of_annex_c_and_so_is_its_answer(name: str) -> None:
    method, arguments, named = QUESTIONS[name]
    far = FarEnd()
    with client(far) as one:
        answered = getattr(one, method)(*arguments, **named)
    assert far.asked == [(name, json.loads(sample(f"{name}.request")))]
    assert as_json(answered) == json.loads(sample(f"{name}.response"))["data"]


@pytest.mark.parametrize("name", INTERFACES)
def test_the_asynchronous_client_says_and_hears_the_same(name: str) -> None:
    method, arguments, named = QUESTIONS[name]
    far, other = FarEnd(), FarEnd()

    async def ask() -> Any:
        async with asynchronous(far) as one:
            return await getattr(one, method)(*arguments, **named)

    with client(other) as one:
        assert asyncio.run(ask()) == getattr(one, method)(*arguments, **named)
    assert far.asked == other.asked


@pytest.mark.parametrize("cipher", CIPHERS)
def test_both_ciphers_are_spoken(cipher: CipherName) -> None:
    far = FarEnd(with_cipher(cipher))
    with client(far) as one:
        assert one.region_data("210000", MAY, AUGUST)["elec"].unit_name == "万千瓦时"


def test_every_question_has_a_nonce_of_its_own() -> None:
    far = FarEnd()
    with client(far) as one:
        for _ in range(3):
            one.projects(region="210000")
    assert len(set(far.nonces)) == 3


def test_nothing_of_the_question_leaves_in_the_open() -> None:
    sent: list[httpx.Request] = []
    far = FarEnd()

    def listen(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return far(request)

    with Client(URL, ACCOUNT, transport=httpx.MockTransport(listen), clock=lambda: NOW) as one:
        one.region_data("210000", MAY, AUGUST)
    (request,) = sent
    body = json.loads(request.content)
    assert set(body) == {"ver", "appId", "kid", "timestamp", "nonce", "iv", "encData"}
    assert body["timestamp"] == NOW
    assert str(request.url) == f"{URL}/energyreport/common/getRegionData"
    everything = repr(request.headers) + request.content.decode()
    for secret in (KEY, ACCOUNT.password, "210000", "periodCode", "securityParams"):
        assert secret not in everything


def flipped(place: int) -> Callable[[bytes], bytes]:
    def tamper(body: bytes) -> bytes:
        sealed = json.loads(body)
        data = bytearray(base64.b64decode(sealed["encData"]))
        data[place] ^= 1
        sealed["encData"] = base64.b64encode(data).decode()
        return json.dumps(sealed).encode()

    return tamper


def field(name: str, value: object) -> Callable[[bytes], bytes]:
    return lambda body: json.dumps(json.loads(body) | {name: value}).encode()


FORGERIES: dict[str, dict[str, Any]] = {
    "first byte": {"tamper": flipped(0)},
    "tag": {"tamper": flipped(-1)},
    "time in the envelope": {"tamper": field("timestamp", NOW + 1)},
    "another key": {"reseal": {"key": bytes(16)}},
    "another request's nonce": {"reseal": {"nonce": "0" * 32}},
    "another path": {"reseal": {"path": "/energyreport/common/getIndustryData"}},
    "another status": {"reseal": {"status": 500}},
    "another key id": {"reseal": {"kid": "k2"}},
    "another account": {"reseal": {"app_id": "other"}},
    "stale": {"shift_ms": -300_001},
    "from the future": {"shift_ms": 300_001},
}


@pytest.mark.clause("7.1-4")
@pytest.mark.parametrize("name", FORGERIES)
def test_an_answer_that_is_not_the_platforms_to_this_question_is_not_believed(name: str) -> None:
    far = FarEnd()
    for attribute, value in FORGERIES[name].items():
        setattr(far, attribute, value)
    with client(far) as one, pytest.raises(Forged):
        one.region_data("210000", MAY, AUGUST)


@pytest.mark.parametrize("shift", [-300_000, 300_000])
def test_a_clock_that_differs_by_five_minutes_is_still_near(shift: int) -> None:
    far = FarEnd()
    far.shift_ms = shift
    with client(far) as one:
        assert one.region_data("210000", MAY)


def test_an_answer_to_a_question_cannot_be_played_again_to_the_next() -> None:
    far, answers = FarEnd(), []

    def recorded(request: httpx.Request) -> httpx.Response:
        answers.append(far(request))
        return answers[0]

    transport = httpx.MockTransport(recorded)
    with Client(URL, ACCOUNT, transport=transport, clock=lambda: NOW) as one:
        assert one.projects(region="210000")
        with pytest.raises(Forged):
            one.projects(region="210000")


def refusal(code: str = "E2002", text: str = "请求参数异常，参数格式不合法：x") -> bytes:
    return json.dumps({"responseCode": code, "responseMessage": text}).encode()


def test_a_sealed_refusal_says_what_is_wrong() -> None:
    far = FarEnd()
    far.answer = refusal()
    with client(far) as one, pytest.raises(Refused) as caught:
        one.companies(region="210000")
    assert (caught.value.code, caught.value.sealed) == ("E2002", True)
    assert str(caught.value) == "E2002 请求参数异常，参数格式不合法：x"


def test_a_refusal_in_the_open_is_known_for_what_it_is() -> None:
    far = FarEnd()
    far.tamper = lambda _: refusal()
    with client(far) as one, pytest.raises(Refused) as caught:
        one.companies(region="210000")
    assert caught.value.sealed is False
    assert "请核对密钥" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"responseCode":"0","responseMessage":"RECEIVE SUCCESS","data":{}}'),
        (200, b'{"responseCode":7}'),
        (404, "没有这个接口".encode()),
        (502, b"Bad Gateway"),
    ],
)
def test_what_is_no_answer_is_said_to_be_none_even_a_success_in_the_open(
    status: int, body: bytes
) -> None:
    far = FarEnd()
    far.status = status
    far.tamper = lambda _: body
    with client(far) as one, pytest.raises(Unanswered):
        one.region_data("210000", MAY)


@pytest.mark.parametrize("answer", [b"{}", b"no json", b'{"responseCode":"0"}'])
def test_a_sealed_answer_that_is_not_annex_c_is_unusable(answer: bytes) -> None:
    far = FarEnd()
    far.answer = answer
    with client(far) as one, pytest.raises(Unanswered):
        one.companies(region="210000")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("refused"), Unreachable),
        (httpx.ReadTimeout(""), Unreachable),
        (httpx.DecodingError("x"), Unanswered),
    ],
)
def test_trouble_on_the_way_is_told_in_chinese(error: Exception, kind: type[ExchangeError]) -> None:
    far = FarEnd()
    far.fails = error
    with client(far) as one, pytest.raises(kind) as caught:
        one.projects(region="210000")
    assert URL in str(caught.value) or kind is Unanswered

    async def ask() -> None:
        async with asynchronous(far) as one:
            await one.projects(region="210000")

    with pytest.raises(kind):
        asyncio.run(ask())


def test_a_question_that_breaks_its_form_is_not_sent() -> None:
    far = FarEnd()
    with client(far) as one:
        with pytest.raises(ValueError, match=r"queryParam\.regionCode 应为 6 位数字"):
            one.region_data("21", MAY)
        with pytest.raises(ValueError, match="beginTime 应不晚于 endTime"):
            one.industry_data("C25", AUGUST, MAY)
        with pytest.raises(ValueError, match="应给出其一"):
            one.projects()
        with pytest.raises(ValueError, match="应给出其一"):
            one.companies(region="210000", industry="C")
        with pytest.raises(KeyError):
            one.ask("getEverything", RegionQuery("210000"))
    assert far.asked == []


def test_without_an_end_the_period_that_contains_the_moment_is_asked_for() -> None:
    far = FarEnd()
    moment = datetime(2021, 4, 30, 16, tzinfo=UTC)  # midnight of 1 May in China
    with client(far) as one:
        one.region_data("210000", moment, period="year")
    query = far.asked[0][1]["queryParam"]
    assert query["beginTime"] == query["endTime"] == 1619798400000
    assert query["periodCode"] == "year"


@pytest.mark.parametrize("url", ["http://platform:9001", "platform:9001", "", "https://"])
def test_only_https_is_spoken(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        Client(url, ACCOUNT)


def test_a_root_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")
    with pytest.raises(ValueError, match="不是 PEM 证书"):
        Client(URL, ACCOUNT, ca=tmp_path / "ca.pem")
    with pytest.raises(FileNotFoundError):
        AsyncClient(URL, ACCOUNT, ca=tmp_path / "absent.pem")
