"""A storm over a world: clients at work, and a mix of faults that the seed draws; then calm, and everything must be
well."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from coterie.consensus.raft.node import RaftNode
from tests.verify.raft_sim.bounds import Bounds
from tests.verify.raft_sim.faults import Faults, profile_of, settings_of, size_of
from tests.verify.raft_sim.overtaken import away, overtake
from tests.verify.raft_sim.releases import Releases
from tests.verify.raft_sim.rollbacks import Rollbacks
from tests.verify.raft_sim.rot import Rot
from tests.verify.raft_sim.workload.clients import Clients
from tests.verify.raft_sim.workload.history import History
from tests.verify.raft_sim.workload.holders import Holders
from tests.verify.raft_sim.workload.machine import Registers
from tests.verify.raft_sim.workload.metadata import Metadata, Record
from tests.verify.raft_sim.world import SETTINGS, Host, World


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


LATER_SEEDS = 100_000
"""Seeds from here on draw faults that came later, from streams of their own: the earlier ones keep their runs."""

LATEST_SEEDS = 300_000
"""Seeds from here on have clients with leases and locks, and snapshots that the log overtakes, too."""

SERVICE_TRIES = 2
"""Of the calm at the end."""


class Storm:
    def __init__(self, world: World, record: Record | None = None, *, bounds: Bounds | None = None) -> None:
        """`record`: of a world whose hosts hold the real replicated state. `bounds`: with what came later, too."""
        later = bounds is not None
        world.bounds = bounds
        self.world = world
        self.rng = random.Random(world.rng.random())
        self.history: History | Clients = History(world) if record is None else Clients(world, record)
        self.releases = Releases(world) if later and record is not None else None
        world.releases = self.releases
        if world.seed >= LATEST_SEEDS and isinstance(self.history, Clients):
            world.holders = Holders(world, self.history)
        self.faults = Faults(world, self.history, self.rng)
        self.misfortune: Rollbacks | Rot | None = None
        if later:
            rots = self.releases is not None and not self.releases.mixed and world.seed % 3 == 0
            self.misfortune = Rot(world, self.faults) if rots else Rollbacks(world, self.faults)

    # clients

    def client(self, number: int) -> None:
        if not self.faults.raging:
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

    # the run

    def run(self, seconds: float) -> Verdict:
        world = self.world
        world.start_all()
        world.keep_connected()
        for number in range(3):
            self.client(number)
        if self.rng.random() < 0.8:  # else the storm meets the founding, which waits for everybody
            world.run_until(self._founded, 10.0)
        world.after(self.rng.random(), self.faults.strike)
        if world.bounds is not None:
            world.bounds.begin(world, self.faults)
        self._restarter()
        if world.holders is not None:
            world.holders.begin()
        if self.misfortune is not None:
            self.misfortune.begin()
        world.run(seconds)
        self.calm()
        node = next(iter(world.hosts.values())).node
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

    def _founded(self) -> bool:
        """Does every founder know that the cluster has begun?"""
        return all(
            host.node is not None and not host.node.state.founding for host in self.world.live() if host.bootstrap
        )

    def _restarter(self) -> None:
        """Nodes that an injected fault stopped are started again."""
        if self.faults.raging:
            for host in self.world.hosts.values():
                if host.node is None and self.rng.random() < 0.3:
                    host.start()
            self.world.after(0.5, self._restarter)

    def calm(self) -> None:
        """Heal everything: the group must recover, agree, and hold all that it ever promised."""
        world = self.world
        self.faults.raging = False
        if world.bounds is not None:
            world.bounds.end()
        if isinstance(self.history, Clients):
            self.history.reusing = False
        if world.holders is not None:
            world.holders.over = True
        world.note("calm")
        world.network.slow = 0.0
        world.network.lag.clear()
        world.network.latency = min(world.network.latency, 0.005)
        for source, target in sorted(world.network.blocked):
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
        if self.misfortune is not None:
            self.misfortune.judge()
        if self.releases is not None:
            self.releases.upgrade()
        if not world.run_until(lambda: self._settled() and not self.history.open, 20.0):
            states = [
                (h.name, n.state.role, n.term, n.commit, n.applied, n.last_index, n.voters)
                for h in world.live()
                if (n := h.node) is not None
            ]
            world.fail(f"no recovery within 20 s: {self.history.open} calls open, {states}")
        if world.bounds is not None and world.bounds.max_request_bytes is not None:
            self._age_requests()
        self._serves()
        if world.seed % 4 == 0:
            self._manners()
        if world.seed >= LATEST_SEEDS:
            world.run(3.0)  # until the last of the storm's partitions is healed
            overtake(world, self.history, random.Random(f"{world.seed} overtaken"))
            if not world.run_until(lambda: self._settled() and not self.history.open, 10.0):
                world.fail("no recovery after a snapshot was overtaken by the log")
        if world.bounds is not None and not world.real_files:
            world.bounds.fill(world, lambda host: self.history.write(host, "room", 5.0))
            world.run_until(lambda: not self.history.open, 6.0)
        if not world.run_until(self._settled, 5.0):
            world.fail("the last entries are not applied everywhere")
        if self.releases is not None:
            self.releases.check_end()
            world.run_until(self._settled, 5.0)
        if world.holders is not None:
            world.holders.end()
            world.run_until(self._settled, 5.0)
        for host in world.live():
            self.history.check_end(host)

    def _settled(self) -> bool:
        leader = self.world.leader()
        if leader is None or leader.node is None or leader.node.commit != leader.node.last_index:
            return False
        if leader.node.state.transfer is not None:
            return False
        commit, me = leader.node.commit, leader.name
        nodes = [host.node for host in self.world.hosts.values()]
        return all(
            node is not None
            and node.applied == commit
            and node.leader == me
            and node.state.log.journal.shortage(1) != "disk_full"  # it tries one that was full again once a second
            for node in nodes
        )

    def _age_requests(self) -> None:
        """Let time pass, and log it as a leader does, until what is remembered of the storm may be forgotten."""
        leader = self.world.leader()
        if leader is None or leader.node is None or not isinstance(leader.machine, Metadata):
            return
        leader.machine.lead()
        self.world.run(2.5)
        leader.node.propose(leader.machine.stamp(), lambda _error, _result: None, 2.0)
        self.world.run_until(self._settled, 2.0)

    def _has_room(self) -> bool:
        """Is all settled, and room for a write of everybody?"""
        leader, writes = self.world.leader(), len(self.world.hosts)
        if leader is None or leader.node is None:
            return False
        return leader.node.state.log.journal.shortage(100 * writes, writes) is None and self._settled()

    def _serves(self) -> None:
        """Every node, voter or not, takes a write and a read now.

        Once more where it did not: a snapshot that was still on its way may take the place of an entry, and a full log
        refuses until the snapshot that the first refusal began has cut it.
        """
        everybody = (len(self.world.hosts), len(self.world.hosts))
        for _ in range(SERVICE_TRIES):
            before = (self.history.acknowledged, self.history.read)
            for host in self.world.hosts.values():
                self.history.write(host, "last", 5.0)
                self.history.begin_read(host, 5.0)
            self.world.run_until(lambda: not self.history.open, 6.0)
            served = (self.history.acknowledged - before[0], self.history.read - before[1])
            self.world.run_until(self._has_room, 5.0)
            if served == everybody:
                return
        self.world.fail(f"in calm weather {everybody[0]} nodes served {served} writes and reads")

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
        with away(self.world, host):
            self.world.run(seconds)


def run_storm(seed: int, node_class: type[RaftNode] = RaftNode, seconds: float = 8.0) -> Verdict:
    """One seed: 3 to 5 voters, spares that can join, on them registers or the real state, under them a simple disk or
    the real files, and a mix of faults."""
    rng = random.Random(seed)
    profile = profile_of(seed)
    voters, spares = size_of(profile, rng)
    settings = settings_of(profile, replace(SETTINGS, compact_after=rng.choice([8, 30, 30])))
    record = Record() if rng.random() < 0.5 else None
    real_files = rng.random() < 0.25
    if record is not None:
        settings = settings_of(profile, replace(settings, max_append_bytes=400, snapshot_chunk_bytes=1024))

    bounds = Bounds(seed) if seed >= LATER_SEEDS else None
    if bounds is not None:
        settings = bounds.settings(settings)

    def machine(host: Host) -> Registers | Metadata:
        return Registers() if record is None else Metadata(host, record)

    world = World(
        seed,
        voters,
        spares,
        node_class=node_class,
        settings=settings,
        make_machine=machine,
        real_files=real_files,
    )
    if bounds is not None and bounds.max_log_bytes is not None:
        for host in world.hosts.values():
            host.platter.max_log_bytes = bounds.max_log_bytes
    return Storm(world, record, bounds=bounds).run(seconds)
