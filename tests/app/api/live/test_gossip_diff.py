"""A diff of gossip reports each change once, in the order of versions, and nothing where nothing changed."""

from __future__ import annotations

import time
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.app.api.live.diff import gossip as gossip_diff
from coterie.app.api.live.diff.gossip import GossipDiff
from coterie.gossip import Address, Engine, GossipConfig, KeyStatus, NodeId


class Holder:
    """As much of a gossip node as a diff needs."""

    def __init__(self, name: str = "node-a", port: int = 1, **config: Any) -> None:
        own = NodeId(name, 1, Address("127.0.0.1", port))
        self.engine = Engine(GossipConfig(**config), own, Random(1), now=0.0)

    @property
    def node(self) -> NodeId:
        return self.engine.own.id


def begin(holder: Holder) -> GossipDiff:
    return GossipDiff(holder, 1_000)  # type: ignore[arg-type]


def reported(diff: GossipDiff) -> list[tuple[str | None, ...]]:
    found: list[tuple[str | None, ...]] = []
    for kind, _, content in diff.changes():
        if kind == "members":
            found.append((content["change"], content["member"]["node_id"]))
        else:
            found.append((content["change"], content["key"], content.get("value")))
    return found


def test_own_writes_and_deletions_are_told_once() -> None:
    holder = Holder()
    holder.engine.set("old", "1", 0.0)
    diff = begin(holder)
    assert reported(diff) == []
    holder.engine.set("a", "1", 0.0)
    holder.engine.set("a", "2", 0.0)
    holder.engine.set("b", "1", 0.0)
    holder.engine.delete("old", 0.0)
    assert reported(diff) == [("set", "a", "2"), ("set", "b", "1"), ("delete", "old", None)]
    assert reported(diff) == []


def test_a_key_that_came_and_went_between_looks_is_not_told() -> None:
    holder = Holder()
    diff = begin(holder)
    holder.engine.set("a", "1", 0.0)
    holder.engine.delete("a", 0.0)
    assert reported(diff) == []


def test_expired_keys_are_deleted() -> None:
    holder = Holder(marked_for_deletion_grace_period=10.0)
    holder.engine.set_with_ttl("a", "1", 0.0)
    holder.engine.set("b", "1", 0.0)
    diff = begin(holder)
    holder.engine.round(20.0)
    assert reported(diff) == [("delete", "a", None)]


def test_nodes_that_come_and_go() -> None:
    one, two = Holder("node-a", 1), Holder("node-b", 2)
    two.engine.set("x", "1", 0.0)
    diff = begin(one)
    exchange(one, two, 0.0)
    assert reported(diff) == [("joining", "node-b"), ("set", "x", "1")]
    for second in range(1, 6):
        exchange(one, two, float(second))
    one.engine._membership.evaluate(6.0)
    assert reported(diff) == [("live", "node-b")]
    one.engine._membership.evaluate(600.0)
    assert reported(diff) == [("dead", "node-b")]
    one.engine._membership.evaluate(600.0 + one.engine.config.dead_node_grace_period)
    assert reported(diff) == [("removed", "node-b")]


def exchange(one: Holder, two: Holder, now: float) -> None:
    """One round of `two` with `one`."""
    at = {holder.node.gossip_advertise_addr: holder for holder in (one, two)}
    two.engine.seeds = [one.node.gossip_advertise_addr]
    sent = [(two.node.gossip_advertise_addr, each) for each in two.engine.round(now)]
    while sent:
        source, (target, datagram) = sent.pop(0)
        sent += [(target, answer) for answer in at[target].engine.receive(datagram, source, now)]


def test_a_reset_namespace_is_compared_as_a_whole() -> None:
    one = Holder()
    other = NodeId("node-b", 1, Address("127.0.0.1", 2))
    update = one.engine.reset_node_state_if_update
    update(other, [("a", "1", 1, KeyStatus.SET), ("b", "1", 2, KeyStatus.SET), ("c", "1", 3, KeyStatus.SET)], 3, 0, 0.0)
    diff = begin(one)
    update(other, [("b", "1", 2, KeyStatus.SET), ("c", "2", 9, KeyStatus.SET), ("d", "1", 8, KeyStatus.SET)], 9, 7, 0.0)
    assert sorted(reported(diff)) == [("delete", "a", None), ("set", "c", "2"), ("set", "d", "1")]


def test_long_values_are_not_shown() -> None:
    holder = Holder()
    diff = begin(holder)
    holder.engine.set("a", "x" * 2_000, 0.0)
    [(_, key, content)] = diff.changes()
    assert (key, content["value"], content["key"]) == (b"a", None, "a")


def test_a_flood_is_told_in_several_looks(monkeypatch: Any) -> None:
    monkeypatch.setattr(gossip_diff, "MAX_KEYS_PER_DIFF", 10)
    holder = Holder()
    diff = begin(holder)
    for number in range(25):
        holder.engine.set(f"k{number:02}", "1", time.monotonic())
    looks = [reported(diff) for _ in range(4)]
    assert [len(each) for each in looks] == [10, 10, 5, 0]
    assert [each[1] for part in looks for each in part] == [f"k{number:02}" for number in range(25)]


writes = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["set", "ttl", "delete", "round", "look"]), st.integers(0, 3)),
    max_size=40,
)


@settings(max_examples=200)
@given(writes)
def test_who_applies_what_is_told_holds_what_the_node_holds(steps: list[tuple[str, str, int]]) -> None:
    holder = Holder(marked_for_deletion_grace_period=3.0)
    diff = begin(holder)
    held: dict[str, str] = {}
    now = 0.0

    def apply() -> None:
        for _, _, content in diff.changes():
            if content["change"] == "set":
                held[content["key"]] = content["value"]
            else:
                del held[content["key"]]

    for key, what, number in steps:
        now += 1.0
        match what:
            case "set":
                holder.engine.set(key, str(number), now)
            case "ttl":
                holder.engine.set_with_ttl(key, str(number), now)
            case "delete":
                holder.engine.delete(key, now)
            case "round":
                holder.engine.round(now)
            case _:
                apply()
    apply()
    assert held == {kv.key: kv.value for kv in holder.engine.own.visible()}
