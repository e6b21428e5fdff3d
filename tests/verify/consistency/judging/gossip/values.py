"""Values seen anywhere are values that somebody wrote to that key; and at its owner a key is what was written last.

What is claimed:
- a value that a view or a read shows as a node's key was written to that key by a client, before it was seen, in this
  or an earlier process of the node, and was not refused;
- a read at the owner, answered by the process that acknowledged a write before the read began, shows that write or a
  later one; it misses the key only where something may have deleted it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.verify.consistency.contract import Anomaly
from tests.verify.consistency.judging.gossip.history import SET, WRITES, GossipHistory, GossipOperation, Identity


def value_anomalies(history: GossipHistory) -> Iterator[Anomaly]:
    yield from _from_nowhere(history)
    yield from _own_reads(history)


def _from_nowhere(history: GossipHistory) -> Iterator[Anomaly]:
    written: dict[tuple[str, str, str], GossipOperation] = {}
    for operation in history.operations:
        if operation.op.startswith("put") and operation.value is not None:
            written[operation.owner, operation.key, operation.value] = operation
    told: set[tuple[str, str, str]] = set()
    for view in history.views:
        for change in view.changes:
            for key, entry in change.set.items():
                seen = (change.identity[0], key, entry.value)
                if entry.visible and seen not in told:
                    told.add(seen)
                    yield from _judge_value(written.get(seen), seen, view.observer, view.answered)
    for operation in history.operations:
        if operation.op == "get" and operation.value is not None and operation.returned is not None:
            seen = (operation.owner, operation.key, operation.value)
            yield from _judge_value(written.get(seen), seen, operation.node, operation.returned)


def _judge_value(
    write: GossipOperation | None, seen: tuple[str, str, str], where: str, when: float
) -> Iterator[Anomaly]:
    owner, key, value = seen
    said = f'{where} shows {owner}\'s {key} = "{value}" by {when:.3f}'
    if write is None:
        yield Anomaly("value from nowhere", f"{said}, which nobody wrote there")
    elif write.outcome == "failed":
        yield Anomaly("refused write took effect", f"{said}; its write was refused: {write.error}", _line(write))
    elif write.invoked > when:
        yield Anomaly("value from nowhere", f"{said}, which was written at {write.invoked:.3f} only", _line(write))


def _own_reads(history: GossipHistory) -> Iterator[Anomaly]:
    of: defaultdict[tuple[Identity, str], list[GossipOperation]] = defaultdict(list)
    for operation in history.operations:
        identity = operation.identity
        if identity is not None and operation.owner == operation.node and operation.outcome != "failed":
            of[identity, operation.key].append(operation)
    for operations in of.values():
        writes = [each for each in operations if each.op != "get"]
        for read in operations:
            if read.op == "get" and read.outcome == "ok":
                yield from _own_read(read, writes)


def _own_read(read: GossipOperation, writes: list[GossipOperation]) -> Iterator[Anomaly]:
    before = [w for w in writes if w.wrote and w.returned is not None and w.returned < read.invoked]
    last = max(before, key=lambda write: write.version or 0, default=None)
    if last is None or last.version is None or read.returned is None:
        return
    if read.version is not None:
        if read.version < last.version:
            why = (
                f"a read of {read.owner}'s {read.key} at the node itself shows version {read.version}, "
                f"not {last.version}"
            )
            yield Anomaly("own write not read", why, _line(last) + _line(read))
        return
    ends = [
        w
        for w in writes
        if WRITES[w.op] != SET and w.invoked <= read.returned and (w.version is None or w.version >= last.version)
    ]
    if not ends:
        why = f"a read of {read.owner}'s {read.key} at the node itself misses it; version {last.version} was written"
        yield Anomaly("own write not read", why, _line(last) + _line(read))


def _line(operation: GossipOperation) -> str:
    end = "?" if operation.returned is None else f"{operation.returned:.3f}"
    value = "" if operation.value is None else f" {operation.value}"
    return (
        f"  {operation.invoked:.3f}..{end}  {operation.client} at {operation.node}: {operation.op} "
        f"{operation.owner}'s {operation.key}{value} -> {operation.outcome}, version {operation.version}\n"
    )
