"""The two checkers against each other: what the main one accepts is linearizable, however a history came about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.verify.linearizability.by_revision.check import check
from tests.verify.linearizability.by_search.opinion import second_opinion
from tests.verify.linearizability.by_search.search import Answer
from tests.verify.linearizability.generated.generate import Workload, generate
from tests.verify.linearizability.histories.history import History, Operation
from tests.verify.linearizability.histories.requests import Found, Request, Txn
from tests.verify.linearizability.rendering.timeline import render


def another_revision(rng: Random, operation: Operation, _: History) -> Operation:
    assert operation.result is not None
    revision = max(0, operation.result.revision + rng.choice([-2, -1, 1, 2]))
    return replace(operation, result=replace(operation.result, revision=revision))


def another_time(rng: Random, operation: Operation, _: History) -> Operation:
    assert operation.returned is not None
    by = rng.uniform(-4, 4)
    return replace(operation, invoked=operation.invoked + by, returned=operation.returned + by)


def another_answer(rng: Random, operation: Operation, history: History) -> Operation:
    result = rng.choice([o.result for o in history.operations if o.ok and _form(o.request) == _form(operation.request)])
    if isinstance(result, Found) and isinstance(operation.result, Found):
        # What was found of another key, under this one.
        pairs = zip(result.items, operation.result.items, strict=False)
        items = tuple(replace(item, key=mine.key) for item, mine in pairs)
        result = replace(operation.result, items=items)
    return replace(operation, result=result)


def _form(request: Request) -> object:
    """Requests of the same form can be given each other's answers."""
    if isinstance(request, Txn):
        return [part.kind for part in request.then], [part.kind for part in request.orelse]
    return request.kind


def no_answer(_: Random, operation: Operation, __: History) -> Operation:
    return replace(operation, returned=None, result=None)


DISTURBANCES: list[Callable[[Random, Operation, History], Operation]] = [
    another_revision,
    another_time,
    another_answer,
    no_answer,
]

workloads = st.builds(
    Workload,
    operations=st.integers(5, 40),
    keys=st.integers(1, 3),
    locks=st.integers(0, 1),
    watchers=st.just(1),
    overlap=st.sampled_from([0.3, 2.0]),
    unknown=st.sampled_from([0.0, 0.1]),
    request_ids=st.booleans(),
    leases_expire=st.booleans(),
    multi=st.booleans(),
)


@given(st.integers(0, 2**32 - 1), workloads, st.sampled_from(DISTURBANCES))
@settings(max_examples=400)
def test_the_search_rejects_nothing_that_the_main_checker_accepts(
    seed: int, workload: Workload, disturb: Callable[[Random, Operation, History], Operation]
) -> None:
    rng = Random(seed)
    history = generate(rng, workload)
    answered = [i for i, operation in enumerate(history.operations) if operation.ok]
    operations = list(history.operations)
    for i in rng.sample(answered, min(len(answered), rng.randint(1, 2))):
        operations[i] = disturb(rng, operations[i], history)
    history = replace(history, operations=tuple(operations))
    accepted = check(history).ok
    answer = second_opinion(history, 50_000).answer
    event(f"{disturb.__name__}: main {'accepts' if accepted else 'rejects'}, search {answer}")
    assert not (accepted and answer is Answer.VIOLATION)


@given(st.integers(0, 2**32 - 1), workloads)
@settings(max_examples=150)
def test_losing_answers_makes_nothing_wrong(seed: int, workload: Workload) -> None:
    rng = Random(seed)
    history = generate(rng, workload)
    lost = rng.random()
    operations = [no_answer(rng, o, history) if o.ok and rng.random() < lost else o for o in history.operations]
    history = replace(history, operations=tuple(operations))
    report = check(history)
    event(f"found out, of what is unknown: {report.unknown_applied * 4 // max(1, report.unknown) * 25} %")
    assert report.ok, render(report.smallest)
    assert second_opinion(history, 50_000).answer is not Answer.VIOLATION
