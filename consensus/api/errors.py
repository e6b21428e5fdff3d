"""How a call of the metadata API can fail (raft spec 1, promise 4).

Three classes: refused (nothing happened, and the same call will be refused again), unavailable (nothing happened, and
the same call may be made again), unknown outcome (it may have happened, or may still happen).
"""

from __future__ import annotations

from coterie.consensus.api.types import RequestId
from coterie.consensus.store import RefusalCode

TOO_LARGE = "too_large"
"""The code of what is too large, be it for the log or, with a number, for a value."""


class MetadataError(Exception):
    """Base of all."""


class RefusedError(MetadataError):
    """Nothing happened. `code` is a stable word, `detail` the number that belongs to it (see `store.RefusalCode`)."""

    def __init__(self, code: str, detail: int = 0, message: str = "") -> None:
        super().__init__(message or (f"{code} ({detail})" if detail else str(code)))
        self.code = code
        self.detail = detail


class GrantEndedError(RefusedError):
    """A lock, permit or leadership was asked for under a request id that had got it, or a place in its queue, before.

    That has ended since: it was given back, or its lease ended. This try did nothing; to begin anew takes a new id.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(
            RefusalCode.GRANT_ENDED,
            message=message
            or "this request was carried out before, and what it got has ended since "
            "(it was given back, or its lease ended); begin anew, with a new request id",
        )


class ConflictError(RefusedError):
    """The key is not at the revision that was expected; `detail` is its mod_revision, 0 where there is no such key."""

    def __init__(self, mod_revision: int) -> None:
        super().__init__(
            RefusalCode.CONFLICT, mod_revision, f"the key is at revision {mod_revision}, not the one expected"
        )
        self.mod_revision = mod_revision


class UnavailableError(MetadataError):
    """Nothing happened: there was no leader, no majority, no room or no time. `reason` is a stable word."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(message or reason)
        self.reason = reason


class UnknownOutcomeError(MetadataError):
    """The call ran out of time, or lost its leader, after it was handed on. Whether it happened is not known.

    Repeating it with the same `request` (see `Metadata.submit`) does it at most once.
    """

    def __init__(self, message: str = "", *, request: RequestId | None = None, expired: bool = False) -> None:
        super().__init__(message)
        self.request = request
        """The id that it was tried under; None where it had none."""
        self.expired = expired
        """The id is older than what the cluster remembers: this try did nothing; what earlier ones did is not known."""


class CompactedError(MetadataError):
    """The history that was asked for is gone: it begins after `compacted`."""

    def __init__(self, revision: int, compacted: int) -> None:
        super().__init__(f"revision {revision} is gone: history begins after {compacted}")
        self.revision = revision
        self.compacted = compacted


class LeaseLostError(MetadataError):
    """The lease ended, or may have, and with it every lock and every key that lived on it."""
