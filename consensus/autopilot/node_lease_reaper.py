"""Ends node-bound leases of processes that are gone, by operations that the leader proposes (raft spec 3).

A lease names a node and the generation of its process. Gossip raises the suspicion: it has held that process dead for
the lease's hold, or shows a later generation of the node alive. But gossip may be deaf, or forged. So the suspicion
stands only where nothing speaks against it: the process's own link to the leader is silent, and it does not answer
where it is asked (`LifeSigns`). The operation carries the evidence, and is void where the lease was renewed since.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from coterie.consensus.autopilot.observations import Observation, Observations, Presence
from coterie.consensus.store import LeaseNodeLost, LeaseRecord, State

MAX_ENDS_A_TURN = 1_000

MIN_QUESTIONS = 2
"""Left without an answer before a process counts as silent."""

FRESH_SECONDS = 2.0
"""An answer, or a refusal, counts for so long."""

Process = tuple[str, int]
"""Node and generation."""


class NodeLeaseReaper:
    """One leader's. It remembers since when it has known nothing of a process, which counts as dead from then on."""

    def __init__(self) -> None:
        self._unknown_since: dict[str, float] = {}

    def reap(self, state: State, seen: Observations, now: float) -> list[LeaseNodeLost]:
        """The operations that end leases now. `now`: the monotonic clock, in seconds."""
        nodes = state.leased_nodes()
        if not nodes:
            self._unknown_since.clear()
            return []
        by_name: dict[str, list[Observation]] = {name: [] for name in nodes}
        for each in seen.all:
            if each.node in by_name:
                by_name[each.node].append(each)
        found: list[LeaseNodeLost] = []
        for node, observations in by_name.items():
            for lease in state.leases_of_node(node):
                end = self._end(lease, observations, now)
                if end is not None:
                    found.append(end)
        self._forget(nodes)
        return found[:MAX_ENDS_A_TURN]

    def _end(self, lease: LeaseRecord, observations: Iterable[Observation], now: float) -> LeaseNodeLost | None:
        own: Observation | None = None
        for each in observations:
            if each.generation > lease.generation and each.presence is not Presence.UNSEEN:
                return LeaseNodeLost(lease.id, lease.renewal, each.generation, 0)
            if each.generation == lease.generation:
                # Several addresses may claim one process: while one of them lives, it does.
                own = each if own is None or each.live else own
        if own is not None and own.live:
            self._unknown_since.pop(_process(lease), None)
            return None
        dead_for = own.dead_for if own is not None else None
        if dead_for is None:  # never seen alive here, or not known at all
            dead_for = now - self._unknown_since.setdefault(_process(lease), now)
        if dead_for * 1000 < lease.hold_ms:
            return None
        return LeaseNodeLost(lease.id, lease.renewal, lease.generation, int(dead_for * 1000))

    def _forget(self, nodes: list[str]) -> None:
        if len(self._unknown_since) > 2 * len(nodes) + 100:
            kept = set(nodes)
            self._unknown_since = {
                process: since for process, since in self._unknown_since.items() if process.rpartition("@")[0] in kept
            }


def _process(lease: LeaseRecord) -> str:
    return f"{lease.node}@{lease.generation}"


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of asking at an address which process is there."""

    node: str | None = None
    """The node that answers; None: nobody, or one of an earlier release, which does not say."""
    generation: int = 0
    answers: bool = False
    refused: bool = False
    """Surely nobody is there."""


@dataclass(slots=True)
class _Signs:
    at: float
    heard: Heard
    unanswered: int = 0
    """Questions that ended without anything."""

    @property
    def settled(self) -> bool:
        return self.unanswered in {0, MIN_QUESTIONS}


@dataclass(slots=True)
class LifeSigns:
    """What speaks for the life of suspected processes: one leader's answers to its own questions."""

    _signs: dict[tuple[Process, tuple[str, int]], _Signs] = field(default_factory=dict)

    def note(self, process: Process, address: tuple[str, int], heard: Heard, now: float) -> None:
        former = self._signs.get((process, address))
        unanswered = 0
        if not (heard.answers or heard.refused):
            unanswered = 1 if former is None else min(former.unanswered + 1, MIN_QUESTIONS)
        self._signs[process, address] = _Signs(now, heard, unanswered)

    def are_fresh(self, process: Process, address: tuple[str, int], now: float) -> bool:
        """Whether the address need not be asked again yet."""
        signs = self._signs.get((process, address))
        return signs is not None and signs.settled and now - signs.at < FRESH_SECONDS / 2

    def keep(self, processes: Collection[Process]) -> None:
        """The others are not suspected any more."""
        self._signs = {key: signs for key, signs in self._signs.items() if key[0] in processes}

    def is_gone(
        self,
        process: Process,
        seen: Observations,
        answering: Collection[str],
        now: float,
        *,
        later: bool,
        asks: bool = True,
    ) -> bool:
        """Whether nothing speaks against the suspicion.

        `answering`: members that answer this leader over their links. `later`: the suspicion is that a later process of
        the node is alive. `asks`: whether processes are asked at all.
        """
        found = [self._signs.get((process, each)) for each in (addresses_of(process, seen) if asks else ())]
        signs = [each for each in found if each is not None and each.settled and now - each.at <= FRESH_SECONDS]
        if any((each.heard.node, each.heard.generation) == process for each in signs) or len(signs) < len(found):
            return False  # it lives, or is being asked
        if any(each.heard.node == process[0] and each.heard.generation > process[1] for each in signs):
            return True  # another one is where it was
        if any(each.heard.answers and each.heard.node is None for each in signs):
            return later
        members = {each.member for each in seen.all if (each.node, each.generation) == process}
        return later or members.isdisjoint(answering)


def addresses_of(process: Process, seen: Observations) -> list[tuple[str, int]]:
    """Where it says to be."""
    return [each.address for each in seen.all if (each.node, each.generation) == process and each.address is not None]


def is_deaf(seen: Observations, own: str, answering: Collection[str]) -> bool:
    """Whether gossip holds dead most of the members that answer this leader over their links: it hears nobody."""
    others = [member for member in answering if member != own]
    dead = [member for member in others if (it := seen.of_member.get(member)) is None or not it.live]
    return len(others) > 1 and 2 * len(dead) > len(others)
