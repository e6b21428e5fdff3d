"""A link's protocol without sockets: who gets through the handshake, and what an attacker on the wire cannot do."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.consensus.member.peers_file import FILE_NAME, KnownPeers, read_peers, write_peers
from coterie.consensus.raft.errors import ProtocolError
from coterie.consensus.raft.messages import FIRST_KINDS, KINDS
from coterie.consensus.raft.net import session
from coterie.consensus.raft.net.admission import TWIN_TOLD, Admission
from coterie.consensus.raft.net.session import (
    GREETING,
    HEAD_BYTES,
    HELLO,
    MAX_HANDSHAKE_BYTES,
    PROOF,
    WELCOME,
    HandshakeError,
    Hello,
    Identity,
    LinkSession,
)
from tests.consensus.raft.net.before import SessionBefore

A = Identity("cluster", "a", 3, b"process-a", b"secret")
B = Identity("cluster", "b", 7, b"process-b", b"secret")
LIMIT = 10_000


def pair(calling: Identity = B, called: Identity = A, *, dialled: str = "a") -> tuple[LinkSession, LinkSession]:
    return (
        LinkSession(calling, os.urandom(32), dialled=dialled, max_frame=LIMIT),
        LinkSession(called, os.urandom(32), dialled=None, max_frame=LIMIT),
    )


def out(session: LinkSession) -> bytes:
    data = b"".join(session.outgoing)
    session.outgoing.clear()
    return data


def shake(calling: LinkSession, called: LinkSession) -> None:
    for _ in range(2):
        called.feed(out(calling))
        calling.feed(out(called))


def opened() -> tuple[LinkSession, LinkSession]:
    calling, called = pair()
    shake(calling, called)
    return calling, called


def test_both_sides_know_each_other_after_four_messages() -> None:
    calling, called = opened()
    assert calling.peer is not None
    assert called.peer is not None
    assert (calling.peer.member, calling.peer.incarnation) == ("a", 3)
    assert (called.peer.member, called.peer.incarnation) == ("b", 7)
    assert called.feed(calling.send(b"one") + calling.idle() + calling.send(b"two")) == [b"one", b"two"]
    assert calling.feed(called.send(b"back")) == [b"back"]


def test_each_side_names_what_it_understands(monkeypatch: pytest.MonkeyPatch) -> None:
    calling, called = opened()
    assert calling.peer is not None
    assert called.peer is not None
    assert calling.peer.understood == called.peer.understood == KINDS
    assert FIRST_KINDS <= KINDS
    monkeypatch.setattr(session, "KINDS", KINDS | {"later"})
    _, called = opened()
    assert called.peer is not None
    assert called.peer.understood == KINDS | {"later"}


def test_who_names_nothing_is_of_the_first_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its hello is shorter, and it passes over what ours has more."""
    first = lambda hello: msgspec.msgpack.encode(msgspec.structs.astuple(hello)[:6])  # noqa: E731
    monkeypatch.setattr(session, "_encode", first)
    calling, _ = pair()
    monkeypatch.undo()
    _, called = pair()
    shake(calling, called)
    assert called.peer is not None
    assert called.peer.kinds == ()
    assert called.peer.understood == FIRST_KINDS


def test_the_longest_hello_has_room() -> None:
    longest = Identity("c" * 255, "f" * 64, 2**62, b"p" * 16, b"secret")
    other = replace(longest, member="e" * 64)
    first = SessionBefore(other, os.urandom(32), dialled="f" * 64, max_frame=LIMIT)
    _, second = pair(other, longest)
    second.feed(out(first))
    welcome = out(second)
    assert len(welcome) <= HEAD_BYTES + MAX_HANDSHAKE_BYTES
    first.feed(welcome)
    assert first.peer is not None


def test_a_caller_that_has_not_proved_the_secret_gets_no_proof() -> None:
    """On a proof it could try guesses, without the node and as fast as it likes."""
    calling, called = pair()
    called.feed(out(calling))
    greeting = out(called)
    assert greeting[HEAD_BYTES] == GREETING
    assert greeting[HEAD_BYTES + 1 :] == called._mine
    with pytest.raises(HandshakeError, match="wrong_secret"):
        called.feed((33).to_bytes(HEAD_BYTES, "big") + bytes([PROOF]) + os.urandom(32))
    called.refuse("wrong_secret")
    assert out(called)[HEAD_BYTES + 1 :] == b"wrong_secret"


@pytest.mark.parametrize("caller", [LinkSession, SessionBefore])
@pytest.mark.parametrize("answerer", [LinkSession, SessionBefore])
def test_members_of_the_release_before_get_links(caller: type[LinkSession], answerer: type[LinkSession]) -> None:
    calling = caller(B, os.urandom(32), dialled="a", max_frame=LIMIT)
    called = answerer(A, os.urandom(32), dialled=None, max_frame=LIMIT)
    shake(calling, called)
    assert called.feed(calling.send(b"one")) == [b"one"]
    assert calling.feed(called.send(b"two")) == [b"two"]


def test_the_secret_itself_makes_no_proof_for_whoever_answers_a_call() -> None:
    """A stranger whose address was called is shown a proof; one that says to be of the release before, none."""
    calling, _ = pair()
    hello = out(calling)[HEAD_BYTES + 1 :]
    stranger = SessionBefore(replace(A, secret=b"guess"), os.urandom(32), dialled=None, max_frame=LIMIT)
    stranger._plain(GREETING, stranger._mine)
    calling.feed(out(stranger))
    stranger._take_hello(hello)
    stranger._secret = A.secret
    assert out(calling)[HEAD_BYTES + 1 :] != stranger._proof(b"calling")
    calling, _ = pair()
    stranger._theirs = out(calling)[HEAD_BYTES + 1 :]
    stranger._secret = b"guess"
    stranger._plain(WELCOME, stranger._mine + stranger._proof(b"called"))
    with pytest.raises(HandshakeError, match="wrong_secret"):
        calling.feed(out(stranger))
    assert out(calling) == b""


def test_an_open_side_says_under_a_checksum_why_it_refuses() -> None:
    calling, called = opened()
    calling.refuse("cloned")
    with pytest.raises(HandshakeError, match="refused_by_peer: cloned"):
        called.feed(out(calling))
    before = SessionBefore(B, os.urandom(32), dialled="a", max_frame=LIMIT)
    _, called = pair()
    shake(before, called)
    called.refuse("cloned")
    assert out(called) == b""


@pytest.mark.parametrize("kinds", [[HELLO, HELLO], [PROOF], [GREETING], [WELCOME], [HELLO, GREETING]])
def test_a_called_side_takes_each_message_in_its_turn(kinds: list[int]) -> None:
    calling, called = pair()
    body = out(calling)[HEAD_BYTES + 1 :]
    frames = [(len(body) + 1).to_bytes(HEAD_BYTES, "big") + bytes([kind]) + body for kind in kinds]
    with pytest.raises(ProtocolError, match="out of turn"):
        called.feed(b"".join(frames))
    assert called.peer is None


@given(st.lists(st.integers(1, 50), max_size=30))
def test_bytes_may_arrive_in_any_pieces(sizes: list[int]) -> None:
    calling, called = opened()
    data = b"".join(calling.send(bytes([i]) * i) for i in range(10))
    got: list[bytes] = []
    for size in sizes:
        got += called.feed(data[:size])
        data = data[size:]
    got += called.feed(data)
    assert got == [bytes([i]) * i for i in range(10)]


@pytest.mark.parametrize(
    ("calling", "reason"),
    [
        (replace(B, cluster="other"), "wrong_cluster"),
        (replace(B, member="a"), "own_member_id"),
    ],
)
def test_strangers_are_refused_with_a_reason(calling: Identity, reason: str) -> None:
    first, second = pair(calling)
    with pytest.raises(HandshakeError) as refused:
        second.feed(out(first))
    assert refused.value.reason == reason
    assert second.peer is None


def test_a_wrong_secret_is_noticed_by_both_sides() -> None:
    calling, called = pair(replace(B, secret=b"guess"))
    called.feed(out(calling))
    calling.feed(out(called))
    with pytest.raises(HandshakeError, match="wrong_secret"):
        called.feed(out(calling))
    assert called.peer is None
    calling, called = pair()
    called.feed(out(calling))
    calling.feed(out(called))
    called._secret = b"guess"
    called._verify = lambda proof, role: None  # type: ignore[method-assign]
    called.feed(out(calling))
    with pytest.raises(HandshakeError, match="wrong_secret"):
        calling.feed(out(called))
    assert calling.peer is None


def test_another_member_at_the_address_is_dropped() -> None:
    calling, called = pair(dialled="c")
    called.feed(out(calling))
    with pytest.raises(HandshakeError, match="wrong_member"):
        calling.feed(out(called))


def test_a_recorded_handshake_opens_nothing() -> None:
    calling, called = pair()
    hello = out(calling)
    called.feed(hello)
    calling.feed(out(called))
    proof = out(calling)
    called.feed(proof)
    calling.feed(out(called))
    frames = calling.send(b"a message")
    called.feed(frames)
    fresh = LinkSession(A, os.urandom(32), dialled=None, max_frame=LIMIT)
    fresh.feed(hello)
    with pytest.raises(HandshakeError, match="wrong_secret"):
        fresh.feed(proof + frames)


def test_a_proof_cannot_be_reflected() -> None:
    """An attacker without the secret answers a node with the node's own words."""
    calling = LinkSession(B, os.urandom(32), dialled="b2", max_frame=LIMIT)
    out(calling)
    called = LinkSession(B, os.urandom(32), dialled=None, max_frame=LIMIT)
    mirror = LinkSession(replace(A, secret=b"none"), os.urandom(32), dialled="b", max_frame=LIMIT)
    called.feed(out(mirror))
    greeting = out(called)
    with pytest.raises(ProtocolError):
        called.feed(greeting)
    assert called.peer is None


@pytest.mark.parametrize("attack", ["repeat", "drop", "swap", "flip", "reflect"])
def test_frames_cannot_be_tampered_with(attack: str) -> None:
    calling, called = opened()
    one, two = calling.send(b"one"), calling.send(b"two")
    stream = {
        "repeat": one + one,
        "drop": two,
        "swap": two + one,
        "flip": one[:7] + bytes([one[7] ^ 1]) + one[8:],
        "reflect": called.send(b"one"),
    }[attack]
    got: list[bytes] = []
    for at in range(len(stream)):
        try:
            got += called.feed(stream[at : at + 1])
        except ProtocolError:
            break
    else:
        pytest.fail("the tampering was not noticed")
    assert got in ([], [b"one"] if attack == "repeat" else [])


@given(st.binary(min_size=1, max_size=300))
def test_random_bytes_open_nothing_and_take_no_memory(data: bytes) -> None:
    _, called = pair()
    for _ in range(20):
        try:
            assert called.feed(data) == []
        except ProtocolError:
            break
        assert len(called._buffer) <= MAX_HANDSHAKE_BYTES + 4
    assert called.peer is None


@pytest.mark.parametrize("size", [0, MAX_HANDSHAKE_BYTES + 1, 2**31 - 1, 2**32 - 1])
def test_a_giant_length_is_refused_before_a_byte_of_it_arrives(size: int) -> None:
    _, called = pair()
    with pytest.raises(ProtocolError, match="bytes"):
        called.feed(size.to_bytes(4, "big"))
    calling, called = opened()
    if size > LIMIT:
        with pytest.raises(ProtocolError):
            called.feed(size.to_bytes(4, "big"))
    with pytest.raises(ProtocolError):
        calling.send(bytes(LIMIT))


def test_rolled_back_and_cloned_directories_are_refused() -> None:
    admission = Admission(max_members=2)

    def hello(member: str, incarnation: int, process: bytes) -> Hello:
        return Hello(1, "cluster", member, incarnation, process, bytes(32))

    admission.admit(hello("a", 3, b"p"))
    admission.admit(hello("a", 3, b"p"))  # the same process calls again
    for incarnation, process, reason in ((2, b"p", "rolled_back"), (3, b"q", "cloned")):
        with pytest.raises(HandshakeError) as refused:
            admission.admit(hello("a", incarnation, process))
        assert refused.value.reason == reason
    admission.admit(hello("a", 4, b"r"))
    admission.admit(hello("b", 1, b"s"))
    with pytest.raises(HandshakeError):
        admission.admit(hello("c", 1, b"t"))


def test_a_condemned_member_is_refused_as_rolled_back_until_it_starts_again() -> None:
    admission = Admission()

    def hello(incarnation: int, process: bytes) -> Hello:
        return Hello(1, "cluster", "a", incarnation, process, bytes(32))

    admission.admit(hello(3, b"p"))
    with pytest.raises(HandshakeError, match="cloned") as twin:
        admission.admit(hello(3, b"q"))
    assert twin.value.told == TWIN_TOLD
    assert len(TWIN_TOLD) <= 100  # what a refusal carries
    admission.condemn("a", "the proof")
    for process in (b"q", b"p"):
        with pytest.raises(HandshakeError, match="rolled_back: the proof"):
            admission.admit(hello(3, process))
    admission.admit(hello(4, b"r"))


def test_incarnations_that_a_former_process_saw_still_bind() -> None:
    kept: list[dict[str, int]] = []
    admission = Admission(known={"a": 3}, on_new=lambda all_seen: kept.append(dict(all_seen)))

    def hello(member: str, incarnation: int) -> Hello:
        return Hello(1, "cluster", member, incarnation, b"p", bytes(32))

    with pytest.raises(HandshakeError, match="rolled_back"):
        admission.admit(hello("a", 2))
    admission.admit(hello("a", 3))  # which process it was is not kept
    assert kept == []
    admission.admit(hello("a", 4))
    admission.admit(hello("b", 1))
    admission.admit(hello("b", 1))
    assert kept == [{"a": 4}, {"a": 4, "b": 1}]


def test_what_is_known_of_peers_is_read_as_it_was_written_and_damage_is_no_hindrance(tmp_path: Path) -> None:
    assert read_peers(tmp_path) == KnownPeers()
    known = KnownPeers({"a": 4, "b": 1}, prove_first=True)
    write_peers(tmp_path, known)
    assert read_peers(tmp_path) == known
    (tmp_path / FILE_NAME).write_text('{"format": 1, "incarnations": {"a": 4}}')
    assert read_peers(tmp_path) == KnownPeers({"a": 4})
    (tmp_path / FILE_NAME).write_text("{")
    assert read_peers(tmp_path) == KnownPeers()
    write_peers(tmp_path / "gone", KnownPeers({"a": 1}))
