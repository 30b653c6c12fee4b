"""The SM algorithms give what the texts of their standards print, and what a second
implementation gives."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given, settings
from hypothesis import strategies as st

from nenghao.security import sm
from tests.security import reference_sm as reference

KEY = bytes.fromhex("0123456789abcdeffedcba9876543210")
MESSAGE = bytes.fromhex(
    "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"
    "eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa"
)
KEYS = st.binary(min_size=16, max_size=16)
TEXTS = st.binary(max_size=100)


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    ],
)
def test_sm3_of_the_examples_of_gbt_32905_annex_a(message: bytes, digest: str) -> None:
    assert sm.sm3(message).hex() == digest
    assert reference.sm3(message).hex() == digest


def block_cipher() -> tuple[bytes, Cipher[ECB]]:
    return KEY, Cipher(SM4(KEY), ECB())


def test_sm4_of_example_1_of_gbt_32907_annex_a() -> None:
    text, cipher = block_cipher()
    assert cipher.encryptor().update(text).hex() == "681edf34d206965e86b3e94f536e4246"
    assert reference.sm4(KEY, KEY).hex() == "681edf34d206965e86b3e94f536e4246"
    assert reference.sm4_back(KEY, reference.sm4(KEY, KEY)) == KEY


def test_sm4_a_million_times_of_example_2_of_gbt_32907_annex_a() -> None:
    text, cipher = block_cipher()
    update = cipher.encryptor().update
    for _ in range(1_000_000):
        text = update(text)
    assert text.hex() == "595298c7c6fd271f0402f804c33d3f66"


def test_sm4_gcm_of_rfc_8998_annex_a_1() -> None:
    iv = bytes.fromhex("00001234567800000000abcd")
    aad = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    sealed = (
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
        "83de3541e4c2b58177e065a9bf7b62ec"
    )
    assert sm.seal_gcm(KEY, iv, MESSAGE, aad).hex() == sealed
    assert reference.gcm(KEY, iv, MESSAGE, aad).hex() == sealed
    assert sm.open_gcm(KEY, iv, bytes.fromhex(sealed), aad) == MESSAGE


@given(key=st.binary(max_size=100), message=st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_sm3_and_its_hmac_agree_with_the_second_implementation(key: bytes, message: bytes) -> None:
    assert sm.sm3(message) == reference.sm3(message)
    assert sm.hmac_sm3(key, message) == reference.hmac_sm3(key, message)


@given(key=KEYS, iv=st.binary(min_size=12, max_size=12), plaintext=TEXTS, aad=TEXTS)
@settings(max_examples=50, deadline=None)
def test_sm4_gcm_agrees_with_the_second_implementation(
    key: bytes, iv: bytes, plaintext: bytes, aad: bytes
) -> None:
    sealed = sm.seal_gcm(key, iv, plaintext, aad)
    assert sealed == reference.gcm(key, iv, plaintext, aad)
    assert sm.open_gcm(key, iv, sealed, aad) == plaintext


@given(key=KEYS, iv=KEYS, plaintext=TEXTS, aad=TEXTS)
@settings(max_examples=50, deadline=None)
def test_sm4_cbc_with_hmac_sm3_agrees_with_the_second_implementation(
    key: bytes, iv: bytes, plaintext: bytes, aad: bytes
) -> None:
    encryption = reference.hmac_sm3(key, b"NENGHAO1|enc")[:16]
    ciphertext = reference.cbc(encryption, iv, plaintext)
    bits = (8 * len(aad)).to_bytes(8, "big")
    mac = reference.hmac_sm3(key, b"NENGHAO1|mac")
    tag = reference.hmac_sm3(mac, aad + iv + ciphertext + bits)
    assert sm.seal_cbc_hmac(key, iv, plaintext, aad) == ciphertext + tag
    assert sm.open_cbc_hmac(key, iv, ciphertext + tag, aad) == plaintext


def test_pbkdf2_is_what_rfc_8018_makes_of_the_hmac() -> None:
    turn = reference.hmac_sm3(b"secret", b"salt" + (1).to_bytes(4, "big"))
    expected = turn
    for _ in range(3):
        turn = reference.hmac_sm3(b"secret", turn)
        expected = bytes(a ^ b for a, b in zip(expected, turn, strict=True))
    assert sm.pbkdf2_hmac_sm3(b"secret", b"salt", 4) == expected


SUITES = [
    (sm.seal_gcm, sm.open_gcm, bytes(12)),
    (sm.seal_cbc_hmac, sm.open_cbc_hmac, bytes(16)),
]


@pytest.mark.parametrize(("seal", "open_", "iv"), SUITES)
def test_whatever_is_altered_is_forged(seal: object, open_: object, iv: bytes) -> None:
    assert callable(seal)
    assert callable(open_)
    sealed = seal(KEY, iv, b"twenty bytes of text", b"aad")
    for place in range(len(sealed)):
        for bit in range(8):
            altered = bytearray(sealed)
            altered[place] ^= 1 << bit
            with pytest.raises(sm.Forged):
                open_(KEY, iv, bytes(altered), b"aad")
    for length in range(len(sealed)):
        with pytest.raises(sm.Forged):
            open_(KEY, iv, sealed[:length], b"aad")
    for key, vector, aad in [
        (bytes(16), iv, b"aad"),
        (KEY, b"\1" + iv[1:], b"aad"),
        (KEY, iv + b"\0", b"aad"),
        (KEY, b"", b"aad"),
        (KEY, iv, b"aae"),
    ]:
        with pytest.raises(sm.Forged):
            open_(key, vector, sealed, aad)


@pytest.mark.parametrize(("seal", "open_", "iv"), SUITES)
def test_a_vector_or_key_of_another_length_is_a_mistake(
    seal: object, open_: object, iv: bytes
) -> None:
    assert callable(seal)
    with pytest.raises(ValueError, match="bytes"):
        seal(KEY, iv + b"\0", b"", b"")
    with pytest.raises(ValueError, match="key"):
        seal(KEY + b"\0", iv, b"", b"")
