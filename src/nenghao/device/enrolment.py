"""Getting the first certificate (凭注册码领取证书): the key is made here and never leaves.

    root by its pin → key and request → certificate for the code → the device's directory

The root comes over a connection that nobody vouches for and is believed for its digest alone,
which the code holds; only then, over a connection verified by that root, is the code's secret
spoken. The key is kept from before the request on (`DEV/enrolment/`), so that an answer that was
lost is asked for again with the same key. What a code is, is `security.enrolment`'s business.
"""

from __future__ import annotations

import json
import shutil
import ssl
from pathlib import Path

import httpx
import msgspec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from nenghao.device.home import DeviceHome, HomeError
from nenghao.device.urls import read_url
from nenghao.security.contexts import introduction_context, trusting_context
from nenghao.security.enrolment import (
    ENROL_PATH,
    ROOT_PATH,
    AnswerRefused,
    CertificateAnswer,
    CodeError,
    EnrolmentCode,
    EnrolRequest,
    check_handed_over,
    pin_of,
)
from nenghao.security.files import write_public, write_secret
from nenghao.security.leaves import PrivateKey, key_pem, new_key
from nenghao.security.requests import make_request
from nenghao.standard.replies import SUCCESS_CODE

TIMEOUT = 30.0
ANSWER_LIMIT = 200_000


def enrol(
    root: Path,
    *,
    url: str,
    code: str,
    platform: str = "",
    transport: httpx.BaseTransport | None = None,
) -> DeviceHome:
    """Make a device's directory with a certificate fetched by a one-time code.

    `url` is the platform's enrolment address, `platform` its registration address where it is not
    to be the one that the platform tells. HomeError, with nothing made but the waiting key, when
    it cannot be done; BadAddress for an address.
    """
    home = DeviceHome(root)
    if home.settings_file.exists() or home.database.exists():
        raise HomeError(f"{root} 已经是一个端设备目录，不会覆盖")
    base = read_url(url).rstrip("/")
    try:
        parsed = EnrolmentCode.parse(code)
    except CodeError as error:
        raise HomeError(str(error)) from None
    folder = root / "enrolment"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = _key(folder / "device.key")
    trusted = _root(base, parsed.pin, transport)
    write_public(folder / "ca.pem", trusted)
    answer = _ask(base, folder / "ca.pem", parsed.secret, key, transport)
    _take(folder, answer, trusted)
    made = DeviceHome.create(root, platform=platform or answer.platform, credentials=folder)
    shutil.rmtree(folder)
    return made


def _key(path: Path) -> PrivateKey:
    """The key that waits for its certificate, made the first time."""
    if not path.exists():
        write_secret(path, key_pem(new_key()))
    try:
        key: PrivateKey = load_pem_private_key(path.read_bytes(), None)  # type: ignore[assignment]
    except (ValueError, TypeError):
        raise HomeError(f"私钥文件 {path} 已损坏，请删除后重试") from None
    return key


def _root(base: str, pin: str, transport: httpx.BaseTransport | None) -> bytes:
    """The platform's root, believed for its digest."""
    found = _fetch(base + ROOT_PATH, introduction_context(), transport).content
    try:
        fits = pin_of(found) == pin
    except ValueError:
        fits = False
    if not fits:
        raise HomeError(f"{base} 不是签发这个注册码的平台（根证书与注册码不符）")
    return found


def _ask(
    base: str, trust: Path, secret: str, key: PrivateKey, transport: httpx.BaseTransport | None
) -> CertificateAnswer:
    request = EnrolRequest(secret, make_request(key, "").decode("ascii"))
    body = msgspec.json.encode(request)
    reply = _fetch(base + ENROL_PATH, trusting_context(trust), transport, body)
    try:
        answer = msgspec.json.decode(reply.content, type=CertificateAnswer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise HomeError(f"{base} 的应答不是规定的 JSON（HTTP {reply.status_code}）") from None
    if answer.response_code != SUCCESS_CODE:
        raise HomeError(f"平台拒绝：{answer.response_code} {answer.response_message}")
    return answer


def _fetch(
    url: str,
    context: ssl.SSLContext,
    transport: httpx.BaseTransport | None,
    body: bytes | None = None,
) -> httpx.Response:
    used = transport or httpx.HTTPTransport(verify=context, trust_env=False)
    try:
        with httpx.Client(transport=used, timeout=TIMEOUT, trust_env=False) as client:
            if body is None:
                answer = client.get(url)
            else:
                headers = {"content-type": "application/json; charset=utf-8"}
                answer = client.post(url, content=body, headers=headers)
    except httpx.HTTPError as error:
        raise HomeError(f"无法从 {url} 领取证书：{error}") from error
    if answer.status_code != 200 or len(answer.content) > ANSWER_LIMIT:
        raise HomeError(f"{url} 应答 HTTP {answer.status_code}，这不是领取证书的地址")
    return answer


def _take(folder: Path, answer: CertificateAnswer, root: bytes) -> None:
    """Put the credentials beside the key, once they are what was asked for."""
    chain = answer.certificate.encode()
    try:
        identity = check_handed_over(chain, root, (folder / "device.key").read_bytes())
    except AnswerRefused as error:
        raise HomeError(str(error)) from None
    unit = answer.unit
    if unit is None or (identity.credit_code, identity.device) != (unit.code, unit.device):
        raise HomeError("平台签发的证书与其所说的用能单位不符")
    write_public(folder / "device.pem", chain)
    text = json.dumps(msgspec.to_builtins(unit), ensure_ascii=False, indent=2)
    write_public(folder / "unit.json", text.encode() + b"\n")
