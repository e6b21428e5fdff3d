"""Forged counters and identities, by hearsay, do not harm a node that speaks for itself (gossip spec 5, 10)."""

from __future__ import annotations

from coterie.gossip import Engine, NodeId
from coterie.gossip.anti_entropy.reconciler import MAX_NEWCOMERS
from coterie.gossip.membership.membership import HEARSAY_GRACE_SECONDS
from tests.gossip.helpers import SET, answer_to_syn_ack, delta_of, hear, hear_delta, held, make_engine, node, revive

VICTIM = node("victim", generation=1_800_000_000, port=7_000)
VICTIM_AT = VICTIM.gossip_advertise_addr
RESTARTED = node("victim", generation=1_800_000_100, port=7_000)


def speak(engine: Engine, who: NodeId, start: float, first: int = 1) -> None:
    """Five rounds in which a node speaks from its own address."""
    for i in range(5):
        hear(engine, (who, first + i, 0, 0), now=start + i / 2, source=who.gossip_advertise_addr)
        engine.round(start + i / 2)


def test_counters_from_2_to_the_62_on_are_refused_from_everybody() -> None:
    engine = make_engine()
    revive(engine, VICTIM, start=0.0)
    for forged in (2**62, 2**63, 2**64 - 1):
        hear(engine, (VICTIM, forged, 0, 0), now=3.0)
        hear_delta(engine, delta_of(VICTIM, ("k", "v", forged, SET)), now=3.0)
        hear_delta(engine, delta_of(VICTIM, ("k", "v", 1, SET), gc=forged), now=3.0, source=VICTIM_AT)
        hear(engine, (node("new"), forged, 0, 0), now=3.0)
        hear(engine, (node("victim", generation=forged), 5, 0, 0), now=3.0)
    state = held(engine, VICTIM)
    assert (state.heartbeat, state.max_version, state.last_gc_version) == (5, 0, 0)
    assert len(engine.states) == 2
    assert engine.counters["forged_counters"] == 15


def test_a_generation_far_above_a_living_one_is_refused() -> None:
    engine = make_engine()
    revive(engine, VICTIM, start=0.0)
    hear(engine, (node("victim", generation=2**61), 5, 0, 0), now=3.0)
    assert len(engine.states) == 2
    hear(engine, (RESTARTED, 5, 0, 0), now=3.0)
    assert engine.state(RESTARTED) is not None


def test_a_node_s_own_word_beats_a_heartbeat_by_hearsay() -> None:
    engine = make_engine()
    speak(engine, VICTIM, 0.0)
    hear(engine, (VICTIM, 2**62 - 1, 0, 0), now=3.0)
    speak(engine, VICTIM, 3.0, first=10)
    speak(engine, VICTIM, 30.0, first=20)
    assert VICTIM in engine.live_nodes


def test_a_restart_by_hearsay_does_not_end_a_node_that_goes_on_speaking() -> None:
    engine = make_engine()
    speak(engine, VICTIM, 0.0)
    for i in range(10):
        hear(engine, (RESTARTED, 1 + i, 0, 0), now=3.0 + i / 2)
        hear(engine, (VICTIM, 10 + i, 0, 0), now=3.0 + i / 2, source=VICTIM_AT)
        engine.round(3.0 + i / 2)
    assert VICTIM in engine.live_nodes
    speak(engine, RESTARTED, 9.0, first=20)
    assert VICTIM not in engine.live_nodes
    assert RESTARTED in engine.live_nodes


def test_sixteen_forged_generations_do_not_keep_the_next_process_out() -> None:
    engine = make_engine()
    rows = [(node("victim", generation=2**61 - i, host="10.9.9.9"), 5, 0, 0) for i in range(16)]
    hear(engine, *rows, now=0.0)
    assert len(engine.states) == 17
    speak(engine, VICTIM, 1.0)
    assert VICTIM in engine.live_nodes
    hear(engine, *rows, now=3.5)
    assert VICTIM in engine.live_nodes


def invented(count: int, start: int = 0) -> list[tuple[NodeId, int, int, int]]:
    return [(node(f"invented-{i}", host="10.9.9.9"), 5, 0, 0) for i in range(start, start + count)]


def test_a_datagram_of_a_stranger_makes_few_identities_known() -> None:
    """A thousand cost over ten milliseconds of the loop."""
    engine = make_engine()
    hear(engine, *invented(1_000), now=0.0)
    assert len(engine.states) == 1 + MAX_NEWCOMERS
    assert engine.counters["newcomers_over_limit"] == 1_000 - MAX_NEWCOMERS
    hear(engine, *invented(1_000, start=32), now=0.1)
    assert len(engine.states) == 1 + 2 * MAX_NEWCOMERS


def test_of_those_a_stranger_s_own_identity_comes_first() -> None:
    engine = make_engine()
    hear(engine, *invented(1_000), (VICTIM, 1, 0, 0), now=0.0, source=VICTIM_AT)
    assert engine.state(VICTIM) is not None
    assert len(engine.states) == 1 + MAX_NEWCOMERS


def test_a_seed_and_whoever_was_asked_make_all_known() -> None:
    engine = make_engine()
    engine.seeds = [VICTIM_AT]
    hear(engine, *invented(500), now=0.0, source=VICTIM_AT)
    assert len(engine.states) == 501
    engine = make_engine()
    engine.open_handshakes([VICTIM_AT], 0.0)
    answer_to_syn_ack(engine, *invented(500), now=0.1, source=VICTIM_AT)
    assert len(engine.states) == 501


def test_a_name_that_never_lived_goes_early_and_stays_away() -> None:
    engine = make_engine()
    hear(engine, *invented(3), now=0.0)
    hear_delta(engine, delta_of(node("invented-2", host="10.9.9.9"), ("k", "v", 1, SET)), now=0.0)
    speak(engine, VICTIM, 0.0)
    now = 3.0
    engine.round(now)
    engine.round(now + HEARSAY_GRACE_SECONDS / 2)
    hear(engine, *invented(3), now=now + HEARSAY_GRACE_SECONDS / 2)
    assert len(engine.states) == 5
    assert engine.digest_bytes < make_engine().digest_bytes * 4, "no longer said to others"
    engine.round(now + HEARSAY_GRACE_SECONDS)
    hear(engine, *invented(3), now=now + HEARSAY_GRACE_SECONDS)
    # One that lived here stays, and one with keys: other nodes would send them again and again.
    assert {state.id.node_id for state in engine.states} == {"self", "victim", "invented-2"}


def test_names_that_never_lived_give_way_when_the_table_is_full() -> None:
    engine = make_engine(max_known_nodes=20)
    for i in range(100):
        hear(engine, (node(f"z{i}", host="10.9.9.9"), 5, 0, 0), now=0.0)
    assert len(engine.states) == 20
    speak(engine, VICTIM, 1.0)
    hear(engine, *((node(f"y{i}", host="10.9.9.9"), 5, 0, 0) for i in range(100)), now=4.0)
    assert VICTIM in engine.live_nodes
    assert len(engine.states) == 20
