"""For any view, however wrong: what no decision does (issue of this layer, point 2)."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from coterie.consensus.autopilot.voters.explain import non_voters
from coterie.consensus.autopilot.voters.policy import Policy
from coterie.consensus.autopilot.voters.removal import BanReason, RemovalCause
from coterie.consensus.autopilot.voters.rules import DecisionKind, VoterDecision, decide
from coterie.consensus.autopilot.voters.view import ClusterView, MemberView

NOW = 100.0
IDS = "abcdefgh"

times = st.none() | st.floats(NOW - 60, NOW + 5)
moments = st.floats(NOW - 60, NOW + 5)
bars = st.none() | st.builds(BanReason, st.sampled_from(RemovalCause), st.just("words"))
policies = st.builds(
    lambda low, more, stable, grace, lag, odd: Policy(
        min_voters=low,
        max_voters=low + more,
        stabilization_time=stable,
        dead_voter_grace=grace,
        max_lag_entries=lag,
        prefer_odd=odd,
    ),
    st.integers(1, 5),
    st.integers(0, 3),
    st.sampled_from([0.0, 10.0]),
    st.sampled_from([0.0, 5.0, 30.0]),
    st.sampled_from([0, 128]),
    st.booleans(),
)


@st.composite
def members(draw: st.DrawFn, member: str) -> MemberView:
    """Half of the time well, so that there is something to decide; then anything."""
    if draw(st.booleans()):
        since = draw(st.floats(NOW - 60, NOW - 10))
        well = MemberView(
            member,
            live=True,
            live_since=since,
            answered_at=NOW - 0.1,
            silent_since=NOW - 0.1,
            match=1_000,
            caught_up_since=since,
        )
        return replace(well, ban=draw(bars)) if draw(st.integers(0, 4)) == 0 else well
    return MemberView(
        member,
        zone=draw(st.sampled_from(["", "x", "y"])),
        live=draw(st.booleans()),
        live_since=draw(times),
        answered_at=draw(times),
        silent_since=draw(moments),
        match=draw(st.integers(0, 2_000)),
        caught_up_since=draw(times),
        ban=draw(bars),
        problem=draw(st.sampled_from([None, None, "a copy"])),
    )


@st.composite
def views(draw: st.DrawFn) -> ClusterView:
    known = draw(st.sets(st.sampled_from(IDS)))
    voters = draw(st.sets(st.sampled_from(IDS), max_size=7))
    often = st.sampled_from([True] * 9 + [False])
    return ClusterView(
        own=draw(st.sampled_from(sorted(voters) or ["a"])),
        leading=draw(often),
        settled=draw(often),
        change_pending=not draw(often),
        transferring=not draw(often),
        voters=tuple(sorted(voters)),
        last_index=1_000,
        members={member: draw(members(member)) for member in sorted(known)},
        pending_replacement=draw(st.none() | st.sampled_from(IDS)),
    )


def answered(view: ClusterView) -> set[str]:
    return {
        member
        for member, it in view.members.items()
        if it.answered_at is not None and 0 <= NOW - it.answered_at <= view.answer_window
    } | {view.own}


def majority(of: set[str], agreeing: set[str]) -> bool:
    return 2 * len(of & agreeing) > len(of)


def changed(view: ClusterView, decision: VoterDecision) -> set[str]:
    voters = set(view.voters)
    match decision.kind:
        case DecisionKind.PROMOTE:
            return voters | {decision.member}
        case DecisionKind.REMOVE:
            return voters - {decision.member}
        case DecisionKind.TRANSFER:
            return voters


@given(views(), policies)
@settings(max_examples=500)
def test_no_decision_endangers_the_quorum(view: ClusterView, policy: Policy) -> None:
    decision = decide(view, policy, NOW)
    if decision is None:
        return
    before, after = set(view.voters), changed(view, decision)
    heard = answered(view)
    # One change at a time, by one voter: any majority of the old and any of the new voters meet.
    assert view.leading
    assert view.settled
    assert not view.change_pending
    assert not view.transferring
    assert view.own in before
    assert len(before ^ after) == (0 if decision.kind is DecisionKind.TRANSFER else 1)
    match decision.kind:
        case DecisionKind.PROMOTE:
            newcomer = view.members[decision.member]
            assert len(after) <= policy.max_voters
            assert decision.member in heard
            assert newcomer.live
            assert newcomer.ban is None
            assert newcomer.problem is None
            assert len(before) == 1 or majority(after, heard - {decision.member})
        case DecisionKind.REMOVE:
            assert decision.member != view.own
            assert majority(before, heard)
            assert majority(after, heard)
            _removal(view, policy, decision, len(after))
        case DecisionKind.TRANSFER:
            assert decision.member in before & heard - {view.own}
            assert view.members[decision.member].ban is None
            assert view.member(view.own).ban is not None


def _removal(view: ClusterView, policy: Policy, decision: VoterDecision, left: int) -> None:
    gone = view.member(decision.member)
    asked = gone.ban is not None and gone.ban.requested
    assert left >= 1
    if asked:
        return
    assert left + 1 > 2  # one of at least three: a minority
    assert gone.ban is not None or (not gone.live and NOW - gone.silent_since >= policy.dead_voter_grace)
    if decision.replacement is None:
        assert left >= policy.min_voters
        return
    assert left >= policy.min_voters - 1
    newcomer = view.members[decision.replacement]
    assert decision.replacement not in view.voters
    assert decision.replacement in answered(view)
    assert newcomer.ban is None
    assert newcomer.problem is None
    assert left < policy.max_voters


@given(views(), policies)
def test_every_non_voter_has_a_reason_and_the_next_one_is_named(view: ClusterView, policy: Policy) -> None:
    reasons = non_voters(view, policy, NOW)
    assert reasons.keys() == ({*view.members} - {*view.voters} if view.leading else set())
    assert all(reasons.values())
    decision = decide(view, policy, NOW)
    if decision is not None and decision.kind is DecisionKind.PROMOTE:
        assert reasons[decision.member] == "ready: promoted next"


@st.composite
def lies(draw: st.DrawFn, view: ClusterView) -> ClusterView:
    """The same cluster, with everything that gossip says drawn at random."""
    told = {}
    for member, it in view.members.items():
        live = draw(st.booleans())
        told[member] = replace(
            it,
            live=live,
            live_since=draw(st.floats(NOW - 60, NOW)) if live else None,
            zone=draw(st.sampled_from("xyz")),
            problem=draw(st.sampled_from([None, None, None, "a copy"])),
        )
    return replace(view, members=told)


@given(st.data(), policies)
@settings(max_examples=100)
def test_lies_of_gossip_alone_never_cost_the_quorum(data: st.DataObject, policy: Policy) -> None:
    """Some members are up and answer, the others do not: however gossip lies, and however often, a majority of the
    voters stays among those that are up."""
    up = data.draw(st.sets(st.sampled_from(IDS), min_size=2), label="up")
    voters = data.draw(st.sets(st.sampled_from(IDS), min_size=1, max_size=5), label="voters")
    assume(majority(voters, up))
    own = min(voters & up)
    for _ in range(12):
        everybody = {
            member: MemberView(
                member,
                answered_at=NOW - 0.1 if member in up else NOW - 50,
                silent_since=NOW - 0.1 if member in up else NOW - 50,
                match=1_000,
                caught_up_since=NOW - 50 if member in up else None,
            )
            for member in IDS
        }
        truth = ClusterView(own, True, True, False, False, tuple(sorted(voters)), 1_000, everybody)
        decision = decide(data.draw(lies(truth)), policy, NOW)
        if decision is None:
            continue
        least = min(len(voters), policy.min_voters)
        voters = changed(truth, decision)
        assert majority(voters, up)
        assert len(voters) >= least - 1
        assert own in voters
