"""An account is read from the file that the platform printed; a wrong one is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nenghao.exchange import Account, AccountError, read_account
from nenghao.security.envelope import CBC, GCM

PRINTED: dict[str, Any] = {
    "appId": "lnxxzx",
    "kid": "k1",
    "key": "0123456789abcdefFEDCBA9876543210",
    "userName": "信息中心",
    "password": "secret-secret",
}


def written(tmp_path: Path, fields: dict[str, Any]) -> Path:
    path = tmp_path / "account.json"
    path.write_text(json.dumps(fields), encoding="utf-8")
    return path


def test_the_printed_json_is_an_account(tmp_path: Path) -> None:
    account = read_account(written(tmp_path, PRINTED | {"note": "unknown keys are ignored"}))
    assert account.key_bytes == bytes.fromhex("0123456789abcdeffedcba9876543210")
    assert (account.user_name, account.cipher, account.url) == ("信息中心", GCM, "")


def test_toml_says_the_same_and_a_relative_ca_lies_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "account.toml"
    lines = [f'{key} = "{value}"' for key, value in PRINTED.items()]
    lines += ['url = "https://platform:9001"', 'ca = "ca.pem"', 'cipher = "sm4-cbc-hmac-sm3"']
    path.write_text("\n".join(lines), encoding="utf-8")
    account = read_account(path)
    assert account.ca == str(tmp_path / "ca.pem")
    assert (account.url, account.cipher) == ("https://platform:9001", CBC)
    assert account.user_name == "信息中心"


def test_an_account_shows_neither_key_nor_password() -> None:
    account = Account("a", "k1", PRINTED["key"], "user", "secret-secret")
    for shown in (repr(account), str(account), f"{account}"):
        assert "secret" not in shown
        assert PRINTED["key"] not in shown


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"key": "00"}, "key 应为 32 位十六进制数"),
        ({"key": "g" * 32}, "key 应为 32 位十六进制数"),
        ({"kid": "a|b"}, "kid 应为"),
        ({"appId": ""}, "缺少 appId"),
        ({"password": None}, "缺少 password"),
        ({"cipher": "sm4-ecb"}, "cipher 的值不合法"),
        ({"userName": 7}, "userName 的值不合法"),
    ],
)
def test_a_wrong_account_is_refused_naming_the_key_and_showing_no_secret(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(AccountError) as caught:
        read_account(written(tmp_path, PRINTED | changes))
    assert said in str(caught.value)
    assert "account.json" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert PRINTED["key"] not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"key = 1"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "account.json"
    path.write_bytes(content)
    with pytest.raises(AccountError, match="JSON"):
        read_account(path)
