"""What the six exchange interfaces of chapter 7 have in common (与其他应用平台的数据传输接口).

The parts of the plain messages of annex C, and the envelope that they travel in: the standard
asks for encrypted input and output and names no form for it, so the envelope's is our own
(docs/exchange). How it is sealed and opened is `security.envelope`'s business; which interface has
which messages stands in `exchange_interfaces`. Passwords are checked by the platform's accounts.
"""

from __future__ import annotations

from typing import Annotated, Any

from nenghao.standard import forms
from nenghao.standard.forms import Form, FormError
from nenghao.standard.messages.fields import Message, required

ENVELOPE_VERSION = 1
"""`ver` of every envelope; it stands in what is authenticated, too (`NENGHAO1|…`)."""

NAME = forms.matching(" 1 至 64 个字母、数字或 . _ -", r"[A-Za-z0-9._-]{1,64}")
"""`appId` and `kid`: nothing that could pass for a separator in what is authenticated."""
NONCE = forms.matching(" 32 位十六进制数", r"[0-9A-Fa-f]{32}")


def _version(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value != ENVELOPE_VERSION:
        raise FormError(f"应为 {ENVELOPE_VERSION}")
    return value


def _encoded(value: Any) -> str:
    """Text of any length; whether it is base64 is seen when it is decoded."""
    if not isinstance(value, str):
        raise FormError("应为 Base64 文本")
    return value


VERSION = Form("integer", f"应为 {ENVELOPE_VERSION}", _version, None, 1, 1)
BASE64 = Form("string", "应为 Base64 文本", _encoded, r"[A-Za-z0-9+/]+={0,2}")


class RequestEnvelope(Message):
    """A sealed request (加密请求): who asks with which key, when, once, and the ciphertext."""

    ver: Annotated[int, required(VERSION)]
    app_id: Annotated[str, required(NAME)]
    kid: Annotated[str, required(NAME)]
    timestamp: Annotated[int, required(forms.EPOCH_MS)]
    nonce: Annotated[str, required(NONCE)]
    iv: Annotated[str, required(BASE64)]
    enc_data: Annotated[str, required(BASE64)]


class AnswerEnvelope(Message):
    """A sealed answer (加密应答); it belongs to the request's nonce, which it does not repeat."""

    ver: Annotated[int, required(VERSION)]
    app_id: Annotated[str, required(NAME)]
    kid: Annotated[str, required(NAME)]
    timestamp: Annotated[int, required(forms.EPOCH_MS)]
    iv: Annotated[str, required(BASE64)]
    enc_data: Annotated[str, required(BASE64)]


class SecurityParams(Message):
    """User name and password of the application platform that asks."""

    user_name: Annotated[str, required(forms.TEXT)]
    password: Annotated[str, required(forms.TEXT)]


class RegionQuery(Message):
    """A region and all below it; 000000 asks for everything."""

    region_code: Annotated[str, required(forms.REGION_CODE)]


class IndustryQuery(Message):
    """An industry and all below it."""

    industry_code: Annotated[str, required(forms.INDUSTRY_CODE)]
