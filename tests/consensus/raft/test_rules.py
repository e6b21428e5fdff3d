"""The rules as pure functions: one test each for Figure 2 of the Raft paper, and the thesis on pre-vote and
membership."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.consensus.raft.core import rules
from coterie.consensus.raft.core.rules import VoteAnswer, Voter, answer_vote
from coterie.consensus.raft.errors import ProtocolError, SafetyError
from coterie.consensus.raft.messages import AppendEntries, RequestVote

BALLOT = Voter(term=5, voted_for=None, last_index=10, last_term=4, has_leader=False)


def ask(term: int = 6, index: int = 10, last: int = 4, *, pre: bool = False, transfer: bool = False) -> RequestVote:
    return RequestVote(term, index, last, pre, transfer)


def ballot(**changes: object) -> Voter:
    fields = {"term": 5, "voted_for": None, "last_index": 10, "last_term": 4, "has_leader": False, **changes}
    return Voter(**fields)  # type: ignore[arg-type]


# quorums


def test_a_quorum_is_more_than_half_of_the_voters() -> None:
    assert rules.is_quorum("abc", {"a", "b"})
    assert not rules.is_quorum("abcd", {"a", "b"})
    assert not rules.is_quorum("abc", {"a", "x", "y"})
    assert not rules.is_quorum((), {"a"})


@pytest.mark.parametrize("size", range(1, 6))
def test_quorums_of_neighbouring_configurations_meet(size: int) -> None:
    voters = tuple(range(size))
    more = (*voters, size)
    old = [set(map(str, each)) for n in range(size + 1) for each in combinations(voters, n)]
    new = [set(map(str, each)) for n in range(size + 2) for each in combinations(more, n)]
    for a in old:
        for b in new:
            if rules.is_quorum([str(v) for v in voters], a) and rules.is_quorum([str(v) for v in more], b):
                assert a & b


@given(st.sets(st.sampled_from("abcdefg")), st.sets(st.sampled_from("abcdefg")))
def test_a_founding_election_takes_every_voter_and_a_later_one_a_majority(voters: set[str], granted: set[str]) -> None:
    assert rules.is_elected(voters, granted, founding=True) == (bool(voters) and voters <= granted)
    assert rules.is_elected(voters, granted, founding=False) == rules.is_quorum(voters, granted)


# votes


def test_a_vote_of_a_former_term_is_refused_with_the_current_term() -> None:
    assert answer_vote(BALLOT, ask(term=4), "c") == VoteAnswer(5, granted=False)


def test_a_vote_is_granted_once_a_term() -> None:
    assert answer_vote(BALLOT, ask(term=5), "c") == VoteAnswer(5, granted=True, record=True)
    assert answer_vote(ballot(voted_for="c"), ask(term=5), "c") == VoteAnswer(5, granted=True)
    assert answer_vote(ballot(voted_for="d"), ask(term=5), "c") == VoteAnswer(5, granted=False)
    assert answer_vote(ballot(voted_for="d"), ask(term=6), "c") == VoteAnswer(6, granted=True, record=True)


@pytest.mark.parametrize(("index", "term", "granted"), [(10, 4, True), (9, 4, False), (1, 5, True), (99, 3, False)])
def test_only_a_log_at_least_as_complete_gets_a_vote(index: int, term: int, granted: bool) -> None:
    assert answer_vote(BALLOT, ask(index=index, last=term), "c").granted is granted
    assert answer_vote(BALLOT, ask(index=index, last=term, pre=True), "c").granted is granted


def test_a_refused_candidate_of_a_higher_term_still_moves_the_term() -> None:
    assert answer_vote(BALLOT, ask(term=9, index=1), "c") == VoteAnswer(9, granted=False)


def test_who_hears_a_leader_ignores_candidates_unless_it_hands_over() -> None:
    sticky = ballot(has_leader=True)
    assert answer_vote(sticky, ask(), "c") == VoteAnswer(5, granted=None)
    assert answer_vote(sticky, ask(transfer=True), "c") == VoteAnswer(6, granted=True, record=True)
    assert answer_vote(sticky, ask(pre=True), "c") == VoteAnswer(5, granted=False)


def test_a_pre_vote_changes_nothing() -> None:
    assert answer_vote(ballot(voted_for="d"), ask(pre=True), "c") == VoteAnswer(5, granted=True)
    assert answer_vote(BALLOT, ask(term=5, pre=True), "c") == VoteAnswer(5, granted=False)


# appending

Log = list[int]  # terms; the entry at position p has index p + 1


def plan(log: Log, prev: int, prev_term: int, terms: Log, *, term: int = 9, commit: int = 1) -> rules.AppendPlan:
    entries = tuple((b"\x01", prev + 1 + at, each) for at, each in enumerate(terms))
    message = AppendEntries(term, prev, prev_term, 0, entries)
    rules.check_append(message)
    return rules.plan_append(message, 1, len(log), lambda index: log[index - 1], commit)


def test_an_append_past_the_end_is_refused_with_the_end() -> None:
    found = plan([0, 1, 1], 5, 1, [2])
    assert (found.ok, found.hint) == (False, 3)


def test_an_append_after_another_entry_is_refused_with_the_end_of_the_term_before() -> None:
    found = plan([0, 1, 2, 2, 2], 5, 3, [4])
    assert (found.ok, found.hint) == (False, 2)


def test_what_matches_stays_and_is_verified() -> None:
    found = plan([0, 1, 1, 1, 1], 1, 0, [1, 1])
    assert (found.ok, found.truncate_from, list(found.entries), found.verified) == (True, None, [], 3)


def test_truncation_starts_at_the_first_conflict() -> None:
    found = plan([0, 1, 1, 2, 2], 1, 0, [1, 1, 3])
    assert found.truncate_from == 4
    assert [entry[1] for entry in found.entries] == [4]
    assert found.verified == 4


def test_new_entries_are_added_after_those_that_match() -> None:
    found = plan([0, 1, 1], 1, 0, [1, 1, 2, 2])
    assert found.truncate_from is None
    assert [entry[1] for entry in found.entries] == [4, 5]


def test_a_committed_entry_is_never_replaced() -> None:
    with pytest.raises(SafetyError):
        plan([0, 1, 1], 1, 0, [2], commit=2)
    with pytest.raises(SafetyError):
        plan([0, 1, 1], 2, 2, [2], commit=2)


@pytest.mark.parametrize(
    "entries",
    [((b"\x01", 3, 1),), ((b"\x01", 2, 1), (b"\x01", 4, 1)), ((b"\x01", 2, 0),), ((b"\x01", 2, 99),), ((b"", 2, 1),)],
)
def test_an_append_that_contradicts_itself_is_a_breach(entries: tuple[tuple[bytes, int, int], ...]) -> None:
    with pytest.raises(ProtocolError):
        rules.check_append(AppendEntries(5, 1, 1, 0, entries))


terms = st.lists(st.integers(0, 3), max_size=6).map(
    lambda steps: [0, *(sum(steps[: i + 1]) for i in range(len(steps)))]
)


@given(terms, terms, st.data())
def test_appends_make_logs_match_and_lose_nothing_that_agrees(leader: Log, follower: Log, data: st.DataObject) -> None:
    prev = data.draw(st.integers(1, len(leader)))
    end = data.draw(st.integers(prev, len(leader)))
    # Log matching holds between the two: after a common beginning their terms differ for good.
    common = next((i for i, (a, b) in enumerate(zip(leader, follower, strict=False)) if a != b), None)
    if common is not None:
        follower = follower[:common] + [100 + term for term in follower[common:]]
        leader = leader[:common] + [200 + term for term in leader[common:]]
    found = plan(follower, prev, leader[prev - 1], leader[prev:end], term=1000)
    if not found.ok:
        assert found.hint < prev
        return
    after = list(follower) if found.truncate_from is None else follower[: found.truncate_from - 1]
    after += [term for _, _, term in found.entries]
    assert after[: found.verified] == leader[: found.verified]
    agreeing = len(leader[:end]) if common is None else common
    assert after[:agreeing][: len(follower)] == follower[: min(agreeing, len(follower))]
    if found.truncate_from is not None:
        assert follower[found.truncate_from - 1] != leader[found.truncate_from - 1]


# committing


def test_a_follower_commits_only_what_this_append_verified() -> None:
    assert rules.follower_commit(3, 10, 7) == 7
    assert rules.follower_commit(3, 5, 7) == 5
    assert rules.follower_commit(3, 1, 1) == 3


def test_a_leader_commits_what_a_majority_holds() -> None:
    own = {"a": 9, "b": 7, "c": 5}
    assert rules.leader_commit("abc", own, 4, 2, lambda _: 2) == 7
    assert rules.leader_commit("abcd", own, 4, 2, lambda _: 2) == 5
    assert rules.leader_commit("ab", own, 4, 2, lambda _: 2) == 7
    assert rules.leader_commit("xyz", own, 4, 2, lambda _: 2) == 4
    assert rules.leader_commit("", own, 4, 2, lambda _: 2) == 4


def test_entries_of_former_terms_are_not_counted() -> None:
    held = {"a": 9, "b": 7, "c": 5}
    assert rules.leader_commit("abc", held, 4, 3, lambda index: 3 if index > 7 else 2) == 4


@given(
    st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 20)),
    st.integers(0, 20),
    st.sets(st.sampled_from("abcde")),
)
def test_a_committed_index_is_held_by_a_majority_and_never_falls(
    held: dict[str, int], commit: int, voters: set[str]
) -> None:
    index = rules.leader_commit(voters, held, commit, 1, lambda _: 1)
    assert index >= commit
    if index > commit:
        assert rules.is_quorum(voters, {name for name, match in held.items() if match >= index})
        assert not rules.is_quorum(voters, {name for name, match in held.items() if match >= index + 1})


# snapshots, membership, transfer


def test_snapshots_at_or_below_the_commit_index_are_not_wanted() -> None:
    assert [rules.wants_snapshot(index, 5) for index in (4, 5, 6)] == [False, False, True]


def test_a_log_with_the_snapshots_last_entry_keeps_what_follows() -> None:
    log = {3: 1, 4: 1, 5: 2}
    assert rules.keeps_suffix(4, 1, 3, 5, log.__getitem__)
    assert not rules.keeps_suffix(4, 2, 3, 5, log.__getitem__)
    assert not rules.keeps_suffix(6, 2, 3, 5, log.__getitem__)
    assert not rules.keeps_suffix(2, 1, 3, 5, log.__getitem__)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, None),
        ({"leading": False}, "not_leader"),
        ({"noop_committed": False}, "leader_too_new"),
        ({"change_index": 8}, "change_pending"),
        ({"transferring": True}, "transfer_pending"),
    ],
)
def test_when_the_configuration_may_change(changes: dict[str, object], problem: str | None) -> None:
    state = {"leading": True, "noop_committed": True, "change_index": 7, "commit": 7, "transferring": False, **changes}
    assert rules.may_change(**state) == problem  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, None),
        ({"leading": False}, "not_leader"),
        ({"target": "a"}, "bad_target"),
        ({"target": "x"}, "bad_target"),
        ({"change_index": 8}, "change_pending"),
    ],
)
def test_who_may_take_over(changes: dict[str, object], problem: str | None) -> None:
    state = {"leading": True, "target": "b", "own": "a", "voters": "abc", "change_index": 7, "commit": 7, **changes}
    assert rules.may_transfer(**state) == problem  # type: ignore[arg-type]
