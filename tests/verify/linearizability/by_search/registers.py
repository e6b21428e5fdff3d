"""Keys as registers, for the search: put, get, compare-and-set, delete, and all of them on several keys at once.

Only keys, values and whether comparisons held are looked at: no revision, version or lease. A state is the tuple of the
part's values in key order, None for an absent key.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

from tests.verify.linearizability.by_search.observations import (
    Value,
    prune,
    span,
    vaguely_seen,
    values_named,
    values_seen,
    values_written,
)
from tests.verify.linearizability.by_search.search import Call
from tests.verify.linearizability.histories.history import Operation
from tests.verify.linearizability.histories.requests import (
    Acquire,
    Compare,
    Decided,
    Delete,
    DeleteRange,
    Found,
    Get,
    Put,
    Range,
    Relation,
    Release,
    Request,
    Response,
    SubRequest,
    Target,
    Txn,
    Written,
)
from tests.verify.linearizability.rendering.wording import quote

State = tuple[str | None, ...]

SOME_VALUE = "\0"
"""Stands for all values that nothing in the part names."""


@dataclass(frozen=True)
class Registers:
    """A part: some keys, and the operations on them."""

    keys: tuple[str, ...]
    operations: tuple[Operation, ...]

    @property
    def name(self) -> str:
        return f"key {self.keys[0]}" if len(self.keys) == 1 else f"keys {', '.join(self.keys)}"

    @property
    def initial(self) -> State:
        return (None,) * len(self.keys)

    def call(self, operation: Operation, optional: bool) -> Call[State]:
        request, result = operation.request, operation.result
        if isinstance(request, Txn):
            tests = [self._test(compare) for compare in request.compares]
            held = result.succeeded if isinstance(result, Decided) else None
            answers = result.responses if isinstance(result, Decided) else ()
            then = self._actions(request.then, answers if held else ())
            orelse = self._actions(request.orelse, answers if held is False else ())
        else:
            assert not isinstance(request, Acquire | Release)
            tests, held, orelse = [], None, []
            then = self._actions((request,), (result,) if isinstance(result, Written | Found) else ())

        def apply(state: State) -> State | None:
            holds = all(test(state) for test in tests)
            if held is not None and held != holds:
                return None
            values = list(state)
            for action in then if holds else orelse:
                if not action(values):
                    return None
            return tuple(values)

        values, vague = set(values_seen(self.keys, operation)), set(vaguely_seen(self.keys, operation))
        written = {(key, self._known(key, value)) for key, value in values_written(self.keys, operation)}
        alone = len({key for key, _ in (*values, *written)} | vague) == 1
        return Call(
            operation,
            apply,
            optional,
            pure=not optional and operation.ok and not operation.wrote,
            sees=frozenset[Hashable]((*values, *vague)),
            gives=frozenset[Hashable]((*written, *(key for key, _ in written))) if alone else None,
            twin=self._plain(request),
        )

    def prune(self, required: Sequence[Operation], optional: Sequence[Operation]) -> list[Operation]:
        return prune(self.keys, required, optional)

    def show(self, state: State) -> str:
        shown = ["absent" if v is None else "= something else" if v == SOME_VALUE else f"= {quote(v)}" for v in state]
        return ", ".join(f"{key} {value}" for key, value in zip(self.keys, shown, strict=True))

    # -- what an operation does ----------------------------------------------------------------------------------------

    @cached_property
    def _index(self) -> dict[str, int]:
        return {key: i for i, key in enumerate(self.keys)}

    @cached_property
    def _named(self) -> set[Value]:
        return {value for operation in self.operations for value in values_named(operation)}

    def _known(self, key: str, value: str | None) -> str | None:
        """A value that no answer and no comparison names is as good as any other such."""
        return value if value is None or (key, value) in self._named else SOME_VALUE

    def _plain(self, request: Request) -> Hashable:
        """A request as far as it can be told from others."""
        match request:
            case Put(key=key, value=value):
                return "put", key, self._known(key, value)
            case Txn(compares=compares, then=then, orelse=orelse):
                return compares, tuple(map(self._plain, then)), tuple(map(self._plain, orelse))
            case _:
                return request

    def _under(self, prefix: str) -> list[int]:
        return list(range(*span(self.keys, prefix)))

    def _test(self, compare: Compare) -> Callable[[State], bool]:
        at, operand, equal = self._index[compare.key], compare.operand, compare.relation == Relation.EQUAL
        if compare.target == Target.EXISTS:
            return lambda state: ((state[at] is not None) == operand) == equal
        return lambda state: state[at] is not None and (state[at] == operand) == equal

    def _actions(
        self, parts: Sequence[SubRequest], answers: Sequence[Response]
    ) -> list[Callable[[list[str | None]], bool]]:
        """The branch of a transaction; without answers, nothing is known of what it found."""
        return [self._action(part, answers[i] if answers else None) for i, part in enumerate(parts)]

    def _action(self, part: SubRequest, answer: Response | None) -> Callable[[list[str | None]], bool]:
        match part:
            case Put(key=key, value=value):
                return _put(self._index[key], self._known(key, value))
            case Delete(key=key):
                return _delete([self._index[key]], answer)
            case DeleteRange(prefix=prefix):
                return _delete(self._under(prefix), answer)
            case Get(key=key):
                return _read(self.keys, [self._index[key]], answer, None)
            case Range(prefix=prefix, limit=limit):
                return _read(self.keys, self._under(prefix), answer, limit)


def _put(at: int, value: str | None) -> Callable[[list[str | None]], bool]:
    def action(values: list[str | None]) -> bool:
        values[at] = value
        return True

    return action


def _delete(where: Sequence[int], answer: Response | None) -> Callable[[list[str | None]], bool]:
    told = answer.deleted if isinstance(answer, Written) else None

    def action(values: list[str | None]) -> bool:
        there = [at for at in where if values[at] is not None]
        for at in there:
            values[at] = None
        return told is None or told == len(there)

    return action


def _read(
    keys: Sequence[str], where: Sequence[int], answer: Response | None, limit: int | None
) -> Callable[[list[str | None]], bool]:
    told = [(item.key, item.value) for item in answer.items] if isinstance(answer, Found) else None
    more = isinstance(answer, Found) and answer.more

    def action(values: list[str | None]) -> bool:
        if told is None:
            return True
        there = [(keys[at], values[at]) for at in where if values[at] is not None]
        return there[:limit] == told and (limit is None or more == (len(there) > limit))

    return action
