"""The search for linearizations: its limits, what it tells of a violation, how its work grows."""

from __future__ import annotations

from random import Random

import pytest

from tests.verify.linearizability.by_search.opinion import second_opinion
from tests.verify.linearizability.by_search.registers import Registers
from tests.verify.linearizability.by_search.search import Answer, search
from tests.verify.linearizability.generated.generate import Workload, generate
from tests.verify.linearizability.histories.history import Operation
from tests.verify.linearizability.histories.requests import (
    Acquire,
)
from tests.verify.linearizability.histories.script import acquire, get, history, named, put, release


def test_it_gives_up_at_its_limit() -> None:
    ops = [put(f"c{n}", (0, 100), "x", str(n), n + 1) for n in range(12)]
    hard = history(*ops, get("r", (101, 102), "x", "none of them", 12))
    opinion = second_opinion(hard, max_steps=1000)
    assert opinion.answer is Answer.UNDECIDED
    assert opinion.judged[0].searched.steps == 1001


def test_a_violation_elsewhere_outweighs_a_part_that_is_undecided() -> None:
    ops = [put(f"c{n}", (0, 100), "x", str(n), n + 1) for n in range(12)]
    hard = history(*ops, get("r", (101, 102), "x", "none of them", 12), get("r", (103, 104), "y", "9", 12))
    assert second_opinion(hard, max_steps=1000).answer is Answer.VIOLATION


def test_what_is_optional_and_returned_is_placed_in_its_time_or_not_at_all() -> None:
    write, late, early = named(
        [put("a", (2, 3), "x", "1", 1), get("b", (4, 5), "x", None, 1), get("b", (0, 1), "x", "1", 1)]
    )
    part = Registers(("x",), (write, late, early))

    def answer(read: Operation) -> Answer:
        return search(part.initial, [part.call(write, True), part.call(read, False)]).answer

    assert answer(late) is Answer.OK
    assert answer(early) is Answer.VIOLATION


def test_the_longest_order_stops_at_what_does_not_fit() -> None:
    made = history(
        put("a", (0, 1), "x", "1", 1),
        put("a", (2, 3), "x", "2", 2),
        get("b", (4, 5), "x", "1", 2),
        get("b", (6, 7), "x", "2", 2),
    )
    (judged,) = second_opinion(made).judged
    assert [operation.id for operation in judged.searched.order] == ["a1", "a2"]
    assert [operation.id for operation in judged.searched.stuck] == ["b1"]
    assert judged.searched.state == ("2",)


@pytest.mark.parametrize("unknown", [0.0, 0.05])
def test_steps_grow_with_the_length_of_the_history(unknown: float) -> None:
    workload = Workload(operations=3000, keys=1, locks=0, watchers=0, overlap=4, unknown=unknown, multi=False)
    (judged,) = second_opinion(generate(Random(3), workload)).judged
    assert judged.searched.answer is Answer.OK
    assert judged.searched.steps < 20 * 3000


def test_a_grant_that_nobody_heard_of_may_be_released_under_a_token_learnt_elsewhere() -> None:
    ops = [acquire("a", (0, None), "l"), release("b", (2, 3), "l", 5, 6), acquire("c", (4, 5), "l", 7)]
    assert second_opinion(history(*ops, commits=[])).answer is Answer.OK
    assert second_opinion(history(*ops[1:], commits=[])).answer is Answer.VIOLATION


def test_where_leases_expire_a_lock_may_change_hands_without_a_release() -> None:
    ops = [acquire("a", (0, 1), "l", 1), acquire("b", (2, 3), "l", 2)]
    assert second_opinion(history(*ops, leases_expire=True)).answer is Answer.OK
    assert second_opinion(history(*ops)).answer is Answer.VIOLATION
    late = release("a", (4, 5), "l", 1, 3)
    assert second_opinion(history(*ops, late, leases_expire=True, commits=[])).answer is Answer.VIOLATION


def test_a_part_has_the_operations_of_one_lock() -> None:
    made = history(acquire("a", (0, 1), "l", 1), acquire("b", (0, 1), "m", 2), acquire("c", (0, 1), "l"))
    locks = {judged.part.name: judged.part.operations for judged in second_opinion(made).judged}
    assert {name: [o.id for o in ops] for name, ops in locks.items()} == {"lock l": ["a1"], "lock m": ["b1"]}
    assert all(isinstance(o.request, Acquire) for ops in locks.values() for o in ops)
