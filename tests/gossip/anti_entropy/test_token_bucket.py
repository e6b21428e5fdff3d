"""The token bucket for answers to unknown peers (gossip spec 10)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coterie.gossip.anti_entropy.token_bucket import TokenBucket


def test_a_bucket_starts_full_and_refills_to_one_second_at_most() -> None:
    bucket = TokenBucket(100, now=5.0)
    bucket.spend(100, 5.0)
    assert bucket.is_empty(5.0)
    assert not bucket.is_empty(5.25)
    bucket.spend(25, 5.25)
    assert bucket.is_empty(5.25)
    bucket.spend(100, 1_000.0)
    assert bucket.is_empty(1_000.0)


def test_a_debt_is_paid_before_more_is_given() -> None:
    bucket = TokenBucket(100, now=0.0)
    bucket.spend(350, 0.0)
    assert bucket.is_empty(2.5)
    assert not bucket.is_empty(2.51)


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(1, 500)), max_size=60))
def test_no_more_than_the_rate_is_spent_but_for_the_first_second_and_one_debt(takes: list[tuple[float, int]]) -> None:
    bucket, now, spent = TokenBucket(100, now=0.0), 0.0, 0
    for gap, amount in takes:
        now += gap
        if not bucket.is_empty(now):
            bucket.spend(amount, now)
            spent += amount
    assert spent <= 100 * (now + 1) + 500 + 1e-6
