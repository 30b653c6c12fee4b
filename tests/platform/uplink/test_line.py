"""What an answer of the national platform means: success, refusal, or try again."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from nenghao.clock import china_now
from nenghao.platform.uplink import credentials
from nenghao.platform.uplink.credentials import CredentialsError
from nenghao.platform.uplink.line import HttpsLine, NotSent, RefusedUp, TooLarge, open_line
from nenghao.security.authority import CertificateAuthority
from nenghao.security.credentials import write_province
from nenghao.standard.messages import Acknowledgement, uplink
from nenghao.standard.messages.version_check import VersionAnswer, VersionRequest

SUCCESS = {"responseCode": "0", "responseMessage": "RECEIVE SUCCESS"}


def line(answer: Callable[[httpx.Request], httpx.Response]) -> HttpsLine:
    return HttpsLine("https://nation:9443/", None, transport=httpx.MockTransport(answer))


def answering(status: int, body: object) -> HttpsLine:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return line(lambda request: httpx.Response(status, content=content))


def test_a_success_gives_the_body_and_the_request_says_gzip() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=SUCCESS)

    with line(answer) as open_:
        body = open_.post(uplink.DATA, gzip.compress(b"{}"), packed=True)
        open_.ask("/x", VersionRequest("d" * 32), Acknowledgement)
    assert json.loads(body) == SUCCESS
    first, second = asked
    assert str(first.url) == "https://nation:9443/uploadEnergyData"
    assert first.headers["content-encoding"] == "gzip"
    assert gzip.decompress(first.content) == b"{}"
    assert "content-encoding" not in second.headers
    assert json.loads(second.content) == {"deviceId": "d" * 32}


def test_a_refusal_has_the_nations_words() -> None:
    said = {"responseCode": "E2002", "responseMessage": "不行"}
    with answering(200, said) as open_, pytest.raises(RefusedUp) as refusal:
        open_.post("/x", b"{}")
    assert (refusal.value.code, refusal.value.words) == ("E2002", "不行")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"responseCode": "E1001", "responseMessage": "稍后重试"}),
        (200, {"responseCode": "E1002", "responseMessage": "数据库"}),
        (404, {"responseCode": "E2002", "responseMessage": "?"}),
        (405, SUCCESS),
        (500, SUCCESS),
        (200, b"<html>"),
        (200, {"code": 0}),
        (502, b""),
    ],
)
def test_anything_else_is_tried_again(status: int, body: object) -> None:
    with answering(status, body) as open_, pytest.raises(NotSent) as failure:
        open_.post("/x", b"{}")
    assert failure.value.reached


def test_http_413_says_that_it_is_too_large() -> None:
    with answering(413, b"") as open_, pytest.raises(TooLarge):
        open_.post("/x", b"{}")


def test_an_answer_that_lacks_what_was_asked_for_is_tried_again() -> None:
    with answering(200, SUCCESS) as open_, pytest.raises(NotSent, match="应答不可用"):
        open_.ask("/versionCheck", VersionRequest("d" * 32), VersionAnswer)


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.ReadError])
def test_who_is_not_reached_is_told_apart(error: type[httpx.TransportError]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error("no")

    with line(answer) as open_, pytest.raises(NotSent, match="nation:9443") as failure:
        open_.post("/x", b"{}")
    assert not failure.value.reached


def test_a_line_without_verification_is_not_made() -> None:
    with pytest.raises(ValueError, match="verifies"):
        HttpsLine("https://nation:9443", None)


@pytest.fixture
def out(tmp_path: Path, authority: CertificateAuthority) -> Path:
    """What `nenghao ca issue --province` writes."""
    issued = authority.issue_province("210000", "辽宁省", china_now())
    folder = tmp_path / "out"
    folder.mkdir()
    write_province(folder, issued, {"province": "210000", "name": "辽宁省", "deviceId": "d" * 32})
    return folder


def test_credentials_are_taken_over_and_may_then_go(out: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    told = credentials.take_over(out, home)
    for file in out.iterdir():
        file.unlink()
    assert credentials.of_home(home) == told
    assert (told.province, told.name, told.device_id) == ("210000", "辽宁省", "d" * 32)
    assert (home / "uplink" / "device.key").stat().st_mode & 0o777 == 0o600
    assert credentials.take_over(home / "uplink", home) == told
    open_line(home, "https://127.0.0.1:1", 2).close()


@pytest.mark.parametrize("name", ["device.pem", "device.key", "ca.pem", "province.json"])
def test_a_folder_that_is_no_provinces_is_refused_by_what_it_lacks(out: Path, name: str) -> None:
    (out / name).write_bytes(b"?")
    with pytest.raises(CredentialsError, match=r"无法读取|不可用"):
        credentials.read(out)
    (out / name).unlink()
    with pytest.raises(CredentialsError, match=f"缺少 {name}"):
        credentials.read(out)
