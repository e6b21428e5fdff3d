"""Leases: with a time to live in cluster time, or bound to a node's process (raft spec 3).

The table is replicated. The indexes by node and by deadline are for the leader, which proposes the ends: no
operation decides by them.
"""

from __future__ import annotations

import heapq
from collections import Counter

import msgspec


class LeaseRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    id: int
    renewal: int
    """0 at first, one more with every keep-alive."""
    ttl_ms: int
    """0 for a node-bound lease."""
    deadline_ms: int
    """When it is due, in cluster time; 0 for a node-bound lease."""
    node: str = ""
    generation: int = 0
    hold_ms: int = 0
    """For how long gossip must hold the node dead before the lease ends."""
    owner: str = ""
    """Who may use it; empty: everybody."""


class LeaseTable:
    def __init__(self, next_id: int = 1) -> None:
        self.next_id = next_id
        """Ids count up and are never used again, but for those that clients choose."""
        self.table: dict[int, LeaseRecord] = {}
        self._by_node: dict[str, dict[int, None]] = {}
        self._by_owner: Counter[str] = Counter()
        self._deadlines: list[tuple[int, int, int]] = []  # a heap of (deadline, id, renewal), some of them outdated

    def grant_for(self, ttl_ms: int, now_ms: int, owner: str = "", chosen: int = 0) -> LeaseRecord:
        """`chosen`: an id that no lease has; 0: the next one."""
        lease = LeaseRecord(chosen or self._take_id(), 0, ttl_ms, now_ms + ttl_ms, owner=owner)
        self.load(lease)
        return lease

    def bind(self, node: str, generation: int, hold_ms: int, owner: str = "") -> LeaseRecord:
        lease = LeaseRecord(self._take_id(), 0, 0, 0, node, generation, hold_ms, owner)
        self.load(lease)
        return lease

    def owned_by(self, owner: str) -> int:
        """How many leases an owner has."""
        return self._by_owner[owner]

    def renew(self, lease: LeaseRecord, now_ms: int) -> LeaseRecord:
        deadline = now_ms + lease.ttl_ms if lease.ttl_ms else 0
        renewed = msgspec.structs.replace(lease, renewal=lease.renewal + 1, deadline_ms=deadline)
        self.load(renewed)
        return renewed

    def remove(self, lease: LeaseRecord) -> None:
        del self.table[lease.id]
        if lease.owner:
            self._by_owner[lease.owner] -= 1
            if not self._by_owner[lease.owner]:
                del self._by_owner[lease.owner]
        if lease.node:
            of_node = self._by_node[lease.node]
            del of_node[lease.id]
            if not of_node:
                del self._by_node[lease.node]

    def due(self, now_ms: int) -> list[LeaseRecord]:
        """The leases that are due at `now_ms`, earliest first."""
        due = []
        while self._deadlines and self._deadlines[0][0] <= now_ms:
            _, lease_id, renewal = heapq.heappop(self._deadlines)
            lease = self.table.get(lease_id)
            if lease is not None and lease.renewal == renewal:
                due.append(lease)
        for lease in due:  # until the operation that ends it is applied, it stays due
            heapq.heappush(self._deadlines, (lease.deadline_ms, lease.id, lease.renewal))
        return due

    def next_deadline_ms(self) -> int | None:
        """The earliest cluster time at which `due` may give something."""
        return self._deadlines[0][0] if self._deadlines else None

    def of_node(self, node: str) -> list[LeaseRecord]:
        """The leases bound to any process of `node`, by id."""
        return [self.table[lease_id] for lease_id in sorted(self._by_node.get(node, ()))]

    def nodes(self) -> list[str]:
        """The nodes to which leases are bound, by name."""
        return sorted(self._by_node)

    def _take_id(self) -> int:
        while self.next_id in self.table:  # a client has chosen it
            self.next_id += 1
        self.next_id += 1
        return self.next_id - 1

    def load(self, lease: LeaseRecord) -> None:
        """Put a lease, new or renewed, into the table and its indexes."""
        if lease.owner and lease.id not in self.table:
            self._by_owner[lease.owner] += 1
        self.table[lease.id] = lease
        if lease.node:
            self._by_node.setdefault(lease.node, {})[lease.id] = None
            return
        heapq.heappush(self._deadlines, (lease.deadline_ms, lease.id, lease.renewal))
        if len(self._deadlines) > 2 * len(self.table) + 1_000:
            self._deadlines = [(it.deadline_ms, it.id, it.renewal) for it in self.table.values() if not it.node]
            heapq.heapify(self._deadlines)
