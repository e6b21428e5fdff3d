"""Log lines of each kind are admitted at a bounded rate, and the suppressed are counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coterie.gossip.shell.throttle import Throttle


def test_one_in_a_period_is_admitted_and_the_next_tells_how_many_were_not() -> None:
    throttle = Throttle(10.0)
    assert [throttle.admit("a", at) for at in (5.0, 5.0, 14.9, 15.0, 15.1, 30.0, 50.0)] == [
        0,
        None,
        None,
        2,
        None,
        1,
        0,
    ]


def test_kinds_do_not_count_against_each_other() -> None:
    throttle = Throttle(10.0)
    assert [throttle.admit(kind, 1.0) for kind in ("a", "b", "a", "b")] == [0, 0, None, None]


@given(st.lists(st.integers(0, 5_000).map(lambda n: n / 1024), max_size=50), st.integers(1, 4))
def test_a_burst_is_the_most_of_any_period_and_nothing_goes_untold(gaps: list[float], burst: int) -> None:
    throttle = Throttle(10.0, burst)
    now, admitted, told = 0.0, [], 0
    for gap in gaps:
        now += gap
        suppressed = throttle.admit("kind", now)
        if suppressed is not None:
            admitted.append(now)
            told += suppressed
    # Periods start with the first event after the last one's end, so a span of one period meets two at the most.
    assert all(sum(at <= other < at + 10.0 for other in admitted) <= 2 * burst for at in admitted)
    pending = throttle.admit("kind", now + 10.0)
    assert pending is not None
    assert len(admitted) + told + pending == len(gaps)
