"""Maps the errors of the metadata to HTTP: status, code, and what a client may conclude.

Definite refusals are 4xx, or 507 for want of room. 503: nothing happened, and the request may be sent again. 504: the
outcome is unknown, and the request may be sent again under the request id in the answer, so that it happens at most
once.
"""

from __future__ import annotations

from typing import Any

from coterie.app.http.errors import ApiError
from coterie.app.http.request import write_request_id
from coterie.app.wire.errors import Code, code_of
from coterie.consensus.api.errors import (
    TOO_LARGE,
    CompactedError,
    ConflictError,
    GrantEndedError,
    LeaseLostError,
    MetadataError,
    RefusedError,
    UnavailableError,
    UnknownOutcomeError,
)
from coterie.consensus.api.types import RequestId
from coterie.consensus.store import RefusalCode

_MESSAGES: dict[str, str] = {
    RefusalCode.MALFORMED: "the operation contradicts itself or breaks a bound",
    RefusalCode.KEY_NOT_FOUND: "there is no such key",
    RefusalCode.KEY_INVALID: "a key must have from 1 to {detail} bytes",
    RefusalCode.KEY_RESERVED: "the key stands under a prefix that the cluster keeps for itself",
    RefusalCode.VALUE_TOO_LARGE: "the value is larger than {detail} bytes",
    RefusalCode.TOO_MANY_KEYS: "the cluster holds {detail} keys already; delete some",
    RefusalCode.NO_SPACE: "keys and values would take more than {detail} bytes; delete some",
    RefusalCode.TOO_MANY_OPS: "each list of a transaction may hold {detail} operations",
    RefusalCode.DUPLICATE_KEY: "a transaction may write a key only once",
    RefusalCode.DELETE_TOO_LARGE: "one request may delete {detail} keys; delete by longer prefixes, or with "
    "`coterie meta del --prefix`, which does it in parts",
    RefusalCode.RESULT_TOO_LARGE: "the answer would take more than {detail} bytes; ask for less",
    RefusalCode.FUTURE_REVISION: "the revision has not come yet; the newest is {detail}",
    RefusalCode.LEASE_NOT_FOUND: "there is no such lease: it ended, or never was",
    RefusalCode.NOT_OWNER: "the lease was made with another token, and is for that one alone; make one of your own",
    RefusalCode.TOO_MANY_LEASES: "the cluster holds {detail} leases already, in all or of this token",
    RefusalCode.LEASE_FULL: "a lease may have {detail} keys",
    RefusalCode.TTL_OUT_OF_RANGE: "the nearest time that is allowed is {detail} ms",
    RefusalCode.NAME_INVALID: 'a name must have from 1 to {detail} bytes, and no "@"',
    RefusalCode.BUSY: "others hold it",
    RefusalCode.NOT_HELD: "it is not held or waited for in that name: it was lost, or never asked for",
    RefusalCode.PERMITS_DIFFER: "the semaphore is in use with {detail} permits",
    RefusalCode.QUEUE_FULL: "{detail} hold it or wait for it already",
    RefusalCode.REQUEST_AHEAD: "the request id is of a time yet to come (cluster time is {detail} ms); "
    "POST /v1/request_ids makes one",
    RefusalCode.REQUEST_REUSED: "the request id is that of another request, which did something else or was another "
    "caller's: nothing happened; each write needs an id of its own, and POST /v1/request_ids makes one",
    RefusalCode.RESULT_NOT_KEPT: "it is done, by an earlier request of this id, at revision {detail}; the answer was "
    "too large to be kept: read what it changed",
    RefusalCode.INTERNAL: "the cluster failed to do this; nothing happened",
    "bad_page_token": "this is no page token of this list",
    TOO_LARGE: "the request takes more room in the log than one operation may ({error}); write less at a time",
}
"""Of refusals of the store, with the number that belongs to them."""

TRANSFER_UNKNOWN = (
    "the voter was asked to take over, and is not known to lead yet: it may still do so; GET /v1/cluster tells who "
    "leads, and the same may be asked again"
)

_DETAILS = {
    Code.FUTURE_REVISION: "revision",
    Code.PERMITS_DIFFER: "permits",
    Code.REQUEST_AHEAD: "cluster_time_ms",
    Code.RESULT_NOT_KEPT: "revision",
}
"""What the number is that belongs to a code; elsewhere it is a limit."""

_REASONS = {
    "no_leader": "no leader is known now",
    "leader_unproved": "no leader has proved itself to this node",
    "wrong_cluster": "the request is for another Raft cluster",
    "stale": "this node hears of no leader; go on at another one",
    "not_leader": "no leader is known now",
    "timed_out": "no majority, or no leader, answered in time",
    "stopped": "this node is stopping",
    "failed": "this node has stopped its part in Raft",
    "busy": "too many requests wait",
    "disk_full": "the leader has no space for its log",
    "log_full": "the leader's log is full until a snapshot, which is under way, has cut it",
    "discarded": "the leader changed, and what it had not replicated was dropped",
    "target_unreachable": "the leader has no link to the voter that is to take over; it leads on",
    "target_behind": "the voter that is to take over did not hold the whole log in time; the leader leads on",
    "other_leader": "another node was elected in place of the one that was to take over",
    "transfer_pending": "leadership is being handed over already",
    "change_pending": "a change of the voters is not committed yet",
    "would_strand": "too few of the voters that would be left answer the leader",
}


REQUEST_EXPIRED = "request_expired"
"""Detail of an unknown outcome: this request did nothing, for its id is too old; of earlier ones nobody knows."""


def api_error(error: MetadataError, request: RequestId | None = None) -> ApiError:
    """What to answer. `request`: the id under which a write was tried."""
    match error:
        case ConflictError():
            return conflict(error.mod_revision)
        case GrantEndedError():
            return ApiError(Code.GRANT_ENDED, str(error))
        case RefusedError():
            return _refusal(error)
        case CompactedError():
            return ApiError(
                Code.COMPACTED,
                f"the history up to revision {error.compacted} is gone; read anew, and go on from there",
                details={"compacted": error.compacted},
            )
        case UnknownOutcomeError():
            details = {} if request is None else {"request_id": write_request_id(request)}
            if error.expired:
                details["reason"] = REQUEST_EXPIRED
            return ApiError(
                Code.OUTCOME_UNKNOWN,
                "whether this happened is not known; with the request id in Coterie-Request-Id it may be sent again, "
                "and happens at most once",
                details=details or None,
            )
        case UnavailableError():
            return unavailable(error.reason, str(error))
        case LeaseLostError():
            return ApiError(Code.LEASE_NOT_FOUND, "the lease ended meanwhile")
    return unavailable("failed", str(error))


def conflict(mod_revision: int) -> ApiError:
    state = f"the key is at revision {mod_revision}" if mod_revision else "there is no such key"
    return ApiError(
        Code.PRECONDITION_FAILED, f"{state}, against the precondition", details={"mod_revision": mod_revision}
    )


def unavailable(reason: str, message: str = "", *, because: str = "") -> ApiError:
    """Nothing happened, and the same may be asked again soon.

    `message`: what to say of a reason not known here. `because`: what this node knows of the cause.
    """
    said = _REASONS.get(reason) or message or reason
    if because:
        said = f"{said} ({because})"
    return ApiError(Code.UNAVAILABLE, f"the cluster cannot serve this now: {said}", details={"reason": reason})


def _refusal(error: RefusedError) -> ApiError:
    of_value = error.code == TOO_LARGE and error.detail
    message = _MESSAGES.get(RefusalCode.VALUE_TOO_LARGE if of_value else error.code)
    if message is None:
        return ApiError(Code.REFUSED, str(error), details={"reason": str(error.code)})
    code = code_of(error.code)
    details: dict[str, Any] | None = {_DETAILS.get(code, "limit"): error.detail} if error.detail else None
    return ApiError(code, message.format(detail=error.detail, error=error), details=details)
