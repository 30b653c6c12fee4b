"""JSON Schema (2020-12) of the messages, made from their Structs (报文的 JSON Schema).

A schema says how a message is written, in the types that the annexes print. Readers take more:
numbers where the standard mixes them with text, 0 and 1 for booleans, keys that nobody knows
(docs/decisions 3). Objects refer to each other as `#/components/schemas/<class>`, so that the
schemas stand in an OpenAPI document as they are. Names of the fields come from the table
`field_names`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Any

from nenghao.standard import code_tables, forms
from nenghao.standard.forms import Form
from nenghao.standard.indicators import INDICATORS
from nenghao.standard.messages.fields import Answer, FieldPlan, Message, fields_of
from nenghao.standard.replies import SUCCESS_CODE, TABLE_1

Schema = dict[str, Any]

REFUSAL = "Refusal"
"""Name of the schema of an answer whose code is not "0"."""

_TIME = "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$"
_WORDS = re.compile(r"\w+(?:\|\w+)+")
_ARRAY = ["array", "null"]
_UNSAID = (forms.TEXT, forms.ANYTHING, forms.NUMBER, forms.MEASURED, forms.BOOLEAN)
"""Forms that the type says already."""


def ref(name: str) -> Schema:
    """Refers to the schema of a message class."""
    return {"$ref": f"#/components/schemas/{name}"}


def components(classes: Iterable[type[Message]]) -> dict[str, Schema]:
    """The schema of every class, and of every class inside one, by the name of the class."""
    found: dict[str, Schema] = {}
    waiting = list(classes)
    while waiting:
        cls = waiting.pop(0)
        if cls.__name__ in found:
            continue
        found[cls.__name__] = schema_of(cls)
        waiting += [plan.inner for plan in fields_of(cls) if plan.inner is not None]
    return found


def schema_of(cls: type[Message]) -> Schema:
    """The schema of one class; `required` is what stands in every message of it that is written."""
    plans = fields_of(cls)
    schema: Schema = {
        "type": "object",
        "properties": {plan.wire: _property(cls, plan) for plan in plans},
    }
    always = [plan.wire for plan in plans if plan.field.needed or plan.field.mark == "yes"]
    if always:
        schema["required"] = always
    return schema


def refusal() -> Schema:
    """An answer of failure: one of the codes of table 1, and what is wrong."""
    codes = [code for code in TABLE_1 if code != SUCCESS_CODE]
    words = "；".join(f"{code}：{TABLE_1[code]}" for code in codes)
    return {
        "type": "object",
        "properties": {
            "responseCode": {"type": "string", "enum": codes, "description": words},
            "responseMessage": {
                "type": "string",
                "description": "表 1 的文字，后面说明哪一项有什么问题",
            },
        },
        "required": ["responseCode", "responseMessage"],
    }


def name_of(cls: type[Message], wire: str) -> str:
    """What a field means, in Chinese; KeyError for a field that the table does not know."""
    names = _names()
    found = names.get((cls.__name__, wire)) or names.get(("", wire))
    if found is None:
        raise KeyError(f"{cls.__name__}.{wire}")
    return found


@functools.cache
def _names() -> dict[tuple[str, str], str]:
    return {(row["class"], row["field"]): row["name"] for row in code_tables.load("field_names")}


def _property(cls: type[Message], plan: FieldPlan) -> Schema:
    told = name_of(cls, plan.wire)
    if issubclass(cls, Answer) and plan.wire == "responseCode":
        return {"const": SUCCESS_CODE, "description": told}
    if plan.inner is not None:
        return _inner(plan, ref(plan.inner.__name__), {"description": told})
    form = plan.field.form or forms.TEXT
    said = "" if form in _UNSAID else f"（{form.expected}）"
    return _value(plan, form) | {"description": told + said}


def _inner(plan: FieldPlan, inner: Schema, told: Schema) -> Schema:
    if plan.shape == "map":
        keys = {"propertyNames": {"enum": list(INDICATORS)}}
        return {"type": "object", **told, "additionalProperties": inner, **keys}
    if plan.shape == "array":
        kind: Schema = {"type": "array", "minItems": 1} if plan.field.needed else {"type": _ARRAY}
        return kind | told | {"items": inner}
    return inner | told if plan.field.needed else {"anyOf": [inner, {"type": "null"}], **told}


def _value(plan: FieldPlan, form: Form) -> Schema:
    schema = form_schema(form)
    if plan.field.needed or form is forms.ANYTHING:
        return schema
    # absent, null and "" are the same to a reader; what is written is "" for text, null for others
    if form is forms.TEXT:
        return {"type": ["string", "null"], "maxLength": forms.TEXT_LENGTH}
    return {"anyOf": [schema, {"enum": ["", None]}]}


def form_schema(form: Form) -> Schema:
    """The schema of a plain value that has the form."""
    if form.json_type == "number|empty string":
        return {"anyOf": [{"type": "number"}, {"const": ""}]}
    schema: Schema = {"type": form.json_type}
    if form.json_type == "string":
        schema |= _text(form)
    elif form.json_type in ("integer", "number"):
        bounds = {"minimum": form.lowest, "maximum": form.highest}
        schema |= {key: value for key, value in bounds.items() if value is not None}
    return schema


def _text(form: Form) -> Schema:
    if form is forms.TEXT:
        return {"minLength": 1, "maxLength": forms.TEXT_LENGTH}
    if form in (forms.TIME, forms.CALENDAR_TIME):
        return {"pattern": _TIME}
    if form.pattern is None:
        return {}
    if _WORDS.fullmatch(form.pattern):
        return {"enum": form.pattern.split("|")}
    return {"pattern": f"^(?:{form.pattern})$"}
