"""Rules switched off, to see that the simulation of both layers notices."""

from __future__ import annotations

import pytest

from coterie.consensus.autopilot import node_lease_reaper
from coterie.consensus.autopilot.founding import bootstrap
from coterie.consensus.autopilot.voters import rules
from coterie.consensus.autopilot.voters.policy import Policy
from coterie.consensus.autopilot.voters.removal import RemovalOutcome
from coterie.consensus.autopilot.voters.rules import DecisionKind, VoterDecision
from coterie.consensus.autopilot.voters.view import ClusterView
from tests.verify.autopilot_sim import world


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

    patch.setattr(world, "decide", decide)


def founders_beside_a_cluster(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(bootstrap, "_existing", lambda *_: None)


def a_removed_member_stays(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(world, "removal_outcome", lambda *_, **__: (RemovalOutcome.STAY, ""))


def gossip_alone_ends_leases(patch: pytest.MonkeyPatch) -> None:
    """Nobody is asked, and no link counts."""
    patch.setattr(node_lease_reaper.LifeSigns, "is_gone", lambda *_, **__: True)
    patch.setattr(node_lease_reaper, "is_deaf", lambda *_: False)
