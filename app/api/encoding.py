"""Bytes as JSON shows them: text where they are UTF-8, else base64, and which of the two it is."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Literal

from coterie.app.wire.errors import ApiError, Code
from coterie.consensus.store import Record

Encoding = Literal["utf-8", "base64"]


def shown(value: bytes) -> tuple[str, Encoding]:
    """A value as JSON carries it, with the name of its encoding."""
    try:
        return value.decode(), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(value).decode(), "base64"


def read_value(text: str, encoding: str, parameter: str) -> bytes:
    """The bytes behind a value that came as JSON. Raises ApiError."""
    try:
        return base64.b64decode(text, validate=True) if encoding == "base64" else text.encode()
    except (binascii.Error, ValueError):
        what = "not base64" if encoding == "base64" else "not text that UTF-8 can carry"
        raise ApiError(Code.INVALID_ENCODING, f"{parameter} is {what}", parameter) from None


def show_record(record: Record) -> dict[str, Any]:
    """A record of the metadata, as every answer shows it."""
    key, key_encoding = shown(record.key)
    value, encoding = shown(record.value)
    content: dict[str, Any] = {
        "key": key,
        "value": value,
        "encoding": encoding,
        "create_revision": record.create_revision,
        "mod_revision": record.mod_revision,
        "version": record.version,
        "lease": record.lease,
    }
    if key_encoding == "base64":
        content["key_encoding"] = key_encoding
    return content


def raw_headers(value: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """What a bare value is answered with. It is a client's text: a browser shall take it for nothing more."""
    try:
        value.decode()
    except UnicodeDecodeError:
        kind = b"application/octet-stream"
    else:
        kind = b"text/plain; charset=utf-8"
    return (
        (b"content-type", kind),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    )
