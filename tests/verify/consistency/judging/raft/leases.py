"""Leases as their keepers saw them, against the record.

What is claimed:
- a lease with a time to live T does not end before T after the beginning of the last renewal that was acknowledged,
  unless somebody asked for its end. (It was renewed at or after that moment, and cluster time is never faster than
  time.) When it ended is when any client first heard of it, so the claim errs to the system's favour.
- a lease that ended is never renewed again.
- a lease bound to a node's process does not end by itself while the run does nothing to anybody.
- once all is whole again and nobody renews any, leases with a time to live end, and so do those of former processes.
- no key outlives its lease.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.verify.consistency.contract import Anomaly
from tests.verify.linearizability import Commit, History, KeyDeleted, KeyPut
from tests.verify.linearizability.by_revision.sightings import Sightings, sightings_of
from tests.verify.linearizability.rendering.wording import record_line

ROUNDING_SECONDS = 0.01
"""Cluster time has whole milliseconds, and time was read a little before the request left."""

UNDISTURBED_SECONDS = 10.0
"""A fault counts as over for the processes' view of each other so long after its end."""


@dataclass(frozen=True, slots=True)
class KeptLease:
    """A lease's life as its keeper saw it: times of one clock, in seconds."""

    lease: int
    ttl: float | None
    """None where it is bound to a node's process."""
    node: str
    generation: int
    renewals: Sequence[tuple[float, float]]
    """When each one that was acknowledged began and ended, the grant first."""
    revoked: float | None
    """When its end was first asked for."""


@dataclass(frozen=True, slots=True)
class LeasesLeft:
    """What there was at the end, when everything had been whole for a while."""

    at: float
    ids: frozenset[int]
    with_ttl: frozenset[int]
    bound: Mapping[int, tuple[str, int]]
    """Node and generation, by lease."""
    generations: Mapping[str, int]
    """Of the processes that ran then, by node."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The commit in which a lease's key went with it, and when that was first seen."""

    commit: Commit
    key: str
    seen: float


def lease_anomalies(
    history: History, kept: Iterable[KeptLease], left: LeasesLeft | None, faults: Iterable[tuple[float, float]]
) -> Iterator[Anomaly]:
    """`faults`: when each fault of the run began and ended."""
    endings = _endings(history)
    spans = sorted(faults)
    for lease in kept:
        ending = endings.get(lease.lease)
        if ending is None or (lease.revoked is not None and lease.revoked <= ending.seen):
            continue
        yield from _early(lease, ending)
        yield from _bound(lease, ending, spans)
    if left is not None:
        yield from _left(left)
        yield from _outlived(history, left)


def _endings(history: History) -> dict[int, Ending]:
    """Where the record shows a key deleted that lived with a lease, and that nobody else deletes: those under `l/`."""
    sightings = Sightings(sightings_of(history))
    living: dict[str, str] = {}
    endings: dict[int, Ending] = {}
    for commit in sorted(history.commits, key=lambda commit: commit.revision):
        for event in commit.events:
            if isinstance(event, KeyPut):
                living[event.key] = event.lease
            elif isinstance(event, KeyDeleted) and event.key.startswith("l/") and living.get(event.key):
                endings[int(living.pop(event.key))] = Ending(commit, event.key, sightings.first_of(commit.revision))
    return endings


def _early(lease: KeptLease, ending: Ending) -> Iterator[Anomaly]:
    if lease.ttl is None:
        return
    began, _ = max(lease.renewals)
    drawn = f"  record  {record_line(ending.commit)}\n"
    if began > ending.seen:
        why = f"lease {lease.lease} had ended by {ending.seen:.3f}, and was renewed at {began:.3f}"
        yield Anomaly("lease renewed after its end", why, drawn)
    elif ending.seen < began + lease.ttl - ROUNDING_SECONDS:
        why = (
            f"lease {lease.lease} of {lease.ttl:g} s, renewed after {began:.3f}, had ended by {ending.seen:.3f}: "
            f"{began + lease.ttl - ending.seen:.3f} s too soon"
        )
        yield Anomaly("lease ended early", why, drawn)


def _bound(lease: KeptLease, ending: Ending, faults: Sequence[tuple[float, float]]) -> Iterator[Anomaly]:
    if lease.ttl is not None:
        return
    granted = lease.renewals[0][0]
    if any(began <= ending.seen and ended >= granted - UNDISTURBED_SECONDS for began, ended in faults):
        return
    why = f"lease {lease.lease} of {lease.node} ended by {ending.seen:.3f}, and nothing had been done to anybody"
    yield Anomaly("bound lease ended by itself", why, f"  record  {record_line(ending.commit)}\n")


def _left(left: LeasesLeft) -> Iterator[Anomaly]:
    for lease in sorted(left.with_ttl):
        yield Anomaly("lease did not end", f"lease {lease}, which nobody renews, was still there at {left.at:.3f}")
    for lease, (node, generation) in sorted(left.bound.items()):
        now = left.generations.get(node)
        if now != generation:
            process = "no process" if now is None else f"generation {now}"
            why = f"lease {lease} of {node}, generation {generation}, was there at {left.at:.3f}, and {process} runs"
            yield Anomaly("lease did not end", why)


def _outlived(history: History, left: LeasesLeft) -> Iterator[Anomaly]:
    """The record was read after the leases: a key in it whose lease was not there then has outlived it."""
    last: dict[str, tuple[str, Commit]] = {}
    for commit in sorted(history.commits, key=lambda commit: commit.revision):
        for event in commit.events:
            if isinstance(event, KeyPut):
                last[event.key] = event.lease, commit
            elif isinstance(event, KeyDeleted):
                last.pop(event.key, None)
    for key, (lease, commit) in last.items():
        if lease and int(lease) not in left.ids and commit.revision <= history.last_revision:
            why = f"{key} lives with lease {lease}, which is not there any more"
            yield Anomaly("key outlives its lease", why, f"  record  {record_line(commit)}\n")
