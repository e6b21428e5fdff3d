"""Histories as JSON lines, so that a run can be kept and judged again.

A line is an object with one member, which names what it holds: {"operation": {...}}, {"commit": ...}, {"watch": ...},
and once {"history": ...} with everything else. A run may append the lines as things happen, in any order but the
commits' own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tests.verify.linearizability.histories.history import Commit, History, HistoryError, Operation, Watch, check_shape

FORMAT = 1


@dataclass(frozen=True, slots=True)
class _Head:
    """What a history says beside its operations, its record and its watches."""

    format: int
    until: int | None
    dense: bool
    leases_expire: bool
    capacities: Mapping[str, int]


_HEAD = TypeAdapter(_Head)
_OPERATION = TypeAdapter(Operation)
_COMMIT = TypeAdapter(Commit)
_WATCH = TypeAdapter(Watch)
_KINDS: Mapping[str, TypeAdapter[Any]] = {
    "history": _HEAD,
    "operation": _OPERATION,
    "commit": _COMMIT,
    "watch": _WATCH,
}


def dump(history: History) -> Iterator[str]:
    """The lines of a history, each with its line feed: what `file.writelines` takes."""
    yield head_line(history)
    yield from map(line_of, history.operations)
    yield from map(line_of, history.commits)
    yield from map(line_of, history.watches)


def line_of(item: Operation | Commit | Watch) -> str:
    """One line, for who writes down as things happen; `head_line` belongs to it."""
    match item:
        case Operation():
            return _line("operation", _OPERATION, item)
        case Commit():
            return _line("commit", _COMMIT, item)
        case Watch():
            return _line("watch", _WATCH, item)


def head_line(history: History) -> str:
    """The line with everything but operations, record and watches."""
    head = _Head(FORMAT, history.until, history.dense, history.leases_expire, dict(history.capacities))
    return _line("history", _HEAD, head)


def load(lines: Iterable[str]) -> History:
    """A history from its lines; an open file is one. Raises HistoryError, which names the line at fault."""
    read: dict[str, list[Any]] = {kind: [] for kind in _KINDS}
    for number, line in enumerate(lines, 1):
        try:
            ((kind, body),) = json.loads(line).items()
            read[kind].append(_KINDS[kind].validate_python(body))
        except (ValidationError, ValueError, KeyError, AttributeError) as error:
            raise HistoryError(f"line {number}: {error}") from None
    heads: list[_Head] = read["history"]
    if len(heads) != 1 or heads[0].format != FORMAT:
        raise HistoryError(f"the archive must hold one line of history, of format {FORMAT}")
    head = heads[0]
    history = History(
        operations=tuple(read["operation"]),
        commits=tuple(read["commit"]),
        watches=tuple(read["watch"]),
        until=head.until,
        dense=head.dense,
        leases_expire=head.leases_expire,
        capacities=head.capacities,
    )
    check_shape(history)
    return history


def _line(kind: str, adapter: TypeAdapter[Any], body: object) -> str:
    return f'{{"{kind}":{adapter.dump_json(body).decode()}}}\n'
