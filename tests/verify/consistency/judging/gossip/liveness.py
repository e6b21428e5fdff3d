"""Who is held for alive, against what was done to the nodes.

What is claimed, with `BOUND_SECONDS` to notice in, of each view of each observer:
- *the dead are noticed*: an identity whose process ended, or was stopped by a signal, and stayed so for the bound, is
  not alive in the view, where the observer ran all that time and no fault of the network touched the cluster in it
  (where one heals, old news of a dead node may look like a sign of life for a moment);
- *the undisturbed live*: an identity whose process ran for the bound is alive in the view, where for all that time the
  observer ran as well, neither of the two was subject to a fault, no fault touched the links between them in either
  direction, and both answered every question over HTTP within `RESPONSIVE_SECONDS` (so that neither was starved by a
  busy machine). It is so on either side of a partition that separates neither from the other.

Of everything else, such as who is alive under loss and delay, there is nothing claimed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.verify.consistency.contract import Anomaly
from tests.verify.consistency.judging.faults import Fault
from tests.verify.consistency.judging.gossip.history import GossipHistory, Identity, Life, View, show_identity

BOUND_SECONDS = 20.0

RESPONSIVE_SECONDS = 0.5

OF_PROCESSES = frozenset(
    {"kill", "stop", "pause", "power_cut", "wipe", "disk_full", "slow_sync", "hung_sync", "clock", "kill_in_snapshot"}
)
"""Faults of the nodes that they name, and of nothing between nodes."""

OF_NOBODY = frozenset({"transfer"})
"""Raft's own affairs."""


def liveness_anomalies(history: GossipHistory, faults: Sequence[Fault]) -> Iterator[Anomaly]:
    claims = _Claims(history, faults)
    told: set[tuple[str, Identity, Identity]] = set()
    for view in history.views:
        for kind, identity, why in claims.judge(view):
            if (kind, view.by, identity) not in told:
                told.add((kind, view.by, identity))
                yield Anomaly(kind, why)


class _Claims:
    def __init__(self, history: GossipHistory, faults: Sequence[Fault]) -> None:
        self._faults = faults
        self._lives: defaultdict[str, list[Life]] = defaultdict(list)
        for life in history.lives:
            self._lives[life.node].append(life)
        self._slow: defaultdict[str, list[float]] = defaultdict(list)
        """When each node was slow to answer, or did not."""
        for view in history.views:
            if view.answered - view.asked > RESPONSIVE_SECONDS:
                self._slow[view.observer].append(view.answered)
        for silence in history.silences:
            self._slow[silence.observer].append(silence.until)
        self._asked: defaultdict[str, list[float]] = defaultdict(list)
        for view in history.views:
            self._asked[view.observer].append(view.asked)
        for times in (*self._slow.values(), *self._asked.values()):
            times.sort()
        self._of: dict[Identity, Life] = {}
        for view in history.views:
            for life in self._lives[view.observer]:
                if life.started <= view.asked and view.answered <= life.ended:
                    self._of.setdefault(view.by, life)

    def judge(self, view: View) -> Iterator[tuple[str, Identity, str]]:
        start, end = view.asked - BOUND_SECONDS, view.asked
        observing = self._of.get(view.by)
        if observing is None or not observing.awake(start, view.answered):
            return
        overlapping = [fault for fault in self._faults if fault.overlaps(start, view.answered)]
        calm = all(fault.kind in OF_PROCESSES | OF_NOBODY for fault in overlapping)
        for identity, life in self._of.items():
            if identity in view.live:
                gone = life.ended < start or life.asleep(start, end)
                if gone and calm:
                    state = (
                        f"ended at {life.ended:.3f}" if life.ended < start else f"was stopped since before {start:.3f}"
                    )
                    why = (
                        f"{view.observer} holds {show_identity(identity)} for alive at {end:.3f}, whose process {state}"
                    )
                    yield "dead node held for alive", identity, why
            elif self._undisturbed(view, identity, life, overlapping, start):
                why = (
                    f"{view.observer} does not hold {show_identity(identity)} for alive at {end:.3f}, and nothing had "
                    f"been done to either, or between them, for {BOUND_SECONDS:g} s"
                )
                yield "live node held for dead", identity, why

    def _undisturbed(self, view: View, identity: Identity, life: Life, faults: Sequence[Fault], start: float) -> bool:
        pair = {view.observer, identity[0]}
        return (
            life.awake(start, view.answered)
            and not any(_touches(fault, pair) for fault in faults)
            and all(self._responsive(name, start, view.answered) for name in pair)
        )

    def _responsive(self, name: str, start: float, end: float) -> bool:
        """Whether it was asked all the time, and answered at once."""
        slow, asked = self._slow[name], self._asked[name]
        if bisect_left(slow, start) != bisect_left(slow, end):
            return False
        times = [start, *asked[bisect_left(asked, start) : bisect_left(asked, end)], end]
        return all(after - before < 2 * RESPONSIVE_SECONDS for before, after in pairwise(times))


def _touches(fault: Fault, pair: set[str]) -> bool:
    if fault.kind in OF_NOBODY:
        return False
    if fault.links:
        return any({one, other} == pair for one, other in fault.links) or (
            fault.kind in OF_PROCESSES and not pair.isdisjoint(fault.nodes)
        )
    return not fault.nodes or not pair.isdisjoint(fault.nodes)
