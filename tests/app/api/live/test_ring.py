"""The ring: what a reader at a place gets, what is put together once, and what is gone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.app.api.live.events.filters import Filter
from coterie.app.api.live.events.ring import MAX_BATCH_BYTES, EventRing, PassedError

ALL = Filter()


def filled(count: int, max_events: int = 100, max_bytes: int = 10**6) -> EventRing:
    ring = EventRing("e", max_events, max_bytes)
    for number in range(1, count + 1):
        ring.add("gossip", b"key/%d" % number, b'{"n":%d}' % number)
    return ring


def numbers(ring: EventRing, after: int, wanted: Filter = ALL) -> list[int]:
    return [json.loads(entry.body)["n"] for entry in ring.batch(after, wanted).entries]


def test_events_come_in_order_with_their_ids() -> None:
    ring = filled(3)
    batch = ring.batch(1, ALL)
    assert json.loads(batch.text) == {
        "type": "events",
        "id": "e-3",
        "events": [{"id": "e-2", "n": 2}, {"id": "e-3", "n": 3}],
    }
    assert batch.sse.startswith(b'id: e-2\nevent: gossip\ndata: {"id":"e-2","n":2}\n\n')


@given(st.integers(0, 30), st.integers(1, 10), st.integers(0, 40))
def test_a_reader_gets_all_that_follows_or_is_told_that_it_cannot(count: int, held: int, after: int) -> None:
    ring = filled(count, max_events=held)
    if after > count or after < count - held:
        assert not ring.holds_after(after)
        with pytest.raises(PassedError):
            ring.batch(after, ALL)
    else:
        assert numbers(ring, after) == list(range(after + 1, count + 1))


def test_bytes_are_bounded_too_but_the_last_event_is_kept() -> None:
    ring = EventRing("e", 100, 1_000)
    for number in range(10):
        ring.add("gossip", None, b'{"n":%d,"v":"%s"}' % (number, b"x" * 300))
    assert 1 <= ring.last - ring.first + 1 <= 3
    ring.add("gossip", None, b'{"n":10,"v":"%s"}' % (b"x" * 5_000))
    assert ring.first == ring.last == 11


def test_filters_choose_by_kind_and_by_prefix_of_keys() -> None:
    ring = filled(12)
    ring.add("members", None, b'{"n":13}')
    assert numbers(ring, 0, Filter(prefix=b"key/1")) == [1, 10, 11, 12, 13]
    assert numbers(ring, 0, Filter(frozenset({"members"}), b"nothing")) == [13]
    assert ring.batch(0, Filter(frozenset({"raft"}))).last == 13


def test_readers_at_one_place_share_one_rendering() -> None:
    ring = filled(5)
    assert ring.batch(2, Filter(prefix=b"key")) is ring.batch(2, Filter(prefix=b"key"))
    assert ring.batch(2, Filter()).text is ring.batch(2, Filter()).text
    before = ring.batch(2, Filter())
    ring.add("gossip", b"k", b'{"n":6}')
    assert len(ring.batch(2, Filter()).entries) == len(before.entries) + 1


def test_a_batch_is_bounded_and_says_where_to_go_on() -> None:
    ring = EventRing("e", 1_000, 10**8)
    for _ in range(30):
        ring.add("gossip", None, b'{"v":"%s"}' % (b"x" * 10_000))
    at, seen = 0, 0
    while at < ring.last:
        batch = ring.batch(at, ALL)
        assert 0 < len(batch.sse) <= MAX_BATCH_BYTES + 1_000
        seen += len(batch.entries)
        at = batch.last
    assert seen == 30


def test_ids_of_others_are_known_for_what_they_are() -> None:
    ring = filled(3)
    assert ring.read_id("e-2") == 2
    for text in ("f-2", "e-4", "e-", "e-x", "2", "", "e--1", "e-" + "9" * 30, "e-٣"):
        assert ring.read_id(text) is None, text
