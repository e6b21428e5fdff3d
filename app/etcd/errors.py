"""etcd's errors, with its texts, which clients compare; and what the errors of the metadata are among them."""

from __future__ import annotations

from coterie.app.etcd.rpcs import EtcdCode, EtcdError
from coterie.app.http.errors import ApiError
from coterie.app.wire.errors import Code
from coterie.consensus.api.errors import (
    TOO_LARGE,
    CompactedError,
    LeaseLostError,
    MetadataError,
    RefusedError,
    UnavailableError,
)
from coterie.consensus.store import RefusalCode

_ERRORS: dict[str, tuple[EtcdCode, str]] = {
    "empty_key": (EtcdCode.INVALID_ARGUMENT, "key is not provided"),
    "key_not_found": (EtcdCode.INVALID_ARGUMENT, "key not found"),
    "value_provided": (EtcdCode.INVALID_ARGUMENT, "value is provided"),
    "lease_provided": (EtcdCode.INVALID_ARGUMENT, "lease is provided"),
    "too_many_ops": (EtcdCode.INVALID_ARGUMENT, "too many operations in txn request"),
    "duplicate_key": (EtcdCode.INVALID_ARGUMENT, "duplicate key given in txn request"),
    "too_large": (EtcdCode.INVALID_ARGUMENT, "request is too large"),
    "user_empty": (EtcdCode.INVALID_ARGUMENT, "user name is empty"),
    "auth_failed": (EtcdCode.INVALID_ARGUMENT, "authentication failed, invalid user ID or password"),
    "lease_not_found": (EtcdCode.NOT_FOUND, "requested lease not found"),
    "permission_denied": (EtcdCode.PERMISSION_DENIED, "permission denied"),
    "too_many_requests": (EtcdCode.RESOURCE_EXHAUSTED, "too many requests"),
    "no_space": (EtcdCode.RESOURCE_EXHAUSTED, "mvcc: database space exceeded"),
    "lease_exists": (EtcdCode.FAILED_PRECONDITION, "lease already exists"),
    "auth_not_enabled": (EtcdCode.FAILED_PRECONDITION, "authentication is not enabled"),
    "user_not_found": (EtcdCode.FAILED_PRECONDITION, "user name not found"),
    "role_not_found": (EtcdCode.FAILED_PRECONDITION, "role name not found"),
    "not_leader": (EtcdCode.FAILED_PRECONDITION, "not leader"),
    "bad_transferee": (EtcdCode.FAILED_PRECONDITION, "bad leader transferee"),
    "compacted": (EtcdCode.OUT_OF_RANGE, "mvcc: required revision has been compacted"),
    "future_revision": (EtcdCode.OUT_OF_RANGE, "mvcc: required revision is a future revision"),
    "ttl_too_large": (EtcdCode.OUT_OF_RANGE, "too large lease TTL"),
    "no_leader": (EtcdCode.UNAVAILABLE, "no leader"),
    "leader_changed": (EtcdCode.UNAVAILABLE, "leader changed"),
    "not_capable": (EtcdCode.UNAVAILABLE, "not capable"),
    "stopped": (EtcdCode.UNAVAILABLE, "server stopped"),
    "timed_out": (EtcdCode.UNAVAILABLE, "request timed out"),
    "invalid_token": (EtcdCode.UNAUTHENTICATED, "invalid auth token"),
}

_REFUSALS: dict[str, str] = {
    RefusalCode.KEY_NOT_FOUND: "key_not_found",
    RefusalCode.KEY_RESERVED: "permission_denied",
    RefusalCode.KEY_INVALID: "too_large",
    RefusalCode.VALUE_TOO_LARGE: "too_large",
    TOO_LARGE: "too_large",
    RefusalCode.TOO_MANY_OPS: "too_many_ops",
    RefusalCode.DUPLICATE_KEY: "duplicate_key",
    RefusalCode.FUTURE_REVISION: "future_revision",
    RefusalCode.COMPACTED: "compacted",
    RefusalCode.LEASE_NOT_FOUND: "lease_not_found",
    RefusalCode.LEASE_EXISTS: "lease_exists",
    RefusalCode.NOT_OWNER: "permission_denied",
    RefusalCode.NO_SPACE: "no_space",
    RefusalCode.TOO_MANY_KEYS: "no_space",
    RefusalCode.UNSUPPORTED: "not_capable",
    RefusalCode.HALTED: "not_capable",
}

_LIMITS: dict[str, str] = {
    RefusalCode.DELETE_TOO_LARGE: "one request deletes at most {} keys; delete by longer prefixes",
    RefusalCode.RESULT_TOO_LARGE: "the answer would take more than {} bytes; ask with a limit",
    RefusalCode.SCAN_TOO_LARGE: "one request sorts, filters or compares at most {} keys; ask for fewer",
    RefusalCode.TOO_MANY_LEASES: "there are {} leases already, in all or of this token",
    RefusalCode.LEASE_FULL: "a lease may have {} keys",
}
"""Where Coterie has a limit that etcd has not: the text names it."""

_UNAVAILABLE = {
    "no_leader": "no_leader",
    "no_cluster": "no_leader",
    "not_leader": "no_leader",
    "leader_unproved": "no_leader",
    "leader_unreachable": "no_leader",
    "wrong_cluster": "no_leader",
    "stale": "no_leader",
    "discarded": "leader_changed",
    "leader_lost": "leader_changed",
    "stopped": "stopped",
    "failed": "stopped",
    "busy": "too_many_requests",
    "disk_full": "no_space",
    "log_full": "too_many_requests",
    "too_many_watches": "too_many_requests",
}


def etcd_error(name: str) -> EtcdError:
    """The error of that name."""
    code, text = _ERRORS[name]
    return EtcdError(code, f"etcdserver: {text}")


def of_metadata(error: MetadataError) -> EtcdError:
    """What a call of the metadata failed with."""
    match error:
        case RefusedError():
            return _refusal(error)
        case CompactedError():
            return etcd_error("compacted")
        case UnavailableError():
            return etcd_error(_UNAVAILABLE.get(error.reason, "timed_out"))
        case LeaseLostError():
            return etcd_error("lease_not_found")
    # An unknown outcome: so etcd answers where a leader was lost.
    return etcd_error("timed_out")


def _refusal(error: RefusedError) -> EtcdError:
    if error.code in _REFUSALS:
        return etcd_error(_REFUSALS[error.code])
    if error.code in _LIMITS:
        return EtcdError(EtcdCode.RESOURCE_EXHAUSTED, f"etcdserver: {_LIMITS[error.code].format(error.detail)}")
    return EtcdError(EtcdCode.FAILED_PRECONDITION, f"etcdserver: {error}")


def of_api(error: ApiError) -> EtcdError:
    """What a part of the HTTP layer refused: a token, a leader that cannot be asked."""
    match error.code:
        case Code.UNAUTHORIZED:
            return etcd_error("invalid_token")
        case Code.FORBIDDEN | Code.RESERVED_KEY:
            return etcd_error("permission_denied")
        case Code.FOREIGN_HOST | Code.FOREIGN_ORIGIN:
            return EtcdError(EtcdCode.PERMISSION_DENIED, error.message)
        case Code.INTERNAL:
            return EtcdError(EtcdCode.INTERNAL, error.message)
        case Code.TOO_MANY_TRIES | Code.TOO_MANY_REQUESTS | Code.OVERLOADED | Code.TOO_MANY_CONNECTIONS:
            return etcd_error("too_many_requests")
        case Code.OUTCOME_UNKNOWN:
            return etcd_error("timed_out")
        case Code.UNAVAILABLE:
            reason = str((error.details or {}).get("reason", ""))
            return etcd_error(_UNAVAILABLE.get(reason, "timed_out"))
        case Code.TOO_LARGE:
            return etcd_error("too_large")
    return EtcdError(EtcdCode.INVALID_ARGUMENT, error.message)
