"""How certificates go over the wire (领取和续期的报文): requests read, answers written."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from nenghao.security.authority import Issued
from nenghao.security.enrolment import CertificateAnswer, EnrolRequest, RenewRequest, UnitTold
from nenghao.standard.findings import Finding
from nenghao.standard.replies import SUCCESS_CODE, SUCCESS_TEXT, IllegalFormat

T = TypeVar("T", EnrolRequest, RenewRequest)


def enrol_request(body: bytes) -> EnrolRequest:
    """Raises IllegalFormat."""
    return _read(body, EnrolRequest)


def renewal_request(body: bytes) -> RenewRequest:
    """Raises IllegalFormat."""
    return _read(body, RenewRequest)


def _read(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        names = "、".join(one.encode_name for one in msgspec.structs.fields(kind))
        raise IllegalFormat([Finding("", f"请求体应为只含 {names} 的 JSON 对象")]) from None


def handed_over(issued: Issued, unit: UnitTold | None = None, platform: str = "") -> bytes:
    """The answer with a certificate."""
    return msgspec.json.encode(
        CertificateAnswer(
            response_code=SUCCESS_CODE,
            response_message=SUCCESS_TEXT,
            certificate=issued.chain.decode("ascii"),
            root=issued.root.decode("ascii"),
            unit=unit,
            platform=platform,
        )
    )
