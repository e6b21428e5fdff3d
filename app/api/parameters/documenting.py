"""Refusals in the OpenAPI document: each operation lists its error codes by status."""

from __future__ import annotations

from typing import Any

from coterie.app.wire.errors import Code, ErrorAnswer

Responses = dict[int | str, dict[str, Any]]

ANYWHERE = (
    Code.UNAUTHORIZED,
    Code.FORBIDDEN,
    Code.TOO_MANY_TRIES,
    Code.FOREIGN_HOST,
    Code.FOREIGN_ORIGIN,
    Code.NOT_FOUND,
    Code.METHOD_NOT_ALLOWED,
    Code.QUERY_TOO_LONG,
    Code.HEADERS_TOO_LARGE,
    Code.INTERNAL,
    Code.TOO_MANY_CONNECTIONS,
    Code.TOO_MANY_REQUESTS,
    Code.OVERLOADED,
)
"""Answers of the server whatever was asked: no operation lists them by itself."""


def listed(*codes: Code) -> str:
    return ", ".join(f"`{code}` ({code.status})" for code in codes)


def errors(*codes: Code) -> Responses:
    """The refusals of an operation, for its `responses`."""
    by_status: dict[int, list[Code]] = {}
    for code in codes:
        by_status.setdefault(code.status, []).append(code)
    return {
        status: {"model": ErrorAnswer, "description": f"{_MEANINGS[status]}: {listed(*of_status)}"}
        for status, of_status in sorted(by_status.items())
    }


def event_stream(names: str, data: dict[str, Any] | None = None, example: str | None = None) -> dict[str, Any]:
    """The content of an answer of server-sent events: the schema is that of one event, as before OpenAPI 3.2.

    `names`: which there are, for people. `data`: the schema of what their data holds, which is JSON.
    """
    carried = {"type": "string", "contentMediaType": "application/json", "contentSchema": data or {"type": "object"}}
    schema = {
        "type": "object",
        "description": "One server-sent event.",
        "properties": {
            "id": {"type": "string", "description": "What `Last-Event-ID` goes on from."},
            "event": {"type": "string", "description": names},
            "data": carried,
            "retry": {"type": "integer", "minimum": 0},
        },
    }
    content = {"schema": schema} if example is None else {"schema": schema, "example": example}
    return {"text/event-stream": content}


_MEANINGS = {
    400: "Something of the request is missing, malformed or refused",
    403: "The key stands under a prefix that is kept for the system",
    404: "What was asked for is not there",
    408: "The body did not come in time",
    409: "It cannot be done as things stand",
    410: "The history that was asked for is gone",
    412: "The precondition does not hold; `ETag` and `details.mod_revision` say what does",
    413: "Something is too large",
    426: "This is spoken over a WebSocket alone",
    429: "This client asks too much at a time; nothing happened, and the same may be sent again after `Retry-After`",
    500: "A fault of this node",
    503: "Nothing happened, and the same request may be sent again after `Retry-After`; `details.reason` says why",
    504: "Whether it happened is not known; with `details.request_id` it may be sent again and happens at most once",
    507: "There is no room",
}
