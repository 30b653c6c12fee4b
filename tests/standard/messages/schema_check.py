"""What of JSON Schema the messages' schemas use, checked the plain way: a second opinion.

Unknown keywords are an error, so that no schema says more than this looks at.
"""

from __future__ import annotations

import re
from typing import Any

Schemas = dict[str, dict[str, Any]]

_SILENT = {"description", "title", "contentEncoding"}
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "object": dict,
    "array": list,
    "null": type(None),
}


def _is(kind: str, value: object) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[kind])


def problems(schema: dict[str, Any], value: Any, schemas: Schemas, path: str = "") -> list[str]:
    """Where `value` breaks `schema`; references go to `schemas`."""
    found: list[str] = []
    for keyword, told in schema.items():
        if keyword not in _SILENT:
            found += _keyword(keyword, told, value, schemas, path)
    return found


def _keyword(keyword: str, told: Any, value: Any, schemas: Schemas, path: str) -> list[str]:
    match keyword:
        case "$ref":
            return problems(schemas[told.rpartition("/")[2]], value, schemas, path)
        case "type":
            kinds = told if isinstance(told, list) else [told]
            fits = any(_is(kind, value) for kind in kinds)
        case "const":
            fits = type(value) is type(told) and value == told
        case "enum":
            fits = any(type(value) is type(one) and value == one for one in told)
        case "oneOf" | "anyOf":
            count = sum(not problems(one, value, schemas, path) for one in told)
            fits = count == 1 if keyword == "oneOf" else count > 0
        case "pattern":
            fits = not isinstance(value, str) or re.search(told, value) is not None
        case "minLength":
            fits = not isinstance(value, str) or len(value) >= told
        case "maxLength":
            fits = not isinstance(value, str) or len(value) <= told
        case "minimum":
            fits = not _is("number", value) or value >= told
        case "maximum":
            fits = not _is("number", value) or value <= told
        case "minItems":
            fits = not isinstance(value, list) or len(value) >= told
        case "required":
            return [f"{path}.{key}: missing" for key in told if key not in _keys(value)]
        case "propertyNames":
            return [f for key in _keys(value) for f in problems(told, key, schemas, path)]
        case "properties" | "additionalProperties" | "items":
            return _inside(keyword, told, value, schemas, path)
        case _:
            raise AssertionError(f"{path}: the check does not know {keyword}")
    return [] if fits else [f"{path}: {keyword}"]


def _keys(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _inside(keyword: str, told: Any, value: Any, schemas: Schemas, path: str) -> list[str]:
    if keyword == "items":
        parts = [(told, one, f"{path}[]") for one in (value if isinstance(value, list) else [])]
    elif keyword == "properties":
        known = {key: one for key, one in _keys(value).items() if key in told}
        parts = [(told[key], one, f"{path}.{key}") for key, one in known.items()]
    else:
        parts = [(told, one, f"{path}.{key}") for key, one in _keys(value).items()]
    return [found for schema, one, at in parts for found in problems(schema, one, schemas, at)]
