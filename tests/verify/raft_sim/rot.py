"""One member's state silently becomes another than the rest's: it must stop, and nothing is lost (raft spec 3).

What differs is nothing that clients could see; only the digest shows it. Draws from a stream of its own.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from coterie.consensus.store import KNOWN_LEVEL
from coterie.consensus.store.schema.records import BanRecord
from tests.verify.raft_sim.replacing import may_lose_one, replace_member

if TYPE_CHECKING:
    from tests.verify.raft_sim.faults import Faults
    from tests.verify.raft_sim.world import Host, World

ROT = BanRecord("rot", "", 0)

PATIENCE_SECONDS = 10.0
"""Until a member that differs is found out, in calm weather."""


class Rot:
    """At most one in a run."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.world = world
        self.faults = faults
        self.rng = random.Random(f"{world.seed} rots")
        self.victim: Host | None = None

    def begin(self) -> None:
        self.world.after(1.0 + 4 * self.rng.random(), self._strike)

    def _strike(self) -> None:
        leader = self.world.leader()
        if not self.faults.raging:
            return
        fit = [
            host for host in self.world.live() if host is not leader and host.machine.state.feature_level == KNOWN_LEVEL
        ]
        # Of an even number the halves may differ, and nobody can say which state is right.
        odd = leader is not None and leader.node is not None and len(leader.node.voters) % 2 == 1
        if not odd or not may_lose_one(self.world) or not fit:
            self.world.after(0.5, self._strike)
            return
        host = self.rng.choice(fit)
        self.world.note(f"the state of {host.name} rots")
        self.victim, self.world.invariants.rotten = host, True
        self.world.changes_allowed = False
        host.machine.state.bans[ROT.member_id] = ROT

    def judge(self) -> None:
        """In calm weather: all that still run hold one state. Those that stopped are replaced."""
        if self.victim is None:
            return
        if not self.world.run_until(lambda: self._alike() and self._settled(), PATIENCE_SECONDS):
            rotten = [host.name for host in self.world.live() if _rotten(host)]
            self.world.fail(f"the states differ ({rotten} are rotten), and nobody noticed")
        if not self.victim.retired:
            # A snapshot or a restart mended it. It may still stop for a digest that it made before: now it knows none.
            self.victim.crash()
            self.victim.start()
        for host in [host for host in self.world.hosts.values() if host.retired]:
            replace_member(self.world, host)

    def _alike(self) -> bool:
        """A write, so that there is something to compare."""
        leader = self.world.leader()
        if leader is not None and leader.node is not None and self.rng.random() < 0.02:
            self.faults.history.write(leader, "k")
        return len({_rotten(host) for host in self.world.live()}) == 1

    def _settled(self) -> bool:
        return all(host.retired or host.node is not None for host in self.world.hosts.values())


def _rotten(host: Host) -> bool:
    return ROT.member_id in host.machine.state.bans
