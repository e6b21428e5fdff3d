"""Modelled foundings: some hundreds here, 20,000 in the campaign. A failure prints its seed, which replays it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from coterie.consensus.autopilot.founding import agreement as founding
from coterie.consensus.autopilot.founding import bootstrap
from coterie.consensus.autopilot.founding.bootstrap_actions import OwnState
from tests.verify.autopilot_sim.founding_model import ModelError
from tests.verify.autopilot_sim.founding_storms import Verdict, calm, meeting, namesakes, storm

BLOCK = 100


@pytest.mark.parametrize("block", range(0, 400, BLOCK))
def test_who_stays_up_is_in_the_one_cluster_within_bounded_time(block: int) -> None:
    for seed in range(block, block + BLOCK):
        assert calm(seed).clusters == 1


@pytest.mark.parametrize("block", range(0, 300, BLOCK))
def test_deaths_wipes_and_partitions_never_make_two_clusters_that_share_a_member(block: int) -> None:
    for seed in range(block, block + BLOCK):
        storm(seed)


def test_a_name_that_is_taken_twice_founds_once() -> None:
    for seed in range(60):
        namesakes(seed)


def test_two_clusters_that_meet_stay_two() -> None:
    for seed in range(20):
        assert meeting(seed).clusters == 2


def _run(scenario: Callable[[int], Verdict], seeds: int) -> None:
    for seed in range(seeds):
        scenario(seed)


def drops_what_led_to_a_vote(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OwnState, "may_have_voted", property(lambda own: own.last_index > 1))


def never_drops_an_answer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(founding, "_fallen", lambda *_: None)


def founds_beside_a_cluster(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(bootstrap, "_existing", lambda *_: None)


@pytest.mark.parametrize(
    ("broken", "scenario"),
    [
        (drops_what_led_to_a_vote, storm),
        (never_drops_an_answer, storm),
        (founds_beside_a_cluster, calm),
    ],
)
def test_the_model_notices_a_rule_that_is_off(
    broken: Callable[[pytest.MonkeyPatch], None], scenario: Callable[[int], Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    with pytest.raises(ModelError):
        _run(scenario, 400)


def _seeds() -> Any:
    start = int(os.environ.get("FOUNDING_SEED_START", "100000"))
    return range(start, start + int(os.environ.get("FOUNDING_SEEDS", "20000")))


@pytest.mark.campaign
@pytest.mark.timeout(3_600)
def test_campaign_of_foundings() -> None:
    stuck = lost = 0
    slowest = 0.0
    for seed in _seeds():
        if seed % 2:
            slowest = max(slowest, calm(seed).seconds)
        else:
            verdict = storm(seed)
            stuck += verdict.stuck > 0
            lost += verdict.lost
    print(f"slowest calm founding {slowest:.1f} s; storms: {stuck} needed the operator, {lost} lost a majority's disks")
