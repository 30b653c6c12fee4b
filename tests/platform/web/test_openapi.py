"""Each listener describes itself: the document is OpenAPI 3.1 of exactly what it answers, and the
page of it needs nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from nenghao.platform.web import openapi
from nenghao.platform.web.device_api import INTERFACES as DEVICE_INTERFACES
from nenghao.platform.web.openapi_page import page
from nenghao.standard.messages.catalogue import MESSAGES
from nenghao.standard.messages.exchange_interfaces import INTERFACES
from nenghao.standard.messages.fields import fields_of
from tests.platform.partners import Gate, partner
from tests.platform.world import World
from tests.standard.messages.samples import NAMES, sample
from tests.standard.messages.schema_check import problems

DOCUMENTS = {"device": openapi.device_document(), "exchange": openapi.exchange_document()}


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What is sent and answered by name of the message, inside the envelope if there is one."""
    found = {}
    for item in document["paths"].values():
        post = item["post"]
        sides = {
            "request": post["requestBody"]["content"]["application/json"],
            "response": post["responses"]["200"]["content"]["application/json"],
        }
        for side, content in sides.items():
            found[f"{post['operationId']}.{side}"] = content.get("x-sealed", content)
    return found


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_the_documents_tell_every_interface_and_no_other() -> None:
    assert list(DOCUMENTS["device"]["paths"]) == list(DEVICE_INTERFACES)
    assert list(DOCUMENTS["exchange"]["paths"]) == [one.path for one in INTERFACES.values()]
    told = {name for document in DOCUMENTS.values() for name in operations(document)}
    assert told == set(MESSAGES)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_whole_in_itself(name: str) -> None:
    document = DOCUMENTS[name]
    assert document["openapi"] == "3.1.0"
    schemas = document["components"]["schemas"]
    assert references(document) == {f"#/components/schemas/{key}" for key in schemas}
    assert json.loads(json.dumps(document)) == document
    ids = [item["post"]["operationId"] for item in document["paths"].values()]
    assert len(set(ids)) == len(ids)


@pytest.mark.clause("C-1")
@pytest.mark.parametrize("name", [name for name in NAMES if name in MESSAGES])
def test_every_sample_of_the_standard_is_as_the_document_says(name: str) -> None:
    (document,) = (one for one in DOCUMENTS.values() if name in operations(one))
    schema = operations(document)[name]["schema"]
    value = json.loads(sample(name))
    schemas = document["components"]["schemas"]
    assert problems(schema, value, schemas) == []
    for key in value:  # and the document does notice when something is amiss
        broken = {each: one for each, one in value.items() if each != key}
        needed = {plan.wire for plan in fields_of(MESSAGES[name]) if plan.field.needed}
        assert bool(problems(schema, broken, schemas)) is (key in needed or "response" in name)


def test_an_answer_is_either_a_success_or_one_of_table_1() -> None:
    document = DOCUMENTS["exchange"]
    schema = operations(document)["getProjectDataByRegion.response"]["schema"]
    schemas = document["components"]["schemas"]
    for code, fits in (("0", False), ("E1001", True), ("E2002", True), ("E3001", False)):
        value = {"responseCode": code, "responseMessage": "x"}
        assert (problems(schema, value, schemas) == []) is fits


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.style = ""
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for key, value in attrs:
            if key in ("href", "src", "action", "style", "srcset"):
                assert key == "href"
                self.links.append(value or "")
            if key == "id":
                self.ids.add(value or "")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "style" and not self.style:
            self.style = data
        self.text += data


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_page_works_offline_and_shows_every_field(name: str) -> None:
    document = DOCUMENTS[name]
    shown = _Page(page(document))
    assert not {"script", "img", "iframe", "link", "object", "form"} & set(shown.tags)
    outside = [link for link in shown.links if not link.startswith("#")]
    assert outside == ["openapi.json"]
    assert {link[1:] for link in shown.links if link.startswith("#")} == shown.ids
    assert "url(" not in shown.style
    assert "@import" not in shown.style
    for told in operations(document):
        for plan in fields_of(MESSAGES[told]):
            assert plan.wire in shown.text
    for path in document["paths"]:
        assert f"POST {path}" in shown.text


def test_the_device_listener_serves_both_and_lets_only_its_own_style_apply(world: World) -> None:
    client = world.client()
    told = client.request("GET", "/openapi.json", b"")
    assert (told.status, told.headers["content-type"]) == (200, "application/json; charset=utf-8")
    assert told.json == DOCUMENTS["device"]
    shown = client.request("GET", "/docs", b"")
    assert (shown.status, shown.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = shown.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    style = re.search(r"<style>(.*?)</style>", shown.content.decode(), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy
    for path in ("/openapi.json", "/docs"):
        refused = client.post(path, {})
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


def test_what_the_device_listener_answers_is_as_its_document_says(world: World) -> None:
    client = world.client()
    document = DOCUMENTS["device"]
    schemas = document["components"]["schemas"]

    def fits(name: str, answer: Any) -> bool:
        schema = operations(document)[f"{name}.response"]["schema"]
        return problems(schema, answer, schemas) == []

    registered = client.post("/", json.loads(sample("register.request"))).json
    own = {"deviceId": client.register().device_id}
    assert fits("register", registered)
    assert fits("versionCheck", client.post("/versionCheck", own).json)
    assert fits("baseData", client.post("/downloadBaseData", own).json)
    refused = client.post("/uploadEnergyData", {}).json
    assert refused["responseCode"] == "E2001"
    assert fits("uploadEnergyData", refused)


def test_the_exchange_listener_serves_its_own_and_answers_as_it_says(world: World) -> None:
    gate = Gate(world)
    document = DOCUMENTS["exchange"]
    schemas = document["components"]["schemas"]
    assert gate.post("/openapi.json", b"", method="GET").json == document
    assert gate.post("/docs", b"", method="GET").status == 200
    asked = partner(gate)
    for name, interface in INTERFACES.items():
        operation = document["paths"][interface.path]["post"]
        sealed = operation["responses"]["200"]["content"]["application/json"]
        sent = operation["requestBody"]["content"]["application/json"]
        body, nonce = asked.sealed(name)
        assert problems(sent["schema"], json.loads(body), schemas) == []
        assert problems(sent["x-sealed"]["schema"], asked.plain(name), schemas) == []
        reply = gate.post(interface.path, body)
        assert problems(sealed["schema"], reply.json, schemas) == []
        opened = asked.opened(name, reply, nonce)
        assert opened["responseCode"] == "0"
        assert problems(sealed["x-sealed"]["schema"], opened, schemas) == []
        denied = gate.post(interface.path, b"{}").json
        assert denied["responseCode"] == "E2002"
        assert problems(sealed["schema"], denied, schemas) == []
