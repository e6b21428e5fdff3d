"""Phi-accrual failure detection (gossip spec 5)."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.gossip.failure_detection.phi_accrual import Liveness, PhiAccrualDetector


def detector(
    phi_threshold: float = 8.0, initial_interval: float = 5.0, max_interval: float = 10.0, window: int = 1_000
) -> PhiAccrualDetector:
    return PhiAccrualDetector(phi_threshold, initial_interval, max_interval, window)


def feed(judge: PhiAccrualDetector, *arrivals: float) -> Liveness:
    liveness = Liveness()
    for at in arrivals:
        judge.record_arrival(liveness, at)
    return liveness


# Multiples of 1/1024 s: exact in the 32 bits of an interval and in any sum of a thousand of them.
seconds = st.integers(0, 12 * 1024).map(lambda n: n / 1024)


def test_phi_is_the_silence_in_units_of_the_mean_with_its_prior() -> None:
    judge = detector()
    liveness = feed(judge, 100.0, 100.5, 101.5)
    mean = (0.5 + 1.0 + 5 * 5.0) / (2 + 5)
    assert judge.phi(liveness, 101.5) == 0.0
    assert judge.phi(liveness, 111.5) == pytest.approx(10.0 / mean)


def test_without_an_interval_phi_is_undefined_and_the_node_not_alive() -> None:
    judge = detector()
    for liveness in (Liveness(), feed(judge, 1.0), feed(judge, 1.0, 12.0)):
        assert judge.phi(liveness, 12.0) is None
        assert not judge.is_alive(liveness, 12.0)


def test_a_node_is_alive_up_to_and_at_the_threshold() -> None:
    judge = detector(phi_threshold=8.0, initial_interval=1.0)
    liveness = feed(judge, 0.0, 1.0)  # mean 1 s
    assert judge.is_alive(liveness, 9.0)
    assert not judge.is_alive(liveness, 9.001)


def test_an_interval_above_the_maximum_is_not_recorded_but_the_arrival_is() -> None:
    judge = detector()
    liveness = feed(judge, 0.0, 10.0, 20.5, 21.0)
    assert list(liveness.intervals) == [10.0, 0.5]
    assert (liveness.total, liveness.last_arrival) == (10.5, 21.0)


@given(st.lists(seconds, max_size=60), st.integers(1, 12))
def test_the_window_holds_the_last_intervals_and_their_sum(gaps: list[float], window: int) -> None:
    judge = detector(window=window)
    liveness, now = feed(judge, 0.0), 0.0
    last: deque[float] = deque(maxlen=window)
    for gap in gaps:
        now += gap
        judge.record_arrival(liveness, now)
        if gap <= 10.0:
            last.append(gap)
        assert sorted(liveness.intervals) == sorted(last)
        assert liveness.total == sum(last)
        assert liveness.last_arrival == now
        phi = judge.phi(liveness, now + 3.0)
        assert phi == (pytest.approx(3.0 / ((sum(last) + 25.0) / (len(last) + 5))) if last else None)


def test_the_default_window_is_a_thousand_intervals() -> None:
    judge = detector()
    liveness = feed(judge, *(0.25 * i for i in range(1_001)))
    assert (len(liveness.intervals), liveness.total) == (1_000, 250.0)
    for i in range(1, 1_501):
        judge.record_arrival(liveness, 250.0 + 0.5 * i)
    assert (len(liveness.intervals), liveness.total) == (1_000, 500.0)


@given(st.lists(st.floats(0, 10, width=32), min_size=1, max_size=40))
def test_the_sum_stays_that_of_the_intervals_for_any_floats(gaps: list[float]) -> None:
    judge = detector(window=7)
    liveness, now = feed(judge, 1e6), 1e6
    for gap in gaps:
        now += gap
        judge.record_arrival(liveness, now)
        assert liveness.total == pytest.approx(sum(liveness.intervals), abs=1e-9)


def test_forgetting_drops_the_intervals_but_not_the_last_arrival() -> None:
    judge = detector(window=2)
    liveness = feed(judge, 0.0, 1.0, 2.0, 3.0)
    judge.clear_intervals(liveness)
    assert (list(liveness.intervals), liveness.total, liveness.last_arrival) == ([], 0.0, 3.0)
    assert judge.phi(liveness, 3.0) is None
    for at in (4.0, 6.0, 9.0):
        judge.record_arrival(liveness, at)
    assert (sorted(liveness.intervals), liveness.total) == ([2.0, 3.0], 5.0)


def test_an_excuse_moves_the_last_arrival_up_to_now_at_most() -> None:
    judge = detector()
    slept, woken, unseen = feed(judge, 0.0, 1.0), feed(judge, 0.0, 19.5), Liveness()
    for liveness in (slept, woken, unseen):
        judge.shift_last_arrival(liveness, 15.0, 20.0)
    assert (slept.last_arrival, woken.last_arrival, unseen.last_arrival) == (16.0, 20.0, None)


@given(st.lists(st.integers(0, 10 * 1024).map(lambda n: n / 1024), max_size=20), st.integers(0, 3))
def test_scaling_multiplies_the_recorded_intervals(gaps: list[float], power: int) -> None:
    judge = detector()
    liveness, now = feed(judge, 0.0), 0.0
    for gap in gaps:
        now += gap
        judge.record_arrival(liveness, now)
    judge.max_interval *= 1 << power
    judge.scale_recorded(liveness, 1 << power)
    assert list(liveness.intervals) == [gap * (1 << power) for gap in gaps]
    assert liveness.total == sum(liveness.intervals)
    judge.record_arrival(liveness, now + 10.0 * (1 << power))
    assert len(liveness.intervals) == len(gaps) + 1


def test_scaling_a_full_window_keeps_its_order() -> None:
    judge = detector(window=3)
    liveness = feed(judge, 0.0, 1.0, 3.0, 6.0, 10.0)  # 4, 2, 3 with the 2 the oldest
    judge.max_interval = 20.0
    judge.scale_recorded(liveness, 2)
    judge.record_arrival(liveness, 11.0)
    assert (sorted(liveness.intervals), liveness.total) == ([1.0, 6.0, 8.0], 15.0)
