"""Whether a request is sent again, and when: as a table."""

from __future__ import annotations

import pytest

from coterie.app.client.limits import ClientLimits
from coterie.app.client.transport.retry import Failure, pause_before_next, read_retry_after
from coterie.consensus import ConflictError, UnavailableError, UnknownOutcomeError

NOW = Failure(UnavailableError("no_leader"))
LATER = Failure(UnavailableError("no_leader"), retry_after=1.0)
DOUBT = Failure(UnknownOutcomeError("lost"))
EXPIRED = Failure(UnknownOutcomeError("too old", expired=True))
REFUSED = Failure(ConflictError(3))

LIMITS = ClientLimits(first_pause_seconds=0.1, max_pause_seconds=0.5)


@pytest.mark.parametrize(
    ("failure", "repeatable", "tries", "nodes", "left", "jitter", "pause"),
    [
        # Nothing happened: the next node at once, a pause after each round, which doubles.
        (NOW, False, 1, 3, 9.0, 0.0, 0.0),
        (NOW, False, 2, 3, 9.0, 0.0, 0.0),
        (NOW, False, 3, 3, 9.0, 0.0, 0.1),
        (NOW, False, 3, 3, 9.0, 1.0, 0.05),
        (NOW, False, 6, 3, 9.0, 0.0, 0.2),
        (NOW, False, 1, 1, 9.0, 0.0, 0.1),
        (NOW, False, 300, 3, 9.0, 0.0, 0.5),
        # Retry-After is kept where no other node is left, and never shortened.
        (LATER, False, 1, 2, 9.0, 0.0, 0.0),
        (LATER, False, 2, 2, 9.0, 1.0, 1.0),
        # Not beyond the call's time.
        (LATER, False, 1, 1, 0.9, 0.0, None),
        (NOW, False, 1, 3, 0.0, 0.0, None),
        # What may have happened: only where twice is harmless.
        (DOUBT, False, 1, 3, 9.0, 0.0, None),
        (DOUBT, True, 1, 3, 9.0, 0.0, 0.0),
        (DOUBT, True, 3, 3, 9.0, 0.0, 0.1),
        # What will end the same way again.
        (REFUSED, True, 1, 3, 9.0, 0.0, None),
        (EXPIRED, True, 1, 3, 9.0, 0.0, None),
    ],
)
def test_the_pause_before_the_next_try(
    failure: Failure, repeatable: bool, tries: int, nodes: int, left: float, jitter: float, pause: float | None
) -> None:
    found = pause_before_next(
        failure, repeatable=repeatable, tries=tries, nodes=nodes, left=left, jitter=jitter, limits=LIMITS
    )
    assert found == (None if pause is None else pytest.approx(pause))


def test_who_would_not_wait_is_told_after_a_round_that_reached_nobody() -> None:
    hasty = ClientLimits(unreachable_rounds=1)

    def pause(failure: Failure, tries: int) -> float | None:
        return pause_before_next(failure, repeatable=True, tries=tries, nodes=2, left=9.0, jitter=0.0, limits=hasty)

    nobody = Failure(UnavailableError("unreachable"))
    assert pause(nobody, 1) == 0.0
    assert pause(nobody, 2) is None
    assert pause(NOW, 2) is not None


@pytest.mark.parametrize(
    ("text", "seconds"), [("1", 1.0), ("0", 0.0), (None, 0.0), ("-1", 0.0), ("Fri, 31 Dec 1999 23:59:59 GMT", 0.0)]
)
def test_retry_after(text: str | None, seconds: float) -> None:
    assert read_retry_after(text) == seconds
