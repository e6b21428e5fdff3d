"""Rules switched off, to see that the simulation of both layers notices."""

from __future__ import annotations

import pytest

from coterie.app.raft import leaders
from coterie.consensus.autopilot import node_lease_reaper
from coterie.consensus.autopilot.founding import bootstrap
from coterie.consensus.autopilot.observations import Observations
from coterie.consensus.autopilot.shell import agent, leader_loop
from coterie.consensus.autopilot.voters import rules
from coterie.consensus.autopilot.voters.policy import Policy
from coterie.consensus.autopilot.voters.removal import RemovalOutcome
from coterie.consensus.autopilot.voters.rules import DecisionKind, VoterDecision
from coterie.consensus.autopilot.voters.view import ClusterView
from coterie.consensus.raft.core import step
from coterie.consensus.raft.messages import WentBack


def gossip_alone_removes(patch: pytest.MonkeyPatch) -> None:
    """What gossip holds dead is dead, and nobody's answers are asked for."""
    patch.setattr(rules, "is_dead", lambda view, member, *_: member != view.own and not view.member(member).live)
    patch.setattr(rules, "_may_remove", lambda *_: True)
    patch.setattr(rules, "_replacement", lambda *_: None)
    patch.setattr(rules, "_gains", lambda *_: True)


def the_first_to_be_seen_votes(patch: pytest.MonkeyPatch) -> None:
    """Whoever gossip shows alive votes, caught up or not, and the new majority need not answer."""
    patch.setattr(rules, "readiness", lambda view, it, *_: None if it.live else "not alive")
    patch.setattr(rules, "_may_add", lambda *_: True)
    patch.setattr(rules, "waits_for_pair", lambda *_: False)


def a_replacement_is_added_first(patch: pytest.MonkeyPatch) -> None:
    plain = rules.decide

    def decide(view: ClusterView, policy: Policy, now: float) -> VoterDecision | None:
        decision = plain(view, policy, now)
        if decision is not None and decision.replacement is not None:
            return VoterDecision(DecisionKind.PROMOTE, decision.replacement, "added first")
        return decision

    patch.setattr(leader_loop, "decide", decide)


def founders_beside_a_cluster(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(bootstrap, "_existing", lambda *_: None)


def a_removed_member_stays(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(agent, "removal_outcome", lambda *_, **__: (RemovalOutcome.STAY, ""))


def gossip_alone_ends_leases(patch: pytest.MonkeyPatch) -> None:
    """Nobody is asked, and no link counts."""
    patch.setattr(node_lease_reaper.LifeSigns, "is_gone", lambda *_, **__: True)
    patch.setattr(leader_loop, "is_deaf", lambda *_: False)


def clusters_meet_in_silence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(agent, "other_clusters", lambda *_: None)


def terms_count_everywhere(patch: pytest.MonkeyPatch) -> None:
    """Leaders of different clusters are compared, and the highest term wins."""
    patch.setattr(leaders, "_is_of", lambda *_: True)


def nobody_hears_that_it_went_back(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(step.MESSAGES, WentBack, lambda *_: None)


def every_twin_is_a_copy(patch: pytest.MonkeyPatch) -> None:
    """It is refused, and no more, whatever has become of the process before it."""
    patch.setattr(Observations, "took_over", lambda *_: None)
