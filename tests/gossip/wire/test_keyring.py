"""Sealed gossip: what a key opens, and all that it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.gossip import KEY_BYTES, SEAL_BYTES, ConfigError, Keyring, Plain, WireError
from coterie.gossip.wire.keyring import MAX_KEYS, MAX_SESSIONS, REMEMBERED_COUNTERS

NOW = 1_700_000_000.0

OLD, NEW, OTHER = (bytes([number]) * KEY_BYTES for number in (1, 2, 3))

_sessions: Iterator[int] = count()


def ring(*keys: bytes, cluster_id: str = "testing", plain: Plain = Plain.REFUSE) -> Keyring:
    return Keyring(keys, cluster_id, lambda: next(_sessions).to_bytes(16, "big"), plain=plain)


def refusal(receiver: Keyring, datagram: bytes, now: float = NOW) -> str:
    with pytest.raises(WireError) as refused:
        receiver.open(datagram, now)
    return refused.value.reason


@given(st.binary(max_size=2_000))
def test_what_is_sealed_is_opened(message: bytes) -> None:
    sealed = ring(OLD).seal(message, NOW)
    assert len(sealed) == len(message) + SEAL_BYTES
    assert ring(OLD).open(sealed, NOW) == message
    assert len(message) < 8 or message not in sealed


def test_a_wrong_key_is_told_from_another_cluster_and_from_plain_text() -> None:
    sender, receiver = ring(OLD), ring(OLD)
    assert refusal(receiver, ring(OTHER).seal(b"x", NOW)) == "seal-wrong-key"
    assert refusal(receiver, ring(OLD, cluster_id="other").seal(b"x", NOW)) == "seal-other-cluster"
    assert refusal(receiver, b"\x53\xb0\x00\x00") == "not-sealed"
    assert refusal(receiver, b"") == "not-sealed"
    assert receiver.open(sender.seal(b"x", NOW), NOW) == b"x"


def test_the_cluster_is_bound_by_more_than_its_tag() -> None:
    sender, receiver = ring(OLD, cluster_id="other"), ring(OLD)
    for key in receiver._keys.values():
        key.cluster_tag = sender._sealing.cluster_tag  # as of two clusters in four billion
    assert refusal(receiver, sender.seal(b"x", NOW)) == "seal-forged"


def test_every_cut_and_every_changed_byte_is_noticed() -> None:
    receiver = ring(OLD)
    sealed = ring(OLD).seal(b"a message", NOW)
    for size in range(len(sealed)):
        expected = {"not-sealed"} if size < 4 else {"seal-truncated"} if size < SEAL_BYTES else {"seal-forged"}
        assert {refusal(receiver, sealed[:size])} == expected
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        assert refusal(receiver, bytes(changed)).startswith(("seal-", "not-sealed"))
    assert receiver.open(sealed, NOW) == b"a message", "no forgery has used the counter up"


def test_nothing_is_taken_twice_in_whatever_order_it_comes() -> None:
    sender, receiver = ring(OLD), ring(OLD)
    sealed = [sender.seal(b"%d" % number, NOW) for number in range(REMEMBERED_COUNTERS + 50)]
    for number in (3, 1, 2, 0, 700, 650):
        assert receiver.open(sealed[number], NOW) == b"%d" % number
        assert refusal(receiver, sealed[number]) == "seal-replayed"
    assert receiver.open(sealed[-1], NOW)
    assert refusal(receiver, sealed[4]) == "seal-replayed", "too far behind to be known"
    assert receiver.open(sealed[-REMEMBERED_COUNTERS], NOW)
    assert all(refusal(receiver, sealed[number]) == "seal-replayed" for number in (0, 1, 2, 3, 650, 700, -1))


def test_what_was_captured_is_of_no_use_after_a_while() -> None:
    sealed = ring(OLD).seal(b"x", NOW)
    newcomer = ring(OLD)
    assert refusal(newcomer, sealed, NOW + 62) == "seal-stale"
    assert refusal(newcomer, sealed, NOW - 61) == "seal-stale"
    assert newcomer.open(sealed, NOW + 59) == b"x"


def test_a_session_is_remembered_for_as_long_as_it_could_be_replayed() -> None:
    receiver = ring(OLD)
    ahead = ring(OLD).seal(b"x", NOW + 59)  # a clock that is almost a window ahead
    receiver.open(ahead, NOW)
    receiver.open(ring(OLD).seal(b"y", NOW + 118), NOW + 118)
    assert refusal(receiver, ahead, NOW + 118) == "seal-replayed"
    receiver.open(ring(OLD).seal(b"y", NOW + 130), NOW + 130)
    assert len(receiver._sessions) == 2
    assert refusal(receiver, ahead, NOW + 130) == "seal-stale"


def test_sessions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_SESSIONS >= 10_000
    monkeypatch.setattr("coterie.gossip.wire.keyring.MAX_SESSIONS", 3)
    receiver = ring(OLD)
    for _ in range(10):
        receiver.open(ring(OLD).seal(b"x", NOW), NOW)
    assert len(receiver._sessions) == 3


def test_a_rotation_goes_step_by_step_and_nodes_of_neighbouring_steps_understand_each_other() -> None:
    steps = [(OLD,), (OLD, NEW), (NEW, OLD), (NEW,)]
    one, other = ring(*steps[0]), ring(*steps[0])
    for step in steps[1:]:
        one.replace(step)
        for sender, receiver in ((one, other), (other, one)):
            assert receiver.open(sender.seal(b"mixed", NOW), NOW) == b"mixed"
        other.replace(step)
        assert other.open(one.seal(b"same", NOW), NOW) == b"same"
    assert refusal(one, ring(OLD).seal(b"x", NOW)) == "seal-wrong-key"


def test_no_nonce_comes_twice_after_a_change_of_keys() -> None:
    sender = ring(OLD)
    heads = set()
    for _ in range(3):
        heads.add(sender.seal(b"x", NOW)[4:40])
        sender.replace([OLD])
    assert len({head[8:24] for head in heads}) == 3


def test_a_cluster_comes_to_sealing_step_by_step() -> None:
    bare = b"\x53\xb0\x00\x00"
    sends, accepts, refuses = (ring(OLD, plain=plain) for plain in (Plain.SEND, Plain.ACCEPT, Plain.REFUSE))
    assert sends.seal(bare, NOW) == bare
    assert sends.open(bare, NOW) == accepts.open(bare, NOW) == bare
    assert sends.open(accepts.seal(bare, NOW), NOW) == bare
    assert refuses.open(accepts.seal(bare, NOW), NOW) == bare
    assert refusal(refuses, bare) == "not-sealed"


@pytest.mark.parametrize("keys", [[], [OLD, OLD], [b"short"], [bytes([n]) * KEY_BYTES for n in range(MAX_KEYS + 1)]])
def test_a_bad_keyring_is_refused_and_the_old_one_stays(keys: list[bytes]) -> None:
    receiver = ring(OLD)
    with pytest.raises(ConfigError):
        receiver.replace(keys)
    assert receiver.open(ring(OLD).seal(b"x", NOW), NOW) == b"x"
