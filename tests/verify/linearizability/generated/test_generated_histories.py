"""Both checkers on histories made linearizable, and on the same with one thing broken.

A failure names the seed and the workload, which make the same history again.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from tests.verify.linearizability.by_revision.check import check
from tests.verify.linearizability.by_search.minimise import minimise
from tests.verify.linearizability.by_search.opinion import second_opinion
from tests.verify.linearizability.by_search.parts import search_some
from tests.verify.linearizability.by_search.search import Answer
from tests.verify.linearizability.generated.generate import Workload, generate
from tests.verify.linearizability.generated.mutations import (
    MUTATIONS,
    Mutation,
    begun_too_late,
    stale_read,
    token_again,
    value_from_nowhere,
)
from tests.verify.linearizability.histories.archive import dump, load
from tests.verify.linearizability.rendering.timeline import render

STEPS = 50_000

seeds = st.integers(0, 2**32 - 1)
workloads = st.builds(
    Workload,
    operations=st.integers(1, 80),
    keys=st.integers(1, 5),
    watchers=st.integers(1, 3),
    overlap=st.sampled_from([0.3, 2.0, 6.0]),
    unknown=st.sampled_from([0.0, 0.1]),
    request_ids=st.booleans(),
    leases_expire=st.booleans(),
    multi=st.booleans(),
)

long_enough_to_break = st.builds(
    Workload,
    operations=st.integers(40, 80),
    keys=st.integers(1, 3),
    overlap=st.sampled_from([0.3, 2.0]),
    request_ids=st.booleans(),
    leases_expire=st.booleans(),
    multi=st.booleans(),
)
of_registers = st.builds(
    Workload, operations=st.integers(40, 80), keys=st.integers(1, 3), overlap=st.just(0.3), multi=st.just(False)
)


@given(seeds, workloads)
@settings(max_examples=200)
def test_both_checkers_accept_what_is_linearizable(seed: int, workload: Workload) -> None:
    history = generate(Random(seed), workload)
    report = check(history)
    assert report.ok, render(report.smallest)
    opinion = second_opinion(history, STEPS)
    event(f"search: {opinion.answer}")
    assert opinion.answer is not Answer.VIOLATION


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
@given(seeds, long_enough_to_break)
@settings(max_examples=40)
def test_one_broken_thing_is_found(mutation: Mutation, seed: int, workload: Workload) -> None:
    mutated = mutation(Random(seed), generate(Random(seed), workload))
    assume(mutated is not None)
    assert mutated is not None
    assert not check(mutated.history).ok
    event(f"the search must see it: {mutated.search}")
    if mutated.search:
        opinion = second_opinion(mutated.history, STEPS)
        event(f"search: {opinion.answer}")
        assert opinion.answer in {Answer.VIOLATION, Answer.UNDECIDED} or opinion.beyond


@pytest.mark.parametrize(
    "mutation", [value_from_nowhere, stale_read, begun_too_late, token_again], ids=lambda mutation: mutation.__name__
)
@given(seeds, of_registers)
@settings(max_examples=30)
def test_what_is_minimised_still_fails_and_nothing_required_can_go(
    mutation: Mutation, seed: int, workload: Workload
) -> None:
    mutated = mutation(Random(seed), generate(Random(seed), workload))
    assume(mutated is not None and mutated.search)
    assert mutated is not None
    for judged in second_opinion(mutated.history, STEPS).violations:
        part = judged.part
        required, optional = minimise(part, judged.searched)
        event(f"required: {len(required)}")
        assert search_some(part, required, optional, STEPS).answer is Answer.VIOLATION
        for operation in required:
            rest = [other for other in required if other is not operation]
            weaker = [*optional, operation] if operation.wrote else optional
            assert search_some(part, rest, weaker, STEPS).answer is not Answer.VIOLATION


@given(seeds, workloads)
@settings(max_examples=40)
def test_any_history_survives_the_archive(seed: int, workload: Workload) -> None:
    history = generate(Random(seed), workload)
    assert load(dump(history)) == history


def test_the_same_seed_makes_the_same_history() -> None:
    workload = Workload(operations=200)
    assert generate(Random(7), workload) == generate(Random(7), workload)
    assert generate(Random(7), workload) != generate(Random(8), workload)
