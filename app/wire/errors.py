"""What the HTTP face answers when it refuses: one shape, stable codes.

    {"error": {"code": "missing_parameter", "message": "...", "parameter": "key"}}

`parameter` is null where the error is about no single one. Some codes bring `details`: what a program needs to go on.
Clients may rely on codes, statuses and details; messages are for people and may change.

What a client may conclude: 4xx and 507 are definite, nothing happened and the same request will be refused again; 429
and 503 are about now, nothing happened and it may be sent again; 504 is a write of which nobody here knows whether it
happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Any

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
    KEY_INVALID = "key_invalid", 400
    NAME_INVALID = "name_invalid", 400
    BAD_PAGE_TOKEN = "bad_page_token", 400
    FUTURE_REVISION = "future_revision", 400
    TTL_OUT_OF_RANGE = "ttl_out_of_range", 400
    TOO_MANY_OPS = "too_many_ops", 400
    DUPLICATE_KEY = "duplicate_key", 400
    REQUEST_AHEAD = "request_ahead", 400
    UNAUTHORIZED = "unauthorized", 401
    FORBIDDEN = "forbidden", 403
    RESERVED_KEY = "reserved_key", 403
    FOREIGN_HOST = "foreign_host", 403
    FOREIGN_ORIGIN = "foreign_origin", 403
    NOT_FOUND = "not_found", 404
    KEY_NOT_FOUND = "key_not_found", 404
    NODE_NOT_FOUND = "node_not_found", 404
    LEASE_NOT_FOUND = "lease_not_found", 404
    TOKEN_NOT_FOUND = "token_not_found", 404
    METHOD_NOT_ALLOWED = "method_not_allowed", 405
    BODY_TIMEOUT = "body_timeout", 408
    BUSY = "busy", 409
    NOT_HELD = "not_held", 409
    GRANT_ENDED = "grant_ended", 409
    PERMITS_DIFFER = "permits_differ", 409
    REFUSED = "refused", 409
    COMPACTED = "compacted", 410
    PRECONDITION_FAILED = "precondition_failed", 412
    TOO_LARGE = "too_large", 413
    DELETE_TOO_LARGE = "delete_too_large", 413
    RESULT_TOO_LARGE = "result_too_large", 413
    QUERY_TOO_LONG = "query_too_long", 414
    TOO_MANY_REQUESTS = "too_many_requests", 429
    UPGRADE_REQUIRED = "upgrade_required", 426
    TOO_MANY_TRIES = "too_many_tries", 429
    HEADERS_TOO_LARGE = "headers_too_large", 431
    INTERNAL = "internal", 500
    TOO_MANY_CONNECTIONS = "too_many_connections", 503
    OVERLOADED = "overloaded", 503
    TOO_MANY_STREAMS = "too_many_streams", 503
    TOO_SLOW = "too_slow", 503
    UNAVAILABLE = "unavailable", 503
    NOT_READY = "not_ready", 503
    OUTCOME_UNKNOWN = "outcome_unknown", 504
    # Not 503: waiting does not help, so clients should not come back by themselves and load balancers should not
    # take the node for broken. Only deleting keys makes room.
    TOO_MANY_KEYS = "too_many_keys", 507
    NO_SPACE = "no_space", 507
    TOO_MANY_LEASES = "too_many_leases", 507
    LEASE_FULL = "lease_full", 507
    QUEUE_FULL = "queue_full", 507
    TOO_MANY_TOKENS = "too_many_tokens", 507


RETRY_AFTER_SECONDS = 1
"""What 429 and 503 answers ask for: a new leader is found, and most of what stands in the way is over, by then."""


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON that is not to be kept: writes are GET requests too, so nothing on the way may answer from memory."""
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")


class ApiError(Exception):
    """Raised by endpoints; answered in the one shape."""

    def __init__(
        self,
        code: Code,
        message: str,
        parameter: str | None = None,
        details: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        closes: bool = False,
    ) -> None:
        """`closes`: the rest of the request is not waited for; the connection ends with this answer."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.parameter = parameter
        self.details = details
        self._headers = dict(headers or {})
        self.closes = closes

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        return json_response(self.body(), self.code.status, {**self.headers, **(headers or {})})

    @property
    def headers(self) -> dict[str, str]:
        """What goes with the body."""
        headers = dict(self._headers)
        if self.closes:
            headers["Connection"] = "close"
        if self.code.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
            headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
        elif self.code is Code.PRECONDITION_FAILED and self.details and self.details.get("mod_revision"):
            headers["ETag"] = f'"{self.details["mod_revision"]}"'
        return headers

    def body(self) -> bytes:
        error: dict[str, Any] = {"code": self.code, "message": self.message, "parameter": self.parameter}
        if self.details is not None:
            error["details"] = self.details
        return orjson.dumps({"error": error})
