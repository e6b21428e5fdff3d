"""The second opinion: a search for a linearization, by answers and real time alone.

Wing and Gong's search over the list of invocations and returns, with Lowe's memoisation of what was tried (the set of
operations placed, and the state they left), and these refinements:
- an operation of unknown outcome may be placed at any time from its invocation on, or never. Such operations are tried
  last, and where some of them led nowhere, more of them, with all else the same, lead nowhere either;
- the set placed is kept relative to the first operation not yet placed, so that it stays small in a long history;
- an operation that never changes the state is placed as soon as it fits, without a look at other orders: whatever can
  follow, can follow it too.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, pairwise
from typing import Generic, TypeVar

from tests.verify.linearizability.by_search.opencalls import OpenCalls
from tests.verify.linearizability.histories.history import Operation

StateT = TypeVar("StateT", bound=Hashable)

MAX_STEPS = 2_000_000
"""Placements that a search tries before it gives up: some seconds."""


class Answer(StrEnum):
    OK = "ok"
    VIOLATION = "violation"
    UNDECIDED = "undecided"
    """The search gave up."""
    NOT_APPLICABLE = "not applicable"
    """Nothing in the history is of a kind that the search judges."""


@dataclass(frozen=True, slots=True)
class Call(Generic[StateT]):
    """One operation as the search sees it."""

    operation: Operation
    apply: Callable[[StateT], StateT | None]
    """The state behind the operation; None where its answer does not fit the state before."""
    optional: bool = False
    """It may be left out; and where it did not return, it may be placed at any time from its invocation on."""
    pure: bool = False
    """It never changes the state."""
    sees: frozenset[Hashable] = frozenset()
    """What of the state its answer, or its effect, depends on."""
    gives: frozenset[Hashable] | None = None
    """What others may see of its effect. Known only of a call that sees and changes one and the same thing."""
    twin: Hashable = None
    """Calls that did not return and are equal in this do the same. None is equal to nothing."""


@dataclass(frozen=True, slots=True)
class Searched(Generic[StateT]):
    """What came of a search."""

    answer: Answer
    order: tuple[Operation, ...]
    """A linearization; of a violation, the longest order that works."""
    state: StateT
    """The state that `order` leaves."""
    stuck: tuple[Operation, ...]
    """What would have to come next in real time, and does not fit."""
    steps: int


def search(initial: StateT, calls: Sequence[Call[StateT]], max_steps: int = MAX_STEPS) -> Searched[StateT]:
    """Look for an order of the calls that obeys real time, and in which each fits the state before it."""
    return _Search(initial, calls).run(max_steps)


class _Search(Generic[StateT]):
    """A doubly linked list of what is not settled yet, and a stack of what is: placed, or left out.

    For n calls, nodes 0 to n-1 are the invocations and n to 2n-1 the returns; 2n is the head of the list. It holds the
    events, in the order of time, of the calls that returned; the others are open.
    """

    def __init__(self, initial: StateT, calls: Sequence[Call[StateT]]) -> None:
        self._calls = sorted(calls, key=lambda call: call.operation.invoked)
        self._initial = initial
        n = len(self._calls)
        events: list[tuple[float, bool, int]] = []
        for i, call in enumerate(self._calls):
            events.append((call.operation.invoked, False, i))
            if call.operation.returned is not None:
                events.append((call.operation.returned, True, n + i))
        # At the same time, invocations come first: what touches is concurrent.
        order = [node for _, _, node in sorted(events)]
        self._rank = [0] * (2 * n)
        for rank, node in enumerate(order):
            self._rank[node] = rank
        self._ended = [call.operation.returned is not None for call in self._calls]
        self._open = OpenCalls(self._calls, [i for i in range(n) if not self._ended[i]], self._rank)
        self._next, self._previous = [-1] * (2 * n + 1), [-1] * (2 * n + 1)
        for one, other in pairwise([2 * n, *(node for node in order if self._ended[node % n])]):
            self._next[one], self._previous[other] = other, one
        # Among those that returned, the number of each.
        self._number = list(accumulate(self._ended, initial=0))
        # What was tried: the sets of open calls placed, by all else.
        self._tried: dict[tuple[tuple[int, int, StateT], int], list[int]] = {}
        # The longest order so far, and how much of it is the beginning of what is settled now.
        self._longest: list[int] = []
        self._longest_state = initial
        self._shared = 0

    def run(self, max_steps: int) -> Searched[StateT]:
        calls, ended, n = self._calls, self._ended, len(self._calls)
        state, left = self._initial, sum(ended)
        # Of the calls that returned, all below `base` are settled, and those that `window` has a bit for, counted from
        # there; of the open ones, those that `open_` has a bit for.
        base = window = open_ = steps = 0
        settled: list[int] = []
        before: list[tuple[StateT, int, int, int]] = []
        node = self._next[2 * n]
        while left:
            after: StateT | None = None
            call = calls[node % n]
            if node < n:
                steps += 1
                if steps > max_steps:
                    self._keep(settled, state)
                    return self._result(Answer.UNDECIDED, steps)
                after = call.apply(state)
                if after is not None and call.optional and after == state:
                    after = None
            elif call.optional:
                # Its time is over, and it was not placed: leave it out.
                after = state
            opener = settled[-1] if settled and not ended[settled[-1] % n] else -1
            if after is not None and not (opener >= 0 and self._idle(opener, before[-1][0], node, after)):
                low, bits, open_bits = base, window, open_
                if ended[node % n]:
                    bits |= 1 << (self._number[node % n] - base)
                    while bits & 1:
                        bits >>= 1
                        low += 1
                else:
                    open_bits |= self._open.bit[node]
                if self._is_new((low, bits, after), open_bits, -1 if ended[node % n] else node):
                    settled.append(node)
                    before.append((state, base, window, open_))
                    state, base, window, open_ = after, low, bits, open_bits
                    if ended[node % n]:
                        left -= 1
                        self._lift(node % n)
                    node = self._next[2 * n]
                    continue
            node = self._other(node, open_, after is not None)
            while node < 0:
                self._keep(settled, state)
                if not settled:
                    return self._result(Answer.VIOLATION, steps)
                node = settled.pop()
                state, base, window, open_ = before.pop()
                if ended[node % n]:
                    left += 1
                    self._unlift(node % n)
                self._shared = min(self._shared, len(settled))
                node = self._other(node, open_, fitted=True)
        self._longest, self._longest_state = settled, state
        return self._result(Answer.OK, steps)

    def _other(self, node: int, open_: int, fitted: bool) -> int:
        """What to try instead of `node`, which `fitted` or did not; -1 where nothing is left.

        First the calls up to the first return in the list; that return, to leave the call out; then the open calls that
        were invoked before it.
        """
        n = len(self._calls)
        if node < n and fitted and self._calls[node].pure:
            return -1
        if node < n and self._ended[node]:
            return self._next[node]
        seen: set[Hashable] = set()
        end = self._next[2 * n]
        while end < n:
            seen |= self._calls[end].sees
            end = self._next[end]
        return self._open.next(node if node < n else -1, open_, seen, self._rank[end])

    def _idle(self, opener: int, state: StateT, node: int, after: StateT) -> bool:
        """Whether `node`, which led to `after`, would have led there without the open call placed just before it, or
        with that call placed behind it; `state` is the one before both.

        Then there is another way to the same, and this one need not be tried. Of two open calls that can change places,
        the one invoked first goes first.
        """
        n = len(self._calls)
        without = self._calls[node].apply(state) if node < n else state
        if without is None:
            return False
        if without == after:
            return True
        return (self._ended[node % n] or node < opener) and self._calls[opener].apply(without) == after

    def _is_new(self, place: tuple[int, int, StateT], open_: int, opener: int) -> bool:
        """Whether this was not tried before, nor the same with fewer open calls placed. If so, it is noted.

        `opener` is the open call placed last, if nothing was placed behind it: less is tried then.
        """
        tried = self._tried.setdefault((place, -1), [])
        if any(not fewer & ~open_ for fewer in tried):
            return False
        if opener >= 0:
            tried = self._tried.setdefault((place, opener), [])
            if any(not fewer & ~open_ for fewer in tried):
                return False
        tried[:] = [more for more in tried if open_ & ~more]
        tried.append(open_)
        return True

    # -- the list ----------------------------------------------------------------------------------------------------

    def _lift(self, call: int) -> None:
        for node in (call, call + len(self._calls)):
            before, after = self._previous[node], self._next[node]
            self._next[before] = after
            if after >= 0:
                self._previous[after] = before

    def _unlift(self, call: int) -> None:
        for node in (call + len(self._calls), call):
            before, after = self._previous[node], self._next[node]
            self._next[before] = node
            if after >= 0:
                self._previous[after] = node

    # -- the outcome -------------------------------------------------------------------------------------------------

    def _keep(self, settled: list[int], state: StateT) -> None:
        """Remember the longest order so far."""
        if len(settled) > len(self._longest):
            self._longest[self._shared :] = settled[self._shared :]
            self._longest_state = state
            self._shared = len(settled)

    def _result(self, answer: Answer, steps: int) -> Searched[StateT]:
        n = len(self._calls)
        order = tuple(self._calls[node].operation for node in self._longest if node < n)
        stuck: tuple[Operation, ...] = ()
        if answer is not Answer.OK:
            settled = {node % n for node in self._longest}
            left = [c.operation for i, c in enumerate(self._calls) if i not in settled and not c.optional]
            first_return = min((o.returned for o in left if o.returned is not None), default=0.0)
            stuck = tuple(o for o in left if o.invoked <= first_return)
        return Searched(answer, order, self._longest_state, stuck, steps)
