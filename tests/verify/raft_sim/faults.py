"""The faults of a storm: what each does to a world, and with which weight a seed draws it."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from coterie.consensus.raft.errors import StoppedError
from coterie.consensus.raft.node import RaftNode
from coterie.consensus.raft.settings import RaftConfig
from tests.verify.raft_sim.workload.clients import Clients
from tests.verify.raft_sim.workload.history import History
from tests.verify.raft_sim.world import Host, World

PROFILES = (
    "anything",
    "churn",  # changes of the configuration, by leaders that come and go
    "rough",  # snapshots on full disks, links that break, and power loss
    "odd clocks",  # clocks that stand still while others lead
    "bursts",  # changes in bursts, by leaders in a minority and by those just elected and soon gone
    "alternating",  # leaders that are cut off or crash right after their election, over slow links
    "late answers",  # answers that arrive terms later, and old leaders that only some can reach
    "forwarders",  # members that restart while their calls wait at a leader that hands over
)


def profile_of(seed: int) -> str:
    return PROFILES[seed % len(PROFILES)]


def size_of(profile: str, rng: random.Random) -> tuple[int, int]:
    """Voters at the beginning, and spares that may join. Four and one more: majorities that need not meet, where two
    changes of the configuration do."""
    voters, spares = rng.choice([3, 3, 4, 5]), rng.choice([0, 1, 1])
    if profile == "alternating":
        return 5, 0
    if profile == "bursts" and rng.random() < 0.7:
        return 4, 1
    return voters, spares


def settings_of(profile: str, settings: RaftConfig) -> RaftConfig:
    """Where leaders alternate elections are quick, and an append carries one entry: a leader is gone with half of its
    log sent."""
    if profile not in {"alternating", "bursts"}:
        return settings
    quick = replace(settings, heartbeat=0.05, leader_fallback=0.16, election_min=0.18, election_max=0.36)
    return quick if profile == "bursts" else replace(quick, max_append_bytes=1, max_appends_in_flight=1)


CHANGE_SECONDS = 2.0
"""Until a change of the voters that was asked for is given up."""


class Faults:
    def __init__(self, world: World, history: History | Clients, rng: random.Random) -> None:
        self.world = world
        self.history = history
        self.rng = rng
        self.raging = True
        self.changing_until = 0.0
        faults: list[Callable[[], None]] = [
            self.cut_link,
            self.block_direction,
            self.isolate,
            self.split,
            self.crash,
            self.crash_all,
            self.pause,
            self.drift,
            self.fill_disk,
            self.fail_disk,
            self.slow_disk,
            self.transfer,
            self.add_voter,
            self.remove_voter,
            self.compact,
            self.slow_network,
            self.crash_leader,
            self.slow_answers,
            self.half_heal,
            self.stuck_transfer,
        ]
        weights = {fault: rng.choice([0, 0, 1, 2, 5]) for fault in faults}
        if not any(weights.values()):
            weights = dict.fromkeys(faults, 1)
        self.profile = profile_of(world.seed)
        for fault, weight in self._preferred().items():
            weights[fault] = weights.get(fault, 0) + weight
        self.weights = list(weights.items())
        self.gap = rng.choice([0.1, 0.3, 0.8])
        for host in world.hosts.values():
            host.disk_latency = rng.choice([0.0, 0.003, 0.03])
            host.snapshot_failures = rng.choice([0.0, 0.0, 0.1])
            host.snapshot_flips = rng.choice([0.0, 0.0, 0.0, 0.1])
            if self.profile == "rough":
                host.snapshot_failures = rng.choice([0.0, 0.1, 0.4])
        world.network.latency = rng.choice([0.001, 0.005, 0.04])
        world.tick_scale = rng.choice([0.02, 0.03, 0.06])
        if self.profile == "bursts":
            world.invariants.on_elected = self.eager_leader
            world.network.latency = rng.choice([0.005, 0.02])
        elif self.profile == "alternating":
            world.invariants.on_elected = self.harass
            world.network.latency = rng.choice([0.01, 0.03])
            world.tick_scale = 0.015
            self.gap = 2.0

    def _preferred(self) -> dict[Callable[[], None], int]:
        """What the profile adds to the weights that the seed drew."""
        match self.profile:
            case "churn":
                churn = (self.add_voter, self.remove_voter, self.isolate, self.crash_leader, self.transfer)
                return {**dict.fromkeys((*churn, self.compact), 8), self.regrow: 16}
            case "rough":
                return dict.fromkeys((self.compact, self.cut_link, self.crash, self.crash_all, self.isolate), 8)
            case "odd clocks":
                return dict.fromkeys((self.drift, self.isolate, self.pause, self.block_direction), 8)
            case "bursts":
                return {self.minority_burst: 20}
            case "late answers":
                return dict.fromkeys((self.slow_answers, self.half_heal), 12)
            case "forwarders":
                return {self.stuck_transfer: 20, self.transfer: 4}
        return {}

    def strike(self) -> None:
        if not self.raging:
            return
        faults, weights = zip(*self.weights, strict=True)
        fault = self.rng.choices(faults, weights)[0]
        self.world.note(fault.__name__)
        fault()
        self.world.after(self.gap * (0.2 + 2 * self.rng.random()), self.strike)

    def some(self, count: int = 1) -> list[Host]:
        return self.rng.sample(list(self.world.hosts.values()), count)

    def later(self, work: Callable[[], None], most: float = 2.0) -> None:
        self.world.after(most * self.rng.random(), work)

    def cut_link(self) -> None:
        a, b = self.some(2)
        self.world.network.cut(a.name, b.name)

    def _block(self, pairs: list[tuple[str, str]], most: float = 3.0) -> None:
        for source, target in pairs:
            self.world.network.block(source, target)

        def heal() -> None:
            for source, target in pairs:
                self.world.network.unblock(source, target)

        self.later(heal, most)

    def block_direction(self) -> None:
        a, b = self.some(2)
        self._block([(a.name, b.name)])

    def isolate(self) -> None:
        leader = self.world.leader()
        victim = leader if leader is not None and self.rng.random() < 0.6 else self.some()[0]
        others = [name for name in self.world.hosts if name != victim.name]
        both = self.rng.random() < 0.6
        out = [(victim.name, other) for other in others]
        self._block(out + [(other, victim.name) for other in others] if both else out)

    def split(self) -> None:
        names = list(self.world.hosts)
        side = set(self.rng.sample(names, self.rng.randrange(1, len(names))))
        self._block([(a, b) for a in names for b in names if (a in side) != (b in side)])

    def crash(self, victim: Host | None = None, downtime: float = 2.0) -> None:
        host = victim if victim is not None else self.some()[0]
        host.crash()

        def restart() -> None:
            if host.node is None:
                host.start()

        self.later(restart, downtime)

    def crash_leader(self) -> None:
        self.crash(self.world.leader())

    def crash_all(self) -> None:
        for host in list(self.world.hosts.values()):
            self.crash(host, 0.5)

    def pause(self) -> None:
        leader = self.world.leader()
        host = leader if leader is not None and self.rng.random() < 0.5 else self.some()[0]
        if host.node is not None and host.paused is None:
            host.paused = []
            self.later(host.resume, 2.5)

    def drift(self) -> None:
        leader = self.world.leader()
        host = leader if leader is not None and self.rng.random() < 0.4 else self.some()[0]
        host.clock.set_rate(self.rng.choice([0.0, 0.0, 0.7, 1.0, 1.4]))
        self.later(lambda: host.clock.set_rate(1.0), 3.0)

    def fill_disk(self) -> None:
        platter = self.some()[0].platter
        platter.full = True

        def free() -> None:
            platter.full = False

        self.later(free)

    def fail_disk(self) -> None:
        host = self.some()[0]
        host.platter.failing = self.rng.choice([errno.EIO, errno.ENOSPC])

    def slow_disk(self) -> None:
        host = self.some()[0]
        host.disk_stalls = self.rng.choice([0.0, 0.1, 0.5])

    def slow_network(self) -> None:
        self.world.network.slow = self.rng.choice([0.0, 0.01, 0.2])

    def compact(self) -> None:
        host = self.some()[0]
        if host.node is not None:
            host.node.compact()

    def _at_leader(self, work: Callable[[RaftNode], None]) -> None:
        leaders = [host for host in self.world.live() if host.node is not None and host.node.leading]
        if leaders:
            host = self.rng.choice(leaders)  # a deposed one as well, at times
            if host.node is not None and host.paused is None:
                with suppress(StoppedError):
                    work(host.node)

    def transfer(self) -> None:
        target = self.rng.choice([None, self.some()[0].name])
        self._at_leader(lambda node: node.transfer(lambda _error, _target: None, target))

    def add_voter(self) -> None:
        if not self.world.changes_allowed:
            return
        name = self.some()[0].name
        self._at_leader(lambda node: self.change(node, name, add=True))

    def change(self, node: RaftNode, name: str, *, add: bool) -> None:
        """Ask for a change of the voters, which may wait in the node's queue."""
        self.changing_until = self.world.now + CHANGE_SECONDS
        node.change_voters(name, lambda _error, _voters: None, CHANGE_SECONDS, add=add)

    def remove_voter(self) -> None:
        if not self.world.changes_allowed:
            return
        name = self.some()[0].name
        fewest = self.rng.choice([1, 2, 2])

        def remove(node: RaftNode) -> None:
            if len(node.voters) > fewest:
                self.change(node, name, add=False)

        self._at_leader(remove)

    def regrow(self) -> None:
        """Down to one voter, step by step; then a second one, whose vote the first needs before it was told of it."""
        if not self.world.changes_allowed:
            return
        leader = self.world.leader()
        if leader is None or leader.node is None or leader.paused is not None:
            return
        node = leader.node
        others = [name for name in node.voters if name != leader.name]
        newcomers = sorted(set(self.world.hosts) - set(node.voters))
        name = self.rng.choice(others or newcomers)
        with suppress(StoppedError):
            self.change(node, name, add=not others)
        if not others:

            def crash() -> None:
                if self.raging:
                    self.crash(leader, 0.5)

            self.later(crash, 3 * self.world.tick_scale)

    def minority_burst(self) -> None:
        """A leader is left with less than half, and asked to remove the others one after the other."""
        if not self.world.changes_allowed:
            return
        leader = self.world.leader()
        if leader is None or leader.node is None or leader.paused is not None:
            return
        others = [name for name in leader.node.voters if name != leader.name]
        self.rng.shuffle(others)
        near = {leader.name, *others[: (len(others) - 1) // 2]}
        names = list(self.world.hosts)
        self._block([(a, b) for a in names for b in names if (a in near) != (b in near)])
        node = leader.node
        for name in others[::-1]:
            with suppress(StoppedError):
                self.change(node, name, add=False)

    def eager_leader(self, host: Host) -> None:
        """A new leader is asked for a change at once, and often it is soon gone."""
        if self.raging:
            self.eager_change(host)
            if self.rng.random() < 0.7:
                self.harass(host)

    def eager_change(self, host: Host) -> None:
        """A new leader is asked for a change at once."""
        name = self.some()[0].name

        def change() -> None:
            node = host.node
            allowed = self.world.changes_allowed
            if node is not None and node.leading and host.paused is None and len(node.voters) > 2 and allowed:
                with suppress(StoppedError):
                    self.change(node, name, add=name not in node.voters)

        self.world.after(0.0, change)

    def slow_answers(self) -> None:
        """What others say to the leader takes longer and longer, up to seconds; then, at times, it is not heard."""
        leader = self.world.leader()
        if leader is None:
            return
        lag = self.world.network.lag
        others = [(other, leader.name) for other in self.world.hosts if other != leader.name]
        most = {pair: self.rng.choice([0.0, 0.4, 0.8, 1.2]) for pair in others}

        def slower() -> None:
            if not self.raging:
                return
            for pair in others:
                lag[pair] = min(most[pair], lag.get(pair, 0.0) + 0.03)
            if any(lag[pair] < most[pair] for pair in others):
                self.world.after(0.05, slower)
            else:
                self.later(end, 1.0)

        def end() -> None:
            if self.raging and self.rng.random() < 0.8:
                self._block([(target, source) for source, target in others])
            for pair in others:
                lag.pop(pair, None)

        slower()

    def half_heal(self) -> None:
        """The leader is cut off, and comes back to all but its successor."""
        leader = self.world.leader()
        if leader is None:
            return
        network = self.world.network
        pairs = {(leader.name, other) for other in self.world.hosts if other != leader.name}
        pairs |= {(b, a) for a, b in pairs}
        for source, target in sorted(pairs):
            network.block(source, target)
        if self.rng.random() < 0.6:  # it does not notice how long it was away
            leader.clock.set_rate(0.0)
            self.later(lambda: leader.clock.set_rate(1.0), 4.0)

        def heal(spared: str | None) -> None:
            for source, target in sorted(pairs):
                if spared not in {source, target}:
                    network.unblock(source, target)

        def first() -> None:
            successor = self.world.leader()
            heal(successor.name if successor is not leader and successor is not None else None)
            self.later(lambda: heal(None))

        self.world.after(0.5 + self.rng.random(), first)

    def stuck_transfer(self) -> None:
        """The leader waits in vain for another to take over, while a member that forwards to it restarts."""
        leader = self.world.leader()
        others = [host for host in self.world.live() if host is not leader]
        if leader is None or leader.node is None or leader.paused is not None or len(others) < 2:
            return
        target, member = self.rng.sample(others, 2)
        self._block([(leader.name, target.name)])
        with suppress(StoppedError):
            leader.node.transfer(lambda _error, _target: None, target.name)
        for _ in range(self.rng.randrange(3)):
            self.history.write(member, "k0")

        def write() -> None:
            if self.raging:
                self.history.write(member, "k1")

        def again() -> None:
            if member.node is None:
                member.start()
            self.world.network.connect(leader.name, member.name)
            for _ in range(3):
                self.later(write, 0.4)

        def crash() -> None:
            if self.raging:
                member.crash()
                self.later(again, 0.2)

        self.later(crash, 0.1)

    def harass(self, leader: Host) -> None:
        """A new leader is soon gone, or left with one other: before or after its first entry is on its way."""
        if not self.raging:
            return
        fast = self.rng.random() < 0.5

        def strike() -> None:
            if not self.raging:
                return
            if self.rng.random() < 0.3:
                self.crash(leader, 0.6)
                return
            others = [name for name in self.world.hosts if name != leader.name]
            far = self.rng.sample(others, len(others) - self.rng.choice([0, 0, 1]))
            self._block([(leader.name, other) for other in far] + [(other, leader.name) for other in far], 0.8)

        self.later(strike, (1.5 if fast else 6) * self.world.network.latency)
