"""A running hash over everything that happens in a simulation: two runs of one seed must end with the same."""

from __future__ import annotations

import struct
from hashlib import blake2b

from coterie.gossip import Address, NodeId
from coterie.gossip.events.events import Event, KeyChanged, LiveSetChanged

_TIME = struct.Struct("<d")


class Recorder:
    """Order, virtual time and content of every datagram sent and every event."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=16)
        self.entries = 0

    def datagram(self, at: float, source: Address, target: Address, datagram: bytes) -> None:
        self._add(at, f"{source} to {target}: ".encode() + datagram)

    def event(self, at: float, holder: NodeId, event: Event) -> None:
        self._add(at, f"{holder}: {_describe(event)}".encode())

    def _add(self, at: float, what: bytes) -> None:
        self.entries += 1
        self._hash.update(_TIME.pack(at) + struct.pack("<I", len(what)) + what)

    def digest(self) -> str:
        return self._hash.hexdigest()


def _describe(event: Event) -> str:
    match event:
        case LiveSetChanged(live):
            return f"live {[(str(node), state.max_version) for node, state in live.items()]}"
        case KeyChanged(node, kv):
            return f"{node} {kv.op!r}"
        case _:
            return repr(event)
