"""Each fix switched off, one at a time: what the simulator must find (the table in consensus/DESIGN.md).

A switch patches the core's functions, so that one rule of the specification does not hold.
Beside each stands the fault that comes back, or the section or the figure with the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from coterie.consensus.member.metadata import level_raising
from coterie.consensus.member.metadata.digests import Digests
from coterie.consensus.member.metadata.level_raising import LevelRaising
from coterie.consensus.member.metadata.state_machine import MetadataStateMachine
from coterie.consensus.raft import recovery
from coterie.consensus.raft.core import calls, rules, step, transitions
from coterie.consensus.raft.core.model.configuration import Configurations
from coterie.consensus.raft.core.model.log import Durability
from coterie.consensus.raft.core.model.outbox import Outbox
from coterie.consensus.raft.core.parts import (
    elections,
    forwarding,
    pings,
    proposals,
    reads,
    replication,
    rollback,
    snapshot_receiving,
    snapshot_sending,
    snapshot_taking,
)
from coterie.consensus.raft.node import RaftNode
from coterie.consensus.store.handlers import keys, leases
from coterie.consensus.store.tables.deduplication import DeduplicationTable
from tests.verify.raft_sim.releases import Releases
from tests.verify.raft_sim.sabotage import patches as sabotage
from tests.verify.raft_sim.sabotage.patches import Patch, function

SWITCHES: dict[str, tuple[str, Callable[[], list[Patch]]]] = {
    "one change at a time": ("fault 1", sabotage.rule("may_change", sabotage.one_change_off)),
    "no change before the no-op": ("fault 1", sabotage.rule("may_change", sabotage.noop_gate_off)),
    "uncommitted configuration at restart": ("fault 3", function(RaftNode, "start", sabotage.committed_only)),
    "log kept where it goes past the snapshot": ("fault 4", lambda: [(recovery, "_align", sabotage.stock_align)]),
    "acknowledge after the sync": ("fault 5", lambda: [(Durability, "begin", sabotage.begin_is_done)]),
    "own entries count after the sync": ("fault 5", function(replication, "advance_commit", sabotage.own_vote_early)),
    "term in acknowledgements": ("fault 7", function(transitions, "hear_answer", sabotage.terms_ignored)),
    "votes per member": ("fault 7", function(elections, "on_response_vote", sabotage.count_twice)),
    "matching suffix stays": ("fault 7", sabotage.rule("plan_append", sabotage.truncate_rest)),
    "calls end at their deadline": ("fault 9", function(calls, "expire", sabotage.stay)),
    "pre-vote": ("fault 11", function(elections, "campaign", sabotage.straight_campaign)),
    "stickiness": ("fault 11", sabotage.rule("answer_vote", sabotage.not_sticky)),
    "check-quorum": ("fault 11", function(elections, "check_quorum", sabotage.stay)),
    "links outlive the configuration": ("fault 13", function(step, "receive", sabotage.link_by_configuration)),
    "commit only what is verified": (
        "fault 17",
        function(replication, "on_append_entries", sabotage.commit_unverified),
    ),
    "no snapshot below the commit index": ("fault 18", lambda: [(rules, "wants_snapshot", lambda *_: True)]),
    "suffix after a snapshot stays": ("fault 18", lambda: [(rules, "keeps_suffix", lambda *_: False)]),
    "no reset below a match": ("fault 18", function(replication, "on_next_node_idx", sabotage.reset_below_match)),
    "the dump does not set the configuration": (
        "fault 19",
        function(snapshot_taking, "load", sabotage.configuration_of_dump),
    ),
    "a commit changes no configuration": ("fault 20", function(proposals, "apply_entry", sabotage.applied_again)),
    "a snapshot's configuration is as of its index": (
        "fault 21",
        lambda: [(Configurations, "as_of", sabotage.uncommitted_in_snapshot(None))],
    ),
    "a failed snapshot is not acknowledged": (
        "fault 22",
        function(snapshot_receiving, "answer_incoming", sabotage.failed_is_installed),
    ),
    "everybody grants votes": ("fault 23", function(elections, "on_request_vote", sabotage.no_votes_of_non_voters)),
    "pings count as contact": ("fault 25", function(reads, "on_pong", sabotage.pongs_do_not_count)),
    "a failed sync stops the node": ("fault 26", function(replication, "synced", sabotage.sync_errors_ignored)),
    "load before listening": (
        "fault 28",
        lambda: [
            *function(RaftNode, "load", sabotage.no_load)(),
            *function(step, "tick", sabotage.load_late)(),
        ],
    ),
    "truncate only from a conflict": ("fault 29", sabotage.rule("plan_append", sabotage.rewrite)),
    "only entries of the own term are counted": ("Figure 2", sabotage.rule("leader_commit", sabotage.old_terms_commit)),
    "all founders elect the first leader": ("raft spec 4", sabotage.rule("is_elected", sabotage.majority_founds)),
    "votes for complete logs only": ("Figure 2", sabotage.rule("up_to_date", sabotage.no_log_check)),
    "votes are stored": ("Figure 2", function(transitions, "store_term", sabotage.vote_not_stored)),
    "verified starts over with the term": (
        "raft spec 2b",
        function(transitions, "new_term", sabotage.verified_forever),
    ),
    "a full disk acknowledges nothing": (
        "raft spec 2b",
        function(replication, "on_append_entries", sabotage.full_disk_acknowledged),
    ),
    "reads take a round": ("raft spec 3", function(reads, "serve", sabotage.read_at_once)),
    "ages count from the question": ("raft spec 3", function(pings, "on_ping", sabotage.heard_is_asked)),
    "rounds are numbered": ("raft spec 3", function(reads, "round_answered", sabotage.any_pong)),
    "reads wait for the no-op": ("raft spec 3", function(reads, "serve", sabotage.no_noop_wait)),
    "reads wait until applied": ("raft spec 3", function(calls, "finish_reads", sabotage.unapplied)),
    "a transfer overrides stickiness": ("raft spec 2b", sabotage.rule("answer_vote", sabotage.no_transfer_flag)),
    "an overwritten proposal did not happen": ("promise 4", function(calls, "decide", sabotage.always_happened)),
    "answers go back over their own link": ("promise 4", function(forwarding, "reply", sabotage.any_link)),
    "a lost forward is unknown": ("promise 4", function(calls, "forward_lost", sabotage.lost_is_refused)),
    "the founder's limits are logged": (
        "raft spec 3",
        lambda: [
            (level_raising, "FIRST_LEVEL", 0),
            *function(Releases, "state", sabotage.own_limits)(),
        ],
    ),
    "a level waits until all follow": ("raft spec 3", function(LevelRaising, "followed", sabotage.own_level_alone)),
    "a member that differs stops": ("raft spec 3", function(Digests, "told", sabotage.no_verdict)),
    "fingerprints of requests are compared": (
        "raft spec 3",
        function(DeduplicationTable, "recall", sabotage.no_fingerprint),
    ),
    "a member that went back is not counted": ("raft spec 2b", function(rollback, "condemn", sabotage.believed)),
    "a start below what was acknowledged is noticed": (
        "raft spec 2b",
        function(rollback, "check_greeting", sabotage.greeting_ignored),
    ),
    "a refusal of what was acknowledged is noticed": (
        "raft spec 2b",
        function(rollback, "refused_what_it_has", sabotage.believed),
    ),
    "a removal strands nobody": ("raft spec 2b", function(proposals, "append_change", sabotage.strands)),
    "a refusal for want of room begins a snapshot": (
        "raft spec 2b",
        lambda: [
            (module, "ask_room", sabotage.relief_off(snapshot_taking.ask_room)) for module in (proposals, replication)
        ],
    ),
    "a member without room learns commits": (
        "raft spec 2b",
        function(replication, "on_append_entries", sabotage.full_learns_nothing),
    ),
    "nobody stops for another's bytes": (
        "raft spec 2b",
        function(snapshot_receiving, "_incoming_failed", sabotage.stops_for_it),
    ),
    "a damaged snapshot is replaced": ("raft spec 2b", function(snapshot_sending, "_verify", sabotage.never_looked_at)),
    "upkeep waits in the disk thread": ("raft spec 2b", function(RaftNode, "upkeep", sabotage.upkeep_on_the_loop)),
    "nothing leaves before its vote is stored": (
        "raft spec 2b",
        function(Outbox, "leaving", sabotage.leaves_at_once),
    ),
    "term and vote wait in the disk thread": (
        "raft spec 2b",
        function(RaftNode, "_store", sabotage.vote_on_the_loop),
    ),
    "no request id is forgotten young": (
        "raft spec 3",
        function(DeduplicationTable, "_is_old", sabotage.young_ones_forgotten),
    ),
    "a token that ended writes nothing": ("raft spec 3", function(keys, "_holds", sabotage.every_token_holds)),
    "a lease is looked at again as it ends": (
        "raft spec 3",
        function(leases, "_find_as_of", sabotage.as_due),
    ),
    "a new leader's time goes on from the last": (
        "raft spec 3",
        function(MetadataStateMachine, "lead", sabotage.ahead),
    ),
}
"""Name of the fix -> (fault or rule, what switches it off)."""


@contextmanager
def switched_off(name: str) -> Iterator[None]:
    """Run with one fix off."""
    undo = sabotage.put(SWITCHES[name][1]())
    try:
        yield
    finally:
        sabotage.put(undo)
