"""What the HTTP face answers when it refuses: one shape, stable codes.

    {"error": {"code": "missing_parameter", "message": "...", "parameter": "key"}}

`parameter` is null where the error is about no single one. Clients may rely on codes and statuses; messages are for
people and may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import orjson
from starlette.responses import Response


class Code(StrEnum):
    """Every code there is, with its HTTP status."""

    status: int

    def __new__(cls, value: str, status: int) -> Code:
        member = str.__new__(cls, value)
        member._value_ = value
        member.status = status
        return member

    MISSING_PARAMETER = "missing_parameter", 400
    EMPTY_PARAMETER = "empty_parameter", 400
    INVALID_ENCODING = "invalid_encoding", 400
    INVALID_REQUEST = "invalid_request", 400
    KEY_REFUSED = "key_refused", 400
    RESERVED_KEY = "reserved_key", 403
    NOT_FOUND = "not_found", 404
    METHOD_NOT_ALLOWED = "method_not_allowed", 405
    TOO_LARGE = "too_large", 413
    QUERY_TOO_LONG = "query_too_long", 414
    HEADERS_TOO_LARGE = "headers_too_large", 431
    INTERNAL = "internal", 500
    TOO_MANY_CONNECTIONS = "too_many_connections", 503
    # Not 503: waiting does not help, so clients should not come back by themselves and load balancers should not
    # take the node for broken. Only deleting keys makes room.
    TOO_MANY_KEYS = "too_many_keys", 507


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON that is not to be kept: writes are GET requests too, so nothing on the way may answer from memory."""
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")


class ApiError(Exception):
    """Raised by endpoints; answered in the one shape."""

    def __init__(self, code: Code, message: str, parameter: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.parameter = parameter

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        return json_response(self.body(), self.code.status, headers)

    def body(self) -> bytes:
        return orjson.dumps({"error": {"code": self.code, "message": self.message, "parameter": self.parameter}})
