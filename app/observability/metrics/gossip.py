"""The gossip layer's metrics."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from coterie.app.observability.metrics.families import counter, counters, gauge, gauges, quantiles
from coterie.gossip import GossipNode, MetricsSampler

KINDS = ("syn", "syn_ack", "ack", "bad_cluster")

_FAULTS = (
    "unsolicited",
    "strangers_unanswered",
    "wrong_cluster",
    "send_buffer_full",
    "send_errors",
    "receive_errors",
    "over_budget",
    "forged_counters",
    "internal_errors",
)
"""What happened to datagrams beside being malformed, by the engine's names."""

_REJECTED = "rejected_"
_DELTA = "delta_"


class GossipCollector(Collector):
    def __init__(self, node: GossipNode) -> None:
        self._node = node
        self._sampler = MetricsSampler(node.engine)

    def collect(self) -> Iterator[Metric]:
        engine = self._node.engine
        counted = engine.counters
        figures = self._sampler.sample(time.monotonic())
        yield counter("gossip_rounds", "Gossip rounds held.", counted["rounds"])
        yield counter(
            "gossip_late_rounds", "Rounds more than two intervals late: this node slept.", counted["late_rounds"]
        )
        for way in ("sent", "received"):
            yield counter(f"gossip_{way}_bytes", f"Payload of datagrams {way}.", counted[f"{way}_bytes"])
            of_kind = {kind: counted[f"{way}_{kind}"] for kind in KINDS}
            yield counters(f"gossip_{way}_datagrams", f"Messages {way}, by kind.", "kind", of_kind)
        yield counters(
            "gossip_datagram_faults",
            "What went wrong with datagrams: malformed ones by what is wrong with them, and the rest by what happened.",
            "fault",
            {**_under(counted, _REJECTED), **{fault: counted[fault] for fault in _FAULTS}},
        )
        yield counters(
            "gossip_node_deltas",
            "What became of the pieces of messages that tell of a node.",
            "outcome",
            _under(counted, _DELTA),
        )
        yield counters(
            "gossip_identities_ignored",
            "Nodes heard of that were not taken in: too many are known, or news of them is older than their removal.",
            "reason",
            {reason: counted[f"identities_{reason}"] for reason in ("over_limit", "collected_before")},
        )
        yield counters(
            "gossip_membership_changes",
            "Nodes that became known, came alive, died, left, or were forgotten.",
            "change",
            {change: counted[f"nodes_{change}"] for change in ("joined", "alive", "dead", "left", "removed")},
        )
        yield counter(
            "gossip_own_state_overtaken",
            "Times that peers held newer versions of this node's keys than itself: a lost data directory, or a clone.",
            counted["overtaken"],
        )
        yield gauges(
            "gossip_nodes",
            "Nodes known, by state; this one is live.",
            "state",
            {"live": figures.live, "dead": figures.dead, "left": figures.left, "joining": figures.joining},
        )
        yield quantiles("gossip_phi", "Suspicion of the other live nodes, as quantiles over them.", figures.phis)
        yield gauge(
            "gossip_phi_threshold", "Suspicion above which a node is taken for dead.", engine.config.phi_threshold
        )
        yield gauge(
            "gossip_local_health_score",
            "How much speaks against this node's own verdicts: 0 in health; phi_threshold counts 1 + this many times.",
            engine.local_health.score,
        )
        yield quantiles(
            "gossip_silence_seconds",
            "Time since the last sign of life of the other live nodes, as quantiles over them.",
            figures.silences,
        )
        yield gauge(
            "gossip_versions_behind",
            "Writes that the last peer heard from has shown, and that have not come here yet: the lag of convergence.",
            figures.versions_behind,
        )
        yield gauge("gossip_key_values", "Keys held, marks of deleted ones included.", figures.key_values)
        yield gauge("gossip_key_values_bytes", "What they take on the wire.", figures.key_value_bytes)
        yield gauge(
            "gossip_digest_bytes",
            "The whole digest. Real chitchat nodes stop gossiping at 65406; coterie nodes alone cut it into stripes.",
            engine.digest_bytes,
        )
        yield gauge("gossip_digest_stripes", "Stripes that the digest is cut into.", 1 << engine.stripe_bits)


def _under(counted: Mapping[str, int], prefix: str) -> dict[str, float]:
    return {
        name.removeprefix(prefix).replace("-", "_"): float(value)
        for name, value in counted.items()
        if name.startswith(prefix)
    }
