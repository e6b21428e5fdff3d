"""The leader's loop: observe the cluster, take at most one decision, carry it out through the log, record its reason.

Every node runs one, so that a new leader knows since when each member is live; only a leader acts. It proposes the
ends of node-bound leases, too (`node_lease_reaper.py`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress

from coterie.consensus.api.errors import MetadataError, UnavailableError
from coterie.consensus.autopilot.decision_log import DecisionRecord, record_decision
from coterie.consensus.autopilot.node_lease_reaper import NodeLeaseReaper, is_deaf
from coterie.consensus.autopilot.observations import Observations
from coterie.consensus.autopilot.shell.process_witness import AskProcess, ProcessWitness
from coterie.consensus.autopilot.voters.explain import non_voters
from coterie.consensus.autopilot.voters.policy import Policy
from coterie.consensus.autopilot.voters.removal import RemovalCause, ban_text
from coterie.consensus.autopilot.voters.rules import DecisionKind, VoterDecision, decide
from coterie.consensus.autopilot.voters.tracker import RaftFacts, Tracker
from coterie.consensus.autopilot.voters.view import ClusterView
from coterie.consensus.member.member import Member
from coterie.consensus.store import Ban, FoundCluster, encode

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 2.0
"""Between a decision that could not be carried out and the next."""


class LeaderLoop:
    """One member's, in its event loop."""

    def __init__(self, member: Member, policy: Policy, ask: AskProcess | None = None) -> None:
        """`ask`: which process is at an address; None: nobody is asked."""
        self.member = member
        self.policy = policy
        self._last: tuple[str, str, str] | None = None  # (kind, member, outcome) of the last decision
        self.view: ClusterView | None = None
        self._seen = Observations(())
        self._tracker = Tracker(policy.max_lag_entries)
        self._reaper = NodeLeaseReaper()
        self._witness = ProcessWitness(ask)
        self._ending: set[tuple[int, int]] = set()  # (lease, renewal) whose end is proposed
        self._acting: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._naming = False

    def turn(self, seen: Observations, now: float) -> None:
        """Observe, and act where this member leads. `now`: the monotonic clock, in seconds."""
        self._seen = seen
        facts = self._facts()
        self.view = self._tracker.observe(seen, facts, now)
        if not facts.leading or not facts.settled:
            return
        self._name_cluster()
        self._reap_leases(seen, now)
        if now < self._not_before or (self._acting is not None and not self._acting.done()):
            return
        decision = decide(self.view, self.policy, now)
        if decision is not None:
            self._acting = asyncio.create_task(self._carry_out(decision, facts.term), name="raft decision")

    def reasons(self, now: float) -> dict[str, str]:
        """Member id -> why it does not vote; empty where this member does not lead."""
        return {} if self.view is None else non_voters(self.view, self.policy, now)

    async def stop(self) -> None:
        await self._witness.stop()
        if self._acting is not None:
            self._acting.cancel()
            await asyncio.gather(self._acting, return_exceptions=True)

    def _facts(self) -> RaftFacts:
        node, state = self.member.node, self.member.node.state
        leading = node.leading
        return RaftFacts(
            own=self.member.id,
            cluster_id=self.member.cluster,
            term=node.term,
            leading=leading,
            settled=leading and state.noop_applied,
            change_pending=state.change_pending,
            transferring=state.transfer is not None,
            voters=node.voters,
            last_index=state.log.last_index,
            match={peer: progress.match for peer, progress in state.progress.items()},
            heard_at={peer: progress.last_contact for peer, progress in state.progress.items()},
            went_back=state.went_back,
            bans=self.bans(),
            answer_window=self.member.config.raft.election_max,
        )

    def bans(self) -> Mapping[str, str]:
        """Member id -> reason, as applied here."""
        return {member: ban.reason for member, ban in self.member.state.bans.items()}

    # -- acting ------------------------------------------------------------------------------------------------------

    async def _carry_out(self, decision: VoterDecision, term: int) -> None:
        node = self.view.member(decision.member).node if self.view is not None else ""
        try:
            await self._do(decision)
        except MetadataError as error:
            outcome = str(error)
            self._not_before = time.monotonic() + PAUSE_SECONDS
        else:
            outcome = "done"
        done = DecisionRecord(time.time(), term, decision.kind.value, decision.member, node, decision.reason, outcome)
        logger.info("raft: %s %s (%s): %s: %s", done.kind, done.member, node or "no node", done.reason, outcome)
        await self._record(done)

    async def _record(self, decision: DecisionRecord) -> None:
        """One record is enough where the same decision fails in the same way again."""
        former, self._last = self._last, (decision.kind, decision.member, decision.outcome)
        if decision.outcome != "done" and former == self._last:
            return
        with suppress(MetadataError):  # the log of this node has it anyhow
            await self.member.metadata.submit(record_decision(self.member.state, decision))

    async def _do(self, decision: VoterDecision) -> None:
        member = self.member
        match decision.kind:
            case DecisionKind.TRANSFER:
                await member.transfer(decision.member)
            case DecisionKind.PROMOTE:
                await member.change_voters(decision.member, add=True)
            case DecisionKind.REMOVE:
                if decision.member not in member.state.bans:
                    await ban_member(member, decision.member, decision.cause or RemovalCause.DEAD, decision.reason)
                    decision = self._decided_again(decision)
                await member.change_voters(decision.member, add=False)
                if decision.replacement is not None:
                    self._tracker.expect_replacement(decision.replacement, time.monotonic())

    def _decided_again(self, decision: VoterDecision) -> VoterDecision:
        """The ban took its time: may the voter still go, by what is known now? Another may have died meanwhile, and
        the removal would strand those that are left. Raises UnavailableError; the ban stays, and is taken up later."""
        now = time.monotonic()
        self.view = self._tracker.observe(self._seen, self._facts(), now)
        again = decide(self.view, self.policy, now)
        if again is None or (again.kind, again.member) != (decision.kind, decision.member):
            raise UnavailableError("held_back", "what spoke for it has changed since it was decided")
        return again

    def _name_cluster(self) -> None:
        """Once in a cluster's life: put its id into the state, and so into backups."""
        if not self.member.state.cluster_id and not self._naming:
            self._naming = True

            def done(*_: object) -> None:
                self._naming = False

            operation = encode(FoundCluster(self.member.cluster))
            self.member.node.propose(operation, done, self.member.config.request_timeout)

    def _reap_leases(self, seen: Observations, now: float) -> None:
        answering = self._answering()
        if is_deaf(seen, self.member.id, answering):
            return
        suspected = self._reaper.reap(self.member.state, seen, now)
        for end in self._witness.confirm(suspected, self.member.state, seen, answering, now):
            key = (end.lease, end.renewal)
            if key in self._ending:
                continue
            self._ending.add(key)
            self.member.node.propose(
                encode(end), lambda *_, key=key: self._ending.discard(key), self.member.config.request_timeout
            )

    def _answering(self) -> set[str]:
        """Members that this leader has heard over their links within an election timeout."""
        since = time.monotonic() - self.member.config.raft.election_max
        links = self.member.transport.links
        progress = self.member.node.state.progress
        return {peer for peer, it in progress.items() if it.last_contact >= since and peer in links}


async def ban_member(member: Member, banned: str, cause: RemovalCause, words: str) -> None:
    """Put a ban into the log, with which every removal begins. `member`: any that runs. Raises MetadataError."""
    await member.metadata.administer(Ban(banned, ban_text(cause, words)))
