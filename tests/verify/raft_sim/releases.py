"""Members of several releases in one group: each with limits of its own as its default, and, in half of the runs, some
that know the first level of operations alone until they are upgraded. What duties a member has for that, it has here.

Draws from a stream of its own.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from coterie.consensus.member.metadata.level_raising import LevelRaising
from coterie.consensus.member.metadata.state_audit import StateAudit
from coterie.consensus.store import KNOWN_LEVEL, Limits, State
from coterie.consensus.store.schema.levels import FIRST_LEVEL

if TYPE_CHECKING:
    from tests.verify.raft_sim.workload.metadata import Metadata
    from tests.verify.raft_sim.world import Host, World

DIGEST_SECONDS = 0.7
"""Between two digests that a leader asks for."""


class Releases:
    """`start` is called as a host's node has started, `turn` in each of its ticks."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rng = random.Random(f"{world.seed} releases")
        self.mixed = self.rng.random() < 0.5
        self.over = False
        """Every member runs this release from its next start on."""
        self._risen = False
        self._limits: dict[str, Limits] = {}
        self._levels: dict[tuple[str, int], int] = {}  # by host and life
        self._duties: dict[str, tuple[int, LevelRaising, StateAudit]] = {}

    def limits(self, name: str) -> Limits:
        if name not in self._limits:
            events = self.rng.choice([120, 150, 150, 300])
            limits = Limits(max_history_events=events, request_window_ms=2_000)
            self._limits[name] = limits if self.world.bounds is None else self.world.bounds.limits(limits)
        return self._limits[name]

    def state(self, host: Host) -> State:
        """What the release that the host starts with begins with."""
        return State(known_level=self.level(host))

    def level(self, host: Host) -> int:
        """That the host knows as it starts: the release may change with each start, forth and back."""
        if not self.mixed or self.over or self._risen:
            return KNOWN_LEVEL  # once the level has risen there is no way back
        if host.name == "n0":
            return FIRST_LEVEL  # it keeps the others from going on
        start = host.name, host.life
        if start not in self._levels:
            self._levels[start] = self.rng.choice([FIRST_LEVEL, KNOWN_LEVEL])
        return self._levels[start]

    def refuses(self, one: Host, other: Host) -> bool:
        """Whether `other` gets no link to `one`, for it does not follow the level."""
        return _level(one) > other.greeting.level

    def turn(self, host: Host) -> None:
        node, machine = host.node, host.machine
        if node is None or node.stopped:
            return
        self._risen = self._risen or _level(host) > FIRST_LEVEL
        held = self._duties.get(host.name)
        if held is None or held[0] != host.life:
            raising = LevelRaising(node, machine, self.limits(host.name), 1.0)
            audit = StateAudit(node, machine, host.clock.monotonic, interval=DIGEST_SECONDS, timeout=1.0)
            held = self._duties[host.name] = host.life, raising, audit
        held[1].turn()
        while held[2].turn():
            pass

    def check_end(self) -> None:
        """In calm weather all go on to the newest level, with the limits that one of them logged."""
        hosts = self.world.hosts.values()

        def risen() -> bool:
            return all(_level(host) == KNOWN_LEVEL for host in hosts)

        if not self.world.run_until(risen, 5.0):
            self.world.fail(f"the level has not risen: {[(host.name, _level(host)) for host in hosts]}")
        limits = {host.machine.state.limits for host in hosts}
        if len(limits) != 1 or not limits <= {self.limits(host.name) for host in (*hosts, *self.world.hosts.gone)}:
            self.world.fail(f"the limits are not those that a founder logged: {limits}")

    def upgrade(self) -> None:
        """All members that run the release before start again with this one."""
        self.over = True
        for host in self.world.hosts.values():
            if host.node is not None and host.machine.state.known_level < KNOWN_LEVEL:
                host.crash()
                host.start()


def _level(host: Host) -> int:
    machine: Metadata | None = getattr(host, "machine", None)
    return FIRST_LEVEL if machine is None else machine.state.feature_level
