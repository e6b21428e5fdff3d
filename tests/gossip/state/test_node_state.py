"""What an owner writes, and what a replica takes: gossip spec 4, 6, branch by branch."""

from __future__ import annotations

from coterie.gossip import KeyValue, NodeState
from coterie.gossip.state.node_state import ApplyOutcome
from tests.gossip.helpers import DELETE, SET, TTL, Kv, contents, delta_of, node

OWNER = node("owner")
MANY = 10**6


def replica(*key_values: Kv, gc: int = 0, max_version: int | None = None, at: float = 0.0) -> NodeState:
    """A replica that holds these key-values, learnt at a time."""
    state = NodeState(OWNER, heartbeat=7)
    for kv in key_values:
        state.put(KeyValue.make(*kv), at)
    state.max_version = max_version if max_version is not None else (key_values[-1][2] if key_values else 0)
    state.last_gc_version = gc
    return state


def versions(state: NodeState) -> tuple[int, int]:
    return state.last_gc_version, state.max_version


# -- the owner's writes (gossip spec 6) --------------------------------------------------------------------------------


def test_each_write_takes_the_next_version_and_the_first_is_1() -> None:
    state = NodeState(OWNER)
    assert [state.set(k, "v", 0.0) for k in "ab"] == [KeyValue.make("a", "v", 1, SET), KeyValue.make("b", "v", 2, SET)]
    assert state.set("a", "w", 0.0) == KeyValue.make("a", "w", 3, SET)
    assert contents(state) == [("b", "v", 2, SET), ("a", "w", 3, SET)]
    assert versions(state) == (0, 3)


def test_setting_what_is_set_changes_nothing() -> None:
    state = replica(("k", "v", 4, SET))
    assert state.set("k", "v", 1.0) is None
    assert versions(state) == (0, 4)


def test_setting_the_same_value_over_a_tombstone_or_a_ttl_writes() -> None:
    for status in (DELETE, TTL):
        state = replica(("k", "v", 4, status))
        assert state.set("k", "v", 1.0) == KeyValue.make("k", "v", 5, SET)
        assert not state.expiring


def test_setting_with_ttl_again_does_not_renew() -> None:
    state = replica(("k", "v", 4, TTL), at=1.0)
    assert state.set("k", "v", 5.0, status=TTL) is None
    assert state.expiring == {"k": 1.0}
    assert state.set("k", "w", 5.0, status=TTL) == KeyValue.make("k", "w", 5, TTL)
    assert state.expiring == {"k": 5.0}


def test_setting_with_ttl_what_is_set_writes() -> None:
    state = replica(("k", "v", 4, SET))
    assert state.set("k", "v", 5.0, status=TTL) == KeyValue.make("k", "v", 5, TTL)


def test_deleting_an_absent_key_changes_nothing() -> None:
    state = replica(("k", "v", 4, SET))
    assert state.delete("other", 1.0) is None
    assert versions(state) == (0, 4)


def test_deleting_empties_the_value_and_a_tombstone_may_be_deleted_again() -> None:
    state = replica(("k", "v", 4, SET))
    assert state.delete("k", 1.0) == KeyValue.make("k", "", 5, DELETE)
    assert state.delete("k", 2.0) == KeyValue.make("k", "", 6, DELETE)
    assert state.expiring == {"k": 2.0}
    assert state.get("k") is None


def test_delete_after_ttl_keeps_the_value_and_restarts_the_timer() -> None:
    state = replica(("k", "v", 4, SET))
    assert state.delete_after_ttl("k", 1.0) == KeyValue.make("k", "v", 5, TTL)
    assert state.delete_after_ttl("k", 2.0) == KeyValue.make("k", "v", 6, TTL)
    assert state.expiring == {"k": 2.0}
    assert state.get("k") == KeyValue.make("k", "v", 6, TTL)


def test_delete_after_ttl_of_an_absent_or_tombstoned_key_changes_nothing() -> None:
    state = replica(("k", "", 4, DELETE), at=1.0)
    assert state.delete_after_ttl("k", 2.0) is None
    assert state.delete_after_ttl("other", 2.0) is None
    assert (versions(state), state.expiring) == ((0, 4), {"k": 1.0})


def test_visible_keys_come_by_key_and_without_tombstones() -> None:
    state = replica(("c", "1", 1, SET), ("a", "2", 2, TTL), ("b", "", 3, DELETE))
    assert [kv.key for kv in state.visible()] == ["a", "c"]


def test_newer_than_gives_tombstones_too_by_version() -> None:
    state = replica(("c", "1", 1, SET), ("a", "2", 3, TTL), ("b", "", 7, DELETE))
    assert [[kv.version for kv in state.newer_than(v)] for v in (0, 1, 2, 3, 6, 7, 99)] == [
        [1, 3, 7], [3, 7], [3, 7], [7], [7], [], [],
    ]  # fmt: skip


# -- collection (gossip spec 6) ----------------------------------------------------------------------------------------


def test_collection_takes_what_is_old_and_raises_last_gc_version() -> None:
    state = NodeState(OWNER)
    for key in "abcd":
        state.set(key, key, 0.0)
    state.delete("a", 1.0)  # version 5
    state.delete_after_ttl("b", 2.0)  # version 6
    state.delete("c", 3.0)  # version 7
    assert state.collect_tombstones(10.9, 10.0) is False
    assert state.collect_tombstones(11.0, 10.0) is False, "a tombstone was not visible"
    assert versions(state) == (5, 7)
    assert state.collect_tombstones(12.5, 10.0) is True
    assert (versions(state), sorted(state.key_values)) == ((6, 7), ["c", "d"])
    assert state.collect_tombstones(100.0, 10.0) is False
    assert (versions(state), list(state.key_values), state.expiring) == ((7, 7), ["d"], None)


def test_a_key_written_anew_is_not_collected() -> None:
    state = NodeState(OWNER)
    state.set("a", "1", 0.0, status=TTL)
    state.set("b", "1", 0.0)
    state.delete("b", 0.0)
    state.set("a", "1", 5.0)
    state.set("b", "2", 5.0, status=TTL)
    assert state.collect_tombstones(10.0, 10.0) is False
    assert (sorted(state.key_values), versions(state)) == (["a", "b"], (0, 5))


def test_collection_never_lowers_last_gc_version() -> None:
    state = replica(("k", "", 4, DELETE), gc=9, max_version=12)
    state.collect_tombstones(100.0, 1.0)
    assert versions(state) == (9, 12)


# -- refutation (gossip spec 10) ---------------------------------------------------------------------------------------


def test_refuting_drops_tombstones_and_renumbers_in_order() -> None:
    state = replica(("a", "1", 2, SET), ("b", "", 3, DELETE), ("c", "3", 5, TTL), gc=1, at=4.0)
    state.refute(50)
    assert contents(state) == [("a", "1", 52, SET), ("c", "3", 53, TTL)]
    assert (versions(state), state.expiring) == ((51, 53), {"c": 4.0})


def test_refuting_without_keys() -> None:
    state = replica(("b", "", 3, DELETE))
    state.refute(50)
    assert (versions(state), contents(state), state.expiring) == ((51, 51), [], None)


def test_peers_drop_what_a_refuting_owner_does_not_hold() -> None:
    peer = replica(("a", "old", 7, SET), ("gone", "x", 9, SET))
    owner = replica(("a", "new", 1, SET))
    owner.refute(9)
    delta = delta_of(OWNER, *contents(owner), gc=owner.last_gc_version)
    assert peer.apply(delta, 0.0, MANY)[0] is ApplyOutcome.RESET
    assert (contents(peer), versions(peer)) == ([("a", "new", 11, SET)], (10, 11))


# -- applying deltas (gossip spec 4) -----------------------------------------------------------------------------------


def test_a_node_delta_without_operations_is_ignored() -> None:
    state = replica(("k", "v", 4, SET))
    assert state.apply(delta_of(OWNER, gc=99), 1.0, MANY) == (ApplyOutcome.IGNORED, [])
    assert (versions(state), contents(state)) == ((0, 4), [("k", "v", 4, SET)])


def test_a_delta_from_the_future_is_rejected() -> None:
    state = replica(("k", "v", 4, SET))
    delta = delta_of(OWNER, ("k", "w", 9, SET), from_version=5)
    assert state.apply(delta, 1.0, MANY) == (ApplyOutcome.FROM_THE_FUTURE, [])
    assert versions(state) == (0, 4)
    assert state.apply(delta_of(OWNER, ("k", "w", 9, SET), from_version=4), 1.0, MANY)[0] is ApplyOutcome.APPLIED


def test_a_gap_of_collected_deletions_is_rejected_unless_the_delta_starts_from_0() -> None:
    for from_version in (1, 4):
        state = replica(("k", "v", 4, SET))
        delta = delta_of(OWNER, ("k", "w", 9, SET), gc=5, from_version=from_version)
        assert state.apply(delta, 1.0, MANY) == (ApplyOutcome.GAP, [])
        assert (versions(state), contents(state)) == ((0, 4), [("k", "v", 4, SET)])


def test_a_reset_drops_what_was_held_and_keeps_heartbeat_and_samples() -> None:
    state = replica(("k", "v", 4, SET), ("t", "v", 5, TTL))
    state.liveness.last_arrival = 0.5
    state.liveness.intervals.append(0.25)
    fresh = [("a", "1", 2, SET), ("b", "2", 9, TTL)]
    outcome, told = state.apply(delta_of(OWNER, *fresh, gc=6), 1.0, MANY)
    assert (outcome, [kv.key for kv in told]) == (ApplyOutcome.RESET, ["a", "b"])
    assert (contents(state), versions(state), state.expiring) == (fresh, (6, 9), {"b": 1.0})
    assert (state.heartbeat, state.liveness.last_arrival, list(state.liveness.intervals)) == (7, 0.5, [0.25])


def test_a_reset_may_lower_max_version_but_never_the_pair() -> None:
    state = replica(("k", "v", 4, SET))
    assert state.apply(delta_of(OWNER, ("a", "1", 1, SET), gc=6), 1.0, MANY)[0] is ApplyOutcome.RESET
    assert versions(state) == (6, 1)


def test_a_delta_is_compatible_while_our_max_version_covers_its_collections() -> None:
    """Nothing was missed: every deletion collected there was seen here. A plain apply leaves last_gc_version alone."""
    state = replica(("k", "v", 4, SET), ("old", "v", 5, SET))
    assert state.apply(delta_of(OWNER, ("k", "w", 6, SET), gc=5, from_version=5), 1.0, MANY)[0] is ApplyOutcome.APPLIED
    assert (contents(state), versions(state)) == ([("old", "v", 5, SET), ("k", "w", 6, SET)], (0, 6))


def test_a_delta_with_nothing_new_is_rejected() -> None:
    state = replica(("k", "v", 4, SET), max_version=6)
    for max_version in (5, 6):
        delta = delta_of(OWNER, ("new", "v", 5, SET), max_version=max_version)
        assert state.apply(delta, 1.0, MANY) == (ApplyOutcome.NOTHING_NEW, [])
    assert (versions(state), contents(state)) == ((0, 6), [("k", "v", 4, SET)])


def test_only_key_values_above_our_max_version_are_set() -> None:
    state = replica(("k", "v", 4, SET), max_version=6)
    delta = delta_of(OWNER, ("late", "x", 5, SET), ("k", "old", 6, SET), ("k", "new", 7, SET))
    outcome, told = state.apply(delta, 1.0, MANY)
    assert (outcome, told) == (ApplyOutcome.APPLIED, [KeyValue.make("k", "new", 7, SET)])
    assert (contents(state), versions(state)) == ([("k", "new", 7, SET)], (0, 7))


def test_what_was_collected_here_does_not_come_back() -> None:
    """Delete and DeleteAfterTtl up to last_gc_version are passed over, Set is not."""
    state = replica(gc=10, max_version=3)
    fresh = [("a", "", 4, DELETE), ("b", "x", 5, TTL), ("c", "x", 6, SET), ("d", "", 10, DELETE), ("e", "", 11, DELETE)]
    outcome, told = state.apply(delta_of(OWNER, *fresh, from_version=3), 1.0, MANY)
    assert (outcome, [kv.key for kv in told]) == (ApplyOutcome.APPLIED, ["c", "e"])
    assert (contents(state), versions(state)) == ([fresh[2], fresh[4]], (10, 11))


def test_a_replica_in_the_midst_of_a_reset_takes_what_the_owner_itself_sends() -> None:
    """The owner has nothing that was deleted, however little of its state one message holds."""
    state = replica(("a", "1", 2, SET), gc=11)
    from_owner = delta_of(OWNER, ("c", "x", 4, SET), from_version=2)
    assert state.apply(from_owner, 1.0, MANY)[0] is ApplyOutcome.STALE_SOURCE
    assert state.apply(from_owner, 1.0, MANY, from_owner=True)[0] is ApplyOutcome.APPLIED
    assert versions(state) == (11, 4)


def test_a_replica_in_the_midst_of_a_reset_takes_nothing_from_a_source_that_is_behind_it() -> None:
    """Such a source may still show keys whose deletion was collected elsewhere."""
    state = replica(("a", "1", 2, SET), gc=6)
    deleted_since = delta_of(OWNER, ("c", "x", 4, SET), ("e", "y", 5, SET), from_version=2)
    assert state.apply(deleted_since, 1.0, MANY) == (ApplyOutcome.STALE_SOURCE, [])
    assert (contents(state), versions(state)) == ([("a", "1", 2, SET)], (6, 2))
    # One that has seen the deletions, or collected them, shows what it should.
    for delta in (
        delta_of(OWNER, ("c", "x", 4, SET), ("e", "y", 6, SET), from_version=2),
        delta_of(OWNER, ("c", "x", 4, SET), gc=6, from_version=2),
    ):
        assert replica(("a", "1", 2, SET), gc=6).apply(delta, 1.0, MANY)[0] is ApplyOutcome.APPLIED


def test_set_max_version_moves_a_replica_without_key_values() -> None:
    state = replica(("k", "v", 4, SET))
    assert state.apply(delta_of(OWNER, from_version=4, max_version=9), 1.0, MANY) == (ApplyOutcome.APPLIED, [])
    assert (contents(state), versions(state)) == ([("k", "v", 4, SET)], (0, 9))


def test_a_key_that_comes_twice_in_a_delta_is_held_once_at_its_last_version() -> None:
    for state in (replica(), replica(("k", "v", 1, SET))):
        delta = delta_of(OWNER, ("a", "1", 2, TTL), ("b", "2", 3, SET), ("a", "3", 4, SET))
        assert state.apply(delta, 1.0, MANY)[0] is ApplyOutcome.APPLIED
        assert contents(state)[-2:] == [("b", "2", 3, SET), ("a", "3", 4, SET)]
        assert not state.expiring


def test_a_replica_stops_at_a_prefix_before_it_holds_too_many_keys() -> None:
    state = replica(("a", "1", 1, SET), ("b", "1", 2, SET))
    delta = delta_of(OWNER, ("a", "2", 3, SET), ("c", "1", 4, SET), ("d", "1", 5, SET), ("b", "2", 6, SET))
    outcome, told = state.apply(delta, 1.0, 3)
    assert (outcome, [kv.key for kv in told]) == (ApplyOutcome.APPLIED, ["a", "c"])
    assert (list(state.key_values), versions(state)) == (["b", "a", "c"], (0, 4))
    # What overwrites goes in even where the count alone would not let it.
    assert state.apply(delta_of(OWNER, ("c", "2", 5, SET), ("b", "2", 6, SET)), 1.0, 3)[0] is ApplyOutcome.APPLIED
    assert (list(state.key_values), versions(state)) == (["a", "c", "b"], (0, 6))
