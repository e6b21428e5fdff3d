"""The Raft layer's metrics. Those of the node's own member exist while it has one."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from coterie.app.observability.metrics.families import counter, counters, gauge, gauges, histogram
from coterie.app.raft.view import RaftView
from coterie.consensus.member.observing.metrics import MemberMetrics
from coterie.consensus.member.observing.status import MemberStatus

ROLES = ("leader", "candidate", "follower", "observer")

SNAPSHOT_OUTCOMES = ("taken", "failed", "sent", "received", "refused", "damaged")

PROPOSAL_OUTCOMES = ("done", "refused", "unavailable", "unknown")

_STATUS: dict[str, tuple[str, str]] = {
    "raft_last_index": ("last_index", "Index of the last entry in this member's log."),
    "raft_commit_index": ("commit_index", "Index up to which this member knows the log to be committed."),
    "raft_applied_index": ("applied_index", "Index up to which the log is applied here."),
    "raft_snapshot_index": ("snapshot_index", "Index of the last entry in this member's snapshot; 0 without one."),
    "raft_log_entries": ("log_entries", "Entries in this member's log."),
}

_STATE: dict[str, tuple[str, str]] = {
    "metadata_revision": ("revision", "Revision of the metadata as applied here."),
    "metadata_keys": ("keys", "Keys of the metadata."),
    "metadata_bytes": ("data_bytes", "Size of the metadata's keys and values."),
    "metadata_history_events": ("history_events", "Changes kept for watches and reads in the past."),
    "metadata_history_bytes": ("history_bytes", "What they take."),
    "metadata_leases": ("leases", "Leases that live."),
    "metadata_request_ids": ("requests", "Request ids remembered, so that repeated writes happen once."),
}


class RaftCollector(Collector):
    def __init__(self, part: RaftView) -> None:
        self._part = part

    def collect(self) -> Iterator[Metric]:
        picture = self._part.picture()
        yield gauge("raft_enabled", "Whether this node takes part in Raft.", self._part.enabled)
        yield gauge("raft_leader_known", "Whether this node knows a leader.", picture.leader is not None)
        yield gauge("raft_term", "The latest term that this node knows of.", picture.term)
        yield gauge("raft_membership_epoch", "Counts the changes of the voters.", picture.membership_epoch)
        roles = [member.role for member in picture.members]
        yield gauge("raft_voters", "Voters, the leader among them.", roles.count("voter") + roles.count("leader"))
        yield gauge("raft_observers", "Members that follow without a vote.", roles.count("observer"))
        status, figures = self._part.status(), self._part.figures()
        if status is not None and figures is not None:
            yield from _member(status, figures)


def _member(status: MemberStatus, figures: MemberMetrics) -> Iterator[Metric]:
    raft = figures.raft
    yield gauges("raft_role", "This member's role: 1 for the one it has.", "role", _one_of(ROLES, status.role))
    yield gauge("raft_quorum", "Whether this member knows a majority of the voters to be there.", status.quorum)
    yield gauge("raft_failed", "Whether this member has stopped its part for a fault.", status.failure is not None)
    yield gauge("raft_founding", "Whether the cluster is yet to be founded.", status.founding)
    yield gauge("raft_connected_members", "Members with an open link to this one.", len(status.connected))
    for name, (field, help_text) in _STATUS.items():
        yield gauge(name, help_text, getattr(status, field))
    for name, (field, help_text) in _STATE.items():
        yield gauge(name, help_text, getattr(figures.state, field))
    yield gauge("raft_log_bytes", "About what this member's log takes in memory.", figures.log_bytes)
    yield gauge("raft_disk_full", "Whether there is no space on the disk for more of the log.", figures.disk_full)
    yield gauge("raft_log_full", "Whether the log takes as much memory as it may.", figures.log_full)
    if isfinite(figures.staleness):
        yield gauge("raft_staleness_seconds", "How old what is applied here may be at most.", figures.staleness)
    yield gauge("raft_pending_proposals", "Writes that wait for their outcome.", figures.pending_proposals)
    yield gauge("raft_waiting_reads", "Linearizable reads that wait for a round.", figures.waiting_reads)
    yield gauge("raft_watches", "Open watches.", figures.open_watches)
    yield counters(
        "raft_elections",
        "Campaigns of this member, by kind: pre_vote asks whether it would win, vote has a term of its own.",
        "kind",
        {"pre_vote": raft.pre_campaigns, "vote": raft.campaigns},
    )
    yield counter("raft_leader_changes", "Times that this member came to have another leader.", raft.leader_changes)
    yield counter(
        "raft_unknown_messages",
        "Messages of other members that were passed over: of kinds that this release does not know.",
        figures.unknown_messages,
    )
    yield counters(
        "raft_snapshots", "Snapshots, by what became of them.", "outcome", _all(SNAPSHOT_OUTCOMES, raft.snapshots)
    )
    yield counters(
        "raft_proposals",
        "Writes of this node's users, by outcome.",
        "outcome",
        _all(PROPOSAL_OUTCOMES, raft.proposal_outcomes),
    )
    yield histogram(
        "raft_proposal_duration_seconds",
        "From a write of this node's users to its result; those that failed are not in here.",
        [((), raft.proposal_seconds)],
    )
    yield histogram(
        "raft_log_sync_duration_seconds", "Writing and syncing the log, in the disk thread.", [((), raft.sync_seconds)]
    )


def _one_of(names: tuple[str, ...], name: str) -> dict[str, float]:
    return {each: float(each == name) for each in names}


def _all(names: tuple[str, ...], values: Any) -> dict[str, float]:
    return {each: float(values[each]) for each in names}
