"""What is no history is refused, with the reason; so is an archive that holds none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.verify.linearizability.by_revision.check import check
from tests.verify.linearizability.by_search.opinion import second_opinion
from tests.verify.linearizability.histories.archive import dump, load
from tests.verify.linearizability.histories.history import History, HistoryError, Operation
from tests.verify.linearizability.histories.requests import Decided, Delete, Found, Get, Put, Txn, Written
from tests.verify.linearizability.histories.script import delivered, history, put, watch

GOOD = put("a", (0, 1), "x", "1", 1)

MISSHAPEN: dict[str, tuple[History, str]] = {
    "two operations with one id": (History((replace(GOOD, id="a1"), replace(GOOD, id="a1"))), "same id"),
    "returned before it was invoked": (history(replace(GOOD, returned=-1)), "before it was invoked"),
    "an answer without a return": (history(replace(GOOD, returned=None), commits=[]), "did not return"),
    "an answer of another kind": (history(replace(GOOD, result=Found(1)), commits=[]), "cannot be answered by found"),
    "responses of the other branch": (
        History((Operation("a1", "a", Txn((), (Put("x", "1"),), (Get("x"),)), 0, 1, Decided(1, True, (Found(1),))),)),
        "not those of the branch",
    ),
    "too few responses": (
        History((Operation("a1", "a", Txn((), (Get("x"), Delete("x"))), 0, 1, Decided(1, True, (Found(1),))),)),
        "not those of the branch",
    ),
    "deliveries that go back in time": (
        history(GOOD, watches=[watch("w", 0, delivered(3, 1, x="1"), delivered(2, 1))]),
        "not in the order they came",
    ),
    "two watches with one id": (history(GOOD, watches=[watch("w", 0), watch("w", 1)]), "two watches"),
}


@pytest.mark.parametrize(("misshapen", "why"), MISSHAPEN.values(), ids=MISSHAPEN)
def test_what_is_no_history_is_refused(misshapen: History, why: str) -> None:
    for judge in (check, second_opinion):
        with pytest.raises(HistoryError, match=why):
            judge(misshapen)
    with pytest.raises(HistoryError, match=why):
        load(dump(misshapen))


ARCHIVES: dict[str, tuple[list[str], str]] = {
    "nothing": ([], "one line of history"),
    "another format": (
        ['{"history": {"format": 2, "until": null, "dense": true, "leases_expire": false, "capacities": {}}}'],
        "format 1",
    ),
    "no object": (["[]"], "line 1"),
    "two members": (['{"commit": {"revision": 1}, "watch": {}}'], "line 1"),
    "an unknown member": (["{}", '{"colour": 1}'], "line 1"),
    "a torn line": ([*dump(history(GOOD)), '{"operation": {"id": "a'], "line 4"),
    "a field missing": (['{"operation": {"id": "a"}}'], "line 1.*client"),
    "a field of the wrong type": (['{"commit": {"revision": "one"}}'], "line 1.*revision"),
}


@pytest.mark.parametrize(("lines", "why"), ARCHIVES.values(), ids=ARCHIVES)
def test_an_archive_that_holds_no_history_is_refused(lines: list[str], why: str) -> None:
    with pytest.raises(HistoryError, match=f"(?s){why}"):
        load(lines)


def test_an_archive_is_a_line_for_each_thing() -> None:
    made = history(GOOD, watches=[watch("w", 0, delivered(2, 1, x="1"))])
    lines = list(dump(made))
    assert [line.split(":", 1)[0] for line in lines] == ['{"history"', '{"operation"', '{"commit"', '{"watch"']
    assert all(line.endswith("}\n") and line.count("\n") == 1 for line in lines)
    assert load([lines[3], lines[1], lines[0], lines[2]]) == made


def test_an_answer_says_whether_it_wrote() -> None:
    def wrote(request: Put | Delete | Get | Txn, result: Written | Found | Decided) -> bool:
        return Operation("a1", "a", request, 0, 1, result).wrote

    assert wrote(Put("x", "1"), Written(1))
    assert wrote(Delete("x"), Written(1, 1))
    assert not wrote(Delete("x"), Written(1, 0))
    assert not wrote(Get("x"), Found(1))
    txn = Txn((), (Delete("x"), Put("y", "1")), (Delete("x"), Get("x")))
    assert wrote(txn, Decided(1, True, (Written(1), Written(1))))
    assert wrote(txn, Decided(1, False, (Written(1, 1), Found(1))))
    assert not wrote(txn, Decided(1, False, (Written(1, 0), Found(1))))
