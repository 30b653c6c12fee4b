"""The envelope opens what was sealed, for its path, time, nonce, account and key alone."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nenghao.security import envelope as envelopes
from nenghao.security.envelope import CBC, CIPHERS, GCM, CipherName, EnvelopeError
from nenghao.standard.messages.exchange_interfaces import INTERFACES

KEY = bytes.fromhex("0123456789abcdeffedcba9876543210")
PATH = "/energyreport/common/getRegionData"
NONCE = "00112233445566778899aabbccddeeff"
NOW = 1_763_742_600_000
WHO = {"key": KEY, "kid": "k1", "app_id": "lnxxzx"}
PLAIN = b'{"securityParams":{"userName":"lnxxzx","password":"123456"}}'
each_cipher = pytest.mark.parametrize("cipher", CIPHERS)


def iv_of(cipher: CipherName) -> bytes:
    return bytes(range(12 if cipher == GCM else 16))


def request(cipher: CipherName = GCM, plain: bytes = PLAIN, **changes: Any) -> bytes:
    given: dict[str, Any] = WHO | {
        "path": PATH,
        "timestamp": NOW,
        "nonce": NONCE,
        "iv": iv_of(cipher),
        "cipher": cipher,
    }
    return envelopes.seal_request(plain, **(given | changes))


def answer(cipher: CipherName = GCM, plain: bytes = PLAIN, **changes: Any) -> bytes:
    given: dict[str, Any] = WHO | {
        "path": PATH,
        "timestamp": NOW,
        "nonce": NONCE,
        "iv": iv_of(cipher),
        "cipher": cipher,
    }
    return envelopes.seal_answer(plain, **(given | changes))


def opened(body: bytes, cipher: CipherName = GCM, key: bytes = KEY, path: str = PATH) -> bytes:
    envelope = envelopes.read_request(body)
    return envelopes.open_request(envelope, key=key, path=path, cipher=cipher)


def opened_answer(body: bytes, cipher: CipherName = GCM, **changes: Any) -> bytes:
    given: dict[str, Any] = WHO | {"path": PATH, "nonce": NONCE, "cipher": cipher}
    return envelopes.open_answer(envelopes.read_answer(body), **(given | changes))


@pytest.mark.clause("7.1-4")
def test_a_request_has_seven_fields_and_nothing_of_its_text_in_the_clear() -> None:
    body = json.loads(request())
    assert list(body) == ["ver", "appId", "kid", "timestamp", "nonce", "iv", "encData"]
    assert (body["ver"], body["appId"], body["kid"]) == (1, "lnxxzx", "k1")
    assert (body["timestamp"], body["nonce"]) == (NOW, NONCE)
    assert base64.b64decode(body["iv"]) == iv_of(GCM)
    assert len(base64.b64decode(body["encData"])) == len(PLAIN) + 16
    assert b"123456" not in base64.b64decode(body["encData"])


@pytest.mark.clause("7.1-4")
def test_an_answer_has_six_for_it_belongs_to_the_nonce_of_its_request() -> None:
    assert list(json.loads(answer())) == ["ver", "appId", "kid", "timestamp", "iv", "encData"]


def test_what_is_authenticated_is_spelt_as_documented() -> None:
    who = {"path": PATH, "app_id": "lnxxzx", "kid": "k1", "timestamp": NOW, "nonce": NONCE}
    assert envelopes.request_aad(**who).decode() == (  # type: ignore[arg-type]
        f"NENGHAO1|req|POST|{PATH}|lnxxzx|k1|{NOW}|{NONCE}"
    )
    assert envelopes.answer_aad(**who, status=200).decode() == (  # type: ignore[arg-type]
        f"NENGHAO1|resp|{PATH}|lnxxzx|k1|{NOW}|{NONCE}|200"
    )


def test_vectors_that_do_not_change_from_one_version_to_the_next() -> None:
    """What partners have implemented must still open."""
    assert json.loads(request(plain=b"{}"))["encData"] == "LlwimOTAvy99Twg47wkAWDwC"
    assert json.loads(request(CBC, plain=b"{}"))["encData"] == (
        "5fFY6lvUmDAE/hOHjD/oT2inqW/GltJFFxGhn7uX2j7WOngzuQm1phCNhCVsovVy"
    )


@pytest.mark.clause("7.1-4")
@given(plain=st.binary(max_size=200), cipher=st.sampled_from(CIPHERS))
@settings(max_examples=50, deadline=None)
def test_any_text_comes_out_as_it_went_in(plain: bytes, cipher: CipherName) -> None:
    assert opened(request(cipher, plain), cipher) == plain
    assert opened_answer(answer(cipher, plain), cipher) == plain


@each_cipher
def test_a_trailing_slash_does_not_count(cipher: CipherName) -> None:
    assert opened(request(cipher, path=f"{PATH}/"), cipher) == PLAIN
    assert opened(request(cipher), cipher, path=f"{PATH}/") == PLAIN


@each_cipher
def test_a_request_altered_in_any_byte_does_not_open(cipher: CipherName) -> None:
    body = request(cipher)
    for place in range(len(body)):
        for byte in {body[place] ^ 1, body[place] ^ 0x20, ord("0"), ord("A"), ord(" "), ord('"')}:
            if byte == body[place]:
                continue
            altered = body[:place] + bytes([byte]) + body[place + 1 :]
            with pytest.raises(EnvelopeError):
                opened(altered, cipher)


@each_cipher
def test_an_answer_altered_in_any_byte_does_not_open(cipher: CipherName) -> None:
    body = answer(cipher)
    for place in range(len(body)):
        for byte in {body[place] ^ 1, body[place] ^ 0x20, ord("0"), ord("A"), ord(" "), ord('"')}:
            if byte == body[place]:
                continue
            altered = body[:place] + bytes([byte]) + body[place + 1 :]
            with pytest.raises(EnvelopeError):
                opened_answer(altered, cipher)


@each_cipher
def test_every_part_that_is_authenticated_counts(cipher: CipherName) -> None:
    for change in (
        {"kid": "k2"},
        {"app_id": "other"},
        {"timestamp": NOW + 1},
        {"nonce": "f" * 32},
        {"iv": bytes(len(iv_of(cipher)))},
    ):
        told = {"app_id": "appId"}
        body = json.loads(request(cipher))
        fields = json.loads(request(cipher, **change))
        for name in change:
            body[told.get(name, name)] = fields[told.get(name, name)]
        with pytest.raises(EnvelopeError, match="认证标签不符"):
            opened(json.dumps(body).encode(), cipher)


@each_cipher
def test_a_request_opens_at_its_own_path_and_with_its_own_key_alone(cipher: CipherName) -> None:
    for interface in INTERFACES.values():
        if interface.path != PATH:
            with pytest.raises(EnvelopeError):
                opened(request(cipher), cipher, path=interface.path)
    with pytest.raises(EnvelopeError):
        opened(request(cipher), cipher, key=bytes(16))
    with pytest.raises(EnvelopeError):
        opened(request(cipher), GCM if cipher == CBC else CBC)


@each_cipher
@pytest.mark.parametrize(
    "change",
    [
        {"path": "/energyreport/common/getIndustryData"},
        {"nonce": "f" * 32},
        {"status": 500},
        {"key": bytes(16)},
        {"kid": "k2"},
        {"app_id": "other"},
    ],
)
def test_an_answer_opens_for_its_own_request_alone(
    cipher: CipherName, change: dict[str, Any]
) -> None:
    with pytest.raises(EnvelopeError):
        opened_answer(answer(cipher), cipher, **change)


def test_a_request_is_no_answer_and_an_answer_no_request() -> None:
    with pytest.raises(EnvelopeError):
        opened(answer())
    fields = json.loads(request())
    with pytest.raises(EnvelopeError):
        opened_answer(json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ver": 2}, "ver 应为 1"),
        ({"ver": True}, "ver 应为 1"),
        ({"appId": "a|b"}, "appId 应为"),
        ({"kid": ""}, "kid 缺失"),
        ({"kid": "k" * 65}, "kid 应为"),
        ({"timestamp": str(NOW)}, "timestamp 应为"),
        ({"timestamp": NOW // 1000}, "timestamp 应为"),
        ({"nonce": "0" * 31}, "nonce 应为"),
        ({"nonce": "g" * 32}, "nonce 应为"),
        ({"iv": 12}, "iv 应为"),
        ({"encData": None}, "encData 缺失"),
    ],
)
def test_a_field_that_breaks_its_form_is_named(change: dict[str, Any], reason: str) -> None:
    body = json.dumps(json.loads(request()) | change).encode()
    with pytest.raises(EnvelopeError, match=reason):
        opened(body)


def test_base64_has_one_spelling() -> None:
    fields = json.loads(request(plain=b"x" * 60))
    text = fields["encData"]
    assert text.endswith("=")
    spellings = [
        text.rstrip("="),
        text + "=",
        text[:8] + "\n" + text[8:],
        text.replace(text[0], "-", 1),
        text[:-3] + chr(ord(text[-3]) + 1) + text[-2:],
    ]
    for spelling in spellings:
        with pytest.raises(EnvelopeError):
            opened(json.dumps(fields | {"encData": spelling}).encode())


def test_a_key_that_stands_twice_is_refused() -> None:
    body = request()[:-1] + b',"kid":"k1"}'
    with pytest.raises(EnvelopeError, match="kid"):
        opened(body)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 5000])
def test_what_is_no_envelope_is_refused(body: bytes) -> None:
    with pytest.raises(EnvelopeError):
        opened(body)
    with pytest.raises(EnvelopeError):
        opened_answer(body)


def test_a_refusal_that_is_not_sealed_is_no_answer() -> None:
    with pytest.raises(EnvelopeError):
        opened_answer(b'{"responseCode":"0","responseMessage":"RECEIVE SUCCESS","data":[]}')


@pytest.mark.parametrize(
    ("off", "near"), [(0, True), (300_000, True), (-300_000, True), (300_001, False)]
)
def test_the_window_is_300_seconds_either_way(off: int, near: bool) -> None:
    assert envelopes.is_near(NOW + off, NOW) is near
    assert envelopes.is_near(NOW, NOW + off) is near


def test_nothing_fresh_comes_twice() -> None:
    assert len({envelopes.fresh_nonce() for _ in range(100)}) == 100
    assert len({envelopes.fresh_key() for _ in range(100)}) == 100
    assert len(envelopes.fresh_iv(GCM)) == 12
    assert len(envelopes.fresh_iv(CBC)) == 16
