"""A province with its exchange open, its units, and its partners' accounts (数据交换的各方)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nenghao.exchange import Client, read_account
from tests.acceptance.world import Credentials, Province, nenghao_json, record
from tests.exchange.node import EXAMPLE, node

SAMPLE = Path(__file__).parents[1] / "standard" / "messages" / "samples"


def configuration(code: str, region: str, industry: str) -> dict[str, Any]:
    """The upload of A.4 as the standard prints it, for another unit."""
    told: dict[str, Any] = json.loads((SAMPLE / "uploadConfigData.request.json").read_text("utf-8"))
    told["enterprise"] |= {"code": code, "regionCode": region, "industryCode": industry}
    return told | {"enterpriseCode": code}


def value(code: str, amount: float, month: str, **changes: object) -> dict[str, Any]:
    return record(
        **{
            "dataCode": code,
            "dataValue": amount,
            "statType": 2,
            "statDate": f"{month}-01 00:00:00",
            "uploadDate": "2024-03-02 01:05:00",
        }
        | changes
    )


@dataclass
class Market:
    """A running province with two units, and its partners' account files."""

    province: Province
    folder: Path
    steel: Credentials
    oil: Credentials
    ids: dict[str, str]

    @property
    def root(self) -> Path:
        return self.province.home / "ca" / "root.pem"

    def upload(self, unit: Credentials, *records: dict[str, Any]) -> None:
        body = {"deviceId": self.ids[unit.code], "enterpriseCode": unit.code, "data": records}
        _, answer = self.province.post(unit, "/uploadEnergyData", body)
        assert answer["responseCode"] == "0", answer

    def account(self, user: str, *options: str) -> Path:
        """Make an account and keep what was printed, as an operator would hand it over."""
        made = nenghao_json(
            *("exchange", "account", "add", "--home", self.province.home),
            *("--user", user, "--app-id", user, *options),
        )
        assert {"appId", "kid", "key", "userName", "password"} <= set(made)
        file = self.folder / f"{user}.json"
        told = made | {"url": self.province.exchange_url, "ca": str(self.root)}
        file.write_text(json.dumps(told), "utf-8")
        return file

    def ask(self, account: Path, *arguments: str) -> Any:
        """What `nenghao exchange` prints."""
        return nenghao_json("exchange", *arguments, "--account", account)

    @contextmanager
    def client(self, account: Path) -> Iterator[Client]:
        """The Python client, for questions that need not cost a process each."""
        told = read_account(account)
        with Client(told.url, told, ca=told.ca) as client:
            yield client

    def node(self, account: Path, name: str, query: dict[str, Any], code: int = 0) -> Any:
        url = self.province.exchange_url
        told = node(
            EXAMPLE / "client.mjs", account, url, self.root, name, json.dumps(query), code=code
        )
        return json.loads(told)

    def audit(self) -> list[dict[str, Any]]:
        home = self.province.home
        records = nenghao_json("platform", "audit", "list", "--home", home, "--limit", "1000")
        return [one for one in records if one["action"] == "exchange"]
