"""How a field of a message is written: its number in protobuf, and its kind where the Python type leaves that open.

Codecs are made from these: `fields_of` gives them all that there is to know of a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec


@dataclass(frozen=True, slots=True)
class Field:
    """In `Annotated`: the number, and for an `int` what it is on the wire."""

    number: int
    kind: str = ""


class EtcdMessage(msgspec.Struct, frozen=True):
    """Base of all. A field's default is protobuf's: zero, empty, none."""


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """A field as a codec needs it."""

    name: str
    """In Python, in protobuf, and in the answers of the JSON gateway."""
    number: int
    kind: str
    """`int32`, `int64`, `uint32`, `uint64`, `bool`, `bytes`, `string`, `enum` or `message`."""
    repeated: bool
    type: type
    """The Python type of one value: an IntEnum, an EtcdMessage, or int, bool, bytes, str."""
    default: Any


_KINDS: dict[type, str] = {bool: "bool", bytes: "bytes", str: "string", int: "int64"}


@cache
def fields_of(message: type[EtcdMessage]) -> tuple[FieldPlan, ...]:
    """The fields of a message, in the order of the class."""
    hints = get_type_hints(message, include_extras=True)
    return tuple(_plan(each.name, hints[each.name], each.default) for each in msgspec.structs.fields(message))


def _plan(name: str, hint: Any, default: Any) -> FieldPlan:
    assert get_origin(hint) is Annotated, f"{name} has no Field"  # noqa: S101
    inner, field = get_args(hint)
    repeated = get_origin(inner) is tuple
    if repeated:
        inner = get_args(inner)[0]
    elif get_origin(inner) in {Union, UnionType}:
        inner = next(each for each in get_args(inner) if each is not type(None))
    if issubclass(inner, IntEnum):
        kind = "enum"
    elif issubclass(inner, EtcdMessage):
        kind = "message"
    else:
        kind = field.kind or _KINDS[inner]
    return FieldPlan(name, field.number, kind, repeated, inner, default)
