"""A node's log lines. Lines that peers can cause at will are counted, and logged at a bounded rate."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import structlog

from coterie.gossip.engine import Engine
from coterie.gossip.events.events import (
    CaughtUp,
    DatagramRejected,
    Event,
    NodeAlive,
    NodeDead,
    NodeJoined,
    NodeRemoved,
    OwnStateRefuted,
    StripesChanged,
    TwinsFound,
    WrongCluster,
)
from coterie.gossip.shell.throttle import Throttle

DIGEST_WARNING_BYTES = 52_000
"""A digest of this size is warned of: at 65,406 bytes chitchat nodes stop gossiping."""

LOG_PERIOD_SECONDS = 10.0
"""Each kind of line that peers can cause is logged once in this time."""

MEMBERSHIP_LOG_BURST = 100
"""This many lines of membership are logged in the same time: identities can be forged."""

ALONE_SECONDS = 10.0
"""A node with seeds that knows no other node for this long warns: until then the others may be starting too."""

_MEMBERSHIP_LINES: Mapping[type[Event], tuple[int, str]] = {
    NodeJoined: (logging.DEBUG, "node joined"),
    NodeAlive: (logging.INFO, "node alive"),
    NodeDead: (logging.WARNING, "node dead"),
    NodeRemoved: (logging.INFO, "node removed"),
}

log = structlog.stdlib.get_logger("gossip")


class NodeLog:
    """The log of one node."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        """`clock`: seconds, monotonic."""
        self._engine = engine
        self._clock = clock
        self._throttle = Throttle(LOG_PERIOD_SECONDS)
        self._membership_throttle = Throttle(LOG_PERIOD_SECONDS, MEMBERSHIP_LOG_BURST)
        self._warned_size = False
        self._alone_since: float | None = None
        self._warned_alone = False

    def warn_limited(self, what: str, counter: str, **fields: object) -> None:
        """Count what peers or the network cause, and log it at a bounded rate."""
        self._engine.counters[counter] += 1
        suppressed = self._throttle.admit(counter, self._clock())
        if suppressed is not None:
            log.warning(what, suppressed=suppressed, **fields)

    def internal_error(self, where: str) -> None:
        """Count and log the exception that is being handled: it is a bug of this program."""
        self._engine.counters["internal_errors"] += 1
        suppressed = self._throttle.admit("internal_errors", self._clock())
        if suppressed is not None:
            log.exception("internal error: please report it", where=where, suppressed=suppressed)

    def callback_failed(self, what: str) -> None:
        """Log the exception that is being handled."""
        log.exception("callback failed", callback=what)

    def lookups_failed(self, failed: Mapping[str, OSError], retry_seconds: float) -> None:
        for seed, error in failed.items():
            log.warning("seed look-up failed", seed=seed, error=str(error), retry_seconds=retry_seconds)

    def warn_digest_size(self) -> None:
        """Warn once where the digest grows too large for chitchat nodes. Called once a round."""
        size = self._engine.digest_bytes
        if size >= DIGEST_WARNING_BYTES and not self._warned_size:
            log.warning("the digest nears the size at which real chitchat nodes fail", digest_bytes=size)
        self._warned_size = size >= DIGEST_WARNING_BYTES

    def warn_when_alone(self) -> None:
        """Warn once where there are seeds and no other node is known. Called once a round."""
        if not self._engine.seeds or len(self._engine.by_identity) > 1:
            self._alone_since, self._warned_alone = None, False
            return
        now = self._clock()
        self._alone_since = now if self._alone_since is None else self._alone_since
        if now - self._alone_since >= ALONE_SECONDS and not self._warned_alone:
            self._warned_alone = True
            seeds = [str(seed) for seed in self._engine.seeds]
            log.warning("no seed answers; this node knows of no other: is one running there, over UDP?", seeds=seeds)

    def event(self, event: Event) -> None:
        match event:
            case CaughtUp(nodes):
                log.info("caught up", nodes=[str(n.node_id) for n in nodes])
            case DatagramRejected(source, reason, detail):
                self.warn_limited("datagram rejected", "rejected", source=str(source), reason=reason, detail=detail)
            case WrongCluster(source, cluster_id):
                self.warn_limited("peer of another cluster", "wrong_cluster", peer=str(source), cluster_id=cluster_id)
            case NodeJoined() | NodeAlive() | NodeDead() | NodeRemoved():
                self._membership(event)
            case TwinsFound(nodes):
                self.warn_limited(
                    "several running processes have one node_id; give each its own node_id and data_dir",
                    "twins_found",
                    node_id=nodes[0].node_id,
                    gossip_advertise_addrs=[str(node.gossip_advertise_addr) for node in nodes],
                )
            case OwnStateRefuted(version):
                self.warn_limited(
                    "peers held newer versions of this node; moved above them", "overtaken", version=version
                )
            case StripesChanged(bits):
                log.warning("digest cut into stripes", stripes=1 << bits, digest_bytes=self._engine.digest_bytes)

    def _membership(self, event: NodeJoined | NodeAlive | NodeDead | NodeRemoved) -> None:
        level, what = _MEMBERSHIP_LINES[type(event)]
        departed = isinstance(event, NodeDead) and event.left
        suppressed = self._membership_throttle.admit(what, self._clock())
        if suppressed is not None:
            node = event.node
            log.log(
                logging.INFO if departed else level,
                "node left" if departed else what,
                node_id=node.node_id,
                generation=node.generation,
                gossip_advertise_addr=str(node.gossip_advertise_addr),
                **({"suppressed": suppressed} if suppressed else {}),
            )
