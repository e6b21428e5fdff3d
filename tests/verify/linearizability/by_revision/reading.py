"""Reads against the state at their revision: the same keys, values and metadata, or a finding that says why not."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tests.verify.linearizability.by_revision.matching import Producers
from tests.verify.linearizability.histories.history import Commit, KeyPut, Operation
from tests.verify.linearizability.histories.requests import Found, Get, Item, Range
from tests.verify.linearizability.rendering.findings import Anomaly, Finding
from tests.verify.linearizability.rendering.wording import items_line, name, quote

METADATA = ("create_revision", "mod_revision", "version", "lease")


class Reading:
    """Compares what reads found with what was there."""

    def __init__(
        self, producers: Producers, commits: Iterable[Commit], last_change: Callable[[str], Commit | None]
    ) -> None:
        """`last_change` gives the commit that changed a key last, as of the state in question."""
        self._producers = producers
        self._last_change = last_change
        self._recorded = {
            (event.key, event.value) for commit in commits for event in commit.events if isinstance(event, KeyPut)
        }

    def judge(self, operation: Operation, part: Get | Range, got: Found, there: Found) -> Finding | None:
        """What is wrong with `got`, the answer to `part` of `operation`, where the state shows `there`."""
        if got.items == there.items and got.more == there.more:
            return None
        astray = Anomaly.PHANTOM if isinstance(part, Range) else Anomaly.WRONG_READ
        found = {item.key: item for item in got.items}
        state = {item.key: item for item in there.items}
        # Values first: one that never was explains more than a key that is missing.
        for key, item in found.items():
            if key not in state or state[key].value != item.value:
                anomaly, why, writers = self._value(item, Anomaly.WRONG_READ if key in state else astray)
                return self._finding(anomaly, operation, there, key, why, writers)
        for key in state:
            if key not in found:
                return self._finding(astray, operation, there, key, f"it misses {key}")
        if list(found) != list(state) or len(got.items) != len(there.items):
            return self._finding(astray, operation, there, None, "its keys are not in order, each once")
        if got.more != there.more:
            why = f"it says that there are {'more' if got.more else 'no more'} keys"
            return self._finding(astray, operation, there, None, why)
        for key, item in found.items():
            for field in METADATA:
                told, actual = getattr(item, field), getattr(state[key], field)
                if told is not None and told != actual:
                    why = f"the {field} of {key} is told as {told!r} and is {actual!r}"
                    return self._finding(Anomaly.WRONG_METADATA, operation, there, key, why)
        return None

    def _value(self, item: Item, known: Anomaly) -> tuple[Anomaly, str, tuple[Operation, ...]]:
        """Why a key could not be found with the value it was found with: `known` where it had that at other times."""
        said = f"{item.key} = {quote(item.value)}"
        writers = self._producers.writers(item.key, item.value)
        if (item.key, item.value) in self._recorded:
            return known, f"{said} was not so then", ()
        if not writers:
            return Anomaly.VALUE_FROM_NOWHERE, f"nobody ever wrote {said}", ()
        if all(writer.failed for writer in writers):
            return Anomaly.READ_OF_REFUSED_WRITE, f"the write of {said} was refused", tuple(writers[:1])
        return Anomaly.READ_OF_VANISHED_WRITE, f"the write of {said} is not in the record", tuple(writers[:1])

    def _finding(
        self,
        anomaly: Anomaly,
        operation: Operation,
        there: Found,
        key: str | None,
        why: str,
        writers: tuple[Operation, ...] = (),
    ) -> Finding:
        change = None if key is None else self._last_change(key)
        return Finding(
            anomaly,
            f"{name(operation)}: {why}; the state at revision {there.revision} is {items_line(there.items)}",
            (operation, *writers),
            () if change is None else (change,),
        )
