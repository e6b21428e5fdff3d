"""The samples taken only while a client asks for them by name: `gossip_links`, `convergence`, `figures`.

They cost something: the exchange statistics are switched on in the engine for as long as a client wants them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Set
from typing import Any

from coterie.app.api.live.samples.figures import NodeFigures
from coterie.gossip import GossipNode, HandshakeStats, NodeId, measure_convergence, recent_handshakes

MAX_NAMES_BEHIND = 8
"""Peers that are named as being behind, for each node."""

_OF_THE_BOOK = frozenset({"gossip_links", "convergence"})


class Details:
    def __init__(self, node: GossipNode, figures: NodeFigures) -> None:
        self._node = node
        self._figures = figures
        self._book: HandshakeStats | None = None
        self._links_at: float | None = None
        self._figures_at: float | None = None

    def take(self, wanted: Set[str], most: int, clients: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Kind and content. `wanted`: kinds, of which some may not be of these; `most`: links told at the most."""
        now = time.monotonic()
        self._watch(bool(wanted & _OF_THE_BOOK))
        if self._book is not None:
            if "gossip_links" in wanted:
                yield "gossip_links", self._links(self._book, now, most)
            if "convergence" in wanted:
                yield "convergence", self._convergence(self._book, now)
        if "figures" not in wanted:
            self._figures_at = None
        else:
            seconds = 0.0 if self._figures_at is None else now - self._figures_at
            if self._figures_at is None:
                self._figures.take(clients)  # latencies begin here
            self._figures_at = now
            yield "figures", {"seconds": round(seconds, 3), **self._figures.take(clients)}

    def end(self) -> None:
        """Nobody is there any more."""
        self._watch(False)
        self._figures_at = None

    def _watch(self, wanted: bool) -> None:
        engine = self._node.engine
        if wanted and self._book is None:
            self._book = engine.handshake_stats = HandshakeStats(engine.own.encoded)
            self._links_at = None
        elif not wanted and self._book is not None:
            if engine.handshake_stats is self._book:
                engine.handshake_stats = None
            self._book = None

    def _links(self, book: HandshakeStats, now: float, most: int) -> dict[str, Any]:
        seconds = 0.0 if self._links_at is None else now - self._links_at
        self._links_at = now
        found = recent_handshakes(self._node.engine, book, now)
        links = [
            {
                **_show(peer),
                "gossip_advertise_addr": str(peer.gossip_advertise_addr),
                "opened": entry.opened,
                "replied": entry.replied,
                "answered": entry.answered,
                "opened_age_seconds": _age(entry.opened_at, now),
                "replied_age_seconds": _age(entry.replied_at, now),
                "answered_age_seconds": _age(entry.answered_at, now),
            }
            for peer, entry in found[:most]
        ]
        book.reset_counts()
        return {"seconds": round(seconds, 3), "total": len(found), "links": links}

    def _convergence(self, book: HandshakeStats, now: float) -> dict[str, Any]:
        measured = measure_convergence(self._node.engine, book, now)
        return {
            "scope": "all" if measured.all_nodes else "own",
            "live_peers": measured.live_peers,
            "peers": [{**_show(peer), "heard_age_seconds": _age(at, now)} for peer, at in measured.heard],
            "nodes": [
                {
                    **_show(spread.node),
                    "live": spread.live,
                    "version": spread.version,
                    "confirmed": spread.confirmed,
                    "behind": len(spread.behind),
                    "max_behind_versions": spread.max_behind,
                    "behind_nodes": [peer.node_id for peer in spread.behind[:MAX_NAMES_BEHIND]],
                    "here_behind_versions": spread.here_behind,
                }
                for spread in measured.spreads
            ],
        }


def _show(node: NodeId) -> dict[str, Any]:
    return {"node_id": node.node_id, "generation": node.generation}


def _age(at: float | None, now: float) -> float | None:
    return None if at is None else round(max(0.0, now - at), 3)
