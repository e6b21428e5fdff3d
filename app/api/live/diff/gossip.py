"""The gossip layer's diff: nodes that come and go, and their keys.

A node's keys stand in the order of their versions, so new ones are the tail of its namespace. All of them are compared
only where keys were collected or a namespace was reset.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from coterie.app.api.cluster.members import status_of
from coterie.consensus.autopilot.shell.gossip_view import GossipView
from coterie.gossip import GossipNode, KeyStatus, KeyValue, NodeId, NodeState

MAX_KEYS_PER_DIFF = 2_000
"""The rest is told by the looks that follow: clients are to keep up, and the event loop is to go on."""

_LABELS = tuple(status.label for status in KeyStatus)


def show_node(node: NodeId) -> dict[str, Any]:
    return {
        "node_id": node.node_id,
        "generation": node.generation,
        "gossip_advertise_addr": str(node.gossip_advertise_addr),
    }


def show_key(node: NodeId, kv: KeyValue, max_value_bytes: int) -> dict[str, Any]:
    """A key as snapshots and events show it; of a long value only that there is one."""
    shown = {
        "node": node.node_id,
        "generation": node.generation,
        "key": kv.key,
        "value": None,
        "version": kv.version,
        "status": _LABELS[kv.status],
    }
    if len(kv.op) <= max_value_bytes:
        shown["value"] = kv.value
    return shown


class _Seen:
    """What was told of one node."""

    __slots__ = ("id", "keys", "last_gc_version", "mark", "status", "version")

    def __init__(self, node: NodeId) -> None:
        self.id = node
        self.keys: dict[str, int] = {}  # versions of the visible ones
        self.version = 0
        self.last_gc_version = 0
        self.status = ""
        self.mark: tuple[object, ...] | None = None  # what it looked like when all of it had been told


Change = tuple[str, bytes | None, dict[str, Any]]
"""Kind, key or name of a lock, and content of an event."""


def _mark(state: NodeState) -> tuple[object, ...]:
    return state.max_version, state.last_gc_version, state.liveness.alive, state.liveness.ever_alive, state.left


class GossipDiff:
    def __init__(self, node: GossipNode, max_value_bytes: int) -> None:
        """Begins with what is there now: only what comes after is told."""
        self._node = node
        self._view = GossipView(node)
        self._max_value_bytes = max_value_bytes
        self._seen: dict[bytes, _Seen] = {}
        self._next = 0  # where the next look begins, so that one busy node does not hide the others
        for encoded, state in node.engine.by_identity.items():
            seen = self._seen[encoded] = _Seen(state.id)
            self._remember(seen, state)
            seen.status, seen.mark = self.status(state), _mark(state)

    def status(self, state: NodeState) -> str:
        return status_of(self._node, state, self._view.announcement_of(state))

    def show_member(self, state: NodeState) -> dict[str, Any]:
        return {**show_node(state.id), "status": self.status(state)}

    def _remember(self, seen: _Seen, state: NodeState) -> None:
        seen.keys = {kv.key: kv.version for kv in state.key_values.values() if kv.visible}
        seen.version, seen.last_gc_version = state.max_version, state.last_gc_version

    def changes(self) -> Iterator[Change]:
        """Every change since the last look, up to a bound."""
        known = self._node.engine.by_identity
        for encoded in self._seen.keys() - known.keys():
            node = self._seen.pop(encoded).id
            yield "members", None, {"change": "removed", "member": {**show_node(node), "status": "removed"}}
        states = list(known.values())
        room = MAX_KEYS_PER_DIFF
        for place in range(self._next, self._next + len(states)):
            state = states[place % len(states)]
            seen = self._seen.get(state.encoded)
            if seen is None:
                seen = self._seen[state.encoded] = _Seen(state.id)
            mark = _mark(state)
            if mark == seen.mark:
                continue
            if room <= 0:
                self._next = place % len(states)
                return
            yield from self._member(seen, state)
            for change in self._keys(seen, state, room):
                room -= 1
                yield change
            seen.mark = mark if seen.version == state.max_version else None

    def _member(self, seen: _Seen, state: NodeState) -> Iterator[Change]:
        status = self.status(state)
        if status != seen.status:
            seen.status = status
            yield "members", None, {"change": status, "member": {**show_node(state.id), "status": status}}

    def _keys(self, seen: _Seen, state: NodeState, room: int) -> Iterator[Change]:
        if state.last_gc_version != seen.last_gc_version:
            yield from self._compare(seen, state)
            return
        newer = state.newer_than(seen.version)
        for kv in newer[:room]:
            seen.version = kv.version
            if kv.visible:
                seen.keys[kv.key] = kv.version
                yield self._set(state.id, kv)
            elif seen.keys.pop(kv.key, None) is not None:
                yield self._deleted(state.id, kv.key, kv.version)
        if len(newer) <= room:
            seen.version = state.max_version

    def _compare(self, seen: _Seen, state: NodeState) -> Iterator[Change]:
        before = seen.keys
        self._remember(seen, state)
        for key in before:
            if key not in seen.keys:
                held = state.key_values.get(key)
                yield self._deleted(state.id, key, state.last_gc_version if held is None else held.version)
        for kv in state.key_values.values():
            if kv.visible and before.get(kv.key) != kv.version:
                yield self._set(state.id, kv)

    def _set(self, node: NodeId, kv: KeyValue) -> Change:
        return "gossip", kv.key.encode(), {"change": "set", **show_key(node, kv, self._max_value_bytes)}

    def _deleted(self, node: NodeId, key: str, version: int) -> Change:
        content = {"change": "delete", "node": node.node_id, "generation": node.generation, "key": key}
        return "gossip", key.encode(), {**content, "version": version}
