"""Operations, commits and deliveries in one line of text each."""

from __future__ import annotations

from collections.abc import Iterable

from tests.verify.linearizability.histories.history import (
    Commit,
    Event,
    KeyDeleted,
    KeyPut,
    LockGranted,
    LockReleased,
    Operation,
)
from tests.verify.linearizability.histories.requests import (
    Acquire,
    Busy,
    Compare,
    Consistency,
    Decided,
    Delete,
    DeleteRange,
    Found,
    Get,
    Granted,
    Item,
    Put,
    Range,
    Release,
    Released,
    Request,
    Result,
    Txn,
    Written,
)

LONGEST_VALUE = 24
"""Characters of a value that are shown."""


def quote(value: str) -> str:
    return f'"{value}"' if len(value) <= LONGEST_VALUE else f'"{value[: LONGEST_VALUE - 3]}..."'


def phrase(operation: Operation) -> str:
    """An operation and its outcome: what `get x -> "1" at revision 3` says."""
    if operation.result is not None:
        outcome = _result(operation.result, operation.request)
    elif operation.failed:
        outcome = f"refused: {operation.error}" if operation.error else "refused"
    else:
        outcome = f"unknown: {operation.error}" if operation.error else "unknown"
    return f"{_request(operation.request)} -> {outcome}"


def name(operation: Operation) -> str:
    """How a sentence names an operation."""
    return f"{operation.id} ({phrase(operation)})"


def record_line(commit: Commit) -> str:
    by = f" (by {commit.request})" if commit.request else ""
    return f"revision {commit.revision}: {events_line(commit.events)}{by}"


def events_line(events: Iterable[Event]) -> str:
    return "; ".join(_event(event) for event in events) or "nothing"


def _event(event: Event) -> str:
    match event:
        case KeyPut():
            return f"{event.key} = {quote(event.value)}" + (f" under lease {event.lease}" if event.lease else "")
        case KeyDeleted():
            return f"{event.key} deleted"
        case LockGranted():
            return f"{event.lock} granted to {event.owner} with token {event.token}"
        case LockReleased():
            return f"{event.lock} released by token {event.token}"


def _request(request: Request) -> str:
    match request:
        case Put():
            return f"put {request.key} = {quote(request.value)}" + (f" lease {request.lease}" if request.lease else "")
        case Delete():
            return f"delete {request.key}"
        case DeleteRange():
            return f"delete {request.prefix}*"
        case Get():
            return f"{_how(request)}get {request.key}"
        case Range():
            limit = "" if request.limit is None else f" limit {request.limit}"
            return f"{_how(request)}range {request.prefix}*{limit}"
        case Txn():
            tests = " and ".join(map(_compare, request.compares)) or "true"
            then = ", ".join(map(_request, request.then)) or "nothing"
            orelse = f" else {', '.join(map(_request, request.orelse))}" if request.orelse else ""
            return f"txn if {tests} then {then}{orelse}"
        case Acquire():
            return f"acquire {request.lock} as {request.owner}"
        case Release():
            return f"release {request.lock} token {request.token}"


def _how(request: Get | Range) -> str:
    if request.revision is not None:
        return "historic "
    return "" if request.consistency == Consistency.LINEARIZABLE else f"{request.consistency} "


def _compare(compare: Compare) -> str:
    operand = quote(compare.operand) if isinstance(compare.operand, str) else str(compare.operand).lower()
    return f"{compare.target}({compare.key}) {compare.relation} {operand}"


def _result(result: Result, request: Request) -> str:
    match result:
        case Written():
            return f"revision {result.revision}" + (f", {result.deleted} deleted" if result.deleted else "")
        case Found(items=(item,)) if isinstance(request, Get):
            return f"{quote(item.value)} at revision {result.revision}"
        case Found():
            return f"{items_line(result.items)}{' and more' if result.more else ''} at revision {result.revision}"
        case Decided():
            inner = "; ".join(items_line(found.items) for found in result.responses if isinstance(found, Found))
            return f"{'held' if result.succeeded else 'did not hold'}, revision {result.revision}" + (
                f", found {inner}" if inner else ""
            )
        case Granted():
            return f"token {result.token}, revision {result.revision}"
        case Busy():
            return f"busy at revision {result.revision}"
        case Released():
            return f"{'released' if result.released else 'was not held'}, revision {result.revision}"


def items_line(items: Iterable[Item]) -> str:
    return ", ".join(f"{item.key} = {quote(item.value)}" for item in items) or "nothing"
