"""Bounds by bytes at a few KiB, snapshot files that rot where they lie, and a member that stays down until the calm.

Draws from a stream of its own, so that a seed keeps what it drew before.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from coterie.consensus.raft.settings import RaftConfig
from coterie.consensus.store import Limits

if TYPE_CHECKING:
    from tests.verify.raft_sim.faults import Faults
    from tests.verify.raft_sim.world import Host, World


class Bounds:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(f"{seed} bounds")
        self.max_log_bytes = self.rng.choice([None, 5_000, 8_000, 16_000])
        self.compact_bytes = self.rng.choice([600, 2_000, RaftConfig().compact_bytes])
        self.compact_after = self.rng.choice([None, 10**6])
        self.max_request_bytes = self.rng.choice([None, 2_000, 6_000])
        self._rots = self.rng.choice([0.0, 0.5, 2.0])  # a second
        self._rests = self.rng.random() < 0.4
        self.resting: Host | None = None

    def settings(self, settings: RaftConfig) -> RaftConfig:
        after = settings.compact_after if self.compact_after is None else self.compact_after
        return replace(settings, compact_after=after, compact_bytes=self.compact_bytes)

    def limits(self, limits: Limits) -> Limits:
        if self.max_request_bytes is None:
            return limits
        return msgspec.structs.replace(limits, max_request_bytes=self.max_request_bytes)

    def begin(self, world: World, faults: Faults) -> None:
        """As the storm begins."""
        self._faults = faults
        if self._rots:
            self._next_rot(world)
        if self._rests:
            world.after(1.0 + 4 * self.rng.random(), lambda: self._rest(world))

    def _next_rot(self, world: World) -> None:
        world.after(self.rng.expovariate(self._rots), lambda: self._rot(world))

    def _rot(self, world: World) -> None:
        """A bit flips in somebody's installed file: while the process runs, for at its next start it must stop."""
        if not self._faults.raging:
            return
        host = self.rng.choice(list(world.hosts.values()))
        if host.node is not None and host.snapshots.latest() is not None:
            world.note(f"a bit of the snapshot of {host.name} flips")
            host.snapshots.rot()
        self._next_rot(world)

    def _rest(self, world: World) -> None:
        """One ends, and nobody starts it until the calm: what the others keep for it has bounds."""
        if self._faults.raging:
            self.resting = self.rng.choice(list(world.hosts.values()))
            world.note(f"{self.resting.name} stays down")
            self.resting.crash()
            self.resting.resting = True

    def end(self) -> None:
        if self.resting is not None:
            self.resting.resting = False
