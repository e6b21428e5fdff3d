"""Answers to proposals, in memory and on disk."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.consensus.autopilot.founding_vote import (
    FOUNDING_VOTE_VERSION,
    MAX_FOUNDERS,
    MAX_NODE_NAME,
    Founder,
    FoundingProposal,
    FoundingVote,
    FoundingVoteError,
    decode_founding_vote,
    encode_founding_vote,
    short_name,
)
from coterie.consensus.autopilot.shell.founding_vote_file import FILE_NAME, FoundingVoteFile
from coterie.consensus.journal import CorruptFileError, DiskFiles
from coterie.consensus.journal.files.double_buffered import MAX_VALUE_BYTES


def proposal(attempt: int = 1, proposer: str = "a", cluster: str = "x", members: str = "abc") -> FoundingProposal:
    return FoundingProposal(cluster, attempt, proposer, tuple(Founder(member, f"node-{member}") for member in members))


def test_an_agreement_only_moves_up_and_what_was_dropped_is_dropped_for_ever() -> None:
    first = FoundingVote().agreeing(proposal(1, "b"))
    assert not first.accepts(proposal(1, "b"))
    assert not first.accepts(proposal(1, "c"))
    dropped = first.dropping()
    assert dropped.agrees_to is None
    assert not dropped.accepts(proposal(1, "b"))
    assert dropped.accepts(proposal(1, "a"))
    assert dropped.accepts(proposal(2, "c"))
    with pytest.raises(ValueError, match="at or below"):
        dropped.agreeing(proposal(1, "b"))
    joining = dropped.joining_cluster("y")
    assert (joining.agrees_to, joining.joining, joining.highest_rank) == (None, "y", first.highest_rank)


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from("abc"))))
def test_no_proposal_is_ever_answered_twice(asked: list[tuple[int, str]]) -> None:
    vote, agreed = FoundingVote(), []
    for attempt, proposer in asked:
        it = proposal(attempt, proposer)
        if vote.accepts(it):
            vote = vote.agreeing(it)
            agreed.append((attempt, proposer))
        else:
            vote = vote.dropping()
        assert decode_founding_vote(encode_founding_vote(vote)) == vote
    assert len(agreed) == len(set(agreed))


@pytest.mark.parametrize(
    "wrong",
    [
        proposal(0),
        proposal(proposer="z"),
        proposal(members="acb"),
        proposal(members="aab"),
    ],
)
def test_what_is_no_proposal_says_why(wrong: FoundingProposal) -> None:
    assert wrong.problem is not None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode((FOUNDING_VOTE_VERSION + 1, FoundingVote())),
        msgspec.msgpack.encode((FOUNDING_VOTE_VERSION, "ballot")),
        encode_founding_vote(FoundingVote(proposal(), None)),
        encode_founding_vote(FoundingVote(proposal(0), proposal(0).rank)),
        encode_founding_vote(FoundingVote(proposal(), proposal().rank, "x")),
        encode_founding_vote(FoundingVote().agreeing(proposal(cluster=""))),
        encode_founding_vote(FoundingVote().agreeing(proposal(cluster="x" * 129))),
        encode_founding_vote(FoundingVote().agreeing(proposal(members="abcdefghij"))),
        encode_founding_vote(FoundingVote().agreeing(proposal(2**53 + 1))),
    ],
)
def test_bytes_that_hold_no_ballot_are_refused(data: bytes) -> None:
    with pytest.raises(FoundingVoteError):
        decode_founding_vote(data)


@given(st.binary(max_size=80))
def test_reading_a_ballot_gives_one_or_a_ballot_error(data: bytes) -> None:
    with suppress(FoundingVoteError):
        decode_founding_vote(data)


def test_the_largest_ballot_fits_its_file() -> None:
    members = [f"{at:064x}" for at in range(MAX_FOUNDERS)]
    node = short_name("\U0001f680" * 1_000)
    assert len(node) == MAX_NODE_NAME
    largest = FoundingProposal(
        "\U0001f680" * 128, 2**53, members[0], tuple(Founder(member, node) for member in members)
    )
    data = encode_founding_vote(FoundingVote().agreeing(largest))
    assert decode_founding_vote(data).agrees_to == largest
    assert len(data) <= MAX_VALUE_BYTES


def test_a_ballot_survives_and_its_directory_has_no_file_before_the_first_answer(tmp_path: Path) -> None:
    files = DiskFiles()
    opened = FoundingVoteFile.open(files, tmp_path)
    assert opened.vote == FoundingVote()
    opened.store(FoundingVote())
    assert not (tmp_path / FILE_NAME).exists()
    agreed = FoundingVote().agreeing(proposal())
    opened.store(agreed)
    opened.close()
    again = FoundingVoteFile.open(files, tmp_path)
    assert again.vote == agreed
    again.store(agreed.dropping())
    again.close()
    last = FoundingVoteFile.open(files, tmp_path)
    assert last.vote == agreed.dropping()
    last.close()


def test_a_damaged_ballot_is_refused_not_forgotten(tmp_path: Path) -> None:
    files = DiskFiles()
    opened = FoundingVoteFile.open(files, tmp_path)
    opened.store(FoundingVote().agreeing(proposal()))
    opened.close()
    path = tmp_path / FILE_NAME
    data = bytearray(path.read_bytes())
    for start in (0, len(data) // 2):
        data[start + 40] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptFileError):
        FoundingVoteFile.open(files, tmp_path)
