"""A request for a key without FastAPI: path, query, headers, body, and the reply.

It costs a tenth of FastAPI's; refusals have the same codes and shape.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

import orjson
from starlette.types import Receive, Scope, Send

from coterie.app.http.errors import ApiError
from coterie.app.settings.tables import HttpSettings
from coterie.app.wire.errors import Code
from coterie.consensus.api.types import RequestId

Headers = tuple[tuple[bytes, bytes], ...]

JSON_HEADERS: Headers = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))


class Reply:
    """A whole answer."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, body: bytes, status: int = 200, headers: Headers = JSON_HEADERS) -> None:
        self.body = body
        self.status = status
        self.headers = headers

    async def send(self, send: Send) -> None:
        length = (b"content-length", b"%d" % len(self.body))
        await send({"type": "http.response.start", "status": self.status, "headers": [*self.headers, length]})
        await send({"type": "http.response.body", "body": self.body})


def json_reply(content: dict[str, Any], etag: int = 0) -> Reply:
    """`content` as JSON; `etag`: the revision of what it shows, where it shows one."""
    if etag:
        return Reply(orjson.dumps(content), headers=(*JSON_HEADERS, (b"etag", b'"%d"' % etag)))
    return Reply(orjson.dumps(content))


class KeyRequest:
    """A request whose head is there."""

    __slots__ = ("_headers", "_query", "_receive", "key", "limits", "method", "scope")

    def __init__(self, scope: Scope, receive: Receive, limits: HttpSettings, prefix_length: int) -> None:
        """The key is what the path holds behind its first `prefix_length` bytes. Raises ApiError."""
        self.scope = scope
        self.limits = limits
        self.method: str = scope["method"]
        self.key = read_key(scope["raw_path"][prefix_length:])
        self._receive = receive
        self._query: dict[str, str] | None = None
        self._headers: dict[bytes, bytes] | None = None

    def parameter(self, name: str) -> str | None:
        """A query parameter; the last one where it is given twice."""
        query = self._query
        if query is None:
            raw: bytes = self.scope["query_string"]
            query = self._query = dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True)) if raw else {}
        return query.get(name)

    def flag(self, name: str) -> bool:
        value = self.parameter(name)
        if value is None:
            return False
        known = _FLAGS.get(value.lower())
        if known is None:
            raise ApiError(Code.INVALID_REQUEST, f"the parameter {name} must be true or false, not {value!r}", name)
        return known

    def number(self, name: str) -> int | None:
        value = self.parameter(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) <= 16):
            raise ApiError(Code.INVALID_REQUEST, f"the parameter {name} must be a whole number, not {value!r}", name)
        return int(value)

    def choice(self, name: str, allowed: Iterable[str]) -> str | None:
        value = self.parameter(name)
        if value is not None and value not in allowed:
            listed = " or ".join(allowed)
            raise ApiError(Code.INVALID_REQUEST, f"the parameter {name} must be {listed}, not {value!r}", name)
        return value

    def header(self, name: bytes) -> str | None:
        """A header by its name in small letters."""
        headers = self._headers
        if headers is None:
            headers = self._headers = dict(self.scope["headers"])
        value = headers.get(name)
        return None if value is None else value.decode("latin-1")

    async def body(self) -> bytes:
        """The whole body. Raises ApiError where it is too large, or does not come."""
        return await read_body(self._receive, self.header(b"content-length"), self.limits)


async def read_body(
    receive: Receive, declared: str | None, limits: HttpSettings, setting: str = "max_body_bytes"
) -> bytes:
    """A request's whole body; `declared`: its length, as its head says; `setting`: what bounds it. Raises ApiError."""
    limit: int = getattr(limits, setting)
    too_large = ApiError(
        Code.TOO_LARGE, f"the body is larger than http.{setting} = {limit}", details={"limit": limit}, closes=True
    )
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise too_large
    message: Any = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise too_large
        return body
    try:
        async with asyncio.timeout(limits.body_seconds):
            return await _rest_of_body(receive, message, limit, too_large)
    except TimeoutError:
        raise ApiError(
            Code.BODY_TIMEOUT, f"the body did not come within http.body_seconds = {limits.body_seconds}", closes=True
        ) from None


async def _rest_of_body(receive: Receive, message: Any, limit: int, too_large: ApiError) -> bytes:
    chunks = bytearray()
    while message["type"] == "http.request":
        chunks += message.get("body", b"")
        if len(chunks) > limit:
            raise too_large
        if not message.get("more_body", False):
            return bytes(chunks)
        message = await receive()
    raise ApiError(Code.INVALID_REQUEST, "the connection ended before the body did", closes=True)


_FLAGS = {"true": True, "1": True, "": True, "false": False, "0": False}


def read_key(raw: bytes) -> str:
    """The key that a path names, as sent: every byte counts, and `%2F` is as good as a slash. Raises ApiError."""
    try:
        key = (unquote_to_bytes(raw) if b"%" in raw else raw).decode()
    except UnicodeDecodeError:
        raise ApiError(Code.INVALID_ENCODING, "the key is not UTF-8 once its %-escapes are read", "key") from None
    if not key:
        raise ApiError(
            Code.EMPTY_PARAMETER,
            "the key must not be empty (keys are listed at the path without the last slash)",
            "key",
        )
    return key


# -- at most once: the header Coterie-Request-Id, which a client repeats with a write that it sends again --------------

# An id is `<cluster time in ms>-<anything>`: the time of its first try lets the cluster forget ids some day. A client
# gets one from `POST /v1/request_ids`, or from the answer to a write whose outcome is unknown.

MAX_PART_CHARACTERS = 64
"""Of what stands behind the time; the log carries it."""

_FORM = re.compile(r"(\d{1,16})-([!-~]{1,64})")


def write_request_id(request: RequestId) -> str:
    """The header's value: the id in hexadecimal digits."""
    return f"{request.time_ms}-{request.id.hex()}"


def read_request_id(text: str) -> RequestId:
    """Raises ApiError."""
    found = _FORM.fullmatch(text)
    if found is None or int(found[1]) >= 2**53:
        raise ApiError(
            Code.INVALID_REQUEST,
            f"Coterie-Request-Id must be <cluster time in ms>-<1 to {MAX_PART_CHARACTERS} visible ASCII characters>; "
            "POST /v1/request_ids makes one",
            "Coterie-Request-Id",
        )
    part = found[2]
    # The node's own are hexadecimal: read back they are the very bytes.
    own = len(part) == 32 and all(digit in "0123456789abcdef" for digit in part)
    return RequestId(bytes.fromhex(part) if own else part.encode(), int(found[1]))
