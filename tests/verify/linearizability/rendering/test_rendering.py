"""What a person gets to see of a failure."""

from __future__ import annotations

from random import Random

from tests.verify.linearizability.by_revision.check import check
from tests.verify.linearizability.by_search.minimise import ddmin
from tests.verify.linearizability.by_search.opinion import render_violation, second_opinion
from tests.verify.linearizability.generated.generate import Workload, generate
from tests.verify.linearizability.generated.mutations import stale_read
from tests.verify.linearizability.histories.script import changed, delivered, get, history, put, watch
from tests.verify.linearizability.rendering.timeline import Bar, draw, render


def test_a_finding_is_drawn_with_what_contradicts_and_no_more() -> None:
    made = history(
        put("a", (0, 1), "x", "1", 1),
        put("a", (2, 3), "x", "2", 2),
        get("c", (2, 3), "x", "1", 1),
        get("b", (4, 5.5), "x", "1", 2),
    )
    assert (
        render(check(made).smallest)
        == """\
read differs from the state at its revision:
  b1 (get x -> "1" at revision 2): x = "1" was not so then; the state at revision 2 is x = "2"

  client a  |-1-|
  client b        |-2-|

  1  2..3    a2: put x = "2" -> revision 2
  2  4..5.5  b1: get x -> "1" at revision 2

  record  revision 2: x = "2" (by a2)
"""
    )


def test_a_watch_is_drawn_by_its_deliveries() -> None:
    made = history(
        put("a", (0, 1), "x", "1", 1),
        put("b", (2, None), "x", "2"),
        also=[changed(2, "x", "2")],
        watches=[watch("w", 0, delivered(1.5, 2, x="2"))],
    )
    past, gap = check(made).findings
    assert render(past) == PAST
    assert render(gap) == GAP


PAST = """\
write behind the present:
  b1 (put x = "2" -> unknown) took revision 2, but watch w.1 had been told of revision 2 before it began

  watch w   *1
  client b     |-2---...?

  1  1.5..1.5  w.1: revision 2: x = "2"
  2  2..?      b1: put x = "2" -> unknown
"""

GAP = """\
watch gap:
  watch w.1 came to revision 2 without revision 1

  client a  |-1-|
  watch w         *2

  1  0..1      a1: put x = "1" -> revision 1
  2  1.5..1.5  w.1: revision 2: x = "2"

  record  revision 1: x = "1" (by a1)
"""

LANES = """\
  a  |-1-| |--3--| |--6---| |--9--|
       |--2--| |--4---| |--8--| |-10-|
  b            |-5-------------------------...?
                   *7

   1  0..1.5  op 0
   2  1..2.5  op 1
   3  2..3.5  op 2
   4  3..4.5  op 3
   5  3..?    open
   6  4..5.5  op 4
   7  4..4    moment
   8  5..6.5  op 5
   9  6..7.5  op 6
  10  7..8.5  op 7"""


def test_lanes_numbers_and_columns_keep_apart() -> None:
    bars = [Bar("a", n, n + 1.5, f"op {n}") for n in range(8)] + [Bar("b", 3, None, "open"), Bar("b", 4, 4, "moment")]
    assert draw(bars) == LANES


def test_a_stale_read_among_thousands_of_operations_is_shown_by_three() -> None:
    workload = Workload(operations=2000, keys=3, locks=0, watchers=0, overlap=0.3, multi=False)
    made = generate(Random(5), workload)
    broken = next(m for seed in range(100) if (m := stale_read(Random(seed), made)) is not None and m.search)
    (judged,) = second_opinion(broken.history).violations
    text = render_violation(judged)
    legend = [line for line in text.splitlines() if ".." in line and line.split()[0].isdigit()]
    assert 2 <= len(legend) <= 4, text
    assert "longest order that works" in text


def test_delta_debugging_leaves_what_cannot_go() -> None:
    assert ddmin(list(range(100)), lambda some: {13, 57, 58} <= set(some)) == [13, 57, 58]
    assert ddmin([1], lambda some: True) == [1]
    assert ddmin(list(range(9)), lambda some: sum(some) >= 8 and len(some) >= 2) in ([1, 7], [0, 8], [7, 8], [1, 8])
