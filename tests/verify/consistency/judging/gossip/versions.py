"""What each observer holds of each identity, view after view: it only moves forward, and it is what the owner wrote.

What is claimed of an observer's process and an identity it knows:
- `(last_gc_version, max_version)` never decreases (gossip spec 4);
- while `last_gc_version` stays, no key's version decreases, and none vanishes. (Above that it may be a reset, which
  begins anew and may be partial for a while, or a collection.)
- a version stands for one key, value and status, whoever shows it;
- there is no hole: with `max_version` at or above the version of an acknowledged write, the key shows that write or a
  later one, or is gone because it was deleted, then or later. So a deletion that an observer has come past stays.
- a key whose deletion it held never comes back with a lower version.

A node that forgot an identity after `dead_node_grace_period` begins anew with it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping

from tests.verify.consistency.contract import Anomaly
from tests.verify.consistency.judging.gossip.history import (
    DELETE,
    SET,
    WRITES,
    Entry,
    GossipHistory,
    GossipOperation,
    GossipState,
    Identity,
    StateChange,
    View,
    show_identity,
)

GRACE_SLACK_SECONDS = 1.0
"""A view may miss that a node was dead for so long before its last grace began."""


def version_anomalies(history: GossipHistory) -> Iterator[Anomaly]:
    owners = _Owners(history)
    contents: dict[tuple[Identity, int], tuple[str, Entry, str]] = {}
    observers: dict[Identity, _Observer] = {}
    for view in history.views:
        observer = observers.setdefault(view.by, _Observer(history.dead_node_grace, owners))
        yield from observer.look(view)
        for change in view.changes:
            yield from _one_content(contents, view, change)


def _one_content(
    contents: dict[tuple[Identity, int], tuple[str, Entry, str]], view: View, change: StateChange
) -> Iterator[Anomaly]:
    for key, entry in change.set.items():
        there = contents.setdefault((change.identity, entry.version), (key, entry, view.observer))
        if there[:2] != (key, entry):
            said, before = _show(key, entry), _show(there[0], there[1])
            why = (
                f"version {entry.version} of {show_identity(change.identity)} is {said} at {view.observer} "
                f"and {before} at {there[2]}"
            )
            yield Anomaly("version with two contents", why, _drawn(view, change))


class _Owners:
    """The acknowledged writes of each identity's keys, by version, and what else may have been done to them."""

    def __init__(self, history: GossipHistory) -> None:
        self._writes: defaultdict[tuple[Identity, str], list[tuple[int, GossipOperation]]] = defaultdict(list)
        self._keys: defaultdict[Identity, set[str]] = defaultdict(set)
        self._doubtful: defaultdict[tuple[Identity, str], list[GossipOperation]] = defaultdict(list)
        for operation in history.operations:
            identity = operation.identity
            if identity is None or operation.op == "get":
                continue
            if operation.wrote and operation.version is not None:
                self._writes[identity, operation.key].append((operation.version, operation))
                self._keys[identity].add(operation.key)
            elif operation.outcome == "unknown" and WRITES[operation.op] != SET:
                self._doubtful[identity, operation.key].append(operation)
        for writes in self._writes.values():
            writes.sort(key=lambda each: each[0])

    def keys(self, identity: Identity) -> set[str]:
        return self._keys.get(identity, set())

    def latest(self, identity: Identity, key: str, version: int) -> GossipOperation | None:
        """The acknowledged write of the highest version that is not above `version`."""
        writes = self._writes.get((identity, key), [])
        at = bisect_right(writes, version, key=lambda each: each[0])
        return writes[at - 1][1] if at else None

    def may_vanish(self, identity: Identity, write: GossipOperation, until: float) -> bool:
        """Whether a key may be gone after a write: that one ends it, or something that may have come after it."""
        if WRITES[write.op] != SET:
            return True
        later = self._writes.get((identity, write.key), [])
        return any(
            WRITES[other.op] != SET and other.version is not None and other.version > (write.version or 0)
            for _, other in later
        ) or any(other.invoked <= until for other in self._doubtful.get((identity, write.key), ()))


class _Observer:
    """One observer's process."""

    def __init__(self, dead_node_grace: float, owners: _Owners) -> None:
        self._grace = dead_node_grace
        self._owners = owners
        self._states: dict[Identity, GossipState] = {}
        self._deleted: dict[tuple[Identity, str], int] = {}
        self._told: set[tuple[Identity, str, int]] = set()
        """Writes that it passed over, each told once."""
        self._dead_since: dict[Identity, float] = {}

    def look(self, view: View) -> Iterator[Anomaly]:
        for identity in view.forgotten:
            self._forget(identity)
        for change in view.changes:
            before = self._states.get(change.identity)
            if before is not None and self._begins_anew(view, change, before):
                self._forget(change.identity)
                before = None
            after = (before or GossipState()).after(change)
            if before is not None:
                yield from self._forward(view, change, before)
            yield from self._no_hole(view, change, after)
            yield from self._deletions_stay(view, change)
            self._states[change.identity] = after
        for identity in self._states:
            if identity in view.live:
                self._dead_since.pop(identity, None)
            else:
                self._dead_since.setdefault(identity, view.asked)

    def _forget(self, identity: Identity) -> None:
        self._states.pop(identity, None)
        self._dead_since.pop(identity, None)
        for known in [each for each in self._deleted if each[0] == identity]:
            del self._deleted[known]

    def _begins_anew(self, view: View, change: StateChange, before: GossipState) -> bool:
        """Whether it may have been forgotten and met again between two views."""
        since = self._dead_since.get(change.identity)
        back = (change.last_gc_version, change.max_version) < (before.last_gc_version, before.max_version)
        return back and since is not None and view.answered - since >= self._grace - GRACE_SLACK_SECONDS

    def _forward(self, view: View, change: StateChange, before: GossipState) -> Iterator[Anomaly]:
        of = f"{view.observer}'s view of {show_identity(change.identity)}"
        was, now = (before.last_gc_version, before.max_version), (change.last_gc_version, change.max_version)
        if now < was:
            why = f"{of} went from (last_gc_version, max_version) = {was} back to {now}"
            yield Anomaly("version went back", why, _drawn(view, change))
            return
        if change.last_gc_version != before.last_gc_version:
            return
        for key, entry in change.set.items():
            old = before.entries.get(key)
            if old is not None and entry.version <= old.version:
                why = f"{of}: {_show(key, old)} became {_show(key, entry)}"
                yield Anomaly("key went back", why, _drawn(view, change))
        for key in change.lost:
            why = f"{of}: {_show(key, before.entries[key])} vanished, and nothing was collected"
            yield Anomaly("key vanished", why, _drawn(view, change))

    def _no_hole(self, view: View, change: StateChange, after: GossipState) -> Iterator[Anomaly]:
        for key in self._owners.keys(change.identity):
            write = self._owners.latest(change.identity, key, change.max_version)
            if write is None or write.version is None:
                continue
            held = after.entries.get(key)
            if held is None:
                wrong = not self._owners.may_vanish(change.identity, write, view.answered)
            else:
                wrong = held.version < write.version
            known = (change.identity, key, write.version)
            if wrong and known not in self._told:
                self._told.add(known)
                kind = "deletion not honoured" if WRITES[write.op] == DELETE else "write passed over"
                shown = "nothing" if held is None else _show(key, held)
                why = (
                    f"{view.observer} has come to version {change.max_version} of {show_identity(change.identity)}, "
                    f"and shows {shown}; {write.op} of {key} by {write.client} took version {write.version}"
                )
                yield Anomaly(kind, why, _drawn(view, change, write))

    def _deletions_stay(self, view: View, change: StateChange) -> Iterator[Anomaly]:
        for key, entry in change.set.items():
            deleted = self._deleted.get((change.identity, key), 0)
            if entry.visible and entry.version < deleted:
                why = (
                    f"{view.observer} held the deletion of {change.identity[0]}'s {key} at version {deleted}, "
                    f"and shows {_show(key, entry)}"
                )
                yield Anomaly("deleted key came back", why, _drawn(view, change))
            elif entry.status == DELETE:
                self._deleted[change.identity, key] = max(deleted, entry.version)


def _show(key: str, entry: Entry) -> str:
    value = "deleted" if entry.status == DELETE else f'"{entry.value}"'
    return f"{key} = {value} at version {entry.version}"


def _drawn(view: View, change: StateChange, *operations: GossipOperation) -> str:
    """The few lines that contradict each other."""
    lines = [
        f"  {operation.invoked:.3f}..{'?' if operation.returned is None else f'{operation.returned:.3f}'}  "
        f"{operation.client} at {operation.node}: {operation.op} {operation.key}"
        f"{'' if operation.value is None else f' = {operation.value}'} -> version {operation.version}"
        for operation in operations
    ]
    shown: Mapping[str, Entry] = dict(list(change.set.items())[:8])
    lines.append(
        f"  {view.asked:.3f}..{view.answered:.3f}  view of {view.observer}: {show_identity(change.identity)} "
        f"max_version {change.max_version}, last_gc_version {change.last_gc_version}"
    )
    lines += [f"      {_show(key, entry)} ({entry.status})" for key, entry in shown.items()]
    lines += [f"      {key} is not there any more" for key in change.lost]
    return "\n".join(lines) + "\n"
