"""Answers to proposals, in memory and on disk."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.consensus.autopilot.founding_vote import (
    BALLOT_VERSION,
    MAX_FOUNDERS,
    MAX_NODE_NAME,
    Ballot,
    BallotError,
    Founder,
    Proposal,
    decode_ballot,
    encode_ballot,
    short_name,
)
from coterie.consensus.autopilot.shell.founding_vote_file import BALLOT_NAME, BallotFile
from coterie.consensus.journal import CorruptFileError, DiskFiles
from coterie.consensus.journal.files.double_buffered import MAX_VALUE_BYTES


def proposal(attempt: int = 1, proposer: str = "a", cluster: str = "x", members: str = "abc") -> Proposal:
    return Proposal(cluster, attempt, proposer, tuple(Founder(member, f"node-{member}") for member in members))


def test_an_answer_only_moves_up_and_what_was_dropped_is_dropped_for_ever() -> None:
    first = Ballot().answering(proposal(1, "b"))
    assert not first.accepts(proposal(1, "b"))
    assert not first.accepts(proposal(1, "c"))
    dropped = first.dropping()
    assert dropped.answer is None
    assert not dropped.accepts(proposal(1, "b"))
    assert dropped.accepts(proposal(1, "a"))
    assert dropped.accepts(proposal(2, "c"))
    with pytest.raises(ValueError, match="at or below"):
        dropped.answering(proposal(1, "b"))
    joining = dropped.joining_cluster("y")
    assert (joining.answer, joining.joining, joining.floor) == (None, "y", first.floor)


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from("abc"))))
def test_no_proposal_is_ever_answered_twice(asked: list[tuple[int, str]]) -> None:
    ballot, answered = Ballot(), []
    for attempt, proposer in asked:
        it = proposal(attempt, proposer)
        if ballot.accepts(it):
            ballot = ballot.answering(it)
            answered.append((attempt, proposer))
        else:
            ballot = ballot.dropping()
        assert decode_ballot(encode_ballot(ballot)) == ballot
    assert len(answered) == len(set(answered))


@pytest.mark.parametrize(
    "wrong",
    [
        proposal(0),
        proposal(proposer="z"),
        proposal(members="acb"),
        proposal(members="aab"),
    ],
)
def test_what_is_no_proposal_says_why(wrong: Proposal) -> None:
    assert wrong.problem is not None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode((BALLOT_VERSION + 1, Ballot())),
        msgspec.msgpack.encode((BALLOT_VERSION, "ballot")),
        encode_ballot(Ballot(proposal(), None)),
        encode_ballot(Ballot(proposal(0), proposal(0).rank)),
        encode_ballot(Ballot(proposal(), proposal().rank, "x")),
        encode_ballot(Ballot().answering(proposal(cluster=""))),
        encode_ballot(Ballot().answering(proposal(cluster="x" * 129))),
        encode_ballot(Ballot().answering(proposal(members="abcdefghij"))),
        encode_ballot(Ballot().answering(proposal(2**53 + 1))),
    ],
)
def test_bytes_that_hold_no_ballot_are_refused(data: bytes) -> None:
    with pytest.raises(BallotError):
        decode_ballot(data)


@given(st.binary(max_size=80))
def test_reading_a_ballot_gives_one_or_a_ballot_error(data: bytes) -> None:
    with suppress(BallotError):
        decode_ballot(data)


def test_the_largest_ballot_fits_its_file() -> None:
    members = [f"{at:064x}" for at in range(MAX_FOUNDERS)]
    node = short_name("\U0001f680" * 1_000)
    assert len(node) == MAX_NODE_NAME
    largest = Proposal("\U0001f680" * 128, 2**53, members[0], tuple(Founder(member, node) for member in members))
    data = encode_ballot(Ballot().answering(largest))
    assert decode_ballot(data).answer == largest
    assert len(data) <= MAX_VALUE_BYTES


def test_a_ballot_survives_and_its_directory_has_no_file_before_the_first_answer(tmp_path: Path) -> None:
    files = DiskFiles()
    opened = BallotFile.open(files, tmp_path)
    assert opened.ballot == Ballot()
    opened.store(Ballot())
    assert not (tmp_path / BALLOT_NAME).exists()
    answered = Ballot().answering(proposal())
    opened.store(answered)
    opened.close()
    again = BallotFile.open(files, tmp_path)
    assert again.ballot == answered
    again.store(answered.dropping())
    again.close()
    last = BallotFile.open(files, tmp_path)
    assert last.ballot == answered.dropping()
    last.close()


def test_a_damaged_ballot_is_refused_not_forgotten(tmp_path: Path) -> None:
    files = DiskFiles()
    opened = BallotFile.open(files, tmp_path)
    opened.store(Ballot().answering(proposal()))
    opened.close()
    path = tmp_path / BALLOT_NAME
    data = bytearray(path.read_bytes())
    for start in (0, len(data) // 2):
        data[start + 40] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptFileError):
        BallotFile.open(files, tmp_path)
