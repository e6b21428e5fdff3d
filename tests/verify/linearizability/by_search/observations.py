"""What operations write and what they tell of values, and so which of unknown outcome the search can do without."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

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
    Response,
    SubRequest,
    Target,
    Txn,
    Written,
)

Value = tuple[str, str | None]
"""A key and its value; None where it is absent."""


def prune(keys: Sequence[str], required: Iterable[Operation], optional: Sequence[Operation]) -> list[Operation]:
    """The optional operations that can explain something; `keys` are those of the part, sorted.

    An operation is kept where one that is kept, or required, saw a value that it may write, or saw of a key that it may
    write merely that some value is there or not. All others can be taken out of any linearization together: no answer
    that remains was due to them.
    """
    seen: set[Value] = set()
    vague: set[str] = set()
    for operation in required:
        seen.update(values_seen(keys, operation))
        vague.update(vaguely_seen(keys, operation))
    kept: list[Operation] = []
    left = list(optional)
    grows = True
    while grows:
        needed = [o for o in left if any(value in seen or value[0] in vague for value in values_written(keys, o))]
        grows = bool(needed)
        for operation in needed:
            kept.append(operation)
            seen.update(values_seen(keys, operation))
            vague.update(vaguely_seen(keys, operation))
        names = {operation.id for operation in needed}
        left = [operation for operation in left if operation.id not in names]
    return kept


def values_written(keys: Sequence[str], operation: Operation) -> Iterator[Value]:
    """Every value that an operation may write."""
    for part in parts_of(operation):
        match part:
            case Put(key=key, value=value):
                yield key, value
            case Delete(key=key):
                yield key, None
            case DeleteRange(prefix=prefix):
                yield from ((key, None) for key in keys[slice(*span(keys, prefix))])


def values_seen(keys: Sequence[str], operation: Operation) -> Iterator[Value]:
    """Every value that must have been there for an operation to answer as it did, or to have an effect."""
    for part, answer in _answered(operation):
        match part, answer:
            case Get(key=key), Found(items=items):
                yield key, items[0].value if items else None
            case Range(prefix=prefix, limit=None), Found(items=items):
                found = {item.key: item.value for item in items}
                yield from ((key, found.get(key)) for key in keys[slice(*span(keys, prefix))])
            case Delete(key=key), Written(deleted=0):
                yield key, None
            case DeleteRange(prefix=prefix), Written(deleted=0):
                yield from ((key, None) for key in keys[slice(*span(keys, prefix))])
    yield from filter(None, (_must_be(operation, compare) for compare in _compares(operation)))


def vaguely_seen(keys: Sequence[str], operation: Operation) -> Iterator[str]:
    """The keys of which an operation tells something else than one value."""
    for part, answer in _answered(operation):
        match part, answer:
            case Range(prefix=prefix, limit=int()), Found():
                yield from keys[slice(*span(keys, prefix))]
            case Delete(key=key), Written(deleted=deleted) if deleted:
                yield key
            case DeleteRange(prefix=prefix), Written(deleted=deleted) if deleted:
                yield from keys[slice(*span(keys, prefix))]
    yield from (compare.key for compare in _compares(operation) if _must_be(operation, compare) is None)


def values_named(operation: Operation) -> Iterator[Value]:
    """Every value that an operation's comparisons or answer name."""
    yield from ((compare.key, compare.operand) for compare in _compares(operation) if isinstance(compare.operand, str))
    for _, answer in _answered(operation):
        if isinstance(answer, Found):
            yield from ((item.key, item.value) for item in answer.items)


def _compares(operation: Operation) -> Sequence[Compare]:
    return operation.request.compares if isinstance(operation.request, Txn) else ()


def _must_be(operation: Operation, compare: Compare) -> Value | None:
    """The one value that the comparison found, or else the operation has no effect and need not be placed."""
    request, result = operation.request, operation.result
    held = isinstance(result, Decided) and result.succeeded
    inert = result is None and isinstance(request, Txn) and not request.orelse
    if (held or inert) and compare.relation == Relation.EQUAL:
        if compare.target == Target.VALUE and isinstance(compare.operand, str):
            return compare.key, compare.operand
        if compare.target == Target.EXISTS and compare.operand is False:
            return compare.key, None
    return None


def _answered(operation: Operation) -> Iterable[tuple[SubRequest, Response]]:
    request, result = operation.request, operation.result
    if isinstance(request, Txn) and isinstance(result, Decided):
        return zip(request.then if result.succeeded else request.orelse, result.responses, strict=True)
    if isinstance(result, Written | Found) and not isinstance(request, Txn | Acquire | Release):
        return ((request, result),)
    return ()


def parts_of(operation: Operation) -> Sequence[SubRequest]:
    """The simple requests of an operation on keys, of both branches where it is a transaction."""
    request = operation.request
    if isinstance(request, Txn):
        return (*request.then, *request.orelse)
    return () if isinstance(request, Acquire | Release) else (request,)


def span(keys: Sequence[str], prefix: str) -> tuple[int, int]:
    """The slice of sorted keys that a prefix covers."""
    start = end = bisect_left(keys, prefix)
    while end < len(keys) and keys[end].startswith(prefix):
        end += 1
    return start, end
