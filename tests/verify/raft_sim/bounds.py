"""Bounds by bytes at a few KiB, snapshot files that rot where they lie, a member that stays down until the calm, and
one whose disk is full in it.

Draws from a stream of its own, so that a seed keeps what it drew before.
"""

from __future__ import annotations

import random
from collections.abc import Callable
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

    def fill(self, world: World, write: Callable[[Host], object]) -> None:
        """In calm weather a voter's disk is full while it holds what is not committed. It takes no more, and learns
        all the same that what it holds is committed. `write`: a write at a host.
        """
        leader = world.leader()
        if leader is None or leader.node is None or len(leader.node.voters) < 3:
            return
        others = [host for host in world.live() if host is not leader and host.name in leader.node.voters]
        host = self.rng.choice(others)
        node = host.node
        assert node is not None
        for _ in range(20):
            write(leader)
            if world.run_until(lambda: node.last_index > node.commit, 0.2):
                break
        held = node.last_index
        world.note(f"the disk of {host.name} is full, and it holds {held}")
        host.platter.full = True
        for _ in range(5):
            write(leader)
            world.run(0.3)
        if node.commit < held and world.leader() is leader and host.node is node:
            world.fail(f"{host.name} has no room, and does not learn that {held}, which it holds, is committed")
        host.platter.full = False

    def end(self) -> None:
        if self.resting is not None:
            self.resting.resting = False
