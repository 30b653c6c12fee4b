"""The vectors that partners check their code against are the code's, and the page shows them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import ECB

from nenghao.security import envelope, sm
from tests.exchange import vectors
from tests.exchange.node import EXAMPLE, node, require_node

DOCS = Path(__file__).parents[2] / "docs"
FILE = DOCS / "examples" / "exchange-vectors.json"
VECTORS: list[dict[str, Any]] = json.loads(FILE.read_text("utf-8"))["vectors"]


@pytest.mark.clause("7.1-4")
def test_the_file_is_what_the_code_makes() -> None:
    assert FILE.read_text("utf-8") == vectors.text()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_vector_opens_to_its_plaintext(vector: dict[str, Any]) -> None:
    body = json.dumps(vector["envelope"]).encode()
    key = bytes.fromhex(vector["key"])
    sent = vector["envelope"]
    if vector["direction"] == "request":
        opened = envelope.open_request(
            envelope.read_request(body), key=key, path=vector["path"], cipher=vector["cipher"]
        )
    else:
        opened = envelope.open_answer(
            envelope.read_answer(body),
            key=key,
            kid=sent["kid"],
            app_id=sent["appId"],
            path=vector["path"],
            nonce=vector["nonce"],
            status=vector["status"],
            cipher=vector["cipher"],
        )
    assert opened.decode() == vector["plaintext"]
    sealed = bytes.fromhex(vector["ciphertext"] + vector["tag"])
    assert base64.b64encode(sealed).decode() == sent["encData"]


def test_the_page_shows_every_value_of_every_vector() -> None:
    lines = (DOCS / "exchange.md").read_text("utf-8").splitlines()
    for vector in VECTORS:
        shown = {**vector, **vector["envelope"], **vector.get("derived", {})}
        for name in ("envelope", "derived", "direction", "name"):
            shown.pop(name, None)
        for name, value in shown.items():
            assert any(str(value) in line for line in lines), f"{vector['name']}: {name}"


def test_the_primitives_of_the_page_are_those_of_the_standards() -> None:
    page = (DOCS / "exchange.md").read_text("utf-8")
    block = bytes.fromhex("0123456789abcdeffedcba9876543210")
    one_block = Cipher(SM4(block), ECB()).encryptor().update(block).hex()
    assert f"`{block.hex()}`" in page
    assert f"`{one_block}`" in page
    assert f"`{sm.sm3(b'abc').hex()}`" in page


def test_the_independent_implementation_makes_the_same() -> None:
    require_node()
    told = node(EXAMPLE / "check-vectors.mjs", FILE)
    assert told.splitlines() == [f"ok {vector['name']}" for vector in VECTORS]
