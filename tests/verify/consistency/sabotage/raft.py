"""What can be broken in the Raft layer. Most ways to break it are those of the simulation, tried on real processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from coterie.consensus.raft.core import calls, rules
from coterie.consensus.raft.core.model.configuration import is_membership
from coterie.consensus.raft.core.model.log import Durability
from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.core.parts import elections, pings, proposals, reads, replication
from coterie.consensus.store.tables.deduplication import DeduplicationTable
from tests.verify.consistency.sabotage.catalogue import Sabotage
from tests.verify.raft_sim.sabotage import patches as ways
from tests.verify.raft_sim.sabotage.patches import Patch, function


def _broken(*parts: Callable[[], list[Patch]]) -> Callable[[], None]:
    """Patches for the rest of the process's life."""

    def apply() -> None:
        for part in parts:
            ways.put(part())

    return apply


def _answer_at_once(serve: Any) -> Any:
    def serve_reads(s: Any) -> None:
        arrived, s.reads_arrived = s.reads_arrived, []
        for read in arrived:
            calls.end(s, read, None, s.applied)

    return serve_reads


def _of_this_term(on_message: Any) -> Any:
    def handle(s: Any, leader: str, message: Any) -> None:
        follows = not s.leading and message.term < s.term
        on_message(s, leader, replace(message, term=s.term) if follows else message)

    return handle


def _undone(apply: Any) -> Any:
    def do_apply(s: Any, command: bytes, index: int) -> Any:
        configurations = s.log.configurations
        before = configurations.as_of(index - 1)
        done = apply(s, command, index)
        if is_membership(command) and before:
            configurations._changes.append((index, before))
        return done

    return do_apply


_LEADS_WITHOUT_MAJORITY = function(elections, "check_quorum", ways.stay)

RAFT: tuple[Sabotage, ...] = (
    Sabotage(
        "reads-without-round",
        "a leader answers reads without asking whether it still leads",
        _broken(function(reads, "serve", ways.read_at_once), _LEADS_WITHOUT_MAJORITY),
        "isolations",
    ),
    Sabotage(
        "reads-where-they-come",
        "every node answers reads by what it has applied itself",
        _broken(function(reads, "serve", _answer_at_once)),
        "partitions",
    ),
    Sabotage(
        "acknowledged-before-majority",
        "an entry counts as committed once it is on the leader's own disk",
        _broken(lambda: [(rules, "leader_commit", lambda voters, match, commit, *_: max(commit, *match.values()))]),
        "isolations",
    ),
    Sabotage(
        "acknowledged-before-sync",
        "entries count as being on disk when the sync begins",
        _broken(lambda: [(Durability, "begin", ways.begin_is_done)]),
        "power-cuts",
    ),
    Sabotage(
        "stale-leader-obeyed",
        "followers take entries and pings of a leader of an earlier term, which never gives up",
        _broken(
            function(replication, "on_append_entries", _of_this_term),
            function(pings, "on_ping", _of_this_term),
            _LEADS_WITHOUT_MAJORITY,
        ),
        "isolations",
    ),
    Sabotage(
        "configuration-applied-twice",
        "a change of voters is applied once more when it is committed, and so undone",
        _broken(function(proposals, "apply_entry", _undone)),
        "members",
        seconds=45.0,
    ),
    Sabotage(
        "incomplete-logs-elected",
        "whoever campaigns is elected, also with a log that lacks what the voters' own hold",
        _broken(
            ways.rule("up_to_date", ways.no_log_check),
            ways.rule("answer_vote", ways.not_sticky),
            function(elections, "campaign", ways.straight_campaign),
        ),
        "isolations",
    ),
    Sabotage(
        "requests-forgotten",
        "a write that is sent again under its request id happens again",
        _broken(lambda: [(DeduplicationTable, "recall", lambda *_: None)]),
        "transfers",
    ),
    Sabotage(
        "leads-on-a-hung-disk",
        "a leader does not mind that its disk hangs",
        _broken(lambda: [(RaftState, "disk_hangs", lambda _: False)]),
        "hung-sync",
    ),
)
