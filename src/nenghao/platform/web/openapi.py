"""OpenAPI 3.1 of the device and the exchange interfaces (接口描述), made from the messages.

Nothing is written twice: fields, forms and marks come from the Structs (`messages.json_schema`),
examples from the standard's samples (`messages.examples`), envelopes from what is told here. A
listener serves its document at `/openapi.json` and as a page at `/docs` (`openapi_page`), for
whoever reaches the listener at all: it holds nothing that the standard does not print.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from nenghao import __version__
from nenghao.platform.web.openapi_page import STYLE_HASH, page
from nenghao.standard.messages.catalogue import MESSAGES
from nenghao.standard.messages.examples import example
from nenghao.standard.messages.exchange import AnswerEnvelope, RequestEnvelope
from nenghao.standard.messages.exchange_interfaces import INTERFACES
from nenghao.standard.messages.json_schema import REFUSAL, components, ref, refusal
from nenghao.standard.replies import TABLE_1, MissingItem

Document = dict[str, Any]


class Told(NamedTuple):
    """One interface: its name in the catalogue, and what is said of it."""

    message: str
    summary: str
    description: str


DEVICE_PATHS: Mapping[str, Told] = {
    "/": Told(
        "register",
        "端设备注册（6.2.1，A.1）",
        "下发设备序列号、各接口地址和每日上报时间点。重复注册得到同一序列号。",
    ),
    "/downloadBaseData": Told(
        "baseData", "基础数据下载（6.2.2，A.2）", "下载全部代码表，或由 type 指定的一张。"
    ),
    "/versionCheck": Told(
        "versionCheck",
        "平台版本校验（6.2.3，A.3）",
        "版本与上次不同时，端设备重新注册（regVersion）或重新下载基础数据（dicVersion）。",
    ),
    "/uploadConfigData": Told(
        "uploadConfigData",
        "用能单位基础信息上传（6.2.4，A.4）",
        "整体替换本端设备的采集数据项配置。group、process、processUnit 也可写在 enterprise 之内。",
    ),
    "/uploadEnergyData": Told(
        "uploadEnergyData",
        "采集数据上传（6.2.5，A.5）",
        "一个批次整体接收并落盘后才应答成功，否则整体拒绝；同一批次重复上传不改变任何数据。"
        "请求体可用 Content-Encoding: gzip 或 zstd 压缩。",
    ),
    "/downloadConfigData": Told(
        "downloadConfigData",
        "用能单位基础信息下载（6.2.1 下发其地址）",
        "取回最近一次上传的基础信息；报文格式由本平台定义。",
    ),
    "/downloadEnergyData": Told(
        "downloadEnergyData",
        "采集数据下载（6.2.1 下发其地址）",
        "按页取回已上传的数据；报文格式由本平台定义。",
    ),
}
"""The seven interfaces of chapter 6, by path."""

_ASKED = {
    "region": "按行政区划代码查询，含其全部下级；000000 为全部。",
    "industry": "按行业编码查询，含其全部下级（C 包含 C25，C25 包含 C251）。",
}
EXCHANGE_PATHS: Mapping[str, Told] = {
    one.path: Told(one.name, f"{one.title}（7.3.{number}，C.{number}）", _ASKED[one.by])
    for number, one in enumerate(INTERFACES.values(), 1)
}
"""The six interfaces of chapter 7, by path."""

_EVERY_REPLY = (
    "凡到达应用的请求都以 HTTP 200 应答，成败看 responseCode："
    + "；".join(f"{code} {words}" for code, words in TABLE_1.items())
    + "。参数有误时 responseMessage 在表 1 的文字之后逐项说明。"
)


def device_document() -> Document:
    """The document of the device listener: mutual TLS, plain JSON."""
    paths = {path: _operation(told, {}) for path, told in DEVICE_PATHS.items()}
    schemas = components(_classes(DEVICE_PATHS.values())) | {REFUSAL: refusal()}
    description = (
        "省级平台与端设备的接口（标准第 6 章、附录 A）。双向 TLS：客户端证书即身份，"
        f"deviceId 和 enterpriseCode 须与证书相符。\n\n{_EVERY_REPLY}"
    )
    security = {"certificate": {"type": "mutualTLS", "description": "平台签发的端设备证书"}}
    return _document("能耗在线监测：端设备接口", description, paths, schemas, security)


def exchange_document() -> Document:
    """The document of the exchange listener: the sealed body, and what is sealed in it."""
    paths = {path: _sealed_operation(told) for path, told in EXCHANGE_PATHS.items()}
    classes = [RequestEnvelope, AnswerEnvelope, *_classes(EXCHANGE_PATHS.values())]
    schemas = components(classes) | {REFUSAL: refusal()}
    description = "\n\n".join(
        (
            "省级平台与其他应用平台的接口（标准第 7 章、附录 C）。请求和应答都用 SM4 加密："
            "密文 encData 解开后即附录 C 的报文（各接口的 x-sealed）。",
            "请求的附加认证数据（AAD）：NENGHAO1|req|POST|路径|appId|kid|timestamp|nonce",
            "应答的附加认证数据：NENGHAO1|resp|路径|appId|kid|timestamp|请求的nonce|HTTP状态码",
            "路径末尾的斜杠可有可无，AAD 中不写。密钥、时间、重放、用户名或密码有误时，"
            "应答是未加密的 E2002，不说明原因。",
            _EVERY_REPLY,
        )
    )
    return _document("能耗在线监测：其他应用平台接口", description, paths, schemas, {})


def routes(document: Document) -> list[Route]:
    """`/openapi.json` and `/docs` of a listener that is described by `document`."""
    as_json = json.dumps(document, ensure_ascii=False).encode()
    as_page = page(document).encode()
    kinds = {
        "/openapi.json": (as_json, "application/json; charset=utf-8"),
        "/docs": (as_page, "text/html; charset=utf-8"),
    }
    return [
        Route(path, functools.partial(_serve, content, kind), methods=["GET"])
        for path, (content, kind) in kinds.items()
    ]


_HEADERS = {
    "content-security-policy": f"default-src 'none'; style-src '{STYLE_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}


async def _serve(content: bytes, kind: str, _request: Request) -> Response:
    return Response(content, media_type=kind, headers=_HEADERS)


def _document(
    title: str,
    description: str,
    paths: Mapping[str, Any],
    schemas: Mapping[str, Any],
    security: Mapping[str, Any],
) -> Document:
    parts: dict[str, Any] = {"schemas": dict(sorted(schemas.items()))}
    whole: Document = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": __version__, "description": description},
        "servers": [{"url": "/"}],
        "paths": {path: {"post": operation} for path, operation in paths.items()},
        "components": parts,
    }
    if security:
        parts["securitySchemes"] = dict(security)
        whole["security"] = [{name: []} for name in security]
    else:
        whole["security"] = []
    return whole


def _classes(told: Iterable[Told]) -> list[Any]:
    return [MESSAGES[f"{one.message}.{end}"] for one in told for end in ("request", "response")]


def _operation(told: Told, sealed: Mapping[str, Any]) -> dict[str, Any]:
    request, answer = f"{told.message}.request", f"{told.message}.response"
    failed = {"responseCode": MissingItem.code, "responseMessage": TABLE_1[MissingItem.code]}
    return {
        "operationId": told.message,
        "summary": told.summary,
        "description": told.description,
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": ref(MESSAGES[request].__name__),
                    "example": example(request),
                }
            },
        },
        "responses": {
            "200": {
                "description": "应答；成败看 responseCode",
                "content": {
                    "application/json": {
                        "schema": {"oneOf": [ref(MESSAGES[answer].__name__), ref(REFUSAL)]},
                        "examples": {
                            "success": {"summary": "成功", "value": example(answer)},
                            "refusal": {"summary": "失败", "value": failed},
                        },
                    }
                },
            },
            "413": {"description": "请求体过大"},
        },
        **sealed,
    }


def _sealed_operation(told: Told) -> dict[str, Any]:
    """The envelopes, with the messages that they hold as `x-sealed`."""
    plain = _operation(told, {})
    request = plain["requestBody"]["content"]["application/json"]
    answer = plain["responses"]["200"]["content"]["application/json"]
    plain["requestBody"]["content"] = {
        "application/json": {"schema": ref(RequestEnvelope.__name__), "x-sealed": request}
    }
    plain["responses"]["200"]["content"] = {
        "application/json": {
            "schema": {"oneOf": [ref(AnswerEnvelope.__name__), ref(REFUSAL)]},
            "x-sealed": answer,
        }
    }
    return plain
