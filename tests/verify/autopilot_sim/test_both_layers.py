"""Both layers together in virtual time: exactly one cluster, never unsafe, available again by itself (raft spec 4). A
failure prints its seed and what the computers say of themselves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from coterie.consensus.autopilot.announcement import FoundingRule
from coterie.consensus.autopilot.voters.rules import DecisionKind
from tests.slow import some_quick
from tests.verify.autopilot_sim import sabotage
from tests.verify.autopilot_sim.scenarios import (
    addresses_changed,
    best_voters,
    directory_goes_back,
    disks_wiped,
    founded,
    lies,
    lies_while_founding,
    one_layer,
    partition,
    rolling_restart,
    shapes,
    two_clusters_meet,
    voters_die,
)
from tests.verify.autopilot_sim.world import JointWorld
from tests.verify.raft_sim.world import SimulationError


def names(count: int) -> list[str]:
    return [f"c{at}" for at in range(count)]


PARTITIONS = {count: list(shapes(names(count))) for count in (3, 5, 7)}
"""All ways to part 3, 5 and 7 computers: 5, 52 and 877."""


def test_the_shapes_of_partitions_are_all_there_are() -> None:
    assert {count: len(found) for count, found in PARTITIONS.items()} == {3: 5, 5: 52, 7: 877}
    assert len({tuple(side.values()) for side in PARTITIONS[7]}) == 877


@pytest.mark.parametrize("block", some_quick(range(0, 12, 6), 1))
def test_computers_started_in_any_order_make_one_cluster_with_the_voters_there_should_be(block: int) -> None:
    for seed in range(block, block + 6):
        for count in (1, 3, 4, 5, 7):
            world = founded(seed, count) if count > 1 else _alone(seed)
            chief = world.chief()
            assert chief is not None
            assert len(chief.node.voters) == best_voters(count)
            assert len(set(world.clusters.values())) == 1


def _alone(seed: int) -> JointWorld:
    world = JointWorld(seed, 1, FoundingRule(1))
    world.computers["c0"].start()
    world.until(world.settled(1), 10.0, "a cluster of one")
    return world


def test_a_cluster_of_one_grows_once_two_more_have_come() -> None:
    world = JointWorld(5, 3, FoundingRule(1))
    for name in ("c0", "c1", "c2"):
        world.computers[name].rule = FoundingRule(1 if name == "c0" else 0)
    world.computers["c0"].start()
    world.until(world.settled(1), 10.0, "a cluster of one")
    world.computers["c1"].start()
    world.run(10.0)
    assert world.settled(1)()  # two voters would be worse than one
    world.computers["c2"].start()
    world.until(world.settled(3), 15.0, "three voters")


@pytest.mark.parametrize("side", PARTITIONS[3], ids=str)
def test_every_partition_of_three(side: dict[str, int]) -> None:
    partition(1, 3, side)


@pytest.mark.parametrize("start", some_quick(range(0, 12, 3), 2))
def test_partitions_of_five(start: int) -> None:
    """Every fourth; all of them, and of seven, in the campaign."""
    for at in range(start * 4, start * 4 + 12, 4):
        partition(at, 5, PARTITIONS[5][at])


@pytest.mark.parametrize("at", some_quick(range(0, 877, 175), 2))
def test_partitions_of_seven(at: int) -> None:
    partition(at, 7, PARTITIONS[7][at])


@pytest.mark.parametrize("seed", some_quick(range(4), 2))
def test_a_rolling_restart_costs_nobody_its_vote(seed: int) -> None:
    rolling_restart(seed, (3, 5)[seed % 2])


@pytest.mark.parametrize("seed", some_quick(range(4), 2))
@pytest.mark.parametrize("at_once", [True, False])
def test_members_that_come_back_with_other_addresses_are_the_same_members(seed: int, at_once: bool) -> None:
    addresses_changed(seed, (3, 5)[seed % 2], at_once=at_once)


@pytest.mark.parametrize("seed", some_quick(range(6), 2))
def test_disks_may_be_lost_one_by_one_until_none_of_the_first_is_left(seed: int) -> None:
    world = disks_wiped(seed, (3, 4, 5)[seed % 3])
    chief = world.chief()
    assert chief is not None
    (group,) = world.groups.values()
    assert not set(group.founders) & set(chief.node.voters)


@pytest.mark.parametrize("seed", some_quick(range(6), 2))
def test_dead_voters_are_replaced_while_there_is_anybody_to_replace_them(seed: int) -> None:
    world = voters_die(seed, (5, 6, 7)[seed % 3])
    removals = [decision for _, _, decision in world.decisions if decision.kind is DecisionKind.REMOVE]
    assert removals
    assert all(decision.reason for decision in removals)


@pytest.mark.parametrize("block", some_quick(range(0, 12, 3), 1))
def test_lies_of_gossip_cost_time_and_nothing_else(block: int) -> None:
    for seed in range(block, block + 3):
        lies(seed, (3, 5, 7)[seed % 3])


@pytest.mark.parametrize("seed", some_quick(range(8), 2))
def test_a_computer_that_is_deaf_on_one_layer_loses_no_lease(seed: int) -> None:
    one_layer(seed, (3, 5)[seed % 2])


def test_lies_while_founding_never_make_two_clusters() -> None:
    for seed in range(12):
        lies_while_founding(seed, (3, 5)[seed % 2])


@pytest.mark.parametrize("seed", some_quick(range(6), 2))
def test_a_directory_that_went_back_is_found_out_and_replaced(seed: int) -> None:
    directory_goes_back(seed, (3, 5)[seed % 2])


@pytest.mark.parametrize("seed", some_quick(range(8), 2))
def test_a_directory_that_went_back_by_one_start_is_found_out_and_replaced(seed: int) -> None:
    """Its start has the number of one that the others have seen, of another process."""
    directory_goes_back(seed, (3, 4, 5)[seed % 3], starts=1)


@pytest.mark.parametrize("seed", some_quick(range(8), 2))
def test_two_clusters_that_meet_stay_two_and_say_so(seed: int) -> None:
    two_clusters_meet(seed)


def test_a_seed_is_a_run_to_the_last_step() -> None:
    first, second = lies(4, 5), lies(4, 5)
    assert (first.steps, first.trace) == (second.steps, second.trace)


@pytest.mark.parametrize(
    ("broken", "scenario"),
    [
        (sabotage.gossip_alone_removes, lambda: disks_wiped(0, 3)),
        (sabotage.the_first_to_be_seen_votes, lambda: disks_wiped(1, 4)),
        (sabotage.a_replacement_is_added_first, lambda: disks_wiped(1, 4)),
        (sabotage.founders_beside_a_cluster, lambda: voters_die(0, 5)),
        (sabotage.a_removed_member_stays, lambda: lies(4, 5)),
        (sabotage.gossip_alone_ends_leases, lambda: one_layer(1, 5)),
        (sabotage.clusters_meet_in_silence, lambda: two_clusters_meet(0)),
        (sabotage.terms_count_everywhere, lambda: two_clusters_meet(0)),
        (sabotage.nobody_hears_that_it_went_back, lambda: directory_goes_back(0, 3)),
        (sabotage.every_twin_is_a_copy, lambda: directory_goes_back(0, 3, starts=1)),
    ],
)
def test_the_simulation_notices_a_rule_that_is_off(
    broken: Callable[[pytest.MonkeyPatch], None], scenario: Callable[[], JointWorld], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    with pytest.raises(SimulationError):
        scenario()


def _seeds(count: int) -> Iterator[int]:
    start = int(os.environ.get("AUTOPILOT_SEED_START", "10000"))
    return iter(range(start, start + int(os.environ.get("AUTOPILOT_SEEDS", str(count)))))


@pytest.mark.campaign
@pytest.mark.timeout(7_200)
def test_campaign_of_every_partition() -> None:
    for count, sides in PARTITIONS.items():
        for at, side in enumerate(sides):
            partition(at, count, side)


@pytest.mark.campaign
@pytest.mark.timeout(7_200)
def test_campaign_of_everything_else() -> None:
    scenarios: list[Callable[[int], object]] = [
        lambda seed: lies(seed, (3, 5, 7)[seed % 3]),
        lambda seed: lies_while_founding(seed, (3, 5)[seed % 2]),
        lambda seed: one_layer(seed, (3, 5)[seed % 2]),
        two_clusters_meet,
        lambda seed: disks_wiped(seed, (3, 4, 5)[seed % 3]),
        lambda seed: rolling_restart(seed, (3, 5)[seed % 2]),
        lambda seed: addresses_changed(seed, (3, 5)[seed % 2], at_once=seed % 4 < 2),
        lambda seed: voters_die(seed, (5, 6, 7)[seed % 3]),
        lambda seed: directory_goes_back(seed, (3, 4, 5)[seed % 3], starts=1 + seed % 2),
    ]
    for seed in _seeds(1_000):
        for scenario in scenarios:
            scenario(seed)
