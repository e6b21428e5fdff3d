"""Cutting the operations on keys into parts that have nothing to do with each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.verify.linearizability.by_search.observations import parts_of, span
from tests.verify.linearizability.by_search.registers import Registers
from tests.verify.linearizability.histories.history import History, Operation
from tests.verify.linearizability.histories.requests import (
    Acquire,
    Consistency,
    Decided,
    Delete,
    DeleteRange,
    Found,
    Get,
    Put,
    Range,
    Relation,
    Release,
    Target,
    Txn,
)


def registers_of(history: History) -> tuple[list[Registers], list[str]]:
    """The parts that a history's operations on keys fall into, and the names of those that the search cannot judge."""
    ours = [operation for operation in history.operations if _bears(operation)]
    keys = sorted({key for operation in ours for key in _named(operation)})
    group = {key: key for key in keys}

    def root(key: str) -> str:
        while group[key] != key:
            group[key] = key = group[group[key]]
        return key

    touched = [_touched(operation, keys) for operation in ours]
    for together in touched:
        for key in together[1:]:
            group[root(key)] = root(together[0])
    members: dict[str, list[str]] = {}
    for key in keys:
        members.setdefault(root(key), []).append(key)
    of: dict[str, list[Operation]] = {key: [] for key in members}
    beyond: set[str] = set()
    for operation, together in zip(ours, touched, strict=True):
        if together:
            of[root(together[0])].append(operation)
            if not _judged(operation, history.leases_expire):
                beyond.add(root(together[0]))
    parts = {key: Registers(tuple(members[key]), tuple(of[key])) for key in members}
    return (
        [part for key, part in parts.items() if key not in beyond],
        [part.name for key, part in parts.items() if key in beyond],
    )


def _bears(operation: Operation) -> bool:
    """Whether an operation says anything of, or may do anything to, the present values of keys."""
    request = operation.request
    if operation.failed or isinstance(request, Acquire | Release):
        return False
    if isinstance(request, Get | Range):
        return operation.ok and request.revision is None and request.consistency == Consistency.LINEARIZABLE
    return operation.ok or any(isinstance(part, Put | Delete | DeleteRange) for part in parts_of(operation))


def _judged(operation: Operation, leases_expire: bool) -> bool:
    """Whether all that an operation compares are values and existence, and no lease ends what it writes."""
    if leases_expire and any(isinstance(part, Put) and part.lease for part in parts_of(operation)):
        return False
    return not isinstance(operation.request, Txn) or all(
        compare.target in {Target.VALUE, Target.EXISTS} and compare.relation in {Relation.EQUAL, Relation.NOT_EQUAL}
        for compare in operation.request.compares
    )


def _named(operation: Operation) -> Iterator[str]:
    """The keys that an operation, or its answer, names."""
    for part in parts_of(operation):
        if isinstance(part, Put | Delete | Get):
            yield part.key
    if isinstance(operation.request, Txn):
        yield from (compare.key for compare in operation.request.compares if compare.target != Target.TOKEN)
    result = operation.result
    for answer in result.responses if isinstance(result, Decided) else (result,):
        if isinstance(answer, Found):
            yield from (item.key for item in answer.items)


def _touched(operation: Operation, keys: Sequence[str]) -> list[str]:
    """The keys that an operation touches: those it names, and those under its prefixes."""
    touched = dict.fromkeys(_named(operation))
    for part in parts_of(operation):
        if isinstance(part, DeleteRange | Range):
            touched |= dict.fromkeys(keys[slice(*span(keys, part.prefix))])
    return list(touched)
