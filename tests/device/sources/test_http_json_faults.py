from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nenghao.device.sources import http_json
from nenghao.device.sources.base import FaultKind, SourceFault
from tests.device.sources.broken_peers import answers, free_port, hangs_up, peer, silent
from tests.device.sources.http_world import Service, ask, fault, served, settings


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("301 Moved Permanently", FaultKind.CONFIGURATION),
        ("400 Bad Request", FaultKind.CONFIGURATION),
        ("401 Unauthorized", FaultKind.CREDENTIALS),
        ("403 Forbidden", FaultKind.CREDENTIALS),
        ("404 Not Found", FaultKind.CONFIGURATION),
        ("429 Too Many Requests", FaultKind.UNREACHABLE),
        ("500 Internal Server Error", FaultKind.UNREACHABLE),
        ("503 Service Unavailable", FaultKind.UNREACHABLE),
        ("504 Gateway Timeout", FaultKind.TIMEOUT),
    ],
)
def test_a_status_is_named_and_the_next_answer_is_read(status: str, kind: FaultKind) -> None:
    async def run() -> None:
        service = Service()
        service.headers = "location: http://127.0.0.1:1/elsewhere\r\n"
        async with served(service) as url:
            source = http_json.make(settings(url=url), Path())
            service.status = status
            with pytest.raises(SourceFault) as caught:
                await ask(source)
            assert caught.value.kind is kind
            assert f"HTTP {status[:3]}" in caught.value.text
            service.status = "200 OK"
            assert len(await ask(source)) == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>",
        b'{"data": NaN}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"data": 1' + b"0" * 5000 + b"}",
        b"{}",
        b"[]",
        b"null",
        b'{"data": {"meters": {"id": "M-01"}}}',
        b'{"data": {"meters": [{"id": "M-01", "value": "x"}]}}',
        b'{"data": {"meters": [{"id": "M-01", "value": 1e99999}]}}',
        b'{"data": {"meters": [{"id": "M-01", "value": 1e30}]}}',
    ],
)
def test_an_answer_without_readings_is_garbage(document: bytes) -> None:
    assert fault(Service(document)).kind is FaultKind.GARBAGE


def test_records_that_are_no_list_are_garbage() -> None:
    assert fault(Service(), records="data").kind is FaultKind.GARBAGE
    assert fault(Service(), records="nowhere").kind is FaultKind.GARBAGE


def test_an_answer_without_end_is_cut_off() -> None:
    found = fault(Service("[" + "1," * 1_000_000), most_megabytes=0.01)
    assert (found.kind, "0.01 MB" in found.text) == (FaultKind.GARBAGE, True)


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (silent, FaultKind.TIMEOUT),
        (hangs_up, FaultKind.UNREACHABLE),
        (answers(b"\x00\x01 no http\r\n\r\n"), FaultKind.GARBAGE),
        (answers(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"), FaultKind.TIMEOUT),
        (
            answers(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nxx"),
            FaultKind.GARBAGE,
        ),
    ],
)
def test_a_peer_that_is_no_help(behaviour: Any, kind: FaultKind) -> None:
    async def run() -> SourceFault:
        async with peer(behaviour) as port:
            block = settings(url=f"http://127.0.0.1:{port}/", timeout_seconds=0.1)
            with pytest.raises(SourceFault) as caught:
                await ask(http_json.make(block, Path()))
            return caught.value

    assert asyncio.run(run()).kind is kind


def test_nobody_there_is_unreachable() -> None:
    block = settings(url=f"http://127.0.0.1:{free_port()}/")
    with pytest.raises(SourceFault, match="拒绝连接") as caught:
        asyncio.run(ask(http_json.make(block, Path())))
    assert caught.value.kind is FaultKind.UNREACHABLE


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"url": "ftp://127.0.0.1/"}, "http"),
        ({"url": "127.0.0.1:80"}, "http"),
        ({"url": "http://u:p@127.0.0.1/"}, "password_file"),
        ({"user": "u", "token": "t"}, "只能用一种"),
        ({"user": "u", "headers": {"Authorization": "x"}}, "只能用一种"),
        ({"password": "p"}, "user"),
        ({"headers": {"X": "电"}}, "ASCII"),
        ({"headers": {"X": "a\r\nY: b"}}, "ASCII"),
        ({"body": "{}"}, "POST"),
        ({"method": "DELETE"}, "method"),
        ({"records": "a[["}, "JSON 路径"),
        ({"points": [{"name": "a", "path": "a..b"}]}, "JSON 路径"),
        ({"points": [{"name": "a", "path": "a", "scale": "1,0"}]}, "scale"),
        ({"time_format": "%H"}, "time_format"),
    ],
)
def test_settings_that_are_no_use_are_refused_by_name(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=word):
        settings(**changes)


def test_the_library_is_imported_only_with_this_source() -> None:
    code = (
        "import sys; import nenghao.device.sources.registry as r;"
        "assert 'httpx' not in sys.modules; r.module_of('http_json');"
        "assert 'httpx' in sys.modules and 'sqlalchemy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
