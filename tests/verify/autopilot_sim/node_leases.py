"""Leases that are bound to computers' processes, ended by the real rules: what a leader suspects, asks, and may end."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from coterie.consensus.autopilot import node_lease_reaper as rules
from coterie.consensus.autopilot.node_lease_reaper import Heard, LifeSigns, NodeLeaseReaper, Process
from coterie.consensus.store import LeaseBind, LeaseNodeLost, State, apply, encode

if TYPE_CHECKING:
    from tests.verify.autopilot_sim.world import Computer, JointWorld

HOLD_MS = 1_500

ASK_SECONDS = 1.0


class NodeLeases:
    """Those of a world. What is committed counts, wherever it was decided."""

    def __init__(self, world: JointWorld) -> None:
        self.world = world
        self.state = State()
        self._index = 0

    def _apply(self, operation: LeaseBind | LeaseNodeLost) -> None:
        self._index += 1
        apply(self.state, encode(operation), self._index)

    def bind(self, computer: Computer) -> None:
        self._apply(LeaseBind(computer.name, computer.generation, HOLD_MS))

    def of(self, name: str) -> int:
        return len(self.state.leases_of_node(name))

    def end(self, leader: Computer, lost: LeaseNodeLost) -> Callable[[], None]:
        """What its commit does. Whether the leader could hear of the process is judged as of now."""
        lease = self.state.lease(lost.lease)
        wrong = lease is not None and self.world.hears(leader, lease.node, lease.generation)

        def committed() -> None:
            if wrong:
                self.world.fail(f"{leader.name} ends {lease}, whose process lives and could be heard")
            self._apply(lost)

        return committed


class LeaseDuty:
    """One computer's, while its process runs."""

    def __init__(self, computer: Computer) -> None:
        self._computer = computer
        self._reaper = NodeLeaseReaper()
        self._signs = LifeSigns()
        self._asking: set[tuple[Process, tuple[str, int]]] = set()
        self._ending: set[int] = set()

    def turn(self, answering: set[str], now: float) -> None:
        """As `LeaderLoop` and `ProcessWitness` do it, for a computer that leads. `now`: its own clock."""
        it, leases = self._computer, self._computer.world.leases
        if rules.is_deaf(it.seen, it.member, answering):
            return
        suspected: set[Process] = set()
        for lost in self._reaper.reap(leases.state, it.seen, now):
            lease = leases.state.lease(lost.lease)
            if lease is None:
                continue
            process = lease.node, lease.generation
            suspected.add(process)
            self._ask(process, now)
            later = lost.generation > lease.generation
            if lost.lease not in self._ending and self._signs.is_gone(process, it.seen, answering, now, later=later):
                self._ending.add(lost.lease)
                it.commit(f"end:{lost.lease}", leases.end(it, lost), partial(self._ending.discard, lost.lease))
        self._signs.keep(suspected)

    def _ask(self, process: Process, now: float) -> None:
        it, life = self._computer, self._computer.life
        for address in rules.addresses_of(process, it.seen):
            key = process, address
            if key in self._asking or self._signs.are_fresh(process, address, now):
                continue
            self._asking.add(key)
            heard, took = it.world.asked(it, address[1])

            def answered(key: tuple[Process, tuple[str, int]] = key, heard: Heard = heard) -> None:
                self._asking.discard(key)
                if it.up and it.life == life:
                    self._signs.note(*key, heard, it.data.host.clock.monotonic())

            it.world.after(took, answered)
