"""An owner and its replicas that exchange partial deltas in any order: what must always hold (gossip spec 4)."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from coterie.gossip import KeyStatus, KeyValue, NodeState
from coterie.gossip.state.node_state import ApplyOutcome
from coterie.gossip.wire.delta import NodeDelta
from tests.gossip.helpers import DELETE, SET, TTL, node

OWNER = node("owner")
REPLICAS = 3
GRACE = 20.0
MANY = 10**6

keys = st.sampled_from("abcde")
replicas = st.integers(1, REPLICAS)
holders = st.integers(0, REPLICAS)


class Replication(RuleBasedStateMachine):
    """State 0 is the owner's. Deltas are made against a digest that may be stale, cut anywhere, kept and repeated."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.states = [NodeState(OWNER) for _ in range(1 + REPLICAS)]
        self.written: dict[int, tuple[str, str, int]] = {}
        """Every version the owner ever gave: key, value, status."""
        self.digests: list[tuple[int, int]] = [(0, 0)]
        self.under_way: list[NodeDelta] = []
        self.reached = [(0, 0)] * (1 + REPLICAS)
        self.value = 0

    @property
    def owner(self) -> NodeState:
        return self.states[0]

    def book(self, kv: KeyValue | None) -> None:
        if kv is not None:
            assert kv.version not in self.written
            self.written[kv.version] = (kv.key, kv.value, kv.status)

    # -- the owner ---------------------------------------------------------------------------------------------------

    @rule(key=keys, ttl=st.booleans(), same=st.booleans())
    def write(self, key: str, ttl: bool, same: bool) -> None:
        self.value += not same
        self.book(self.owner.set(key, str(self.value), self.now, status=TTL if ttl else SET))

    @rule(key=keys)
    def delete(self, key: str) -> None:
        self.book(self.owner.delete(key, self.now))

    @rule(key=keys)
    def delete_after_ttl(self, key: str) -> None:
        self.book(self.owner.delete_after_ttl(key, self.now))

    @rule(ahead=st.integers(1, 20))
    def refute(self, ahead: int) -> None:
        self.owner.refute(self.owner.max_version + ahead)
        for kv in self.owner.key_values.values():
            self.book(kv)

    # -- time --------------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1.0, 7.0, 25.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(at=holders)
    def collect(self, at: int) -> None:
        state = self.states[at]
        expired = [
            kv for key, kv in state.key_values.items() if self.now - (state.expiring or {}).get(key, 1e9) >= GRACE
        ]
        visible_went = state.collect_tombstones(self.now, GRACE)
        assert visible_went == any(kv.status != DELETE for kv in expired)
        assert not any(kv.key in state.key_values for kv in expired)
        assert state.last_gc_version >= max((kv.version for kv in expired), default=0)

    # -- the network -------------------------------------------------------------------------------------------------

    @rule(at=holders)
    def show_digest(self, at: int) -> None:
        self.digests.append((self.states[at].last_gc_version, self.states[at].max_version))

    @rule(sender=holders, data=st.data())
    def compute_delta(self, sender: int, data: st.DataObject) -> None:
        """As gossip spec 4 has it, cut at any prefix."""
        state = self.states[sender]
        peer_gc, peer_max = data.draw(st.sampled_from(self.digests), label="digest")
        if state.max_version <= peer_max:
            return
        scratch = peer_gc < state.last_gc_version and peer_max < state.last_gc_version
        from_version = 0 if scratch else peer_max
        key_values = state.newer_than(from_version)
        assert [kv.version for kv in key_values] == sorted(
            kv.version for kv in state.key_values.values() if kv.version > from_version
        )
        if key_values:
            key_values = key_values[: data.draw(st.integers(1, len(key_values)), label="cut")]
        max_version = key_values[-1].version if key_values else state.max_version
        self.under_way.append(NodeDelta(OWNER, state.last_gc_version, from_version, key_values, max_version))

    @precondition(lambda self: self.under_way)
    @rule(to=replicas, data=st.data(), keep=st.booleans(), limit=st.sampled_from([MANY, MANY, 2]))
    def deliver(self, to: int, data: st.DataObject, keep: bool, limit: int) -> None:
        """Any delta, late, out of order, and perhaps again."""
        at = data.draw(st.integers(0, len(self.under_way) - 1), label="delta")
        delta = self.under_way[at] if keep else self.under_way.pop(at)
        state = self.states[to]
        before = (state.last_gc_version, state.max_version, list(state.key_values.values()))
        outcome, told = state.apply(delta, self.now, limit)
        after = (state.last_gc_version, state.max_version, list(state.key_values.values()))
        if outcome in (ApplyOutcome.APPLIED, ApplyOutcome.RESET):
            assert after[:2] > before[:2] or limit != MANY
            assert all(state.key_values[kv.key].version >= kv.version for kv in told)
        else:
            assert (after, told) == (before, [])
        if outcome is ApplyOutcome.APPLIED:
            assert state.last_gc_version == before[0]
        assert len(state.key_values) <= max(limit, len(before[2]))

    @rule(sender=holders, to=replicas)
    def exchange(self, sender: int, to: int) -> None:
        """A whole delta against a fresh digest moves a replica, if anything can."""
        state, peer = self.states[sender], self.states[to]
        if sender == to or state.max_version <= peer.max_version:
            return
        scratch = peer.last_gc_version < state.last_gc_version and peer.max_version < state.last_gc_version
        from_version = 0 if scratch else peer.max_version
        key_values = state.newer_than(from_version)
        max_version = key_values[-1].version if key_values else state.max_version
        delta = NodeDelta(OWNER, state.last_gc_version, from_version, key_values, max_version)
        reset_to = peer.last_gc_version
        outcome, _ = peer.apply(delta, self.now, MANY)
        if outcome is ApplyOutcome.STALE_SOURCE:
            assert max(state.last_gc_version, max_version, peer.max_version) < reset_to
            return
        assert outcome is (ApplyOutcome.RESET if scratch else ApplyOutcome.APPLIED)
        assert peer.max_version == max_version

    # -- what always holds -------------------------------------------------------------------------------------------

    @invariant()
    def versions_never_go_back(self) -> None:
        versions = [(s.last_gc_version, s.max_version) for s in self.states]
        assert all(now >= before for before, now in zip(self.reached, versions, strict=True))
        self.reached = versions

    @invariant()
    def key_values_are_in_version_order_and_below_max_version(self) -> None:
        for state in self.states:
            versions = [kv.version for kv in state.key_values.values()]
            assert versions == sorted(set(versions))
            assert all(1 <= v <= state.max_version for v in versions)
            assert all(key == kv.key for key, kv in state.key_values.items())

    @invariant()
    def the_book_of_the_dying_is_complete_and_in_time_order(self) -> None:
        for state in self.states:
            expiring = state.expiring or {}
            assert set(expiring) == {key for key, kv in state.key_values.items() if kv.status != SET}
            times = list(expiring.values())
            assert times == sorted(times)
            assert all(at <= self.now for at in times)

    @invariant()
    def nobody_shows_what_the_owner_did_not_write(self) -> None:
        for state in self.states:
            for kv in state.key_values.values():
                assert self.written[kv.version] == (kv.key, kv.value, KeyStatus(kv.status))

    def teardown(self) -> None:
        """Once all talk again and no deletion is pending, all show the same."""
        self.now += 2 * GRACE
        for _ in range(4):
            for at in range(1 + REPLICAS):
                self.states[at].collect_tombstones(self.now, GRACE)
                for sender in range(1 + REPLICAS):
                    if at:
                        self.exchange(sender, at)
            self.now += 2 * GRACE
        shown = [(s.max_version, list(s.visible())) for s in self.states]
        assert shown == [shown[0]] * len(shown)


TestReplication = Replication.TestCase
TestReplication.settings = settings(max_examples=300, stateful_step_count=50)


def test_a_collected_deletion_does_not_come_back_through_a_stale_replica() -> None:
    """What the model meets too rarely: a newcomer is cut off in its reset, and asks a replica that slept meanwhile."""
    owner, stale, newcomer = (NodeState(OWNER) for _ in range(3))
    for key in "abcde":
        owner.set(key, "v", 0.0)
    stale.apply(NodeDelta(OWNER, 0, 0, owner.newer_than(0), 5), 0.0, MANY)
    owner.delete("d", 0.0)
    owner.collect_tombstones(GRACE, GRACE)
    owner.set("f", "v", GRACE)

    def send(source: NodeState, from_version: int, count: int) -> None:
        key_values = source.newer_than(from_version)[:count]
        delta = NodeDelta(OWNER, source.last_gc_version, from_version, key_values, key_values[-1].version)
        newcomer.apply(delta, GRACE, MANY)

    send(owner, 0, 2)
    assert (newcomer.last_gc_version, newcomer.max_version) == (6, 2)
    send(stale, 2, 5)
    send(owner, newcomer.max_version, 5)
    assert [kv.key for kv in newcomer.visible()] == ["a", "b", "c", "e", "f"]
    assert newcomer.max_version == owner.max_version
