"""A founding, step by step: what a node does, by what its disk holds and what gossip shows (raft spec 4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from coterie.consensus.autopilot.announcement import Announcement, FoundingRule
from coterie.consensus.autopilot.founding.agreement import FOUNDING_PATIENCE, SETTLE_SECONDS, UNSEEN_SECONDS
from coterie.consensus.autopilot.founding.bootstrap import give_up, step
from coterie.consensus.autopilot.founding.bootstrap_actions import (
    ArchiveDirectory,
    BindCluster,
    BootstrapAction,
    OwnState,
    RunRaft,
    StopRaft,
    StoreVote,
    Wait,
)
from coterie.consensus.autopilot.founding_vote import Founder, FoundingProposal, FoundingVote, ProposalRank
from coterie.consensus.autopilot.observations import Observation, Observations, Presence

RULE = FoundingRule(3)


def proposal(attempt: int = 1, proposer: str = "a", members: str = "abc") -> FoundingProposal:
    return FoundingProposal(
        f"by-{proposer}-{attempt}", attempt, proposer, tuple(Founder(m, f"node-{m}") for m in members)
    )


P = proposal()


def own(member: str = "b", **but: Any) -> OwnState:
    plain = OwnState(
        member=member,
        node=f"node-{member}",
        generation=1,
        rule=RULE,
        founding_vote=FoundingVote(),
        cluster_id=None,
        term=0,
        last_index=1,
        running=None,
        up_for=100.0,
    )
    return replace(plain, **but)


def said(member: str, **but: Any) -> Announcement:
    plain = Announcement(
        member=member, incarnation=1, host="h", port=ord(member[0]), role="candidate", rule=RULE, highest_rank=None
    )
    return msgspec.structs.replace(plain, **but)


def live(member: str, node: str = "", generation: int = 1, **but: Any) -> Observation:
    return Observation(node or f"node-{member}", generation, Presence.LIVE, said(member, **but))


def holds(member: str, it: FoundingProposal = P, **but: Any) -> Observation:
    return live(member, agrees_to=it, highest_rank=it.rank, **but)


def dead(member: str, for_: float = 60.0, **but: Any) -> Observation:
    return replace(live(member, **but), presence=Presence.DEAD, dead_for=for_)


def unseen(member: str, **but: Any) -> Observation:
    return replace(live(member, **but), presence=Presence.UNSEEN)


def agreed(it: FoundingProposal = P) -> FoundingVote:
    return FoundingVote().agreeing(it)


def do(node: OwnState, *observations: Observation) -> BootstrapAction:
    return step(node, Observations.of(observations), "fresh")


def reason(action: BootstrapAction) -> str:
    assert isinstance(action, Wait)
    return action.reason


# -- proposing and agreeing ------------------------------------------------------------------------------------------


def test_the_lowest_candidate_proposes_and_the_others_wait_for_it() -> None:
    action = do(own("a"), live("b"), live("c"), live("d"))
    assert isinstance(action, StoreVote)
    assert action.vote.agrees_to == FoundingProposal("fresh", 1, "a", P.founders)
    assert reason(do(own("b"), live("a"), live("c"))) == "waiting for a proposal of node-a"


def test_nobody_proposes_before_there_are_enough_of_one_mind() -> None:
    assert "waiting for 1 more" in reason(do(own("a"), live("b")))
    for odd in (
        live("c", rule=FoundingRule(5)),
        live("c", role="founder"),
        dead("c"),
        unseen("c"),
        live("c", version=2),
    ):
        assert "waiting for 1 more" in reason(do(own("a"), live("b"), odd))


def test_who_has_just_started_looks_for_others_first() -> None:
    young = own("a", up_for=SETTLE_SECONDS - 0.1)
    assert "just started" in reason(do(young, live("b"), live("c")))
    assert isinstance(do(replace(young, rule=FoundingRule(1))), Wait)
    assert isinstance(do(replace(young, rule=FoundingRule(1), up_for=SETTLE_SECONDS)), StoreVote)


def test_a_proposal_is_agreed_to_once_it_is_seen_at_its_proposer() -> None:
    assert do(own("b"), holds("a"), live("c")) == StoreVote(agreed(), "agreeing to attempt 1 of a")
    hearsay = [live("a"), holds("c")]
    assert isinstance(do(own("b"), *hearsay), Wait)


@pytest.mark.parametrize(
    ("why", "observations"),
    [
        ("its proposer is dead", [replace(dead("a"), announcement=said("a", agrees_to=P)), live("c"), live("d")]),
        ("a founder of it is dead", [holds("a"), dead("c")]),
        ("a founder of it has agreed to a higher one", [holds("a"), live("c", highest_rank=ProposalRank(2, "x"))]),
        ("a founder of it has voted elsewhere", [holds("a"), live("c", role="founder")]),
        ("this node is no founder of it", [holds("a", proposal(members="acd")), live("c"), live("d")]),
        ("it is for another number of founders", [holds("a", proposal(members="ab")), live("c")]),
    ],
)
def test_what_cannot_come_to_pass_is_not_agreed_to(why: str, observations: list[Observation]) -> None:
    action = do(own("b"), *observations)
    assert not isinstance(action, StoreVote) or action.vote.agrees_to != P, why


def test_what_was_dropped_is_never_agreed_to_again() -> None:
    assert isinstance(do(own("b", founding_vote=agreed().dropping()), holds("a"), live("c")), Wait)


def test_a_newer_try_or_a_lower_proposer_wins_an_agreement_that_has_led_to_no_vote() -> None:
    newer, lower = proposal(2, "c"), proposal(1, "a")
    held = agreed(proposal(1, "b"))
    for better in (newer, lower):
        action = do(own("b", founding_vote=held), holds(better.proposer, better), live("a" if better is newer else "c"))
        assert isinstance(action, StoreVote)
        assert action.vote.agrees_to == better


def test_all_agree_so_raft_begins_among_them() -> None:
    assert do(own("b", founding_vote=agreed()), holds("a"), holds("c")) == RunRaft("by-a-1", ("a", "b", "c"))
    waiting = reason(do(own("b", founding_vote=agreed()), holds("a"), live("c")))
    assert waiting == "waiting for the agreement of member c of node node-c"


# -- dropping an answer ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("why", "node", "observations", "drops"),
    [
        ("the proposer is dead", own(founding_vote=agreed()), [dead("a"), live("c")], True),
        (
            "the proposer went on",
            own(founding_vote=agreed()),
            [live("a", highest_rank=ProposalRank(2, "a")), live("c")],
            True,
        ),
        ("the proposer restarts, and has said nothing yet", own(founding_vote=agreed()), [live("c")], False),
        ("nothing was ever seen of it", own(founding_vote=agreed(), up_for=UNSEEN_SECONDS), [live("c")], True),
        ("no sign of life of it yet", own(founding_vote=agreed()), [unseen("a"), live("c")], True),
        (
            "no sign of life yet, just started",
            own(founding_vote=agreed(), up_for=5.0),
            [unseen("a"), live("c")],
            False,
        ),
        ("another founder is dead", own(founding_vote=agreed()), [holds("a"), dead("c")], False),
        ("the own proposal, a founder is dead", own("a", founding_vote=agreed()), [holds("b"), dead("c")], True),
        ("the own proposal, all well", own("a", founding_vote=agreed()), [holds("b"), live("c")], False),
    ],
)
def test_an_answer_goes_when_its_proposal_cannot_come_to_pass(
    why: str, node: OwnState, observations: list[Observation], drops: bool
) -> None:
    young = why.startswith("the proposer restarts")
    action = do(replace(node, up_for=5.0) if young else node, *observations)
    assert isinstance(action, StoreVote if drops else Wait), why
    if isinstance(action, StoreVote):
        assert action.vote == node.founding_vote.dropping()


def test_once_all_had_agreed_only_lasting_death_or_a_drop_ends_it() -> None:
    node = own(founding_vote=agreed(), running="by-a-1")
    going_on = RunRaft("by-a-1", ("a", "b", "c"))
    assert do(node, holds("a"), dead("c", FOUNDING_PATIENCE - 1)) == going_on
    assert do(node, dead("a", 1.0), holds("c")) == going_on
    assert do(node, holds("a"), live("c")) == going_on  # restarted, says nothing yet
    assert isinstance(do(node, holds("a"), dead("c", FOUNDING_PATIENCE)), StopRaft)
    assert isinstance(do(node, holds("a"), live("c", highest_rank=P.rank)), StopRaft)


def test_what_led_to_a_vote_is_never_dropped() -> None:
    voted = own(founding_vote=agreed(), term=1)
    for observations in (
        [dead("a"), dead("c")],
        [holds("a", proposal(5, "a")), live("c")],
        [live("d", cluster_id="x")],
    ):
        action = do(voted, *observations)
        assert isinstance(action, RunRaft)
        assert action.cluster_id == "by-a-1"


def test_a_founder_that_waits_for_a_lost_member_says_for_whom() -> None:
    action = do(own(founding_vote=agreed(), term=1), holds("a"), dead("c"))
    assert isinstance(action, RunRaft)
    assert action.waiting is not None
    assert "waits for member c of node node-c (dead)" in action.waiting
    assert "give the founding up" in action.waiting
    assert do(own(founding_vote=agreed(), term=1), holds("a"), holds("c")) == RunRaft("by-a-1", ("a", "b", "c"))


def test_the_operator_gives_up_an_answer_or_a_whole_member() -> None:
    assert give_up(own()) is None
    assert give_up(own(cluster_id="x", term=3)) is None
    dropped = give_up(own(founding_vote=agreed()))
    assert isinstance(dropped, StoreVote)
    assert dropped.vote == agreed().dropping()
    assert isinstance(give_up(own(founding_vote=agreed(), term=1)), ArchiveDirectory)


# -- a cluster that is there -----------------------------------------------------------------------------------------


def test_with_a_log_beyond_its_first_entry_the_cluster_is_founded() -> None:
    action = do(own(founding_vote=agreed(), term=1, last_index=2))
    assert isinstance(action, BindCluster)
    assert (action.cluster_id, action.founders) == ("by-a-1", ("a", "b", "c"))


def test_a_member_of_a_cluster_never_founds_another() -> None:
    bound = own(cluster_id="mine", term=4, last_index=9)
    for observations in ([], [live("a", cluster_id="mine")], [live("a"), live("c")], [holds("a"), holds("c")]):
        assert do(bound, *observations) == RunRaft("mine", ())
    stranger = do(bound, live("a", cluster_id="other"))
    assert isinstance(stranger, RunRaft)
    assert stranger.cluster_id == "mine"
    assert stranger.waiting is not None
    assert "clusters never merge: other (node-a)" in stranger.waiting
    founder = own(founding_vote=agreed(), cluster_id="by-a-1", term=1, last_index=2)
    assert do(founder) == RunRaft("by-a-1", ("a", "b", "c"))


def test_a_cluster_that_gossip_reports_is_joined_and_for_ever_only_when_its_leader_was_heard() -> None:
    it = live("a", cluster_id="x", role="voter")
    node = own(founding_vote=agreed())
    action = do(node, it, live("c"))
    assert isinstance(action, StoreVote)
    assert (action.vote.joining, action.vote.agrees_to, action.vote.highest_rank) == (
        "x",
        None,
        P.rank,
    )
    node = replace(node, founding_vote=action.vote)
    joining = do(node, it, live("c"))
    assert isinstance(joining, RunRaft)
    assert (joining.cluster_id, joining.founders) == ("x", ())
    heard = do(replace(node, running="x", term=7), it)
    assert isinstance(heard, BindCluster)
    assert heard.cluster_id == "x"


def test_a_cluster_that_was_only_hearsay_is_left_again() -> None:
    node = own(founding_vote=FoundingVote().joining_cluster("x"), running="x")
    other = live("a", cluster_id="y", role="voter")
    assert isinstance(do(node, other), StopRaft)
    action = do(replace(node, running=None), other)
    assert isinstance(action, StoreVote)
    assert action.vote.joining == "y"
    gone = do(replace(node, running=None), live("a"), live("c"))
    assert isinstance(gone, StoreVote)
    assert gone.vote == FoundingVote()


def test_who_joins_is_no_candidate() -> None:
    assert own(founding_vote=FoundingVote().joining_cluster("x")).role == "observer"
    assert own().role == "candidate"
    assert own(term=1).role == "founder"


def test_beside_a_dead_cluster_nobody_founds_another() -> None:
    action = do(own("a"), live("b"), live("c"), dead("d", cluster_id="x"))
    assert "cluster x was reported by node-d" in reason(action)


def test_two_clusters_that_meet_are_told_and_none_is_joined() -> None:
    action = do(own(), live("a", cluster_id="x"), live("c", cluster_id="y"))
    assert "two clusters meet" in reason(action)
    assert "x by node-a" in reason(action)


def test_a_rolled_back_founder_does_not_join_as_somebody_else() -> None:
    action = do(own(founding_vote=agreed()), live("a", cluster_id="by-a-1"), live("c"))
    assert "rolled back" in reason(action)


def test_a_directory_that_lost_its_files_is_not_started_from() -> None:
    assert "files of it are missing" in reason(do(own(term=3, last_index=9)))


# -- who may ---------------------------------------------------------------------------------------------------------


def test_expect_must_exceed_half_of_all_that_could_found() -> None:
    six = [live(m) for m in "bcdef"]
    assert "more than half of the 6 nodes" in reason(do(own("a"), *six))
    assert isinstance(do(own("a"), *six[:4]), StoreVote)
    assert "of the 6 nodes" in reason(do(own("a"), *six[:4], dead("f")))


def test_a_dead_candidate_whose_name_or_address_a_live_one_has_taken_is_not_counted_twice() -> None:
    five = [live(m) for m in "bcde"]
    wiped = replace(dead("x", port=ord("x")), node="node-b")
    moved = dead("y", port=ord("c"))
    assert isinstance(do(own("a"), *five, wiped, moved), StoreVote)


def test_named_founders_found_and_nobody_else() -> None:
    rule = FoundingRule(names=("node-b", "node-c"))
    named = [live(m, rule=rule) for m in "acd"]
    assert isinstance(do(own("b", rule=rule), *named), StoreVote)
    assert "waiting for node-b, node-c to found" in reason(do(own("a", rule=rule), *named[1:], live("b", rule=rule)))
    assert reason(do(own("b", rule=rule), live("d", rule=rule))) == "waiting for node-c"


def test_without_a_rule_a_node_waits_for_a_cluster() -> None:
    assert "bootstrap_expect is not set" in reason(do(own("a", rule=FoundingRule()), live("b"), live("c")))
    assert "must be 1, 3 or 5" in reason(do(own("a", rule=FoundingRule(2)), live("b", rule=FoundingRule(2))))


def test_the_earlier_of_two_processes_of_one_name_takes_no_part() -> None:
    newer = live("x", node="node-b", generation=2)
    assert "another process runs under the name node-b" in reason(do(own("b"), newer, holds("a"), live("c")))
    assert isinstance(do(own("b", running="by-a-1", founding_vote=agreed()), newer), StopRaft)
    assert isinstance(do(own("b", founding_vote=agreed(), term=1), newer), RunRaft)  # a vote stands


def test_copies_of_one_directory_take_no_part() -> None:
    copy = live("c", node="another")
    action = do(own("a"), live("b"), live("c"), copy)
    assert "waiting for 1 more" in reason(action)
    assert "one data directory is a copy" in reason(do(own("c"), live("a"), live("b"), live("c"), copy))


def test_a_try_is_newer_than_any_that_the_living_or_the_dead_tell_of() -> None:
    action = do(
        own("a"), live("b", highest_rank=ProposalRank(4, "b")), live("c"), dead("d", highest_rank=ProposalRank(6, "d"))
    )
    assert isinstance(action, StoreVote)
    assert action.vote.highest_rank == ProposalRank(7, "a")
