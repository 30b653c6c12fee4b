"""What Python seals Node opens, and the other way round, byte for byte; neither opens a forgery.

The far side is the example for partners with npm's sm-crypto-v2, which shares no code with ours.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from nenghao.security import sm
from nenghao.security.envelope import CBC, CIPHERS, GCM
from tests.exchange.node import EXAMPLE, node, require_node

SEAL = {GCM: sm.seal_gcm, CBC: sm.seal_cbc_hmac}
OPEN = {GCM: sm.open_gcm, CBC: sm.open_cbc_hmac}
IV_BYTES = {GCM: sm.GCM_IV_BYTES, CBC: sm.BLOCK_BYTES}
AGREE = Path(__file__).with_name("agree.mjs")

Case = tuple[bytes, bytes, bytes, bytes]
"""Key, vector, plaintext, what is authenticated besides."""


def cases(cipher: str, count: int) -> list[Case]:
    """Every length up to seven blocks, then some longer; keys and texts at random."""
    chance = random.Random(f"agreement {cipher}")
    lengths = [*range(113), *(chance.randrange(4096) for _ in range(count - 113))]
    return [
        (
            chance.randbytes(16),
            chance.randbytes(IV_BYTES[cipher]),
            chance.randbytes(length),
            chance.randbytes(chance.randrange(1, 120)),
        )
        for length in lengths
    ]


def asked(op: str, cipher: str, data: list[Case]) -> list[dict[str, str]]:
    """Node's answers; `data` stands where the plaintext does."""
    told = [
        {
            "op": op,
            "cipher": cipher,
            "key": key.hex(),
            "iv": iv.hex(),
            "data": text.hex(),
            "aad": aad.hex(),
        }
        for key, iv, text, aad in data
    ]
    answers: list[dict[str, str]] = json.loads(
        node(AGREE, EXAMPLE / "envelope.mjs", stdin=json.dumps(told))
    )
    return answers


@pytest.mark.clause("7.1-4")
@pytest.mark.parametrize("cipher", CIPHERS)
def test_both_seal_the_same_bytes_and_open_each_others(cipher: str) -> None:
    require_node()
    plain = cases(cipher, 300)
    sealed = [SEAL[cipher](key, iv, text, aad) for key, iv, text, aad in plain]
    assert [one["data"] for one in asked("seal", cipher, plain)] == [one.hex() for one in sealed]
    far = [(key, iv, data, aad) for (key, iv, _, aad), data in zip(plain, sealed, strict=True)]
    opened = asked("open", cipher, far)
    assert [one["data"] for one in opened] == [text.hex() for _, _, text, _ in plain]
    for (key, iv, data, aad), (_, _, text, _) in zip(far, plain, strict=True):
        assert OPEN[cipher](key, iv, data, aad) == text


@pytest.mark.clause("7.1-4")
@pytest.mark.parametrize("cipher", CIPHERS)
def test_neither_opens_what_was_altered_anywhere(cipher: str) -> None:
    require_node()
    chance = random.Random(f"forgery {cipher}")
    forged: list[Case] = []
    for number, (key, iv, text, aad) in enumerate(cases(cipher, 120)):
        parts: list[Any] = [key, iv, SEAL[cipher](key, iv, text, aad), aad]
        place = number % 4
        altered = bytearray(parts[place])
        altered[chance.randrange(len(altered))] ^= 1 << chance.randrange(8)
        parts[place] = bytes(altered)
        forged.append((parts[0], parts[1], parts[2], parts[3]))
    for answer in asked("open", cipher, forged):
        assert set(answer) == {"error"}
    for key, iv, data, aad in forged:
        with pytest.raises(sm.Forged):
            OPEN[cipher](key, iv, data, aad)
