"""Listeners by key prefix (gossip spec 6)."""

from __future__ import annotations

from coterie.gossip import Engine, KeyValue
from coterie.gossip.events.events import CaughtUp, KeyChanged
from coterie.gossip.events.listeners import Listeners
from tests.gossip.helpers import DELETE, SET, TTL, delta_of, hear, hear_delta, make_engine, node

PEER = node("peer")
Heard = list[tuple[str, str, str]]


def listen(listeners: Listeners, prefix: str, heard: Heard) -> None:
    listeners.subscribe(prefix, lambda key, value, owner: heard.append((key, value, owner.node_id)))


def dispatch(engine: Engine) -> None:
    """Make the calls that the engine's events ask for, as its shell does."""
    for event in engine.take_events():
        if isinstance(event, KeyChanged):
            for call in engine.listeners.calls(event):
                call()


def changed(key: str, value: str = "v") -> KeyChanged:
    return KeyChanged(PEER, KeyValue.make(key, value, 1, SET))


def test_a_listener_gets_the_key_without_its_prefix_the_value_and_the_node() -> None:
    listeners, heard = Listeners(), Heard()
    listen(listeners, "a/", heard)
    for key in ("a/b", "a/", "a", "b/a/"):
        for call in listeners.calls(changed(key)):
            call()
    assert heard == [("b", "v", "peer"), ("", "v", "peer")]


def test_every_listener_whose_prefix_fits_is_called() -> None:
    listeners, heard = Listeners(), Heard()
    for prefix in ("", "k", "k", "ke", "key", "keys", "é"):
        listen(listeners, prefix, heard)
    for call in listeners.calls(changed("key")):
        call()
    assert sorted(key for key, *_ in heard) == ["", "ey", "ey", "key", "y"]


def test_an_unsubscribed_listener_is_called_no_more() -> None:
    listeners, heard = Listeners(), Heard()

    def listener(key: str, *_: object) -> None:
        heard.append((key, "", ""))

    ends = [listeners.subscribe("k", listener) for _ in range(2)]
    ends[0]()
    assert len(list(listeners.calls(changed("k")))) == 1
    assert listeners.has_listener("k")
    for end in ends:
        end()
    assert list(listeners.calls(changed("k"))) == []
    assert not listeners
    assert not listeners.has_listener("k")


def test_a_listener_may_end_itself_while_it_is_called() -> None:
    listeners, heard = Listeners(), Heard()
    end = listeners.subscribe("k", lambda *_: end())
    listen(listeners, "k", heard)
    for call in listeners.calls(changed("k")):
        call()
    assert len(heard) == 1


def test_subscribing_replays_nothing() -> None:
    engine, heard = make_engine(key_values=[("k", "v")]), Heard()
    listen(engine.listeners, "", heard)
    dispatch(engine)
    assert heard == []


def test_own_writes_call_listeners_but_own_deletions_do_not() -> None:
    engine, heard = make_engine(), Heard()
    listen(engine.listeners, "", heard)
    engine.set("a", "1", 0.0)
    engine.set("a", "1", 0.0)
    engine.set_with_ttl("b", "2", 0.0)
    engine.delete_after_ttl("a", 0.0)
    engine.delete("b", 0.0)
    engine.round(100_000.0)
    dispatch(engine)
    assert heard == [("a", "1", "self"), ("b", "2", "self")]


def test_visible_keys_of_others_call_listeners_and_tombstones_do_not() -> None:
    engine, heard = make_engine(), Heard()
    listen(engine.listeners, "", heard)
    hear(engine, (PEER, 1, 0, 0), now=0.0)
    fresh = [("a", "1", 1, SET), ("b", "2", 2, TTL), ("c", "", 3, DELETE)]
    hear_delta(engine, delta_of(PEER, *fresh), now=0.0)
    dispatch(engine)
    assert heard == [("a", "1", "peer"), ("b", "2", "peer")]
    hear_delta(engine, delta_of(PEER, *fresh), now=0.0)
    dispatch(engine)
    assert len(heard) == 2, "nothing new is told twice"


def test_after_a_reset_listeners_hear_of_every_visible_key_and_of_no_dropped_one() -> None:
    engine, heard = make_engine(), Heard()
    hear(engine, (PEER, 1, 0, 0), (node("other"), 1, 0, 0), now=0.0)
    before = [("a", "1", 1, SET), ("b", "2", 2, SET)]
    hear_delta(engine, delta_of(PEER, *before), delta_of(node("other"), *before), now=0.0)
    listen(engine.listeners, "", heard)
    engine.take_events()
    again = [("a", "1", 1, SET), ("c", "3", 9, SET)]
    hear_delta(engine, delta_of(PEER, *again, gc=5), delta_of(node("other"), *again, gc=5), now=0.0)
    events = engine.take_events()
    assert [e.key_value.key for e in events if isinstance(e, KeyChanged)] == ["a", "c", "a", "c"]
    assert events[-1] == CaughtUp((PEER, node("other"))), "once a message, after the whole delta"
    assert sum(isinstance(e, CaughtUp) for e in events) == 1


def test_keys_nobody_listens_to_make_no_events() -> None:
    engine = make_engine()
    engine.listeners.subscribe("wanted/", lambda *_: None)
    engine.set("other", "v", 0.0)
    engine.set("wanted/x", "v", 0.0)
    assert [e.key_value.key for e in engine.take_events() if isinstance(e, KeyChanged)] == ["wanted/x"]
