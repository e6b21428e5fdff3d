"""Whether and when a request that failed is sent again: pure decisions.

Nothing happened, or it is harmless to ask twice (a read, or a write under a request id): the next node at once, and
after each round of all nodes a pause that doubles. What may have happened and must not happen twice is never sent
again.
"""

from __future__ import annotations

from dataclasses import dataclass

from coterie.app.client.limits import ClientLimits
from coterie.consensus.api.errors import MetadataError, UnavailableError, UnknownOutcomeError


@dataclass(frozen=True, slots=True)
class Failure:
    """How one try ended."""

    error: MetadataError
    retry_after: float = 0.0
    """Seconds that the node asks to wait."""

    @property
    def is_doubt(self) -> bool:
        """It may have happened."""
        return isinstance(self.error, UnknownOutcomeError) and not self.error.expired

    @property
    def is_unreachable(self) -> bool:
        """There was no connection."""
        return isinstance(self.error, UnavailableError) and self.error.reason == "unreachable"

    @property
    def is_passing(self) -> bool:
        """Another try may end better."""
        return self.is_doubt or isinstance(self.error, UnavailableError)


def pause_before_next(
    failure: Failure, *, repeatable: bool, tries: int, nodes: int, left: float, jitter: float, limits: ClientLimits
) -> float | None:
    """Seconds until the next try; None: there is none.

    `tries` so far, the failed one included; `left`: seconds of the call's time; `jitter` from 0 to 1.
    """
    if not failure.is_passing or (failure.is_doubt and not repeatable):
        return None
    rounds, within = divmod(tries, nodes)
    if failure.is_unreachable and not within and 0 < limits.unreachable_rounds <= rounds:
        return None
    pause = 0.0
    if not within:  # every node was tried
        longest = min(limits.first_pause_seconds * 2.0 ** min(rounds - 1, 20), limits.max_pause_seconds)
        pause = max(longest * (1 - jitter / 2), failure.retry_after)
    return pause if pause < left else None


def read_retry_after(text: str | None) -> float:
    """Seconds; a date, or nothing, is none."""
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 6 else 0.0
