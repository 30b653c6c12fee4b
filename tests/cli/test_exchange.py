"""`nenghao exchange …` of a partner: the six questions, as a table and as JSON, and what is said
when they cannot be asked or are refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from nenghao.cli import exchange as commands
from nenghao.cli import main
from nenghao.exchange import Client
from nenghao.security.envelope import CBC
from tests.exchange.platform import ACCOUNT, KEY, NOW, FarEnd, with_cipher
from tests.standard.messages.samples import sample

Capture = pytest.CaptureFixture[str]
Fields = Callable[..., list[str]]


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> FarEnd:
    end = FarEnd()
    transport = httpx.MockTransport(end)
    monkeypatch.setattr(commands, "Client", partial(Client, transport=transport, clock=lambda: NOW))
    monkeypatch.delenv(commands.KEY_VARIABLE, raising=False)
    monkeypatch.delenv(commands.PASSWORD_VARIABLE, raising=False)
    return end


@pytest.fixture
def account(tmp_path: Path) -> Fields:
    """Writes an account's file and says the options that lead to it."""

    def written(**changes: object) -> list[str]:
        fields: dict[str, Any] = {
            "appId": ACCOUNT.app_id,
            "kid": ACCOUNT.kid,
            "key": KEY,
            "userName": ACCOUNT.user_name,
            "password": ACCOUNT.password,
            "url": "https://platform:9001",
        } | changes
        path = tmp_path / "account.json"
        path.write_text(json.dumps({k: v for k, v in fields.items() if v is not None}), "utf-8")
        return ["--account", str(path)]

    return written


SPAN = ["--begin", "2021-05", "--end", "2021-08", "--source", "report"]
CALLS = {
    "getRegionData": ["region-data", "--region", "210000", *SPAN],
    "getIndustryData": ["industry-data", "--industry", "C25", *SPAN],
    "getProjectDataByRegion": ["projects", "--region", "210000"],
    "getProjectDataByIndustry": ["projects", "--industry", "C25"],
    "getCompanyByRegion": ["companies", "--region", "210000"],
    "getCompanyByIndustry": ["companies", "--industry", "C25"],
}


@pytest.mark.parametrize("name", CALLS)
def test_each_of_the_six_is_asked_as_annex_c_asks_it_and_printed_as_json(
    far: FarEnd, account: Fields, capsys: Capture, name: str
) -> None:
    assert main(["exchange", *CALLS[name], *account(), "--json"]) == 0
    assert far.asked == [(name, json.loads(sample(f"{name}.request")))]
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(sample(f"{name}.response"))["data"]


@pytest.mark.parametrize("name", CALLS)
def test_and_as_a_table(far: FarEnd, account: Fields, capsys: Capture, name: str) -> None:
    assert main(["exchange", *CALLS[name], *account()]) == 0
    printed = capsys.readouterr().out.splitlines()
    shown = {
        "Data": ("综合能源消费量", "4602715.23", "万千瓦时"),
        "Project": ("xxxx项目", "沈阳市", "1200"),
        "Company": ("91330000573973053F", "示例钢铁有限责任公司", "C3120"),
    }
    kind = next(kind for kind in shown if kind in name.removeprefix("get").replace("DataBy", ""))
    for word in shown[kind]:
        assert any(word in line for line in printed[1:]), (word, printed)


def test_an_empty_list_says_so(far: FarEnd, account: Fields, capsys: Capture) -> None:
    far.answer = b'{"responseCode":"0","responseMessage":"RECEIVE SUCCESS","data":[]}'
    assert main(["exchange", "projects", "--region", "210000", *account()]) == 0
    assert capsys.readouterr().out == "（无）\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026", datetime(2026, 1, 1)),
        ("2026-03", datetime(2026, 3, 1)),
        ("2026-03-31", datetime(2026, 3, 31)),
        ("2026-03-31 12:00:00", datetime(2026, 3, 31, 12)),
    ],
)
def test_a_begin_is_a_year_a_month_a_day_or_a_time(
    far: FarEnd, account: Fields, text: str, expected: datetime
) -> None:
    call = ["exchange", "region-data", "--region", "210000", "--begin", text, "--period", "day"]
    assert main([*call, *account()]) == 0
    query = far.asked[0][1]["queryParam"]
    since = int((expected - datetime(1970, 1, 1, 8)).total_seconds())
    assert query["beginTime"] == query["endTime"] == since * 1000
    assert query["periodCode"] == "day"


def test_key_and_password_may_come_from_the_environment_and_names_from_options(
    far: FarEnd, account: Fields, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(commands.KEY_VARIABLE, KEY)
    monkeypatch.setenv(commands.PASSWORD_VARIABLE, "another")
    options = ["--app-id", "lnxxzx", "--kid", "k1", "--user", "other", "--url", "https://platform"]
    assert main(["exchange", "projects", "--region", "210000", *options]) == 0
    assert far.asked[0][1]["securityParams"] == {"userName": "other", "password": "another"}


@pytest.mark.parametrize("by", ["option", "file"])
def test_the_cipher_of_the_account_is_used(far: FarEnd, account: Fields, by: str) -> None:
    far.account = with_cipher(CBC)
    given = [*account(), "--cipher", CBC] if by == "option" else account(cipher=CBC)
    assert main(["exchange", "companies", "--industry", "C25", *given]) == 0
    assert len(far.asked) == 1


def said(capsys: Capture, arguments: list[str]) -> tuple[int, str]:
    code = main(["exchange", *arguments])
    printed = capsys.readouterr()
    assert printed.out == ""
    assert KEY not in printed.err
    return code, printed.err


def test_a_refusal_ends_with_1_and_its_text(far: FarEnd, account: Fields, capsys: Capture) -> None:
    far.answer = json.dumps(
        {"responseCode": "E2002", "responseMessage": "请求参数异常，参数格式不合法：regionCode x"}
    ).encode()
    code, text = said(capsys, ["projects", "--region", "310000", *account(), "--json"])
    assert code == 1
    assert "E2002 请求参数异常，参数格式不合法：regionCode x" in text


WRONG: dict[str, tuple[list[str], int, str]] = {
    "neither": (["projects"], 2, "--region 和 --industry 应给出其一"),
    "both": (["companies", "--region", "210000", "--industry", "C"], 2, "应给出其一"),
    "a short region": (["projects", "--region", "21"], 2, "regionCode 应为 6 位数字"),
    "no date": (
        ["region-data", "--region", "210000", "--begin", "2026-13"],
        2,
        "--begin 应如 2026、2026-03",
    ),
    "backwards": (
        ["industry-data", "--industry", "C", "--begin", "2026", "--end", "2025"],
        2,
        "beginTime 应不晚于 endTime",
    ),
    "no cipher": (["projects", "--region", "210000", "--cipher", "aes"], 2, "--cipher"),
    "no root": (["projects", "--region", "210000", "--ca", "/nonexistent.pem"], 1, "nonexistent"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_asked_is_said_in_chinese(
    account: Fields, capsys: Capture, name: str
) -> None:
    arguments, expected, words = WRONG[name]
    code, text = said(capsys, [*arguments, *account()])
    assert (code, words in text) == (expected, True), text


def test_an_unusable_account_is_named(account: Fields, capsys: Capture, far: FarEnd) -> None:
    asked = ["projects", "--region", "210000"]
    code, text = said(capsys, [*asked, *account(key="00")])
    assert (code, "account.json：key 应为 32 位十六进制数" in text) == (1, True)
    code, text = said(capsys, [*asked, *account(url=None)])
    assert (code, "缺少平台地址" in text) == (2, True)
    code, text = said(capsys, [*asked, *account(url="http://platform")])
    assert (code, "https" in text) == (2, True)
    code, text = said(capsys, [*asked, "--account", "/nonexistent.json"])
    assert (code, "/nonexistent.json" in text) == (1, True)
    code, text = said(capsys, asked)
    assert (code, "缺少 appId、kid、key、userName、password" in text) == (1, True)
    assert far.asked == []


def test_a_partner_needs_none_of_the_platforms_libraries() -> None:
    program = """
import sys
for name in ("sqlalchemy", "alembic", "starlette", "uvicorn", "numpy", "argon2", "openpyxl"):
    sys.modules[name] = None
from nenghao.cli import main
print(main(["exchange", "projects", "--help"]))
print(main(["exchange", "account", "list"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    *shown, code, other = done.stdout.splitlines()
    assert (code, other) == ("0", "1"), done.stderr
    assert any("--industry" in line for line in shown)
    assert "请安装 nenghao[platform]" in done.stderr


def test_account_is_found_in_the_group_and_explains_itself(capsys: Capture) -> None:
    assert main(["exchange", "--help"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in ("region-data", "companies", "account"))
    assert main(["exchange", "account", "--help"]) == 0
    assert "rotate" in capsys.readouterr().out
