"""What makes a node doubt its own verdicts, how far, and for how long."""

from __future__ import annotations

import pytest

from coterie.gossip import Address, GossipConfig
from coterie.gossip.failure_detection.local_health import (
    MAX_SCORE_BY_SILENCE,
    MAX_WIDE_PROBES,
    MIN_PROBES,
    SILENT_ROUNDS,
    WIDE_ROUNDS,
    LocalHealth,
)
from coterie.gossip.failure_detection.phi_accrual import Liveness, PhiAccrualDetector

PEER = Address("127.0.0.1", 1)


def test_late_rounds_raise_the_score_by_how_late_they_are_and_good_ones_lower_it() -> None:
    health = LocalHealth(8)
    health.end_round(3, backlog=False)
    assert (health.score, health.timeout_multiplier) == (3, 4)
    health.end_round(100, backlog=False)
    assert (health.score, health.timeout_multiplier) == (8, 9)
    for expected in (7, 6, 5, 4, 3, 2, 1, 0, 0):
        health.end_round(0, backlog=False)
        assert health.score == expected
    assert health.timeout_multiplier == 1


def test_a_backlog_in_the_socket_counts_as_lateness() -> None:
    health = LocalHealth(8)
    health.end_round(0, backlog=True)
    assert health.score == 1


@pytest.mark.parametrize(
    ("probes", "answers", "score"), [(3, 0, MAX_SCORE_BY_SILENCE), (3, 1, 0), (MIN_PROBES - 1, 0, 0)]
)
def test_rounds_in_which_nobody_answers_count_a_little(probes: int, answers: int, score: int) -> None:
    health = LocalHealth(8)
    for _ in range(20):
        health.begin_probes(probes)
        for _ in range(answers):
            health.probe_answered(PEER)
        health.end_round(0, backlog=False)
    assert health.score == score


def test_one_silent_round_does_not_count() -> None:
    health = LocalHealth(8)
    for round_number in range(20):
        health.begin_probes(3)
        if round_number % SILENT_ROUNDS:
            health.probe_answered(PEER)
        health.end_round(0, backlog=False)
        assert health.score == 0


def test_a_node_that_nobody_answers_asks_more_peers_for_some_rounds() -> None:
    health = LocalHealth(8)
    asked = []
    for _ in range(WIDE_ROUNDS + 2):
        asked.append(health.fanout(3))
        health.begin_probes(3)
        health.end_round(0, backlog=False)
    assert asked[:3] == [3, 12, MAX_WIDE_PROBES]
    assert asked[3:] == [MAX_WIDE_PROBES] * (WIDE_ROUNDS - 2) + [3]
    assert health.fanout(40) == 40
    health.probe_answered(PEER)
    health.end_round(0, backlog=False)
    assert (health.fanout(3), health.doubts, health.answered_by) == (3, True, PEER)


def test_the_timeout_multiplier_scales_the_threshold_and_not_phi() -> None:
    detector = PhiAccrualDetector(8.0, 1.0, 10.0, 1_000)
    liveness = Liveness()
    for second in range(10):
        detector.record_arrival(liveness, float(second))
    assert not detector.is_alive(liveness, 9.0 + 8.1)
    detector.timeout_multiplier = 3
    assert detector.phi(liveness, 9.0 + 8.1) == pytest.approx(8.1)
    assert detector.is_alive(liveness, 9.0 + 8.1)
    assert not detector.is_alive(liveness, 9.0 + 24.1)


def test_a_rush_of_signs_of_life_does_not_make_the_calm_after_it_look_like_death() -> None:
    config = GossipConfig()
    floor = config.min_mean_interval * config.gossip_interval
    detector = PhiAccrualDetector(8.0, config.initial_interval, 10.0, 1_000, floor)
    rash = PhiAccrualDetector(8.0, config.initial_interval, 10.0, 1_000)
    liveness = Liveness()
    for number in range(1_001):
        detector.record_arrival(liveness, number * 0.001)
    assert not rash.is_alive(liveness, 1.0 + 1.0)
    assert detector.is_alive(liveness, 1.0 + 8 * floor - 0.01)
    assert not detector.is_alive(liveness, 1.0 + 8 * floor + 0.01)


def test_the_least_mean_grows_with_the_stripes() -> None:
    detector = PhiAccrualDetector(8.0, 0.001, 10.0, 1_000, 0.25)
    liveness = Liveness()
    for number in range(100):
        detector.record_arrival(liveness, number * 0.001)
    detector.scale_expected(4)
    assert detector.phi(liveness, 0.099 + 1.0) == pytest.approx(1.0)
