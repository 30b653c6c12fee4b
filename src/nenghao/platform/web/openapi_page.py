"""The page of an OpenAPI document (接口说明页): plain HTML, no script, nothing from elsewhere.

It is for a developer in a government intranet: what the six or seven interfaces are, every field
with its meaning and form, and an example to copy. `openapi` makes the documents and serves both.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.6 system-ui,"Noto Sans SC","Microsoft YaHei",sans-serif;margin:0 auto;
max-width:72rem;padding:1rem}
h1,h2,h3{line-height:1.3}h2{border-top:1px solid #8888;margin-top:2.5rem;padding-top:1rem}
table{border-collapse:collapse;display:block;overflow-x:auto}
th,td{border:1px solid #8886;padding:.3rem .6rem;text-align:left;vertical-align:top}
code,pre{font-family:ui-monospace,Consolas,monospace;font-size:.875em}
th{white-space:nowrap}td{min-width:2.5rem}
pre{border:1px solid #8886;border-radius:4px;max-height:24rem;overflow:auto;padding:.8rem}
""".strip()
"""The page's one style sheet; a policy that names `STYLE_HASH` lets it apply and nothing else."""

STYLE_HASH = "sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

_TYPES = {
    "string": "文本",
    "integer": "整数",
    "number": "数值",
    "boolean": "布尔",
    "object": "对象",
    "array": "数组",
}


def page(document: Mapping[str, Any]) -> str:
    """The document as one HTML page."""
    info = document["info"]
    operations = [(path, item["post"]) for path, item in document["paths"].items()]
    return "".join(
        (
            '<!doctype html><html lang="zh-CN"><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>{escape(info['title'])}</title><style>{STYLE}</style>",
            f"<body><main><h1>{escape(info['title'])}</h1>",
            *(f"<p>{escape(text)}</p>" for text in info["description"].split("\n\n")),
            f"<p>版本 {escape(info['version'])}；机器可读的描述：",
            '<a href="openapi.json">openapi.json</a>（OpenAPI 3.1）</p>',
            _contents(operations),
            *(_operation(document, path, operation) for path, operation in operations),
            "</main></body></html>",
        )
    )


def _contents(operations: list[tuple[str, Any]]) -> str:
    items = (
        f'<li><a href="#{escape(operation["operationId"])}">{escape(operation["summary"])}</a> '
        f"<code>{escape(path)}</code></li>"
        for path, operation in operations
    )
    return f"<nav><ul>{''.join(items)}</ul></nav>"


def _operation(document: Mapping[str, Any], path: str, operation: Mapping[str, Any]) -> str:
    request = operation["requestBody"]["content"]["application/json"]
    answer = operation["responses"]["200"]["content"]["application/json"]
    parts = [
        f'<h2 id="{escape(operation["operationId"])}">{escape(operation["summary"])}</h2>',
        f"<p><code>POST {escape(path)}</code></p><p>{escape(operation['description'])}</p>",
    ]
    for title, content in (("请求", request), ("应答", answer)):
        parts.append(f"<h3>{title}</h3>")
        if "x-sealed" in content:
            parts.append(_fields(document, content["schema"]))
            parts.append(f"<p>{title}的密文 encData 解开后：</p>")
            content = content["x-sealed"]
        parts.append(_fields(document, content["schema"]))
        shown = content.get("example") or content["examples"]["success"]["value"]
        parts.append(f"<pre>{escape(json.dumps(shown, ensure_ascii=False, indent=2))}</pre>")
    return "".join(parts)


def _fields(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    schema = _resolved(document, schema["oneOf"][0] if "oneOf" in schema else schema)
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind)}</td>"
        f"<td>{'是' if needed else '否'}</td><td>{told}</td></tr>"
        for name, kind, needed, told in _rows(document, schema, "")
    )
    return (
        "<table><thead><tr><th>字段</th><th>类型</th><th>必有</th><th>说明</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _rows(
    document: Mapping[str, Any], schema: Mapping[str, Any], parent: str
) -> Iterator[tuple[str, str, bool, str]]:
    """Path, type, whether it is always there, and its meaning as HTML; inner objects after."""
    for name, field in schema["properties"].items():
        path = parent + name
        found = _resolved(document, _present(field))
        yield path, _kind(found), name in schema.get("required", ()), _told(field, found)
        if "properties" in found:
            yield from _rows(document, found, f"{path}.")
        elif "items" in found:
            yield from _rows(document, _resolved(document, found["items"]), f"{path}[].")
        elif "additionalProperties" in found:
            inner = _resolved(document, found["additionalProperties"])
            yield from _rows(document, inner, f"{path}.<指标>.")


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in schema:
        return schema
    name = schema["$ref"].rpartition("/")[2]
    found: Mapping[str, Any] = document["components"]["schemas"][name]
    return found


def _present(field: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a field that is there and not empty."""
    first: Mapping[str, Any] = field["anyOf"][0] if "anyOf" in field else field
    return first


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "string" if isinstance(schema.get("const"), str) else "integer")
    return _TYPES[kind if isinstance(kind, str) else kind[0]]


def _told(field: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    told = escape(field.get("description", ""))
    if "const" in found:
        told += f"；恒为 <code>{escape(json.dumps(found['const']))}</code>"
    if "propertyNames" in found:
        told += f"：<code>{escape(' '.join(found['propertyNames']['enum']))}</code>"
    return told
