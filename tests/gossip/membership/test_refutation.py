"""What others say of this node never changes its keys, and how it moves above what they hold (gossip spec 10)."""

from __future__ import annotations

import pytest

from coterie.gossip import Engine, KeyStatus
from coterie.gossip.events.events import OwnStateRefuted
from coterie.gossip.membership.refutation import REFUTATION_ROOM
from coterie.gossip.wire.identity import FORGED_COUNTER
from tests.gossip.helpers import (
    DELETE,
    SELF,
    SET,
    TTL,
    Wire,
    answer_to_syn_ack,
    contents,
    delta_of,
    hear,
    hear_delta,
    held,
    make_engine,
    node,
)

PEER = node("peer", 1, 7_000)


def own_engine() -> Engine:
    """A node with a key of each status, at version 4."""
    engine = make_engine(key_values=[("a", "1"), ("b", "2"), ("c", "3")])
    engine.delete("b", 0.0)
    engine.take_events()
    return engine


def versions(engine: Engine) -> tuple[int, int]:
    return engine.own.last_gc_version, engine.own.max_version


UNTOUCHED = [("a", "1", 1, SET), ("c", "3", 3, SET), ("b", "", 4, DELETE)]
"""What `own_engine` holds."""


def test_a_delta_never_changes_own_keys() -> None:
    engine = own_engine()
    for from_version in (0, 4):
        hear_delta(
            engine, delta_of(SELF, ("a", "theirs", 5, SET), ("z", "x", 6, SET), from_version=from_version), now=1
        )
    assert [(k, v, s) for k, v, _, s in contents(engine.own)] == [("a", "1", SET), ("c", "3", SET)]


@pytest.mark.parametrize(("gc", "maximum"), [(0, 9), (9, 0), (9, 2), (3, 9), (9, 9)])
def test_shown_newer_versions_of_itself_a_node_moves_above_them(gc: int, maximum: int) -> None:
    """m is the higher of max_version and last_gc_version, 9 here: gc m + 1, own keys from m + 2 in their order."""
    for show in ("digest of a syn", "digest of a syn-ack", "delta of an ack", "delta of a syn-ack"):
        engine = own_engine()
        own_delta = delta_of(SELF, gc=gc, max_version=maximum)
        match show:
            case "digest of a syn":
                hear(engine, (SELF, 0, gc, maximum), now=1.0)
            case "digest of a syn-ack":
                answer_to_syn_ack(engine, (SELF, 0, gc, maximum), now=1.0)
            case "delta of an ack":
                hear_delta(engine, own_delta, now=1.0)
            case _:
                answer_to_syn_ack(engine, delta=[own_delta], now=1.0)
        assert contents(engine.own) == [("a", "1", 11, SET), ("c", "3", 12, SET)]
        assert versions(engine) == (10, 12)
        assert [e for e in engine.take_events() if isinstance(e, OwnStateRefuted)] == [OwnStateRefuted(9)]


def test_without_own_keys_the_max_version_is_m_plus_1() -> None:
    engine = make_engine()
    hear(engine, (SELF, 0, 0, 9), now=1.0)
    assert (versions(engine), contents(engine.own)) == ((10, 10), [])


def test_ttl_keys_are_kept_with_their_timers() -> None:
    engine = make_engine(marked_for_deletion_grace_period=10.0)
    engine.set_with_ttl("t", "v", 1.0)
    hear(engine, (SELF, 0, 0, 9), now=5.0)
    assert contents(engine.own) == [("t", "v", 11, TTL)]
    engine.round(11.0)
    assert (contents(engine.own), versions(engine)) == ([], (11, 11))


def test_what_is_not_newer_moves_nothing() -> None:
    engine = own_engine()
    hear(engine, (SELF, 0, 4, 4), now=1.0)
    hear_delta(engine, delta_of(SELF, ("z", "x", 4, SET)), now=1.0)
    assert (contents(engine.own), versions(engine)) == (UNTOUCHED, (0, 4))
    assert engine.take_events() == []


def test_it_moves_at_most_once_a_round() -> None:
    engine = own_engine()
    hear(engine, (SELF, 0, 0, 9), now=1.0)
    hear(engine, (SELF, 0, 0, 100), now=1.0)
    answer_to_syn_ack(engine, (SELF, 0, 0, 200), delta=[delta_of(SELF, max_version=300)], now=1.0)
    assert versions(engine) == (10, 12)
    engine.round(1.5)
    hear(engine, (SELF, 0, 0, 100), now=1.75)
    assert versions(engine) == (101, 103)


@pytest.mark.parametrize("forged", [FORGED_COUNTER - REFUTATION_ROOM, FORGED_COUNTER, 2**63, 2**64 - 1])
def test_forged_values_are_ignored(forged: int) -> None:
    engine = own_engine()
    hear(engine, (SELF, forged, forged, forged), now=1.0)
    hear(engine, (SELF, 0, 0, forged), now=1.0)
    hear(engine, (SELF, 0, forged, 0), now=1.0)
    hear_delta(engine, delta_of(SELF, max_version=forged), now=1.0)
    hear_delta(engine, delta_of(SELF, gc=forged), now=1.0)
    assert (contents(engine.own), versions(engine)) == (UNTOUCHED, (0, 4))
    assert engine.own.heartbeat == 1 + 5


def test_the_last_values_below_the_forged_ones_count() -> None:
    engine = own_engine()
    highest = FORGED_COUNTER - REFUTATION_ROOM - 1
    hear(engine, (SELF, highest, 0, highest), now=1.0)
    assert versions(engine) == (highest + 1, highest + 3)
    assert engine.own.heartbeat == highest + 1
    # And still it can be told of, and go on writing.
    engine.set("k", "v", 1.0)
    answer = hear(engine, now=1.5)
    assert answer is not None
    assert answer.delta[0].max_version == highest + 4


def test_a_higher_own_heartbeat_is_outrun() -> None:
    engine = make_engine()
    hear(engine, (SELF, 500, 0, 0), now=0.0)
    assert engine.own.heartbeat == 501
    hear(engine, (SELF, 502, 0, 0), now=0.0)
    assert engine.own.heartbeat == 502, "its own bump for the message came first"
    hear(engine, (SELF, 400, 0, 0), now=0.0)
    assert engine.own.heartbeat == 503


def test_own_entries_are_no_signs_of_life_and_no_newcomers() -> None:
    engine = make_engine()
    hear(engine, (SELF, 500, 0, 9), now=0.0)
    assert [s.id for s in engine.states] == [SELF]
    assert engine.own.liveness.last_arrival is None
    assert engine.dead_nodes == []


def test_after_a_restart_with_the_same_generation_the_cluster_gets_the_new_keys() -> None:
    """What the earlier life left is dropped everywhere, and what this one writes spreads."""
    first, peer = make_engine(SELF, key_values=[(f"old{i}", "v") for i in range(5)]), make_engine(PEER)
    wire = Wire(first, peer)
    wire.introduce()
    now = 0.0
    for _ in range(5):
        wire.round(now)
        now += 0.5
    assert held(peer, SELF).max_version == 5
    again = make_engine(SELF, key_values=[("new", "1"), ("old3", "2")])
    wire = Wire(again, peer)
    wire.introduce()
    for _ in range(5):
        wire.round(now)
        now += 0.5
    again.set("later", "3", now)
    for _ in range(5):
        wire.round(now)
        now += 0.5
    visible = [("later", "3"), ("new", "1"), ("old3", "2")]
    for engine in (again, peer):
        assert [(kv.key, kv.value) for kv in held(engine, SELF).visible()] == visible
        assert all(kv.status == KeyStatus.SET for kv in held(engine, SELF).visible())
    assert held(peer, SELF).max_version == again.own.max_version
    assert again.own.heartbeat >= held(peer, SELF).heartbeat
