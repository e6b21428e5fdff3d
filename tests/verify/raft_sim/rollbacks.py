"""The disk goes back to an earlier copy: the member must be reported and never counted (raft spec 2b, durability).

A copy is taken while a host runs, and put back once its leader has acknowledgements of it that the copy lacks. Until it
is judged the host has a link to that leader alone: two faults at once, the loss of the proof being the other, are more
than a group of three survives. Draws from a stream of its own.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.verify.raft_sim.disk import Copy
from tests.verify.raft_sim.files import FilePlatter
from tests.verify.raft_sim.replacing import may_lose_one, replace_member
from tests.verify.raft_sim.world import Host, World

if TYPE_CHECKING:
    from tests.verify.raft_sim.faults import Faults

PATIENCE_SECONDS = 5.0
"""Until a member that went back is found out, in calm weather."""


class Rollbacks:
    """At most one in a run."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.world = world
        self.faults = faults
        self.rng = random.Random(f"{world.seed} goes back")
        self.copies: dict[str, Copy] = {}
        self.victim: Host | None = None
        self.acknowledged = 0
        self.witness: tuple[Host, int, int] | None = None  # the leader, its life and term

    def begin(self) -> None:
        self.world.after(0.3 + self.rng.random(), self._turn)

    def _turn(self) -> None:
        if not self.faults.raging or self.victim is not None:
            return
        self.world.after(0.1 + 0.4 * self.rng.random(), self._turn)
        for host in self.world.hosts.values():
            if not isinstance(host.platter, FilePlatter) and self.rng.random() < 0.3:
                self.copies[host.name] = host.platter.copy()
        leader = self.world.leader()
        if leader is None or leader.node is None or leader.paused is not None or not may_lose_one(self.world):
            return
        if leader.node.state.change_pending or not leader.node.state.noop_applied:
            return
        for name in self.rng.sample(sorted(self.copies), len(self.copies)):
            progress, host = leader.node.state.progress.get(name), self.world.hosts[name]
            # What is counted, but not committed yet, it may still lose before anybody can know.
            copy = self.copies[name]
            lost = progress is not None and copy.last < progress.match <= leader.node.commit
            # Two processes of one start are a copied directory: such a one gets no link (`net/admission.py`).
            lost = lost and copy.starts + 1 != host.platter.starts
            lost = lost and self.world.now >= self.faults.changing_until  # the log does not show a queued removal
            if lost and name in leader.node.voters and host.node is not None:
                self._strike(host, leader)
                return

    def _strike(self, host: Host, leader: Host) -> None:
        assert leader.node is not None
        copy = self.copies[host.name]
        self.world.note(f"{host.name} goes back to entry {copy.last}; {leader.name} can tell")
        self.acknowledged = leader.node.state.progress[host.name].match
        self.victim, self.witness = host, (leader, leader.life, leader.node.term)
        self.world.changes_allowed = False
        self.world.network.only[host.name] = leader.name
        says = self.rng.random() < 0.5
        if not says:
            self.faults.raging = False  # only this leader, in this term, will have the proof
        host.put_back(copy, says=says)
        self.world.network.connect(host.name, leader.name)

    def judge(self) -> None:
        """In calm weather: who can tell has told; then a new member takes the place."""
        host, world = self.victim, self.world
        if host is None or self.witness is None:
            return
        witness, life, term = self.witness

        def can_tell() -> bool:
            if host.node is None or witness.life != life or witness.node is None:
                return False
            if host.says:
                return True
            # Else only its refusal tells, of a leader that still has what it acknowledged in its log.
            held = witness.node.state.log.first_index <= self.acknowledged
            return held and witness.node.leading and witness.node.term == term

        if not world.run_until(lambda: host.retired or not can_tell(), PATIENCE_SECONDS):
            world.fail(f"{host.name} went back in time, and nobody noticed")
        if host.retired:
            world.note(f"{host.name} was found out")
            self._check_reported(host)
        host.retire()
        world.network.only.pop(host.name)
        replace_member(world, host)

    def _check_reported(self, host: Host) -> None:
        assert self.witness is not None
        witness, life, _ = self.witness
        if witness.life == life and witness.node is not None and host.name not in witness.node.state.went_back:
            self.world.fail(f"{host.name} stopped as one that went back, and {witness.name} does not know it")
