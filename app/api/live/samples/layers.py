"""The samples that every client gets: suspicion of nodes (phi), and the time left to leases.

Samples have no ids, and none is sent twice: a late client gets the next one.
"""

from __future__ import annotations

import heapq
import time
from typing import Any

from coterie.app.api.live.diff.metadata import show_leases
from coterie.consensus.store import State
from coterie.gossip import GossipNode


def sample_phi(node: GossipNode, most: int) -> dict[str, Any]:
    """Of the live nodes but this one; of too many, those with the highest."""
    now = time.monotonic()
    engine = node.engine
    found = [
        (engine.phi(state, now) or 0.0, state.id)
        for state in engine.by_identity.values()
        if state is not engine.own and state.liveness.alive
    ]
    shown = found if len(found) <= most else heapq.nlargest(most, found, key=lambda each: each[0])
    return {
        "threshold": engine.config.phi_threshold,
        "total": len(found),
        "nodes": [
            {"node_id": each.node_id, "generation": each.generation, "phi": round(phi, 3)} for phi, each in shown
        ],
    }


def sample_leases(state: State, time_ms: int, most: int) -> dict[str, Any]:
    """By id, the oldest first. `time_ms`: cluster time now."""
    return show_leases(state, time_ms, most)
