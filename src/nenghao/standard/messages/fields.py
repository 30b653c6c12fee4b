"""What a field of a message is (字段定义): wire name, JSON type, required mark, form: said once.

A message is a msgspec Struct whose attributes are annotated with a `Field`:

    device_id: Annotated[str, required(forms.DEVICE_ID)]
    enterprise: Annotated[Enterprise, required()]

msgspec takes the Python type for encoding and ignores the `Field`; `fields_of` reads both, and
from it live the reader (`codec`), the tests against the table of fields, and the documentation.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal

import msgspec
from msgspec import NODEFAULT, Struct

from nenghao.standard import forms
from nenghao.standard.forms import Form
from nenghao.standard.replies import SUCCESS_CODE, SUCCESS_TEXT

Mark = Literal["yes", "no", "unmarked"]
"""The required mark of the standard: 必填, 非必填, or none at all (optional on read)."""

Shape = Literal["value", "object", "array", "map"]

LIST_LIMIT = 100_000
"""Elements of the longest array that is read, unless the field says otherwise."""


class Field(Struct, frozen=True):
    """What the annotation of an attribute adds to its Python type."""

    form: Form | None
    """The form of a plain value; None where the Python type is a Struct or a list of them."""
    mark: Mark
    needed: bool
    """Reading without it is E2001: absent, null, empty or blank text, empty array."""
    also_in: str | None = None
    """A sibling object in which older devices put the field."""
    most: int = LIST_LIMIT


def required(form: Form | None = None, *, most: int = LIST_LIMIT) -> Field:
    """必填: reading without it is E2001."""
    return Field(form, "yes", True, most=most)


def optional(form: Form | None = None, *, also_in: str | None = None) -> Field:
    """非必填: may be absent, null or empty."""
    return Field(form, "no", False, also_in)


def unmarked(form: Form | None = None) -> Field:
    """Without a mark in the annex: optional on read, always written."""
    return Field(form, "unmarked", False)


def row_key(form: Form) -> Field:
    """Without a mark in the annex, but nothing tells the row from others without it: E2001."""
    return Field(form, "unmarked", True)


def present(form: Form | None = None) -> Field:
    """A key that is always written but may be empty: `""`, null or `[]`."""
    return Field(form, "yes", False)


class Message(Struct, rename="camel"):
    """The base of all messages and of the objects inside them."""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Wire name and reason of every field that breaks the form together with another.

        Asked once all fields are right by themselves.
        """
        yield from ()


class Answer(Message):
    """The head that every answer has. An answer with another code than "0" has nothing else.

    Attributes beyond the head have defaults, so that a failure is readable as the same class;
    reading a success still insists on them. The text may be anything or absent: one goes by the
    code.
    """

    response_code: Annotated[str, required(forms.TEXT)] = SUCCESS_CODE
    response_message: Annotated[str, present(forms.ANYTHING)] = SUCCESS_TEXT


class FieldPlan(Struct, frozen=True):
    """One field of a message, ready for use."""

    name: str
    wire: str
    json_type: str
    shape: Shape
    field: Field
    inner: type[Message] | None
    """The class of the object, of the array's elements or of the map's values."""


@cache
def fields_of(cls: type[Message]) -> tuple[FieldPlan, ...]:
    """The fields of a message class in the order of the annex; TypeError for one without Field."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return tuple(_plan(info, hints[info.name]) for info in msgspec.structs.fields(cls))


def _plan(info: msgspec.structs.FieldInfo, hint: Any) -> FieldPlan:
    described = [extra for extra in typing.get_args(hint)[1:] if isinstance(extra, Field)]
    if len(described) != 1:
        raise TypeError(f"{info.name} needs one Field in its annotation")
    field = described[0]
    shape, inner = _shape(typing.get_args(hint)[0])
    has_default = info.default is not NODEFAULT or info.default_factory is not NODEFAULT
    if (shape == "value") is not (field.form is not None):
        raise TypeError(f"{info.name}: a form goes with a plain value and only there")
    if not has_default and not field.needed:
        raise TypeError(f"{info.name} may be absent and needs a default")
    if field.form is not None:
        json_type: str = field.form.json_type
    else:
        json_type = "array" if shape == "array" else "object"
    return FieldPlan(info.name, info.encode_name, json_type, shape, field, inner)


def _shape(hint: Any) -> tuple[Shape, type[Message] | None]:
    """Whether a Python type is a Struct, a list of them, a map to them, or a plain value."""
    if typing.get_origin(hint) in (UnionType, typing.Union):
        empties = (NoneType, msgspec.UnsetType)
        rest = [arm for arm in typing.get_args(hint) if arm not in empties]
        return _shape(rest[0]) if len(rest) == 1 else ("value", None)
    if typing.get_origin(hint) is list:
        return "array", typing.get_args(hint)[0]
    if typing.get_origin(hint) is dict:
        return "map", typing.get_args(hint)[1]
    if isinstance(hint, type) and issubclass(hint, Message):
        return "object", hint
    return "value", None
