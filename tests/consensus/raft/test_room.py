"""A log is bounded by bytes as by entries, and whatever is refused for want of room begins what makes room (raft spec
2b, durability)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coterie.consensus.raft.errors import RaftUnavailableError
from coterie.consensus.raft.settings import RaftConfig
from tests.consensus.raft.helpers import SETTINGS, Answer, Group
from tests.verify.raft_sim.workload.machine import encode_op

VALUE = "v" * 400
LOG_BYTES = 8_000

FEW_ENTRIES = replace(SETTINGS, compact_after=10**6)


def group_of(settings: RaftConfig, voters: int = 3, log_bytes: int = LOG_BYTES) -> Group:
    group = Group(voters, settings=settings)
    for host in group.hosts.values():
        host.platter.max_log_bytes = log_bytes
    group.lead("n0")
    return group


def write(group: Group, name: str, number: int) -> Answer:
    answer = Answer()
    group.node(name).propose(encode_op((number, VALUE, number)), answer, 2.0)
    assert group.run_until(lambda: not answer.open, 3.0)
    return answer


def entries(group: Group, name: str) -> int:
    return len(group.node(name).state.log)


def test_a_log_is_compacted_by_bytes_before_any_write_is_refused() -> None:
    group = group_of(replace(FEW_ENTRIES, compact_bytes=2_000))
    for number in range(60):
        assert write(group, "n0", number).error is None
    assert group.run_until(group.settled, 2.0)
    for name in group.hosts:
        assert entries(group, name) < 20
        assert group.node(name).snapshot_index > 40


@pytest.mark.parametrize("voters", [1, 3])
def test_a_refusal_begins_the_snapshot_that_makes_room(voters: int) -> None:
    group = group_of(FEW_ENTRIES, voters)
    outcomes = [write(group, "n0", number).error for number in range(60)]
    refused = [error for error in outcomes if error is not None]
    assert refused
    assert all(isinstance(error, RaftUnavailableError) and error.reason == "log_full" for error in refused)
    assert len(refused) < 20
    assert group.node("n0").snapshot_index > 1
    assert outcomes[-1] is None or write(group, "n0", 60).error is None or write(group, "n0", 61).error is None


def test_a_log_that_is_full_at_the_start_is_cut() -> None:
    group = group_of(FEW_ENTRIES, 1, log_bytes=10**6)
    for number in range(40):
        write(group, "n0", number)
    group.hosts["n0"].platter.max_log_bytes = LOG_BYTES
    group.restart(group.hosts["n0"])
    group.lead("n0")
    write(group, "n0", 100)
    assert group.run_until(lambda: group.node("n0").snapshot_index > 1, 2.0)
    assert write(group, "n0", 101).error is None


def test_a_change_of_the_voters_goes_through_once_there_is_room() -> None:
    group = group_of(FEW_ENTRIES)
    number = 0
    while write(group, "n0", number).error is None:
        number += 1
    for _ in range(10):
        change = group.change("n0", "n2", add=False)
        group.run_until(lambda: bool(change.calls), 3.0)  # noqa: B023 - run at once
        if change.error is None:
            break
    assert group.node("n0").voters == ("n0", "n1")


def test_a_snapshot_on_its_way_delays_the_next_but_not_past_the_mark() -> None:
    settings = replace(FEW_ENTRIES, compact_bytes=2_000, snapshot_chunk_bytes=16, snapshot_window=1)
    group = group_of(settings, log_bytes=10**6)
    group.cut_off("n2")
    for number in range(40):
        write(group, "n0", number)
    group.network.lag["n0", "n2"] = 0.5  # a chunk of 16 bytes in half a second
    group.heal()
    node = group.node("n0")
    assert group.run_until(lambda: node.state.progress["n2"].transfer is not None, 5.0)
    most = 0
    for number in range(100, 140):
        write(group, "n0", number)
        most = max(most, node.state.unsaved_bytes)
    assert node.state.progress["n2"].transfer is not None
    assert 2_000 + 500 < most <= 4_000 + 2 * 500


# a member that takes no more


def test_a_full_disk_learns_what_is_committed_of_what_it_holds() -> None:
    group = Group(3)
    group.lead("n0")
    group.network.block("n1", "n0")
    group.network.block("n2", "n0")
    answer = group.put("n0", 1, 5.0)
    group.run(0.1)
    held = group.node("n1").last_index
    assert group.node("n1").commit < held
    group.hosts["n1"].platter.full = True
    group.heal()
    assert group.run_until(lambda: not answer.open and answer.error is None, 3.0)
    group.puts("n0", 5)
    assert group.run_until(lambda: group.node("n1").applied >= held, 2.0)
    assert group.node("n1").last_index < group.node("n0").last_index


def test_a_leader_with_a_full_disk_hands_over_to_a_member_with_space() -> None:
    group = Group(5)
    group.lead("n0")
    group.hosts["n4"].platter.full = True
    group.run(0.5)  # n4 says so; by its log and its name it would be first
    group.hosts["n0"].platter.full = True
    assert group.run_until(lambda: group.node("n3").leading and group.node("n0").leader == "n3", 3.0)
    group.puts("n1", 1)


def test_full_disks_do_not_hand_over_to_each_other() -> None:
    group = Group(3)
    group.lead("n0")
    for host in group.hosts.values():
        host.platter.full = True
    group.run(0.5)  # what they said before is out of date
    term, leading = group.node("n0").term, [node.leading for node in map(group.node, ("n0", "n1", "n2"))]
    group.run(30.0)
    assert group.node("n0").term == term
    assert [node.leading for node in map(group.node, ("n0", "n1", "n2"))] == leading


def test_a_full_log_lets_go_of_a_former_leaders_entries() -> None:
    """They take the room of those that replace them."""
    group = group_of(FEW_ENTRIES)
    group.cut_off("n0")
    host = group.hosts["n0"]
    host.platter.max_log_bytes = 10**6
    for number in range(30):
        group.node("n0").propose(encode_op((number, VALUE, number)), Answer(), 0.2)
        group.node("n0").tick()
    assert group.run_until(lambda: group.leader() is not host and group.leader() is not None, 3.0)
    host.platter.max_log_bytes = LOG_BYTES // 2  # as a follower twice as much, and it holds more
    leader = group.leader()
    assert leader is not None
    for number in range(5):
        assert write(group, leader.name, 100 + number).error is None
    group.heal()
    assert group.run_until(group.settled, 3.0)
