"""Messages as JSON: bytes in base64, 64-bit numbers as strings, enums by name, and nothing that is zero or empty.

In requests names may be in lowerCamelCase too, numbers be strings or not, enums be numbers; unknown fields are ignored.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any, TypeVar

import orjson

from coterie.app.etcd.messages.fields import EtcdMessage, FieldPlan, fields_of
from coterie.app.etcd.rpcs import EtcdCode, EtcdError

M = TypeVar("M", bound=EtcdMessage)

_BOUNDS = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,19})")
_URL_SAFE = str.maketrans("-_", "+/")

_scan = json.JSONDecoder().raw_decode


def malformed(problem: str) -> EtcdError:
    return EtcdError(EtcdCode.INVALID_ARGUMENT, f"malformed request: {problem}")


# -- answers -----------------------------------------------------------------------------------------------------------


def encode_message(message: EtcdMessage) -> bytes:
    shown = show(message)
    try:
        return orjson.dumps(shown)
    except TypeError:  # transactions within one another, deeper than orjson goes
        return json.dumps(shown, separators=(",", ":")).encode()


def show(message: EtcdMessage) -> dict[str, Any]:
    """As JSON has it."""
    shown = {}
    for name, default, write in _writers(type(message)):
        value = getattr(message, name)
        if value != default:
            shown[name] = value if write is None else write(value)
    return shown


@cache
def _writers(message: type[EtcdMessage]) -> list[tuple[str, Any, Callable[[Any], Any] | None]]:
    return [(each.name, each.default, _writer(each)) for each in fields_of(message)]


def _writer(field: FieldPlan) -> Callable[[Any], Any] | None:
    of_one = _ONE[field.kind]
    if not field.repeated:
        return of_one
    if of_one is None:
        return list
    return lambda values: [of_one(value) for value in values]


_ONE: dict[str, Callable[[Any], Any] | None] = {
    "int64": str,
    "uint64": str,
    "int32": None,
    "uint32": None,
    "bool": None,
    "string": None,
    "bytes": lambda value: b64encode(value).decode(),
    "enum": lambda value: value.name,
    "message": show,
}


# -- requests ----------------------------------------------------------------------------------------------------------


def decode_message(kind: type[M], body: bytes) -> M:
    """A whole body; an empty one is an empty object. Raises EtcdError."""
    if not body.strip():
        return kind()
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise malformed(str(error)) from None
    return read(kind, content)


@dataclass(slots=True)
class DocumentReader:
    """Takes a body in pieces; gives each JSON document in it once it is whole."""

    limit: int
    """Bytes of one document."""
    _text: str = ""
    _rest: bytes = b""

    def feed(self, piece: bytes) -> list[Any]:
        """Raises EtcdError."""
        data = self._rest + piece
        try:
            text, self._rest = data.decode(), b""
        except UnicodeDecodeError as error:
            if error.end < len(data) or len(data) - error.start > 3:  # else a character is cut
                raise malformed("it is not UTF-8") from None
            text, self._rest = data[: error.start].decode(), data[error.start :]
        self._text = (self._text + text).lstrip()
        found = []
        while self._text:
            try:
                content, end = _scan(self._text)
            except json.JSONDecodeError as error:
                if self._text[0] != "{":
                    raise malformed(str(error)) from None
                if len(self._text) > self.limit:
                    raise malformed(f"a request takes more than {self.limit} bytes") from None
                break
            except RecursionError:
                raise malformed("it is nested too deeply") from None
            found.append(content)
            self._text = self._text[end:].lstrip()
        return found

    def end(self) -> None:
        """Nothing more comes. Raises EtcdError where a document is cut short."""
        if self._text or self._rest:
            raise malformed("it is no whole JSON document")


def read(kind: type[M], content: Any) -> M:
    """A message from what JSON holds. Raises EtcdError."""
    try:
        return _read_message(kind, content)
    except RecursionError:
        raise malformed("it is nested too deeply") from None


def _read_message(kind: type[M], content: Any) -> M:
    if not isinstance(content, dict):
        raise malformed(f"a JSON object is expected, not {_name(content)}")
    readers = _readers(kind)
    found = {}
    for name, value in content.items():
        reader = readers.get(name)
        if reader is not None and value is not None:
            field, of_one = reader
            try:
                if not field.repeated:
                    found[field.name] = of_one(value)
                elif isinstance(value, list):
                    found[field.name] = tuple([of_one(each) for each in value])
                else:
                    raise ValueError(f"a list is expected, not {_name(value)}")
            except ValueError as error:
                raise malformed(f"the field {name}: {error}") from None
    return kind(**found)


@cache
def _readers(kind: type[EtcdMessage]) -> dict[str, tuple[FieldPlan, Callable[[Any], Any]]]:
    readers = {}
    for field in fields_of(kind):
        reader = (field, _reader(field))
        readers[field.name] = readers[_camel(field.name)] = reader
    return readers


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def _reader(field: FieldPlan) -> Callable[[Any], Any]:
    match field.kind:
        case "bytes":
            return _read_bytes
        case "string":
            return _read_text
        case "bool":
            return _read_bool
        case "enum":
            return lambda value: _read_enum(field.type, value)
        case "message":
            return lambda value: _read_message(field.type, value)
    least, most = _BOUNDS[field.kind]
    return lambda value: _read_number(value, least, most)


def _read_bytes(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError(f"base64 is expected, not {_name(value)}")
    try:
        return b64decode(value.translate(_URL_SAFE) + "=" * (-len(value) % 4), validate=True)
    except ValueError:
        raise ValueError("this is no base64") from None


def _read_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"text is expected, not {_name(value)}")
    return value


def _read_bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"true or false is expected, not {_name(value)}")
    return value


def _read_number(value: Any, least: int, most: int) -> int:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"a whole number is expected, not {_name(value)}")
    if not least <= value <= most:
        raise ValueError(f"{least} to {most} are allowed, not {value}")
    return value


def _read_enum(kind: Any, value: Any) -> IntEnum:
    known: type[IntEnum] = kind
    if isinstance(value, str) and value in known.__members__:
        return known[value]
    if isinstance(value, int) and not isinstance(value, bool) and value in set(known):
        return known(value)
    raise ValueError(f"one of {', '.join(known.__members__)} is expected, not {_name(value)}")


def _name(value: Any) -> str:
    """What an error says of a value."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
