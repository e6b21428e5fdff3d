"""The node table: known nodes by identity, by node_id and in digest order, and the heartbeats of removed ones.

The order is that of gossip spec 2; creation and removal follow gossip spec 5, stripes gossip spec 9.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from coterie.gossip.state.node_state import NodeState
from coterie.gossip.wire.blocks import BLOCK_BYTES, BLOCK_HEADER_BYTES
from coterie.gossip.wire.digest import MAX_DIGEST_PLAIN_BYTES, DigestLayout, encode_digest
from coterie.gossip.wire.identity import MAX_ID_BYTES, Address, NodeId
from coterie.gossip.wire.stripe import WHOLE, Stripe

MIN_REMOVED_REMEMBERED = 500
"""At least this many heartbeats of removed nodes are remembered, and as many as there are known nodes."""

DIGEST_COUNTERS_BYTES = 24
DIGEST_COUNT_BYTES = 2


def entry_bytes(state: NodeState) -> int:
    """Size of a node's entry in a digest."""
    return len(state.encoded) + DIGEST_COUNTERS_BYTES


def _sort_key(state: NodeState) -> tuple[bytes, int, int, bytes, int]:
    return state.id.sort_key


class NodeTable:
    """Known nodes, the own one included."""

    def __init__(self, own: NodeState, max_known_nodes: int) -> None:
        self.own = own
        self.known: dict[bytes, NodeState] = {}
        self._max_known = max_known_nodes
        self._listed: list[NodeState] = []  # those not scheduled for deletion, by node id
        self._layouts: dict[Stripe, DigestLayout[NodeState]] = {}
        self._by_node_id: dict[str, list[NodeState]] = {}
        self._by_address: dict[Address, list[NodeState]] = {}
        self._proven: set[Address] = set()
        self._never_alive: dict[bytes, NodeState] = {}  # other nodes, the longest known first
        self._removed: OrderedDict[bytes, int] = OrderedDict()
        self._next_join_sequence = 0
        self.listed_bytes = 0
        """Size of the entries of all listed nodes in a digest."""
        self._compressed = 0, 0  # the size of the last whole digest of version 1: plain, and encoded
        self.revision = 0
        """Rises with every change of the listed nodes."""
        own.is_own = True
        self._add(own)

    def others(self) -> Iterator[NodeState]:
        own = self.own
        return (state for state in self.known.values() if state is not own)

    @property
    def listed(self) -> list[NodeState]:
        """The nodes that digests and deltas list, by node id. Do not change it."""
        return self._listed

    @property
    def next_join_sequence(self) -> int:
        """What the next node gets for `join_sequence`: from here on, no node was listed before."""
        return self._next_join_sequence

    def has_address(self, address: tuple[str, int]) -> bool:
        return address in self._by_address

    def at(self, address: Address) -> Sequence[NodeState]:
        """The identities that advertise an address."""
        return self._by_address.get(address, ())

    def prove(self, address: Address) -> None:
        """Note that an address answered a Syn of this node: what it sent before may have come from elsewhere."""
        if address in self._by_address:
            self._proven.add(address)

    def is_proven(self, address: Address) -> bool:
        return address in self._proven

    def came_alive(self, state: NodeState) -> None:
        self._never_alive.pop(state.encoded, None)

    def least_proven(self) -> NodeState | None:
        """The identity that gives way to another: the longest known by hearsay alone that never was alive."""
        return next((state for state in self._never_alive.values() if not state.direct_sequence), None)

    @property
    def full(self) -> bool:
        return len(self.known) >= self._max_known

    def restarted(self) -> Iterator[list[NodeState]]:
        """The identities of each node_id that has several."""
        return (states for states in self._by_node_id.values() if len(states) > 1)

    def generations(self, node_id: str) -> Sequence[NodeState]:
        """The known identities of a node_id."""
        return self._by_node_id.get(node_id, ())

    # -- coming and going --------------------------------------------------------------------------------------------

    def create(self, node: NodeId) -> NodeState | None:
        """Add an identity, with heartbeat 0. None where too many are known, or its name is too long.

        No node starts with so long a name; a few of them would fill a datagram.
        """
        if self.full or len(node.sort_key[0]) > MAX_ID_BYTES:
            return None
        self._removed.pop(node.encoded, None)
        state = NodeState(node, join_sequence=self._next_join_sequence)
        self._add(state)
        return state

    def was_removed(self, node: NodeId, heartbeat: int = 0) -> bool:
        """Whether a node was removed here, and `heartbeat` is not newer than then."""
        return self._removed.get(node.encoded, -1) >= heartbeat

    def _add(self, state: NodeState) -> None:
        self._next_join_sequence += 1
        self.known[state.encoded] = state
        self._by_node_id.setdefault(state.id.node_id, []).append(state)
        self._by_address.setdefault(state.id.gossip_advertise_addr, []).append(state)
        if state is not self.own:
            self._never_alive[state.encoded] = state
        self._list(state)

    def remove(self, state: NodeState) -> None:
        """Forget a node, but remember its heartbeat."""
        del self.known[state.encoded]
        siblings = self._by_node_id[state.id.node_id]
        siblings.remove(state)
        if not siblings:
            del self._by_node_id[state.id.node_id]
        address = state.id.gossip_advertise_addr
        self._by_address[address].remove(state)
        if not self._by_address[address]:
            del self._by_address[address]
            self._proven.discard(address)
        self.came_alive(state)
        if not state.scheduled_for_deletion:
            self._unlist(state)
        self._removed[state.encoded] = state.heartbeat
        self._removed.move_to_end(state.encoded)
        while len(self._removed) > max(MIN_REMOVED_REMEMBERED, len(self.known)):
            self._removed.popitem(last=False)

    def schedule(self, state: NodeState, scheduled: bool) -> None:
        """Schedule a dead node for deletion, which takes it out of digests and deltas, or undo that."""
        if state.scheduled_for_deletion != scheduled:
            state.scheduled_for_deletion = scheduled
            (self._unlist if scheduled else self._list)(state)

    def _list(self, state: NodeState) -> None:
        insort(self._listed, state, key=_sort_key)
        self._changed(entry_bytes(state))

    def _unlist(self, state: NodeState) -> None:
        del self._listed[bisect_left(self._listed, _sort_key(state), key=_sort_key)]
        self._changed(-entry_bytes(state))

    def _changed(self, entry_bytes: int) -> None:
        self.listed_bytes += entry_bytes
        self.revision += 1
        self._layouts.clear()

    # -- digests -----------------------------------------------------------------------------------------------------

    def layout(self, stripe: Stripe) -> DigestLayout[NodeState]:
        """The entries that this node lists of a stripe, by node id."""
        layout = self._layouts.get(stripe)
        if layout is None:
            if stripe.bits == 0:
                entries = list(self._listed)
            else:
                mask = (1 << stripe.bits) - 1
                entries = [s for s in self._listed if s.stripe_hash & mask == stripe.number]
            layout = self._layouts[stripe] = DigestLayout(entries)
        return layout

    def digest_bytes(self, stripe: Stripe, version: int) -> int:
        """Size of the encoded digest of a stripe, the sender's own entry included.

        In version 1 that of a whole digest is estimated by the last one, and that of a stripe is a bound.
        """
        plain = self.listed_bytes if stripe.bits == 0 else entry_bytes(self.own) + self.layout(stripe).size
        if version == 0:
            return DIGEST_COUNT_BYTES + plain
        if stripe.bits or plain > MAX_DIGEST_PLAIN_BYTES:
            return plain + BLOCK_HEADER_BYTES * (plain // BLOCK_BYTES + 1) + 1
        if abs(plain - self._compressed[0]) > plain // 16:
            self.encode_digest(WHOLE, version)
        measured, size = self._compressed
        return -(-size * plain // measured)

    def encode_digest(self, stripe: Stripe, version: int) -> bytes:
        entries = self.layout(stripe).entries
        encoded = encode_digest(entries if stripe.bits == 0 else [self.own, *entries], version)
        if version and stripe.bits == 0:
            self._compressed = self.listed_bytes, len(encoded)
        return encoded
