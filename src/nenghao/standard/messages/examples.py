"""An example of every message (报文示例), from the samples in the packaged table of fields.

The samples are the standard's. Where it prints none the form gives one; the printed 17-character
credit code of A.1 is completed, so that every example is a message that is read.
"""

from __future__ import annotations

import functools
from typing import Any

from nenghao.standard import code_tables, credit_code, forms
from nenghao.standard.forms import FormError
from nenghao.standard.messages.catalogue import MESSAGES
from nenghao.standard.messages.fields import FieldPlan, Message, fields_of

_INDICATOR = "zhnyxfl"
"""The key under which a map of indicators shows its one value."""

_SUFFIX = {"array": "[]", "map": ".<indicator>"}


@functools.cache
def _samples() -> dict[str, str]:
    """Sample by the field's full path, `message.object[].field`."""
    return {f"{row['message']}.{row['field']}": row["sample"] for row in code_tables.load("fields")}


def example(name: str) -> dict[str, Any]:
    """The example of a message by its name in the catalogue; KeyError for an unknown one."""
    return _object(MESSAGES[name], name)


@functools.cache
def _elsewhere() -> dict[tuple[str, str], str]:
    """Sample by class and field: what a class that a message shares shows in another one."""
    found: dict[tuple[str, str], str] = {}

    def walk(cls: type[Message], parent: str) -> None:
        for plan in fields_of(cls):
            path = f"{parent}.{plan.wire}"
            if plan.inner is not None:
                walk(plan.inner, path + _SUFFIX.get(plan.shape, ""))
            elif path in _samples():
                found.setdefault((cls.__name__, plan.wire), _samples()[path])

    for name, cls in MESSAGES.items():
        walk(cls, name)
    return found


def _object(cls: type[Message], parent: str) -> dict[str, Any]:
    return {plan.wire: _field(cls, plan, f"{parent}.{plan.wire}") for plan in fields_of(cls)}


def _field(cls: type[Message], plan: FieldPlan, path: str) -> Any:
    if plan.inner is None:
        sample = _samples().get(path)
        return _value(plan, _elsewhere()[cls.__name__, plan.wire] if sample is None else sample)
    inner = _object(plan.inner, path + _SUFFIX.get(plan.shape, ""))
    if plan.shape == "array":
        return [inner]
    return {_INDICATOR: inner} if plan.shape == "map" else inner


def _value(plan: FieldPlan, sample: str) -> Any:
    form = plan.field.form or forms.TEXT
    if form is forms.CREDIT_CODE and len(sample) == credit_code.LENGTH - 1:
        sample = credit_code.complete(sample)
    if form.json_type == "string":
        return sample
    if sample == "":
        return "" if form is forms.NUMBER_OR_EMPTY else None
    if form.json_type == "boolean":
        return sample == "true"
    try:
        return form.check(int(sample))
    except (ValueError, FormError):
        return form.check(float(sample))
