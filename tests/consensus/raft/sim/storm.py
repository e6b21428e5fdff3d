"""A storm over a world: clients at work, and a mix of faults that the seed draws; then calm, and everything must be
well."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from consensus.raft.errors import StoppedError
from consensus.raft.node import RaftNode
from tests.consensus.raft.sim.history import History
from tests.consensus.raft.sim.world import SETTINGS, Host, World


@dataclass
class Verdict:
    """What a run did."""

    steps: int
    acknowledged: int
    reads: int
    unknown: int
    refused: int
    terms: int
    committed: int


class Storm:
    def __init__(self, world: World) -> None:
        self.world = world
        self.rng = random.Random(world.rng.random())
        self.history = History(world)
        self.raging = True
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
        ]
        self.weights = [(fault, self.rng.choice([0, 0, 1, 2, 5])) for fault in faults]
        if not any(weight for _, weight in self.weights):
            self.weights = [(fault, 1) for fault in faults]
        profile = world.seed % 5
        if profile == 1:  # changes of the configuration, by leaders that come and go
            churn = (self.add_voter, self.remove_voter, self.isolate, self.crash_leader, self.transfer, self.compact)
            self.weights = [(fault, weight + (8 if fault in churn else 0)) for fault, weight in self.weights]
        elif profile == 2:  # snapshots, links that break, and power loss
            rough = (self.compact, self.cut_link, self.crash, self.crash_all, self.isolate)
            self.weights = [(fault, weight + (8 if fault in rough else 0)) for fault, weight in self.weights]
        elif profile == 3:  # clocks that stand still while others lead
            odd = (self.drift, self.isolate, self.pause, self.block_direction)
            self.weights = [(fault, weight + (8 if fault in odd else 0)) for fault, weight in self.weights]
        elif profile == 4:  # changes in bursts, by leaders in a minority and by those just elected
            self.weights = [*self.weights, (self.minority_burst, 20)]
            world.invariants.on_elected = self.eager_change
        self.gap = self.rng.choice([0.1, 0.3, 0.8])
        for host in world.hosts.values():
            host.disk_latency = self.rng.choice([0.0, 0.003, 0.03])
            host.snapshot_failures = self.rng.choice([0.0, 0.0, 0.1])
            host.snapshot_flips = self.rng.choice([0.0, 0.0, 0.0, 0.1])
        world.network.latency = self.rng.choice([0.001, 0.005, 0.04])
        world.tick_scale = self.rng.choice([0.01, 0.03, 0.06])

    # clients

    def client(self, number: int) -> None:
        if not self.raging:
            return
        host = self.rng.choice(list(self.world.hosts.values()))
        if self.rng.random() < 0.6:
            leaders = [each for each in self.world.live() if each.node is not None and each.node.leading]
            host = self.rng.choice(leaders) if leaders else host  # one that others have deposed as well
        if self.rng.random() < 0.6:
            for _ in range(self.rng.choice([1, 1, 3])):
                self.history.write(host, f"k{self.rng.randrange(5)}", self.rng.choice([0.3, 2.0]))
        else:
            self.history.begin_read(host, self.rng.choice([0.3, 2.0]))
        self.world.after(0.1 * self.rng.random(), lambda: self.client(number))

    # faults

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

    def _block(self, pairs: list[tuple[str, str]]) -> None:
        for source, target in pairs:
            self.world.network.block(source, target)

        def heal() -> None:
            for source, target in pairs:
                self.world.network.unblock(source, target)

        self.later(heal, 3.0)

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
        name = self.some()[0].name
        self._at_leader(lambda node: node.change_voters(name, lambda _error, _voters: None, 2.0, add=True))

    def remove_voter(self) -> None:
        name = self.some()[0].name

        def remove(node: RaftNode) -> None:
            if len(node.voters) > 2:
                node.change_voters(name, lambda _error, _voters: None, 2.0, add=False)

        self._at_leader(remove)

    def minority_burst(self) -> None:
        """A leader is left with less than half, and asked to remove the others one after the other."""
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
                node.change_voters(name, lambda _error, _voters: None, 2.0, add=False)

    def eager_change(self, host: Host) -> None:
        """A new leader is asked for a change at once."""
        name = self.some()[0].name

        def change() -> None:
            node = host.node
            if node is not None and node.leading and host.paused is None and len(node.voters) > 2:
                with suppress(StoppedError):
                    node.change_voters(name, lambda _error, _voters: None, 2.0, add=name not in node.voters)

        self.world.after(0.0, change)

    # the run

    def run(self, seconds: float) -> Verdict:
        world = self.world
        world.start_all()
        world.keep_connected()
        for number in range(3):
            self.client(number)
        world.after(self.rng.random(), self.strike)
        self._restarter()
        world.run(seconds)
        self.calm()
        node = world.hosts["n0"].node
        assert node is not None
        history = self.history
        return Verdict(
            world.steps,
            history.acknowledged,
            history.read,
            history.unknown,
            history.refused,
            node.term,
            world.invariants.top,
        )

    def _restarter(self) -> None:
        """Nodes that an injected fault stopped are started again."""
        if self.raging:
            for host in self.world.hosts.values():
                if host.node is None and self.rng.random() < 0.3:
                    host.start()
            self.world.after(0.5, self._restarter)

    def calm(self) -> None:
        """Heal everything: the group must recover, agree, and hold all that it ever promised."""
        world = self.world
        self.raging = False
        world.note("calm")
        world.network.slow = 0.0
        for source, target in list(world.network.blocked):
            world.network.unblock(source, target)
        for host in world.hosts.values():
            host.disk_stalls = host.snapshot_failures = host.snapshot_flips = 0.0
            host.disk_latency = min(host.disk_latency, 0.01)
            host.platter.full = False
            host.platter.failing = None
            host.clock.set_rate(1.0)
            if host.paused is not None:
                host.resume()
            if host.node is None:
                host.start()
            else:
                host.snapshots.failure_rate = host.snapshots.flip_rate = 0.0
        if not world.run_until(lambda: self._settled() and not self.history.open, 20.0):
            states = [
                (h.name, n.role, n.term, n.commit, n.applied, n.last_index, n.voters)
                for h in world.live()
                if (n := h.node) is not None
            ]
            world.fail(f"no recovery within 20 s: {self.history.open} calls open, {states}")
        self._serves()
        if world.seed % 4 == 0:
            self._manners()
        for host in world.live():
            self.history.check_end(host)

    def _settled(self) -> bool:
        leader = self.world.leader()
        if leader is None or leader.node is None or leader.node.commit != leader.node.last_index:
            return False
        commit = leader.node.commit
        return all(host.node is not None and host.node.applied == commit for host in self.world.hosts.values())

    def _serves(self) -> None:
        """Every node, voter or not, takes a write and a read now."""
        before = (self.history.acknowledged, self.history.read)
        for host in self.world.hosts.values():
            self.history.write(host, "last", 5.0)
            self.history.begin_read(host, 5.0)
        self.world.run_until(lambda: not self.history.open, 6.0)
        served = (self.history.acknowledged - before[0], self.history.read - before[1])
        if served != (len(self.world.hosts), len(self.world.hosts)):
            self.world.fail(f"in calm weather {len(self.world.hosts)} nodes served {served} writes and reads")
        self.world.run_until(self._settled, 5.0)

    def _manners(self) -> None:
        """In calm weather: a healed follower deposes nobody, leadership can be handed over, and a leader without a
        majority gives up before another can be elected."""
        world = self.world
        world.run(3.0)  # until the last of the storm's partitions is healed
        leader = world.leader()
        assert leader is not None
        assert leader.node is not None
        others = [host for host in world.hosts.values() if host is not leader and host.name in leader.node.voters]
        if not others:
            return
        term = leader.node.term
        away = self.rng.choice(others)
        if len(leader.node.voters) > 2:
            self._separate(away, 2.0)
            world.run(2.0)
            if (world.leader(), leader.node.term) != (leader, term):
                world.fail(f"{away.name}, a follower, was away for a while, and {leader.name} leads no longer")
        outcome: list[object] = []
        leader.node.transfer(lambda error, _: outcome.append(error), away.name)
        world.run_until(lambda: bool(outcome) and away.node is not None and away.node.leading, 3.0)
        if outcome != [None] or world.leader() is not away or away.node is None:
            world.fail(f"leadership was not handed from {leader.name} to {away.name}: {outcome}")
        self._separate(away, 1.5)
        if away.node is not None and away.node.leading:
            world.fail(f"{away.name} leads 1.5 s after it lost everybody")
        if not world.run_until(self._settled, 10.0):
            world.fail("no recovery after the leader was away")

    def _separate(self, host: Host, seconds: float) -> None:
        pairs = [(host.name, other) for other in self.world.hosts if other != host.name]
        pairs += [(b, a) for a, b in pairs]
        for source, target in pairs:
            self.world.network.block(source, target)
        self.world.run(seconds)
        for source, target in pairs:
            self.world.network.unblock(source, target)


def run_storm(seed: int, node_class: type[RaftNode] = RaftNode, seconds: float = 8.0) -> Verdict:
    """One seed: 3 to 5 voters, spares that can join, and a mix of faults."""
    rng = random.Random(seed)
    voters = rng.choice([3, 3, 4, 5])
    spares = rng.choice([0, 1, 1])
    settings = replace(SETTINGS, compact_after=rng.choice([8, 30, 30]))
    return Storm(World(seed, voters, spares, node_class=node_class, settings=settings)).run(seconds)
