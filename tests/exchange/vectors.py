"""The test vectors that docs/exchange.md shows: fixed inputs, and what the code makes of them.

`python -m tests.exchange.vectors` prints docs/examples/exchange-vectors.json; a test compares.
"""

from __future__ import annotations

import json
from typing import Any

from nenghao.security import envelope, sm
from nenghao.security.envelope import CBC, GCM, CipherName

KEY = "0123456789abcdeffedcba9876543210"
NONCE = "000102030405060708090a0b0c0d0e0f"
PATH = "/energyreport/common/getRegionData"
TIMESTAMP = 1772294400000
"""2026-03-01 00:00:00 China Standard Time."""
REQUEST = (
    '{"securityParams":{"userName":"lnxxzx","password":"123456"},"queryParam":{"periodCode":'
    '"month","beginTime":1619798400000,"endTime":1627747200000,"onlinORreport":"report",'
    '"regionCode":"210000"}}'
)
ANSWER = (
    '{"responseCode":"0","responseMessage":"RECEIVE SUCCESS","data":{"zhnyxfl":{"OriginValue":'
    '4602715.23,"value":4602715.23,"unitName":"吨标准煤"}}}'
)
IVS = {
    (GCM, "request"): "101112131415161718191a1b",
    (GCM, "answer"): "202122232425262728292a2b",
    (CBC, "request"): "101112131415161718191a1b1c1d1e1f",
    (CBC, "answer"): "202122232425262728292a2b2c2d2e2f",
}
TAG_BYTES = {GCM: sm.GCM_TAG_BYTES, CBC: sm.SM3_BYTES}


def vector(cipher: CipherName, direction: str) -> dict[str, Any]:
    """One sealed message with everything on the way to it, binary values in hexadecimal."""
    key, iv = bytes.fromhex(KEY), bytes.fromhex(IVS[cipher, direction])
    shared: dict[str, Any] = {"app_id": "lnxxzx", "kid": "k1", "path": PATH, "nonce": NONCE}
    if direction == "request":
        plaintext, told = REQUEST, shared | {"timestamp": TIMESTAMP}
        aad = envelope.request_aad(**told)
        body = envelope.seal_request(plaintext.encode(), key=key, iv=iv, cipher=cipher, **told)
    else:
        plaintext, told = ANSWER, shared | {"timestamp": TIMESTAMP + 21, "status": 200}
        aad = envelope.answer_aad(**told)
        body = envelope.seal_answer(plaintext.encode(), key=key, iv=iv, cipher=cipher, **told)
    seal = sm.seal_gcm if cipher == GCM else sm.seal_cbc_hmac
    sealed, tag = seal(key, iv, plaintext.encode(), aad), TAG_BYTES[cipher]
    made: dict[str, Any] = {
        "name": f"{cipher} {direction}",
        "cipher": cipher,
        "direction": direction,
        "key": KEY,
        "path": PATH,
        "nonce": NONCE,
    }
    if direction == "answer":
        made["status"] = 200
    if cipher == CBC:
        encryption, mac = sm.derived_keys(key)
        made["derived"] = {"encryption": encryption.hex(), "mac": mac.hex()}
    return made | {
        "iv": iv.hex(),
        "aad": aad.decode(),
        "plaintext": plaintext,
        "ciphertext": sealed[:-tag].hex(),
        "tag": sealed[-tag:].hex(),
        "envelope": json.loads(body),
    }


def text() -> str:
    """The file."""
    vectors = [vector(cipher, way) for cipher in (GCM, CBC) for way in ("request", "answer")]
    return json.dumps({"vectors": vectors}, ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    print(text(), end="")
