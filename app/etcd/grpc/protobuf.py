"""Messages in protobuf. The descriptors are made from the messages themselves, as the JSON gateway's codec is: names,
numbers and types of fields are written once, in `messages/`."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from functools import cache
from typing import Any, TypeVar

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from coterie.app.etcd.messages.fields import EtcdMessage, FieldPlan, fields_of
from coterie.app.etcd.rpcs import RPCS, EtcdCode, EtcdError

M = TypeVar("M", bound=EtcdMessage)

_PACKAGE = "coterie.etcd"
"""Of the descriptors' names, which are not on the wire."""

_Field = descriptor_pb2.FieldDescriptorProto

_TYPES = {
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
    "string": _Field.TYPE_STRING,
    "enum": _Field.TYPE_INT32,  # the same on the wire, and an unknown number reaches the codec, which names the field
    "message": _Field.TYPE_MESSAGE,
}


def decode_message(kind: type[M], data: bytes) -> M:
    """Raises EtcdError."""
    try:
        found = _classes()[kind].FromString(data)
    except DecodeError as error:
        raise _malformed(f"it is no {kind.__name__} in protobuf ({error})") from None
    message: M = _reader(kind)(found)
    return message


def encode_message(message: EtcdMessage) -> bytes:
    made = _classes()[type(message)]()
    _writer(type(message))(message, made)
    return made.SerializeToString()


def _malformed(problem: str) -> EtcdError:
    return EtcdError(EtcdCode.INVALID_ARGUMENT, f"malformed request: {problem}")


# -- descriptors -------------------------------------------------------------------------------------------------------


@cache
def _classes() -> dict[type[EtcdMessage], type[Message]]:
    """protobuf's own class for each message of the API."""
    kinds: dict[type[EtcdMessage], None] = {}
    for rpc in RPCS:
        for kind in (rpc.request, rpc.response):
            _collect(kind, kinds)
    file = descriptor_pb2.FileDescriptorProto(name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto3")
    for kind in kinds:
        described = file.message_type.add(name=kind.__name__)
        for field in fields_of(kind):
            described.field.add(
                name=field.name,
                number=field.number,
                type=_TYPES[field.kind],
                label=_Field.LABEL_REPEATED if field.repeated else _Field.LABEL_OPTIONAL,
                type_name=f".{_PACKAGE}.{field.type.__name__}" if field.kind == "message" else None,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        kind: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{kind.__name__}"))
        for kind in kinds
    }


def _collect(kind: type[EtcdMessage], kinds: dict[type[EtcdMessage], None]) -> None:
    if kind not in kinds:
        kinds[kind] = None
        for field in fields_of(kind):
            if field.kind == "message":
                _collect(field.type, kinds)


# -- from protobuf's classes to ours, and back -------------------------------------------------------------------------


@cache
def _reader(kind: type[EtcdMessage]) -> Callable[[Any], Any]:
    readers: dict[str, Callable[[Any], Any]] = {}

    def read(found: Message) -> EtcdMessage:
        # Gives what is not zero or empty.
        return kind(**{field.name: readers[field.name](value) for field, value in found.ListFields()})

    for field in fields_of(kind):
        readers[field.name] = _value_reader(field)
    return read


def _value_reader(field: FieldPlan) -> Callable[[Any], Any]:
    of_one: Callable[[Any], Any] | None = None
    if field.kind == "enum":
        of_one = _enum_reader(field.name, field.type)
    elif field.kind == "message":

        def of_one(value: Any) -> Any:  # looked up when it is needed: transactions hold transactions
            return _reader(field.type)(value)

    if not field.repeated:
        return of_one or _same
    return tuple if of_one is None else lambda values: tuple([of_one(value) for value in values])


def _enum_reader(name: str, kind: type[IntEnum]) -> Callable[[int], IntEnum]:
    def read(value: int) -> IntEnum:
        try:
            return kind(value)
        except ValueError:
            known = ", ".join(f"{each.value} ({each.name})" for each in kind)
            raise _malformed(f"the field {name}: one of {known} is expected, not {value}") from None

    return read


def _same(value: Any) -> Any:
    return value


@cache
def _writer(kind: type[EtcdMessage]) -> Callable[[EtcdMessage, Any], None]:
    plan = fields_of(kind)

    def write(message: EtcdMessage, made: Any) -> None:
        for field in plan:
            value = getattr(message, field.name)
            if value == field.default:
                continue
            if field.kind != "message":
                if field.repeated:
                    getattr(made, field.name).extend(value)
                else:
                    setattr(made, field.name, value)
            elif field.repeated:
                into, of_one = getattr(made, field.name), _writer(field.type)
                for each in value:
                    of_one(each, into.add())
            else:
                inner = getattr(made, field.name)
                inner.SetInParent()  # an empty message is not the same as none
                _writer(field.type)(value, inner)

    return write
