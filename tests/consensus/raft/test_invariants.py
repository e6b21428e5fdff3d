"""A broken invariant stops the node with a message that says which, and nothing of that event is stored, sent or
acknowledged."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coterie.consensus.raft.core import calls
from coterie.consensus.raft.core.model.configuration import encode_voters
from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.errors import RaftUnknownOutcomeError, SafetyError
from tests.consensus.raft.helpers import Group, act


def _term_falls(s: RaftState) -> None:
    s.term -= 1


def _commit_falls(s: RaftState) -> None:
    s.commit -= 1


def _applied_too_far(s: RaftState) -> None:
    s.applied = s.commit + 1


def _committed_past_the_log(s: RaftState) -> None:
    s.commit = s.log.last_index + 1


def _durable_past_the_log(s: RaftState) -> None:
    s.log.durability.durable = s.log.last_index + 1


def _next_not_after_match(s: RaftState) -> None:
    s.progress["n1"].next = s.progress["n1"].match


def _next_past_the_log(s: RaftState) -> None:
    s.progress["n1"].next = s.log.last_index + 2


def _two_changes(s: RaftState) -> None:
    for voters in (["n0", "n1"], ["n0"]):
        s.log.append((encode_voters(voters), s.log.last_index + 1, s.term))


@pytest.mark.parametrize(
    ("breach", "words"),
    [
        (_term_falls, "the term fell"),
        (_commit_falls, "the commit index fell"),
        (_applied_too_far, "applied <= commit <= last"),
        (_committed_past_the_log, "applied <= commit <= last"),
        (_durable_past_the_log, "is durable, but the log ends"),
        (_next_not_after_match, "match < next"),
        (_next_past_the_log, "match < next"),
        (_two_changes, "two changes of the configuration"),
    ],
)
def test_a_breach_stops_the_node_and_says_which(breach: Callable[[RaftState], None], words: str) -> None:
    group = Group(3)
    leader = group.lead("n0")
    host = group.hosts["n0"]
    before = (host.platter.term, list(host.platter.log))
    sent = group.network.sent
    act(leader, breach)
    assert leader.stopped
    assert isinstance(leader.failure, SafetyError)
    assert words in str(leader.failure)
    assert group.network.sent == sent
    assert (host.platter.term, list(host.platter.log)) == before


def test_what_the_broken_event_decided_is_in_doubt_and_what_was_acknowledged_before_is_there() -> None:
    group = Group(3)
    leader = group.lead("n0")
    group.puts("n0", 3)
    write = group.put("n0", 7)
    leader.tick()
    group.run_until(lambda: leader.state.log.durability.durable == leader.last_index, 1.0)

    def decide_and_break(s: RaftState) -> None:
        for decisions in s.pending.decisions.values():
            for decision in decisions:
                for _, proposal in decision.proposals:
                    calls.end(s, proposal, None, 1)
        s.commit = s.log.last_index + 1

    act(leader, decide_and_break)
    assert isinstance(write.error, RaftUnknownOutcomeError)
    group.hosts["n0"].crash()
    group.hosts["n0"].start()
    group.reconnect()
    assert group.run_until(group.settled, 10.0)
    assert set(group.hosts["n0"].machine.ids) >= {1000, 1001, 1002}
