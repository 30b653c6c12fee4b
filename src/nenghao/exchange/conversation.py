"""One question and its answer without I/O (一问一答): what is sent, and what the reply means.

`ask` makes the sealed request, `Question.understand` verifies and reads what came back. Time comes
from outside; who carries the bytes is `client`'s business. The envelope is `security.envelope`'s.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from nenghao.exchange.account import Account
from nenghao.security import envelope
from nenghao.security.envelope import EnvelopeError
from nenghao.standard.messages import Answer, codec, read, write
from nenghao.standard.messages.exchange import SecurityParams
from nenghao.standard.messages.exchange_interfaces import INTERFACES, ExchangeInterface
from nenghao.standard.messages.fields import Message
from nenghao.standard.replies import SUCCESS_CODE, IllegalFormat, Refusal


class ExchangeError(Exception):
    """A question was not answered; the text says why, in Chinese."""


class Unreachable(ExchangeError):
    """No platform there: connection, TLS or time-out."""


class Unanswered(ExchangeError):
    """Something answered that is not the platform's application: HTTP status, no known body."""


class Forged(ExchangeError):
    """The answer is not the platform's to this question: its tag, key id or time is wrong."""


class Refused(ExchangeError):
    """The platform refused, with a code of table 1.

    `sealed` is False for what comes in the open: E2002 where envelope, key, time, user or password
    are wrong, E1001 and E1002 where the platform did not get as far as knowing who asks. Anybody on
    the way could have written that.
    """

    def __init__(self, code: str, text: str, *, sealed: bool) -> None:
        self.code = code
        self.text = text
        self.sealed = sealed
        wrong = not sealed and code == IllegalFormat.code
        hint = "（请核对密钥、kid、用户名、密码和本机时间）" if wrong else ""
        super().__init__(f"{code} {text}{hint}")


class Answered(Struct, frozen=True):
    """A success: the message, and the plaintext that it was read from."""

    message: Answer
    plaintext: bytes

    @property
    def data(self) -> Any:
        """`data` of the answer as plain JSON values, every key as it came."""
        return msgspec.json.decode(codec.drop_bom(self.plaintext)).get("data")


class _Head(Struct):
    code: Any = msgspec.field(default=None, name="responseCode")
    text: Any = msgspec.field(default="", name="responseMessage")


class Question(Struct, frozen=True):
    """A sealed request, and what its answer is verified with."""

    account: Account
    interface: ExchangeInterface
    nonce: str
    body: bytes

    @property
    def path(self) -> str:
        """Where to POST the body."""
        return self.interface.path

    def understand(self, status: int, body: bytes, now_ms: int) -> Answered:
        """The answer that came with an HTTP status. Raises the errors of this module."""
        try:
            sealed = envelope.read_answer(body)
        except EnvelopeError:
            raise _unsealed(status, body) from None
        account = self.account
        try:
            plaintext = envelope.open_answer(
                sealed,
                key=account.key_bytes,
                kid=account.kid,
                app_id=account.app_id,
                path=self.path,
                nonce=self.nonce,
                status=status,
                cipher=account.cipher,
            )
        except EnvelopeError as error:
            raise Forged(f"应答未通过验证：{error}") from None
        if not envelope.is_near(sealed.timestamp, now_ms):
            raise Forged("应答的时间与本机相差超过 300 秒，请核对本机时间")
        return _read(self.interface, plaintext)


def ask(account: Account, interface: str, query: Message, now_ms: int) -> Question:
    """The request of one of the six interfaces; `query` is its queryParam.

    Raises ValueError (Chinese) for a query that breaks its form, before anything is sent.
    """
    known = INTERFACES[interface]
    request: Any = known.request
    plaintext = write(request(SecurityParams(account.user_name, account.password), query))
    try:
        read(known.request, plaintext)
    except Refusal as refusal:
        raise ValueError(refusal.text.partition("：")[2] or refusal.text) from None
    nonce = envelope.fresh_nonce()
    body = envelope.seal_request(
        plaintext,
        key=account.key_bytes,
        kid=account.kid,
        app_id=account.app_id,
        path=known.path,
        timestamp=now_ms,
        nonce=nonce,
        iv=envelope.fresh_iv(account.cipher),
        cipher=account.cipher,
    )
    return Question(account, known, nonce, body)


def _unsealed(status: int, body: bytes) -> ExchangeError:
    head = _head(body)
    if head is None or not isinstance(head.code, str) or head.code == SUCCESS_CODE:
        # a success in the open is nobody's word, whatever it says
        return Unanswered(f"收到的不是加密应答（HTTP {status}）")
    return Refused(head.code, _shown(head.text), sealed=False)


def _read(interface: ExchangeInterface, plaintext: bytes) -> Answered:
    head = _head(plaintext)
    if head is not None and isinstance(head.code, str) and head.code != SUCCESS_CODE:
        raise Refused(head.code, _shown(head.text), sealed=True)
    try:
        answered = Answered(read(interface.answer, plaintext), plaintext)
    except Refusal as refusal:
        raise Unanswered(f"应答不可用：{refusal.text.partition('：')[2]}") from None
    if answered.data is None:
        raise Unanswered("应答没有 data")
    return answered


def _head(body: bytes) -> _Head | None:
    try:
        return msgspec.json.decode(codec.drop_bom(body), type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _shown(text: object) -> str:
    return text[:2000] if isinstance(text, str) else ""
