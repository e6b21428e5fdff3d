"""Locks for the search: a mutex, or a semaphore, whose grants bear rising fencing tokens.

A state is the set of tokens that hold the lock, or may, where leases expire, and the highest one given. A grant whose
answer was lost holds the lock under a token that nobody was told, written as a negative number of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from tests.verify.linearizability.by_search.search import Call
from tests.verify.linearizability.histories.history import History, Operation
from tests.verify.linearizability.histories.requests import Acquire, Busy, Granted, Release, Released

State = tuple[frozenset[int], int]


@dataclass(frozen=True)
class Mutex:
    """A part: one lock, and the operations on it."""

    lock: str
    operations: tuple[Operation, ...]
    capacity: int = 1
    leases_expire: bool = False
    """A holder may lose the lock at any time; who asks for it may then get it."""

    @property
    def name(self) -> str:
        return f"lock {self.lock}"

    @property
    def initial(self) -> State:
        return frozenset(), 0

    @cached_property
    def _named(self) -> set[int]:
        return {token for operation in self.operations if (token := _token(operation)) is not None}

    def call(self, operation: Operation, optional: bool) -> Call[State]:
        result = operation.result
        # Where leases expire, to hear that a token does not hold the lock is to learn something.
        pure = not optional and isinstance(result, Busy | Released) and not operation.wrote and not self.leases_expire
        match operation.request, result:
            case Acquire(), Busy():
                return Call(operation, self._busy, optional, pure)
            case Acquire(), Granted(token=token):
                return Call(operation, lambda state: self._grant(state, token), optional, pure)
            case Acquire(), _:
                return Call(operation, self._grant_unnamed, optional, pure, twin="acquire")
            case Release(token=token), Released(released=False):
                return Call(operation, lambda state: self._not_held(state, token), optional, pure)
            case Release(token=token), _:
                return Call(operation, lambda state: self._release(state, token), optional, pure, twin=token)
        raise AssertionError(operation)

    def prune(self, required: Sequence[Operation], optional: Sequence[Operation]) -> list[Operation]:
        """Without a grant that no required release needs, there is only more room, and its own releases fit nowhere."""
        if any(not operation.wrote for operation in required):
            return list(optional)
        released = {operation.request.token for operation in required if isinstance(operation.request, Release)}
        unnamed_released = bool(released - self._named)
        kept = []
        for operation in optional:
            token = _token(operation)
            if isinstance(operation.request, Acquire) and (unnamed_released if token is None else token in released):
                kept.append(operation)
        granted = {_token(operation) for operation in (*required, *kept)}
        kept += [o for o in optional if isinstance(o.request, Release) and {o.request.token, None} & granted]
        return kept

    def show(self, state: State) -> str:
        holding, highest = state
        held = ", ".join("an unknown token" if token < 0 else f"token {token}" for token in sorted(holding))
        return f"{self.lock} {f'held by {held}' if held else 'free'}, highest token {highest}"

    # -- the sequential lock -----------------------------------------------------------------------------------------

    def _grant(self, state: State, token: int) -> State | None:
        holding, highest = state
        if 0 < token <= highest:
            return None
        if len(holding) >= self.capacity:
            if not self.leases_expire:
                return None
            # Somebody's lease ended. Whose, is only sure where one can hold the lock.
            holding = holding if self.capacity > 1 else frozenset()
        return holding | {token}, max(highest, token)

    def _grant_unnamed(self, state: State) -> State | None:
        return self._grant(state, min([0, *state[0]]) - 1)

    def _release(self, state: State, token: int) -> State | None:
        holding, highest = state
        if token in holding:
            return holding - {token}, highest
        unnamed = min(holding, default=0)
        if unnamed < 0 and token not in self._named:
            return holding - {unnamed}, highest
        return None

    def _busy(self, state: State) -> State | None:
        return state if len(state[0]) >= self.capacity else None

    def _not_held(self, state: State, token: int) -> State | None:
        if token in state[0]:
            return (state[0] - {token}, state[1]) if self.leases_expire else None
        return state


def _token(operation: Operation) -> int | None:
    """The token of a grant, where it is known."""
    return operation.result.token if isinstance(operation.result, Granted) else None


def mutexes_of(history: History) -> list[Mutex]:
    """The parts that a history's operations on locks fall into."""
    of: defaultdict[str, list[Operation]] = defaultdict(list)
    for operation in history.operations:
        if isinstance(operation.request, Acquire | Release) and not operation.failed:
            of[operation.request.lock].append(operation)
    return [
        Mutex(lock, tuple(operations), history.capacities.get(lock, 1), history.leases_expire)
        for lock, operations in sorted(of.items())
    ]
