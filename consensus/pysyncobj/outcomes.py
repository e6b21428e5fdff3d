"""How calls end, in PySyncObj's words."""

from __future__ import annotations

from typing import Any

from coterie.consensus.pysyncobj.engine import FAIL_REASON
from coterie.consensus.pysyncobj.machine import Raised
from coterie.consensus.raft.errors import RaftError, RaftRefusedError, RaftUnknownOutcomeError, StoppedError

_REASONS: dict[str, int] = {
    "busy": FAIL_REASON.QUEUE_FULL,
    "disk_full": FAIL_REASON.QUEUE_FULL,
    "log_full": FAIL_REASON.QUEUE_FULL,
    "not_leader": FAIL_REASON.NOT_LEADER,
    "discarded": FAIL_REASON.DISCARDED,
    "timed_out": FAIL_REASON.MISSING_LEADER,
}


def outcome(error: RaftError | None, result: Any) -> tuple[Any, int]:
    """(result, fail reason) for a callback. Nothing has happened, and nothing will, for every reason but SUCCESS and
    UNKNOWN_OUTCOME; a method that raised (REQUEST_DENIED) may have changed the state before it did."""
    if error is None:
        return (None, FAIL_REASON.REQUEST_DENIED) if isinstance(result, Raised) else (result, FAIL_REASON.SUCCESS)
    if isinstance(error, RaftUnknownOutcomeError):
        return None, FAIL_REASON.UNKNOWN_OUTCOME
    if isinstance(error, StoppedError):
        return None, FAIL_REASON.MISSING_LEADER
    if isinstance(error, RaftRefusedError):
        return None, _REASONS.get(error.reason, FAIL_REASON.REQUEST_DENIED)
    return None, FAIL_REASON.REQUEST_DENIED
