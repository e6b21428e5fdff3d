"""This node's counters and latencies, in the few numbers that a page draws; `/metrics` has all of them.

Counters are cumulative since the node's start. Latencies cover the time since the last sample, because a client cannot
compute them from two samples without the buckets.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import Any

from coterie.app.api.live.samples.latencies import Latencies
from coterie.app.observability.metrics.http import HttpMetrics
from coterie.app.observability.metrics.loop_lag import LoopLag
from coterie.app.raft.view import RaftView
from coterie.gossip import GossipNode

_CLASSES = {0: "cut_off", 1: "responses_1xx", 2: "responses_2xx", 3: "responses_3xx", 4: "responses_4xx"}
_WORST = "responses_5xx"
_KINDS = ("syn", "syn_ack", "ack", "bad_cluster")
_OUTCOMES = ("done", "refused", "unavailable", "unknown")


class NodeFigures:
    def __init__(self, node: GossipNode, part: RaftView, http: HttpMetrics, loop_lag: LoopLag) -> None:
        self._node = node
        self._part = part
        self._http = http
        self._loop_lag = loop_lag
        self._started = time.monotonic()
        self._latencies = {name: Latencies() for name in ("http", "proposal", "sync", "lag")}

    def take(self, clients: int) -> dict[str, Any]:
        """`clients`: of live updates, now."""
        return {
            "http": self._http_part(),
            "live": {"clients": clients},
            "gossip": self._gossip_part(),
            "raft": self._raft_part(),
            "process": {
                "memory_bytes": resident_bytes(),
                "cpu_seconds": round(time.process_time(), 3),
                "uptime_seconds": round(time.monotonic() - self._started, 3),
                "loop_lag": self._latencies["lag"].since([self._loop_lag.seconds]),
            },
        }

    def _http_part(self) -> dict[str, Any]:
        figures = self._http
        responses: Counter[str] = Counter(dict.fromkeys((*_CLASSES.values(), _WORST), 0))
        for (_, _, hundreds), count in figures.requests.items():
            responses[_CLASSES.get(hundreds, _WORST)] += count
        return {
            **responses,
            "refused": figures.refused.total(),
            "in_flight": figures.in_flight,
            "connections": figures.connections,
            "duration": self._latencies["http"].since(figures.seconds.values()),
        }

    def _gossip_part(self) -> dict[str, Any]:
        counted = self._node.engine.counters
        return {
            "rounds": counted["rounds"],
            "sent_datagrams": sum(counted[f"sent_{kind}"] for kind in _KINDS),
            "received_datagrams": sum(counted[f"received_{kind}"] for kind in _KINDS),
            "sent_bytes": counted["sent_bytes"],
            "received_bytes": counted["received_bytes"],
            "handshakes_opened": counted["sent_syn"],
            "handshakes_answered": counted["sent_syn_ack"],
            "rejected_datagrams": sum(count for name, count in counted.items() if name.startswith("rejected_")),
        }

    def _raft_part(self) -> dict[str, Any] | None:
        status, figures = self._part.status(), self._part.figures()
        if status is None or figures is None:
            return None
        raft = figures.raft
        return {
            "role": status.role,
            "term": status.term,
            "commit_index": status.commit_index,
            "applied_index": status.applied_index,
            **{f"proposals_{outcome}": raft.proposal_outcomes[outcome] for outcome in _OUTCOMES},
            "pending_proposals": figures.pending_proposals,
            "waiting_reads": figures.waiting_reads,
            "proposal": self._latencies["proposal"].since([raft.proposal_seconds]),
            "sync": self._latencies["sync"].since([raft.sync_seconds]),
        }


def resident_bytes() -> int | None:
    """What the process takes in memory; None where the system does not tell it as Linux does."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
