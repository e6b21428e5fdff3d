"""Records of the metadata as answers show them, and values as requests bring them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from coterie.app.http.errors import ApiError
from coterie.app.wire.encoding import EncodingError, to_text
from coterie.app.wire.errors import Code
from coterie.consensus.store import Record


@contextmanager
def decoding() -> Iterator[None]:
    """Raises ApiError in place of EncodingError."""
    try:
        yield
    except EncodingError as error:
        raise ApiError(Code.INVALID_ENCODING, str(error), error.parameter) from None


def show_record(record: Record) -> dict[str, Any]:
    """A record of the metadata, as every answer shows it."""
    key, key_encoding = to_text(record.key)
    value, encoding = to_text(record.value)
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
