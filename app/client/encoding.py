"""Keys, names and values between bytes and what HTTP carries: text where it is UTF-8, values else in base64.

Over HTTP keys and names are text, and ranges are those of one key or of a prefix, for that is what rules of tokens are
about. What HTTP cannot carry is refused here, with the code `not_over_http`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import msgspec

from coterie.app.client.errors import ClientError
from coterie.app.wire.encoding import EncodingError, to_bytes, to_text
from coterie.consensus.api.errors import RefusedError
from coterie.consensus.store import Record, RefusalCode, prefix_end

NOT_OVER_HTTP = "not_over_http"


def text_of(key: bytes, what: str = "key") -> str:
    """Raises RefusedError."""
    try:
        return key.decode()
    except UnicodeDecodeError:
        raise RefusedError(NOT_OVER_HTTP, message=f"over HTTP a {what} is UTF-8 text, and {key!r} is not") from None


def utf8(text: str, what: str) -> bytes:
    """Raises RefusedError."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise not_text(what, text) from None


def not_text(what: str, text: object) -> RefusedError:
    return RefusedError(NOT_OVER_HTTP, message=f"{what} {text!r} is not text that UTF-8 can carry")


def path_part(text: str) -> str:
    """As one part of a path: slashes do not end it, dots are no directories. Raises RefusedError for none at all."""
    if not text:
        raise RefusedError(RefusalCode.KEY_INVALID, message="a key or name must not be empty")
    quoted = quote(utf8(text, "the name"), safe="")
    return quoted.replace(".", "%2E") if text in {".", ".."} else quoted


def span_of(start: bytes, end: bytes | None) -> tuple[Literal["key", "prefix"], str]:
    """A range as HTTP names it. Raises RefusedError."""
    if end == start + b"\0":
        return "key", text_of(start)
    if end == prefix_end(start):
        return "prefix", text_of(start, "prefix")
    raise RefusedError(
        NOT_OVER_HTTP, message=f"over HTTP a range is one key or all keys of a prefix, not {start!r} to {end!r}"
    )


def encoded(value: bytes) -> dict[str, str]:
    """A value as JSON carries it, with the name of its encoding where it is not text."""
    text, encoding = to_text(value)
    return {"value": text} if encoding == "utf-8" else {"value": text, "encoding": encoding}


def read_bytes(text: str, encoding: str | None) -> bytes:
    """Raises ClientError."""
    try:
        return to_bytes(text, encoding)
    except EncodingError:
        raise ClientError(f"a node answered with a value that is no {encoding or 'utf-8'}") from None


def read_record(shown: Mapping[str, Any]) -> Record:
    """A record as every answer shows it. Raises ClientError, KeyError."""
    return Record(
        read_bytes(shown["key"], shown.get("key_encoding")),
        read_bytes(shown["value"], shown.get("encoding")),
        shown["create_revision"],
        shown["mod_revision"],
        shown["version"],
        shown["lease"],
    )


def read_optional(shown: Mapping[str, Any] | None) -> Record | None:
    return None if shown is None else read_record(shown)


A = TypeVar("A")

_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def read_answer(kind: type[A], body: bytes) -> A:
    """Raises ClientError."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        found: A = decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise ClientError(f"what answered is no node of Coterie, or one of another version: {error}") from None
    return found
