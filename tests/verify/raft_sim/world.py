"""A simulated Raft group: hosts, virtual time, and the invariants checked after every step. Everything follows from a
seed."""

from __future__ import annotations

import heapq
import logging
import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from coterie.consensus.member.metadata.digests import DivergedError
from coterie.consensus.raft.errors import RaftError, WentBackError
from coterie.consensus.raft.node import RaftNode
from coterie.consensus.raft.ports import Entry, Greeting
from coterie.consensus.raft.settings import RaftConfig
from tests.verify.raft_sim.disk import Copy, Platter, SimJournal, SimSnapshots
from tests.verify.raft_sim.files import FileJournal, FilePlatter, FileSnapshots
from tests.verify.raft_sim.invariants import Invariants
from tests.verify.raft_sim.network import Network, SimTransport
from tests.verify.raft_sim.workload.machine import Registers

if TYPE_CHECKING:
    from tests.verify.raft_sim.bounds import Bounds
    from tests.verify.raft_sim.releases import Releases
    from tests.verify.raft_sim.workload.holders import Holders

SETTINGS = replace(
    RaftConfig(),
    compact_after=30,
    snapshot_chunk_bytes=256,
    snapshot_slice=2,
    snapshot_patience=1.5,
    snapshot_backoff=0.5,
    max_appends_in_flight=4,
    max_append_bytes=200,
)
"""Small windows, so that every limit is met within seconds."""


class SimulationError(AssertionError):
    """An invariant does not hold; the message begins with the seed."""


class HostClock:
    """A host's monotonic clock: drifts, and may stand still (a suspended machine)."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world = world
        self.rng = rng
        self.base = rng.random() * 1000.0
        self.since = world.now
        self.rate = 1.0

    def monotonic(self) -> float:
        return self.base + (self.world.now - self.since) * self.rate

    def set_rate(self, rate: float) -> None:
        self.base, self.since, self.rate = self.monotonic(), self.world.now, rate
        self.world.clock_touched = self.world.now
        self.world.clock_was_fast = self.world.clock_was_fast or rate > 1.0

    def random(self) -> float:
        return self.rng.random()


class HostDisk:
    """The disk thread of one process: jobs end after a while, in order; a crash ends them all."""

    def __init__(self, world: World, host: Host) -> None:
        self.world = world
        self.host = host
        self.free_at = 0.0
        self.pending: dict[Callable[[], None], Callable[[], Any]] = {}  # jobs that have not run, by their ends, in turn

    def submit(self, job: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> None:
        took = self.host.disk_latency * self.world.rng.random()
        if self.world.rng.random() < self.host.disk_stalls:
            took += self.world.rng.random()
        self.free_at = max(self.free_at, self.world.now) + took
        life = self.host.life

        def finish() -> None:
            if self.host.life != life or self.pending.pop(finish, None) is None:
                return
            result, error = None, None
            self.host.snapshots.in_job = True
            try:
                result = job()
            except (OSError, RaftError) as caught:
                error = caught
            finally:
                self.host.snapshots.in_job = False
            self.world.run_on(self.host.name, lambda _: done(result, error))

        self.pending[finish] = job
        self.world.at(self.free_at, finish)

    def finish_next(self) -> None:
        """The oldest job ends now."""
        next(iter(self.pending))()


def _upkeep(host: Host) -> None:
    assert host.node is not None
    host.node.upkeep()


class Host:
    """One machine: a platter that lasts, and at times a running node."""

    def __init__(self, world: World, name: str, bootstrap: tuple[str, ...]) -> None:
        self.world = world
        self.name = name
        self.bootstrap = bootstrap
        self.rng = random.Random(world.rng.random())
        self.platter = FilePlatter(self.rng) if world.real_files else Platter()
        self.clock = HostClock(world, self.rng)
        self.life = 0  # counts starts and stops: what belongs to a former life is dropped
        self.node: RaftNode | None = None
        self.paused: list[Callable[[Host], None]] | None = None
        self.disk_latency = 0.003
        self.disk_stalls = 0.0
        self.snapshot_failures = 0.0
        self.snapshot_flips = 0.0
        self.greeting = Greeting()
        self.says = True  # what it started with; a member of the release before does not
        self.went_back = False
        """Its disk is an earlier copy of itself."""
        self.resting = False
        """It is down until the calm."""
        self.down_at: dict[str, float] = {}
        """When it ended, by the clock of each host; empty while it runs."""
        self.resumed_at = 0.0
        """After its latest pause, by its own clock."""
        self.retired = False
        """It stopped because its disk went back, or its state differs: it never starts again."""

    def start(self) -> None:
        assert self.node is None
        if self.retired or self.resting:
            return
        self.life += 1
        self.clock = HostClock(self.world, self.rng)
        try:
            self._open_disk()
        except OSError:  # an injected fault met the recovery: it starts at the next try
            self.life += 1
            self._end_process()
            return
        self.machine: Any = self.world.make_machine(self)
        self.transport = SimTransport(self.world, self.name)
        self.snapshots.in_job = True  # it waits for its disk before it takes part
        try:
            node = self.world.node_class(
                self.name,
                self.bootstrap,
                journal=self.journal,
                snapshots=self.snapshots,
                machine=self.machine,
                transport=self.transport,
                disk=self.disk,
                clock=self.clock,
                settings=self.world.settings,
            )
            self.platter.starts += 1
            level = 1 if self.world.releases is None else self.machine.state.known_level
            self.greeting = Greeting(level, self.platter.starts, self.journal.term, node.last_index if self.says else 0)
            self.rng.random()  # each seed keeps its run: a start has always drawn once more than it needs
            node.load()
            self.snapshots.in_job = False
            node.start()
        except OSError:
            self.life += 1
            self._end_process()
            return
        finally:
            self.snapshots.in_job = False
        self.node = node
        self.down_at = {}
        self.resumed_at = self.clock.monotonic()
        for host in self.world.hosts.values():
            if host.down_at:
                host.down_at[self.name] = self.resumed_at  # it was down before this clock began
        self.world.invariants.started(self)
        life = self.life
        self.world.after(self.world.tick_gap(), lambda: self._tick(life))
        if self.world.real_files:
            self.world.after(1.0, lambda: self._upkeep(life))

    def _open_disk(self) -> None:
        """Raises OSError where an injected fault meets the recovery."""
        self.disk = HostDisk(self.world, self)
        invariants, platter = self.world.invariants, self.platter

        def removed(entries: list[Entry]) -> None:
            invariants.entries_removed(self, entries)

        def added(entry: Entry, former: Entry | None) -> None:
            node = self.node
            if node is None or not node.leading or platter.term >= entry[2]:
                invariants.entry_added(entry, former)
            # Else it leads alone, and its vote for itself is on its way to the disk. What it sends waits for that.

        if isinstance(platter, FilePlatter):
            held = list(platter.log)
            store = platter.open()
            invariants.recovered(self, held, platter.log)
            self.journal: Any = FileJournal(platter, store, added, removed)
            self.snapshots: SimSnapshots = FileSnapshots(platter, self.rng, store)
            platter.in_job = self._in_job
        else:
            self.journal = SimJournal(platter, self.rng, added, removed, self._in_job)
            self.snapshots = SimSnapshots(platter, self.rng)
        self.snapshots.failure_rate = self.snapshot_failures
        self.snapshots.flip_rate = self.snapshot_flips

    def _in_job(self) -> bool:
        return self.snapshots.in_job

    def _end_process(self) -> None:
        if isinstance(self.platter, FilePlatter):
            if self.node is not None:
                self.snapshots.in_job = True
            self.platter.end(list(self.disk.pending.values()))
        else:
            self.journal.crash()

    def _upkeep(self, life: int) -> None:
        """What the process does every second."""
        if self.life == life and self.node is not None:
            self.world.run_on(self.name, _upkeep)
            self.world.after(1.0, lambda: self._upkeep(life))

    def _tick(self, life: int) -> None:
        if self.life == life and self.node is not None:
            self.world.run_on(self.name, self.world.tick)
            self.world.after(self.world.tick_gap(), lambda: self._tick(life))

    def crash(self) -> None:
        if self.node is None:
            return
        self.life += 1
        self.down_at = {host.name: host.clock.monotonic() for host in self.world.hosts.values()}
        self._end_process()
        self.transport.closed = True
        self.node = None
        self.paused = None
        for peer in self.world.hosts:
            if peer != self.name:
                self.world.network.cut(self.name, peer)

    def put_back(self, copy: Copy, *, says: bool) -> None:
        """The machine ends, and starts again from an earlier copy of its disk."""
        self.crash()
        self.platter.put_back(copy)
        self.went_back, self.says = True, says
        self.world.invariants.forget_votes(self)
        self.start()

    def retire(self) -> None:
        """It has stopped for good."""
        self.crash()
        self.retired = True

    def resume(self) -> None:
        waiting, self.paused = self.paused or [], None
        self.resumed_at = self.clock.monotonic()
        for work in waiting:
            self.world.run_on(self.name, work)


class Hosts(dict[str, Host]):
    """By name. Those that were taken out can still be asked for: messages and calls of theirs may be on their way."""

    def __init__(self, hosts: dict[str, Host]) -> None:
        super().__init__(hosts)
        self._gone: dict[str, Host] = {}

    @property
    def gone(self) -> list[Host]:
        return list(self._gone.values())

    def take_out(self, name: str) -> None:
        self._gone[name] = self.pop(name)

    def __missing__(self, name: str) -> Host:
        return self._gone[name]


class World:
    def __init__(
        self,
        seed: int,
        voters: int = 3,
        spares: int = 0,
        *,
        node_class: type[RaftNode] = RaftNode,
        settings: RaftConfig = SETTINGS,
        make_machine: Callable[[Host], Any] = lambda _: Registers(),
        real_files: bool = False,
    ) -> None:
        """`real_files`: hosts keep their logs and snapshots by `coterie.consensus.journal`, on files in memory."""
        for quiet in ("raft", "member"):  # injected faults are no news
            logging.getLogger(f"coterie.consensus.{quiet}").setLevel(logging.CRITICAL + 1)
        self.seed = seed
        self.rng = random.Random(seed)
        self.node_class = node_class
        self.settings = settings
        self.make_machine = make_machine
        self.real_files = real_files
        self.releases: Releases | None = None
        self.bounds: Bounds | None = None
        self.holders: Holders | None = None
        self.on_tick: Callable[[Host], None] | None = None
        self.now = 0.0
        self.clock_touched = 0.0
        """When a host's clock last went another way than before."""
        self.clock_was_fast = False
        self.late_by = 0.0
        """How long after its deadline a call may end, in seconds."""
        self.steps = 0
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self._scheduled = 0
        self.tick_scale = 0.03
        self.trace: list[str] = []
        self.broken: SimulationError | None = None
        self.invariants = Invariants(self)
        self.network = Network(self, random.Random(self.rng.random()))
        founders = tuple(f"n{i}" for i in range(voters))
        self.founders = founders
        self.changes_allowed = True
        """Of the voters, by faults."""
        self.hosts = Hosts({name: Host(self, name, founders) for name in founders})
        for i in range(voters, voters + spares):
            self.hosts[f"n{i}"] = Host(self, f"n{i}", ())

    # time

    def clocks_true_for(self) -> float:
        """For how many seconds every host's clock has gone as fast as the world's."""
        wrong = any(host.clock.rate != 1.0 for host in self.hosts.values())
        return 0.0 if wrong else self.now - self.clock_touched

    def at(self, when: float, work: Callable[[], None]) -> None:
        self._scheduled += 1
        heapq.heappush(self.events, (when, self._scheduled, work))

    def after(self, delay: float, work: Callable[[], None]) -> None:
        self.at(self.now + delay, work)

    def tick_gap(self) -> float:
        return self.tick_scale * (0.1 + self.rng.random())

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.events and self.events[0][0] <= end:
            when, _, work = heapq.heappop(self.events)
            self.now = max(self.now, when)
            work()
        self.now = end

    def run_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        end = self.now + seconds
        while not condition():
            if not self.events or self.events[0][0] > end:
                self.now = end
                return condition()
            when, _, work = heapq.heappop(self.events)
            self.now = max(self.now, when)
            work()
        return True

    # hosts

    def is_up(self, name: str) -> bool:
        return self.hosts[name].node is not None

    def run_on(self, name: str, work: Callable[[Host], None]) -> None:
        """One step: something happens on a host, and all invariants are checked after it."""
        host = self.hosts[name]
        if host.node is None:
            return
        if host.paused is not None:
            host.paused.append(work)
            return
        self.steps += 1
        work(host)
        if self.broken is not None:  # raised in a callback, where the node catches everything
            raise self.broken
        node = self.hosts[name].node
        if node is None:
            return
        if node.stopped:
            self._stopped(host, node)
            return
        self.invariants.check(host)

    def tick(self, host: Host) -> None:
        assert host.node is not None
        host.node.tick()
        if self.releases is not None:
            self.releases.turn(host)
        if self.holders is not None:
            self.holders.turn(host)
        if self.on_tick is not None:
            self.on_tick(host)

    def _stopped(self, host: Host, node: RaftNode) -> None:
        failure = node.failure
        if failure is not None and not self.invariants.excused(host, failure):
            self.fail(f"{host.name} stopped: {failure!r}", failure)
        if isinstance(failure, WentBackError | DivergedError):
            host.retire()
        else:
            host.crash()

    def live(self) -> list[Host]:
        return [host for host in self.hosts.values() if host.node is not None]

    def leader(self) -> Host | None:
        """The running leader of the highest term."""
        leaders = [host for host in self.live() if host.node is not None and host.node.leading]
        return max(leaders, key=lambda host: host.node.term, default=None)  # type: ignore[union-attr]

    def start_all(self) -> None:
        for host in self.hosts.values():
            if host.node is None:
                host.start()
        self.reconnect()

    def reconnect(self) -> None:
        names = sorted(self.hosts)
        for i, a in enumerate(names):
            for b in names[i + 1 :]:
                self.network.connect(a, b)

    def keep_connected(self, gap: float = 0.2) -> None:
        """Broken links come back after a while."""

        def again() -> None:
            names = sorted(self.hosts)
            for i, a in enumerate(names):
                for b in names[i + 1 :]:
                    if self.rng.random() < 0.5:
                        self.network.connect(a, b)
            self.after(gap * (0.2 + self.rng.random()), again)

        self.after(gap, again)

    # verdicts

    def note(self, text: str) -> None:
        self.trace.append(f"{self.now:9.4f} {text}")

    def fail(self, what: str, cause: BaseException | None = None) -> None:
        history = "\n".join(self.trace[-25:])
        if self.broken is None:
            self.broken = SimulationError(f"seed {self.seed}, t={self.now:.4f}: {what}\n{history}")
        raise self.broken from cause
