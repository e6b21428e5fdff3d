"""A member that has lost what it acknowledged: reported, told so, and never counted again (raft spec 2b, durability).

A directory that goes back in time (a copy of a running machine, a disk that lied) looks like a member that is late. It
is not: a majority was counted with what it no longer has, and a vote that it gave may be forgotten. Two things prove
it. In its greeting a new process names the term and the last index that it started with: below what an earlier process
of that member acknowledged to this one, they cannot be true to it. And a member that refuses the very entry that it
has acknowledged in this term does not hold it.
"""

from __future__ import annotations

import logging

from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.errors import WentBackError
from coterie.consensus.raft.messages import WentBack
from coterie.consensus.raft.ports import Greeting

logger = logging.getLogger(__name__)


def check_greeting(s: RaftState, member: str, greeting: Greeting) -> None:
    """A link came up: does the member still hold what it acknowledged? To be called before its progress begins anew."""
    former = s.incarnations.get(member, 0)
    s.incarnations[member] = max(former, greeting.incarnation)
    if member in s.went_back:
        _tell(s, member)
        return
    if 0 < greeting.incarnation < former:
        condemn(s, member, f"it starts for the {greeting.incarnation}. time, and the {former}. had been seen")
        return
    if not greeting.index or greeting.incarnation == former:
        return  # an earlier release says nothing; the same process has forgotten nothing
    term, index = _acknowledged(s, member)
    if (greeting.term, greeting.index if greeting.term == term else index) < (term, index):
        condemn(
            s,
            member,
            f"it acknowledged entry {index} in term {term}, and started again with term {greeting.term} and entry "
            f"{greeting.index} as its last",
        )


def refused_what_it_has(s: RaftState, member: str, match: int) -> None:
    """As the leader: the member refuses an append that follows the last entry that it acknowledged in this term."""
    condemn(s, member, f"it acknowledged entry {match} in term {s.term}, and does not hold it any more")


def condemn(s: RaftState, member: str, words: str) -> None:
    """From here on nothing that the member says counts for a majority. `words`: the proof."""
    if member in s.went_back:
        return
    logger.critical("the directory of member %s went back in time: %s; it is not counted any more", member, words)
    s.went_back[member] = words
    s.acknowledged.pop(member, None)
    progress = s.progress.get(member)
    if progress is not None:
        progress.forget(s.now)
    if s.campaign is not None:
        s.campaign.granted.discard(member)
    if s.read_round is not None:
        s.read_round.answered.discard(member)
    _tell(s, member)


def on_went_back(s: RaftState, sender: str, message: WentBack) -> None:
    """Another member has proof against this one: it must not vote, nor acknowledge, ever again.

    Raises WentBackError, which ends the node's part in Raft.
    """
    raise WentBackError(
        f"the directory of this member went back in time, as {sender} can tell: {message.words}; it takes no part in "
        "Raft any more: set the directory aside, and the node joins as a new member"
    )


def _acknowledged(s: RaftState, member: str) -> tuple[int, int]:
    """(Term, index) of the last acknowledgement to this process."""
    progress = s.progress.get(member)
    if s.leading and progress is not None and progress.match:
        return s.term, progress.match
    return s.acknowledged.get(member, (0, 0))


def _tell(s: RaftState, member: str) -> None:
    if member in s.links:
        s.ready.send(member, WentBack(s.went_back[member][:MAX_WORDS]))


MAX_WORDS = 1_000
"""Of a proof that is sent, in characters."""
