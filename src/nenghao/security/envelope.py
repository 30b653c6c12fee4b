"""The exchange envelope (加密信封; 7.1): a request or answer of annex C, sealed.

Pure functions, the same for both ends: key, time, nonce and vector come from outside, and so does
the cipher, which belongs to the account and never to the message. What is authenticated besides
the ciphertext binds it to direction, path, account, key id, time and nonce, and an answer to its
request (docs/exchange has the whole, with vectors). Whether the time is near, whether the nonce
was seen before and whose the key is: whoever opens must ask.

    body = seal_request(b'{"securityParams":…}', key=key, kid="k1", app_id="lnxxzx", path=path,
                        timestamp=now_ms, nonce=fresh_nonce(), iv=fresh_iv(GCM), cipher=GCM)
    plain = open_answer(read_answer(answer_body), key=key, kid="k1", app_id="lnxxzx", path=path,
                        nonce=nonce, status=200, cipher=GCM)
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from nenghao.security import sm
from nenghao.standard.messages import read, write
from nenghao.standard.messages.exchange import ENVELOPE_VERSION, AnswerEnvelope, RequestEnvelope
from nenghao.standard.replies import RequestError

CipherName = Literal["sm4-gcm", "sm4-cbc-hmac-sm3"]
GCM: Final = "sm4-gcm"
"""SM4-GCM: what an account uses unless its partner's library has none."""
CBC: Final = "sm4-cbc-hmac-sm3"
"""SM4-CBC, then HMAC-SM3 over it, with two derived keys (`sm.seal_cbc_hmac`)."""
CIPHERS: tuple[CipherName, ...] = (GCM, CBC)

KEY_BYTES = sm.KEY_BYTES
WINDOW_MS = 300_000
"""How far a message's time may be from the reader's, either way."""


class EnvelopeError(Exception):
    """The envelope cannot be opened; the text says why, in Chinese, for the reader's own log."""


class _Suite(NamedTuple):
    iv_bytes: int
    seal: Callable[[bytes, bytes, bytes, bytes], bytes]
    open: Callable[[bytes, bytes, bytes, bytes], bytes]


_SUITES: dict[str, _Suite] = {
    GCM: _Suite(sm.GCM_IV_BYTES, sm.seal_gcm, sm.open_gcm),
    CBC: _Suite(sm.BLOCK_BYTES, sm.seal_cbc_hmac, sm.open_cbc_hmac),
}


def fresh_key() -> bytes:
    """A new key of an account, 16 random bytes."""
    return secrets.token_bytes(KEY_BYTES)


def fresh_nonce() -> str:
    """A new `nonce`, 32 hexadecimal digits."""
    return secrets.token_hex(16)


def fresh_iv(cipher: CipherName) -> bytes:
    """A new vector of the cipher's length: 12 bytes for GCM, 16 for CBC."""
    return secrets.token_bytes(_SUITES[cipher].iv_bytes)


def canonical_path(path: str) -> str:
    """The path as it is authenticated: one trailing slash does not count."""
    return path.removesuffix("/")


def request_aad(*, path: str, app_id: str, kid: str, timestamp: int, nonce: str) -> bytes:
    """What a request authenticates besides its ciphertext."""
    return (
        f"NENGHAO{ENVELOPE_VERSION}|req|POST|{canonical_path(path)}|{app_id}|{kid}"
        f"|{timestamp}|{nonce}"
    ).encode()


def answer_aad(
    *, path: str, app_id: str, kid: str, timestamp: int, nonce: str, status: int
) -> bytes:
    """What an answer authenticates besides its ciphertext: `nonce` is its request's."""
    return (
        f"NENGHAO{ENVELOPE_VERSION}|resp|{canonical_path(path)}|{app_id}|{kid}"
        f"|{timestamp}|{nonce}|{status}"
    ).encode()


def seal_request(
    plaintext: bytes,
    *,
    key: bytes,
    kid: str,
    app_id: str,
    path: str,
    timestamp: int,
    nonce: str,
    iv: bytes,
    cipher: CipherName = GCM,
) -> bytes:
    """The body of a request; `timestamp` in epoch milliseconds, `iv` never used before."""
    aad = request_aad(path=path, app_id=app_id, kid=kid, timestamp=timestamp, nonce=nonce)
    sealed = _SUITES[cipher].seal(key, iv, plaintext, aad)
    return write(
        RequestEnvelope(ENVELOPE_VERSION, app_id, kid, timestamp, nonce, _text(iv), _text(sealed))
    )


def read_request(body: bytes) -> RequestEnvelope:
    """The envelope of a request's body, not opened yet. Raises EnvelopeError."""
    try:
        return read(RequestEnvelope, body)
    except RequestError as error:
        raise EnvelopeError(f"信封格式不合法：{error.text}") from None


def open_request(
    envelope: RequestEnvelope, *, key: bytes, path: str, cipher: CipherName = GCM
) -> bytes:
    """The plaintext of a request that came to `path`. Raises EnvelopeError."""
    aad = request_aad(
        path=path,
        app_id=envelope.app_id,
        kid=envelope.kid,
        timestamp=envelope.timestamp,
        nonce=envelope.nonce,
    )
    return _opened(envelope.iv, envelope.enc_data, key, aad, cipher)


def seal_answer(
    plaintext: bytes,
    *,
    key: bytes,
    kid: str,
    app_id: str,
    path: str,
    timestamp: int,
    nonce: str,
    iv: bytes,
    status: int = 200,
    cipher: CipherName = GCM,
) -> bytes:
    """The body of the answer to the request with this `nonce`; `timestamp` is the answer's own."""
    aad = answer_aad(
        path=path, app_id=app_id, kid=kid, timestamp=timestamp, nonce=nonce, status=status
    )
    sealed = _SUITES[cipher].seal(key, iv, plaintext, aad)
    return write(AnswerEnvelope(ENVELOPE_VERSION, app_id, kid, timestamp, _text(iv), _text(sealed)))


def read_answer(body: bytes) -> AnswerEnvelope:
    """The envelope of an answer's body, not opened yet.

    Raises EnvelopeError: for a refusal that is not sealed, too. Such a one is nobody's word.
    """
    try:
        return read(AnswerEnvelope, body)
    except RequestError as error:
        raise EnvelopeError(f"信封格式不合法：{error.text}") from None


def open_answer(
    envelope: AnswerEnvelope,
    *,
    key: bytes,
    kid: str,
    app_id: str,
    path: str,
    nonce: str,
    status: int = 200,
    cipher: CipherName = GCM,
) -> bytes:
    """The plaintext of the answer to the request that was sent with these. Raises EnvelopeError."""
    if (envelope.app_id, envelope.kid) != (app_id, kid):
        raise EnvelopeError("应答的 appId 或 kid 与请求不符")
    aad = answer_aad(
        path=path,
        app_id=app_id,
        kid=kid,
        timestamp=envelope.timestamp,
        nonce=nonce,
        status=status,
    )
    return _opened(envelope.iv, envelope.enc_data, key, aad, cipher)


def is_near(timestamp: int, now_ms: int) -> bool:
    """Whether a message's time lies within the window around the reader's (±300 s)."""
    return abs(timestamp - now_ms) <= WINDOW_MS


def _opened(iv: str, enc_data: str, key: bytes, aad: bytes, cipher: CipherName) -> bytes:
    suite = _SUITES[cipher]
    vector = _bytes("iv", iv)
    if len(vector) != suite.iv_bytes:
        raise EnvelopeError(f"iv 应为 {suite.iv_bytes} 字节")
    try:
        return suite.open(key, vector, _bytes("encData", enc_data), aad)
    except sm.Forged:
        raise EnvelopeError("认证标签不符（密钥、路径、时间或内容与所封装的不同）") from None


def _text(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def _bytes(name: str, text: str) -> bytes:
    """Standard base64 with padding, and only the spelling that encoding gives."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise EnvelopeError(f"{name} 不是合法的 Base64") from None
    if _text(data) != text:  # bits that decoding drops would be bytes that nobody authenticates
        raise EnvelopeError(f"{name} 不是规范的 Base64")
    return data
