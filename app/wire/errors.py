"""Errors of the API: one table of what each code means over HTTP, to the client and to the command line.

    {"error": {"code": "missing_parameter", "message": "...", "parameter": "key"}}

`parameter` is null where the error is about no single one. Some codes bring `details`: what a program needs to go on.
Clients may rely on codes, statuses and details; messages are for people and may change.

What a client may conclude: 4xx and 507 are definite, nothing happened and the same request will be refused again; 429
and 503 are about now, nothing happened and it may be sent again; 504 is a write of which nobody here knows whether it
happened.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Annotated, Any

from coterie.app.wire.base import Answer, Doc
from coterie.consensus.store import RefusalCode


class Ending(Enum):
    """How a request can end other than well: what whoever asked may conclude. Errors of the client and exit codes of
    the command line follow from it."""

    REFUSED = "refused"
    """Nothing happened, and the same request will be refused again."""
    MISSING = "missing"
    """As refused: what it is about is not there."""
    CONFLICT = "conflict"
    """As refused: a precondition does not hold, or somebody else holds it."""
    ACCESS = "access"
    """As refused: the token is missing, wrong, or allows less."""
    NO_NODE = "no_node"
    """What was asked has no such endpoint, or is not the node that it is asked as: the client's settings are wrong."""
    UNAVAILABLE = "unavailable"
    """Nothing happened, and the same request may be sent again."""
    UNKNOWN = "unknown"
    """Nobody knows whether it happened."""


class Code(StrEnum):
    """Every code there is, with its HTTP status."""

    status: int
    ending: Ending
    refusal: str
    """The store's word for the same."""

    def __new__(cls, value: str, status: int, ending: Ending, refusal: str | None = None) -> Code:
        member = str.__new__(cls, value)
        member._value_ = value
        member.status = status
        member.ending = ending
        member.refusal = refusal or value
        return member

    MISSING_PARAMETER = "missing_parameter", 400, Ending.REFUSED, RefusalCode.MALFORMED
    EMPTY_PARAMETER = "empty_parameter", 400, Ending.REFUSED, RefusalCode.KEY_INVALID
    INVALID_ENCODING = "invalid_encoding", 400, Ending.REFUSED, RefusalCode.MALFORMED
    INVALID_REQUEST = "invalid_request", 400, Ending.REFUSED, RefusalCode.MALFORMED
    KEY_REFUSED = "key_refused", 400, Ending.REFUSED
    KEY_INVALID = "key_invalid", 400, Ending.REFUSED
    NAME_INVALID = "name_invalid", 400, Ending.REFUSED
    BAD_PAGE_TOKEN = "bad_page_token", 400, Ending.REFUSED
    FUTURE_REVISION = "future_revision", 400, Ending.REFUSED
    TTL_OUT_OF_RANGE = "ttl_out_of_range", 400, Ending.REFUSED
    TOO_MANY_OPS = "too_many_ops", 400, Ending.REFUSED
    DUPLICATE_KEY = "duplicate_key", 400, Ending.REFUSED
    REQUEST_AHEAD = "request_ahead", 400, Ending.REFUSED
    UNAUTHORIZED = "unauthorized", 401, Ending.ACCESS
    FORBIDDEN = "forbidden", 403, Ending.ACCESS
    NOT_OWNER = "not_owner", 403, Ending.ACCESS
    RESERVED_KEY = "reserved_key", 403, Ending.REFUSED, RefusalCode.KEY_RESERVED
    FOREIGN_HOST = "foreign_host", 403, Ending.NO_NODE
    FOREIGN_ORIGIN = "foreign_origin", 403, Ending.NO_NODE
    NOT_FOUND = "not_found", 404, Ending.NO_NODE
    KEY_NOT_FOUND = "key_not_found", 404, Ending.MISSING
    NODE_NOT_FOUND = "node_not_found", 404, Ending.MISSING
    LEASE_NOT_FOUND = "lease_not_found", 404, Ending.MISSING
    TOKEN_NOT_FOUND = "token_not_found", 404, Ending.MISSING
    METHOD_NOT_ALLOWED = "method_not_allowed", 405, Ending.NO_NODE
    BODY_TIMEOUT = "body_timeout", 408, Ending.UNAVAILABLE
    BUSY = "busy", 409, Ending.CONFLICT
    NOT_HELD = "not_held", 409, Ending.CONFLICT
    GRANT_ENDED = "grant_ended", 409, Ending.CONFLICT
    PERMITS_DIFFER = "permits_differ", 409, Ending.CONFLICT
    REQUEST_REUSED = "request_reused", 409, Ending.REFUSED
    RESULT_NOT_KEPT = "result_not_kept", 409, Ending.CONFLICT
    REFUSED = "refused", 409, Ending.REFUSED
    COMPACTED = "compacted", 410, Ending.REFUSED
    PRECONDITION_FAILED = "precondition_failed", 412, Ending.CONFLICT
    TOO_LARGE = "too_large", 413, Ending.REFUSED
    DELETE_TOO_LARGE = "delete_too_large", 413, Ending.REFUSED
    RESULT_TOO_LARGE = "result_too_large", 413, Ending.REFUSED
    QUERY_TOO_LONG = "query_too_long", 414, Ending.REFUSED
    TOO_MANY_REQUESTS = "too_many_requests", 429, Ending.UNAVAILABLE
    UPGRADE_REQUIRED = "upgrade_required", 426, Ending.REFUSED
    TOO_MANY_TRIES = "too_many_tries", 429, Ending.ACCESS
    HEADERS_TOO_LARGE = "headers_too_large", 431, Ending.REFUSED
    INTERNAL = "internal", 500, Ending.UNKNOWN
    TOO_MANY_CONNECTIONS = "too_many_connections", 503, Ending.UNAVAILABLE
    OVERLOADED = "overloaded", 503, Ending.UNAVAILABLE
    TOO_MANY_STREAMS = "too_many_streams", 503, Ending.UNAVAILABLE
    TOO_SLOW = "too_slow", 503, Ending.UNAVAILABLE
    UNAVAILABLE = "unavailable", 503, Ending.UNAVAILABLE
    NOT_READY = "not_ready", 503, Ending.UNAVAILABLE
    OUTCOME_UNKNOWN = "outcome_unknown", 504, Ending.UNKNOWN
    # Not 503: waiting does not help, so clients should not come back by themselves and load balancers should not
    # take the node for broken. Only deleting keys makes room.
    TOO_MANY_KEYS = "too_many_keys", 507, Ending.REFUSED
    NO_SPACE = "no_space", 507, Ending.REFUSED
    TOO_MANY_LEASES = "too_many_leases", 507, Ending.REFUSED
    LEASE_FULL = "lease_full", 507, Ending.REFUSED
    QUEUE_FULL = "queue_full", 507, Ending.REFUSED
    TOO_MANY_TOKENS = "too_many_tokens", 507, Ending.REFUSED


_CODES = {code.value: code for code in Code}
_OF_STORE = {
    RefusalCode.MALFORMED: Code.INVALID_REQUEST,
    RefusalCode.KEY_RESERVED: Code.RESERVED_KEY,
    RefusalCode.VALUE_TOO_LARGE: Code.TOO_LARGE,
}


def code_of(refusal: str) -> Code:
    """The code for a refusal of the store."""
    return _OF_STORE.get(refusal) or _CODES.get(refusal, Code.REFUSED)  # type: ignore[call-overload]


def refusal_of(code: str) -> str:
    """The store's word for a code, which the client raises."""
    known = _CODES.get(code)
    return code if known is None else known.refusal


def ending_of(code: str, status: int = 409) -> Ending:
    """What a code means; of one that this release does not know, what its status means."""
    known = _CODES.get(code)
    if known is not None:
        return known.ending
    if status in {408, 429, 503}:
        return Ending.UNAVAILABLE
    return Ending.UNKNOWN if status >= 500 and status != 507 else Ending.REFUSED


class Error(Answer, frozen=True):
    """What is wrong."""

    code: Annotated[str, Doc(Code)]
    """Stable: rely on it."""
    message: Annotated[str, Doc(examples=["the parameter key is missing"])]
    """For people, with what to do; it may change."""
    parameter: Annotated[str | None, Doc(examples=["key"])]
    """The parameter that is wrong; null where it is about no single one."""
    details: dict[str, Any] | None = None
    """What a program needs to go on, where the code has such: `mod_revision` (precondition_failed), `reason`
    (unavailable, refused), `request_id` (outcome_unknown), `compacted`, `limit`, `withheld` (forbidden kinds of live
    updates). Left out elsewhere."""


class ErrorAnswer(Answer, frozen=True):
    """The one shape of every error."""

    error: Error
