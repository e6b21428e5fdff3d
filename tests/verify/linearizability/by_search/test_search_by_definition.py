"""The search for linearizations against the definition, on all sorts of small histories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.verify.linearizability.by_search.opinion import second_opinion
from tests.verify.linearizability.by_search.parts import search_some
from tests.verify.linearizability.by_search.registers import Registers
from tests.verify.linearizability.by_search.search import Answer, search
from tests.verify.linearizability.generated.generate import Workload, generate
from tests.verify.linearizability.histories.history import History, Operation
from tests.verify.linearizability.histories.requests import (
    Acquire,
    Busy,
    Decided,
    Delete,
    Found,
    Get,
    Granted,
    Put,
    Release,
    Released,
    Request,
    Response,
    Target,
    Txn,
    Written,
)
from tests.verify.linearizability.histories.script import acquire, cas, delete, equals, get, named, put, release, txn

# -- the definition ----------------------------------------------------------------------------------------------------


StateT = TypeVar("StateT")


def linearizable(
    operations: Sequence[Operation], initial: StateT, does: Callable[[Operation, StateT], StateT | None]
) -> bool:
    """Whether some order that obeys real time explains every answer: all orders tried, nothing remembered."""

    def some_order(left: frozenset[Operation], state: StateT) -> bool:
        if all(operation.unknown for operation in left):
            return True
        end = min(operation.returned for operation in left if operation.returned is not None)
        for operation in left:
            if operation.invoked <= end:
                after = does(operation, state)
                if after is not None and some_order(left - {operation}, after):
                    return True
        return False

    return some_order(frozenset(operation for operation in operations if not operation.failed), initial)


def does(operation: Operation, state: dict[str, str]) -> dict[str, str] | None:
    """The state behind an operation; None where it could not answer as it did."""
    request, result = operation.request, operation.result
    if isinstance(request, Txn):
        (compare,) = request.compares
        there = state.get(compare.key)
        held = (there is not None) == compare.operand if compare.target == Target.EXISTS else there == compare.operand
        if isinstance(result, Decided) and result.succeeded != held:
            return None
        parts: Sequence[Request] = request.then if held else request.orelse
        answers: Sequence[Response | None] = result.responses if isinstance(result, Decided) else (None,) * len(parts)
    else:
        assert not isinstance(request, Acquire | Release)
        assert isinstance(result, Written | Found | None)
        parts, answers = (request,), (result,)
    after = dict(state)
    for part, answer in zip(parts, answers, strict=True):
        match part, answer:
            case Put(key=key, value=value), _:
                after[key] = value
            case Delete(key=key), _:
                there = after.pop(key, None)
                if isinstance(answer, Written) and answer.deleted != (there is not None):
                    return None
            case Get(key=key), Found(items=items):
                if after.get(key) != (items[0].value if items else None):
                    return None
    return after


EMPTY: dict[str, str] = {}

keys = st.sampled_from("xy")
values = st.sampled_from("123")


@st.composite
def operations(draw: st.DrawFn) -> tuple[Operation, ...]:
    """A few operations whose answers may or may not make sense."""
    drawn = []
    for client in range(draw(st.integers(1, 7))):
        start = draw(st.integers(0, 8))
        # One in three of those that change something has no answer.
        ended, kind, key, took = draw(st.integers(0, 2)) > 0, draw(st.integers(0, 5)), draw(keys), draw(st.booleans())
        span = (start, start + draw(st.integers(0, 5)) if ended or kind == 0 else None)
        at = 1 if span[1] is not None else None
        name = f"c{client}"
        match kind:
            case 0:
                drawn.append(get(name, span, key, draw(st.none() | values), at))
            case 1:
                drawn.append(put(name, span, key, draw(values), at))
            case 2:
                drawn.append(cas(name, span, key, draw(st.none() | values), draw(values), at, took=took))
            case 3:
                drawn.append(delete(name, span, key, at, deleted=draw(st.integers(0, 1))))
            case 4:
                both = [Put("x", draw(values)), Put("y", draw(values))]
                answers = [Written(1), Written(1)] if took else []
                drawn.append(txn(name, span, [equals(key, draw(values))], both, at=at, took=took, responses=answers))
            case _:
                parts = [Delete(key)], [Put(draw(keys), draw(values))]
                answers = [Written(1, draw(st.integers(0, 1)))] if took else [Written(1)]
                drawn.append(txn(name, span, [equals("x", draw(values))], *parts, at=at, took=took, responses=answers))
    return named(drawn)


@given(operations())
@settings(max_examples=500)
def test_the_answer_is_that_of_the_definition(ops: tuple[Operation, ...]) -> None:
    expected = Answer.OK if linearizable(ops, EMPTY, does) else Answer.VIOLATION
    event(expected)
    assert second_opinion(History(ops)).answer == expected


@given(operations())
@settings(max_examples=200)
def test_it_is_the_same_for_all_keys_at_once(ops: tuple[Operation, ...]) -> None:
    """Locality: searching key by key loses nothing."""
    together = Registers(("x", "y"), ops)
    answer = search(together.initial, [together.call(o, o.unknown) for o in ops]).answer
    assert answer == (Answer.OK if linearizable(ops, EMPTY, does) else Answer.VIOLATION)


@given(operations())
@settings(max_examples=200)
def test_pruning_changes_no_answer(ops: tuple[Operation, ...]) -> None:
    part = Registers(("x", "y"), ops)
    required, optional = [o for o in ops if o.ok], [o for o in ops if o.unknown]
    event(f"pruned: {len(optional) - len(part.prune(required, optional))}")
    unpruned = search(part.initial, [part.call(o, o.unknown) for o in ops]).answer
    assert search_some(part, required, optional, 10_000).answer == unpruned


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_the_order_given_is_a_linearization(seed: int) -> None:
    made = generate(Random(seed), Workload(multi=False, locks=0))
    for judged in second_opinion(made).judged:
        order = judged.searched.order
        state: dict[str, str] | None = {}
        latest = 0.0
        for operation in order:
            assert state is not None
            state = does(operation, state)
            assert operation.returned is None or operation.returned >= latest
            latest = max(latest, operation.invoked)
        assert state is not None
        assert {o.id for o in judged.part.operations if not o.unknown} <= {o.id for o in order}


# -- locks -------------------------------------------------------------------------------------------------------------

Lock = tuple[int | None, int]
"""The token that holds the lock, 0 for one that nobody was told, and the highest token told."""


def does_to_a_lock(operation: Operation, lock: Lock) -> Lock | None:
    held, highest = lock
    match operation.request, operation.result:
        case Acquire(), Granted(token=token):
            return (token, token) if held is None and token > highest else None
        case Acquire(), None:
            return (0, highest) if held is None else None
        case Acquire(), Busy():
            return lock if held is not None else None
        case Release(token=token), Released(released=False):
            return lock if held != token else None
        case Release(token=token), _:
            return (None, highest) if held == token else None
    raise AssertionError(operation)


@st.composite
def lock_operations(draw: st.DrawFn) -> tuple[Operation, ...]:
    drawn = []
    granted = st.integers(1, 3)
    for client in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, 8))
        ended = draw(st.integers(0, 2)) > 0
        span = (start, start + draw(st.integers(0, 5)) if ended else None)
        if draw(st.booleans()):
            token = draw(st.none() | granted) if ended else None
            drawn.append(acquire(f"c{client}", span, "l", token, 1 if ended else None))
        else:
            at = 1 if ended else None
            drawn.append(release(f"c{client}", span, "l", draw(granted), at, released=draw(st.booleans())))
    told = [o.result.token for o in drawn if isinstance(o.result, Granted)]
    # A token that no answer names may be that of a grant whose answer was lost: the definition does not know of it.
    return named(o for o in drawn if not isinstance(o.request, Release) or o.request.token in told)


@given(lock_operations())
@settings(max_examples=300)
def test_the_answer_for_a_lock_is_that_of_the_definition(ops: tuple[Operation, ...]) -> None:
    initial: Lock = (None, 0)
    expected = Answer.OK if linearizable(ops, initial, does_to_a_lock) else Answer.VIOLATION
    event(expected)
    assert second_opinion(History(ops)).answer == (expected if ops else Answer.NOT_APPLICABLE)
