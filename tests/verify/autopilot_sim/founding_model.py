"""A model of many nodes that found a cluster: gossip that is late, lossy and parted, disks that last, processes that
die between any two writes, and elections that need every founder's vote. Everything follows from a seed.

`step` and the founding vote in its durable form are real. Gossip, failure detection and the founding election are
reduced to what matters for them.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from coterie.consensus.autopilot.announcement import Announcement, FoundingRule, decode, encode
from coterie.consensus.autopilot.founding.bootstrap import give_up, step
from coterie.consensus.autopilot.founding.bootstrap_actions import (
    ArchiveDirectory,
    BindCluster,
    OwnState,
    RunRaft,
    StopRaft,
    StoreVote,
    Wait,
)
from coterie.consensus.autopilot.founding_vote import FoundingVote, decode_founding_vote, encode_founding_vote
from tests.verify.autopilot_sim.gossip_table import GossipTable, Identity

ROUND = 0.5
SILENCE = 4.0
"""Seconds without a sign of life until a node counts as dead."""
ELECTION = (0.4, 0.8)


class ModelError(AssertionError):
    """A promise is broken; the message begins with the seed."""


class Crash(Exception):  # noqa: N818 - no error: the process ends here
    pass


@dataclass
class Disk:
    member: str
    founding_vote: bytes = field(default_factory=lambda: encode_founding_vote(FoundingVote()))
    term: int = 0
    voted_for: str | None = None
    last_index: int = 1
    cluster: str | None = None
    incarnation: int = 0


class Process:
    """One run of a node, from start to death."""

    def __init__(self, model: Model, name: str, address: int, disk: Disk, rule: FoundingRule, generation: int) -> None:
        self.model = model
        self.name = name
        self.address = address
        self.disk = disk
        self.rule = rule
        self.generation = generation
        self.up = True
        self.started = model.now
        self.gossip = GossipTable(name, generation, SILENCE)
        self.running: tuple[str, tuple[str, ...]] | None = None
        self.granted: set[str] = set()
        self.campaign: tuple[int, bool] | None = None
        self.leader = False
        self.reason = ""
        disk.incarnation += 1

    # gossip

    def announce(self) -> None:
        own = self.own()
        vote = own.founding_vote
        role = own.role if self.disk.cluster is None else "voter"
        it = Announcement(
            member=self.disk.member,
            incarnation=self.disk.incarnation,
            host="h",
            port=self.address,
            role=role,
            cluster_id=self.disk.cluster,
            rule=self.rule,
            agrees_to=vote.agrees_to,
            highest_rank=vote.highest_rank,
            joining=vote.joining,
        )
        if self.gossip.say(it) and self.model.rng.random() < 0.05:  # what comes off the wire is what was put on it
            again = decode(encode(it))
            assert isinstance(again, Announcement)
            assert again.agrees_to == it.agrees_to

    # founding

    def own(self) -> OwnState:
        disk = self.disk
        return OwnState(
            member=disk.member,
            node=self.name,
            generation=self.generation,
            rule=self.rule,
            founding_vote=decode_founding_vote(disk.founding_vote),
            cluster_id=disk.cluster,
            term=disk.term,
            last_index=disk.last_index,
            running=None if self.running is None else self.running[0],
            up_for=self.model.now - self.started,
        )

    def write(self, **fields: object) -> None:
        """One durable write; the process may die right before or right after it."""
        self.model.maybe_crash()
        for name, value in fields.items():
            setattr(self.disk, name, value)
        self.model.check_disk(self.disk)
        self.model.maybe_crash()

    def turn(self) -> None:
        for _ in range(10):
            action = step(self.own(), self.gossip.all(self.model.now), self.model.fresh_id())
            match action:
                case Wait(reason):
                    self.reason = reason
                    return
                case StopRaft(reason):
                    self.stop_raft()
                case StoreVote(vote, reason):
                    self.model.note(f"{self.name}: {reason}")
                    self.write(founding_vote=encode_founding_vote(vote))
                    self.announce()
                case BindCluster(cluster, _, reason):
                    self.model.note(f"{self.name}: {reason}")
                    self.write(cluster=cluster)
                    self.announce()
                case RunRaft(cluster, founders, waiting):
                    self.reason = waiting or ""
                    if self.running != (cluster, founders):
                        self.stop_raft()
                        self.running = (cluster, founders)
                        self.model.note(f"{self.name}: runs {cluster} with {founders}")
                        self.arm()
                    return
        raise ModelError("it does not come to rest")

    def abandon(self) -> None:
        """The operator gives the founding up here."""
        match give_up(self.own()):
            case StoreVote(vote, _):
                self.stop_raft()
                self.write(founding_vote=encode_founding_vote(vote))
                self.announce()
            case ArchiveDirectory():
                raise Crash
            case None:
                pass

    # the founding election

    def stop_raft(self) -> None:
        self.running = None
        self.campaign = None
        self.leader = False

    def arm(self) -> None:
        running = self.running
        self.model.after(
            self.model.rng.uniform(*ELECTION), lambda: self.model.work(self, lambda it: it.election_due(running))
        )

    def election_due(self, running: tuple[str, tuple[str, ...]] | None) -> None:
        if self.running is None or self.running != running:
            return
        cluster, founders = self.running
        if self.leader:
            for member in sorted({it.disk.member for it in self.model.processes.values()}):
                self.model.raft(self, member, lambda peer: peer.on_append(self, cluster, self.disk.term))
        elif self.disk.last_index == 1 and self.disk.member in founders:
            self.campaign, self.granted = (self.disk.term + 1, True), {self.disk.member}
            self.ask()
        elif self.disk.member in founders:
            # Founded: from now on a majority elects, and whoever has the log may lead.
            up = [it for it in self.model.processes.values() if it.running is not None and it.running[0] == cluster]
            self.leader = 2 * len({it.disk.member for it in up} & set(founders)) > len(founders)
        self.arm()

    def ask(self) -> None:
        assert self.running is not None
        assert self.campaign is not None
        cluster, founders = self.running
        term, pre = self.campaign
        if self.granted == set(founders):
            if pre:
                self.write(term=term, voted_for=self.disk.member)
                self.campaign, self.granted = (term, False), {self.disk.member}
                self.ask()
            else:
                self.leader = True
                self.model.founded(cluster, founders)
                self.write(last_index=2)
            return
        for member in founders:
            if member not in self.granted:
                self.model.raft(self, member, lambda peer: peer.on_request(self, cluster, term, pre))

    def on_request(self, candidate: Process, cluster: str, term: int, pre: bool) -> None:
        if self.running is None or self.running[0] != cluster or self.disk.last_index > 1:
            return
        if term <= self.disk.term and not (
            term == self.disk.term and not pre and self.disk.voted_for in {None, candidate.disk.member}
        ):
            return
        if not pre:
            self.write(term=term, voted_for=candidate.disk.member)
        self.model.raft(self, candidate.disk.member, lambda peer: peer.on_vote(self.disk.member, cluster, term, pre))

    def on_vote(self, voter: str, cluster: str, term: int, pre: bool) -> None:
        if self.running is None or self.running[0] != cluster or self.campaign != (term, pre):
            return
        self.granted.add(voter)
        if self.granted == set(self.running[1]):
            self.ask()

    def on_append(self, leader: Process, cluster: str, term: int) -> None:
        """(Once there is a leader, terms and further elections are Raft's own matter: not modelled.)"""
        if self.running is not None and self.running[0] == cluster and self.disk.last_index == 1:
            self.write(term=max(term, self.disk.term), last_index=2)


class Model:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.now = 0.0
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.count = 0
        self.processes: dict[int, Process] = {}  # by address, those that run
        self.addresses: set[int] = set()
        self.clusters: dict[str, frozenset[str]] = {}
        self.loss = 0.0
        self.latency = 0.05
        self.crash_rate = 0.0
        self.parted: dict[int, int] = {}  # address -> side
        self.trace: list[str] = []
        self.ids = 0
        self.bound: dict[str, str] = {}
        self.voted: dict[str, str] = {}
        self.generations = 0
        self.forgotten: set[Identity] = set()

    # time

    def after(self, delay: float, work: Callable[[], None]) -> None:
        self.count += 1
        heapq.heappush(self.events, (self.now + delay, self.count, work))

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        end = self.now + seconds
        while self.events and self.events[0][0] <= end:
            self.now, _, work = heapq.heappop(self.events)
            work()
            if until():
                return True
        self.now = end
        return until()

    def note(self, text: str) -> None:
        self.trace.append(f"{self.now:8.3f} {text}")

    def fail(self, what: str) -> None:
        raise ModelError(f"seed {self.seed}, t={self.now:.3f}: {what}\n" + "\n".join(self.trace[-40:]))

    # chance

    def fresh_id(self) -> str:
        self.ids += 1
        return f"cluster-{self.ids}"

    def maybe_crash(self) -> None:
        if self.crash_rate and self.rng.random() < self.crash_rate:
            raise Crash

    # nodes

    def new_disk(self) -> Disk:
        return Disk(f"m{self.rng.randrange(10**9):09d}")

    def start(self, name: str, address: int, disk: Disk, rule: FoundingRule) -> Process:
        self.generations += 1
        process = Process(self, name, address, disk, rule, self.generations)
        self.processes[address] = process
        self.addresses.add(address)
        process.announce()
        self.note(f"{name} starts as {disk.member}, generation {process.generation}")
        self.after(self.rng.random() * ROUND, lambda: self.round(process))
        return process

    def kill(self, process: Process) -> None:
        if process.up:
            process.up = False
            process.running = None
            del self.processes[process.address]
            self.note(f"{process.name} dies")

    def work(self, process: Process, work: Callable[[Process], None]) -> None:
        if not process.up:
            return
        try:
            work(process)
        except Crash:
            self.kill(process)

    # links

    def reaches(self, a: int, b: int) -> bool:
        return self.parted.get(a, 0) == self.parted.get(b, 0)

    def round(self, process: Process) -> None:
        if not process.up:
            return
        process.gossip.beat()
        others = sorted(self.addresses - {process.address})
        for address in self.rng.sample(others, min(2, len(others))):
            self.gossip(process, address, reply=True)
        self.work(process, lambda it: it.announce())
        self.work(process, lambda it: it.turn())
        self.after(ROUND * (0.95 + 0.1 * self.rng.random()), lambda: self.round(process))

    def gossip(self, source: Process, target: int, *, reply: bool) -> None:
        if self.rng.random() < self.loss:
            return
        told = source.gossip.tell()

        def arrive() -> None:
            peer = self.processes.get(target)
            if peer is None or not self.reaches(source.address, target):
                return
            peer.gossip.hear(told, self.now, self.forgotten)
            if reply:
                self.gossip(peer, source.address, reply=False)

        self.after(self.latency * self.rng.random(), arrive)

    def raft(self, source: Process, member: str, deliver: Callable[[Process], None]) -> None:
        """A message on a link of the Raft port, which loses a message only by breaking."""
        if self.rng.random() < self.loss * 0.05:
            return

        def arrive() -> None:
            for peer in list(self.processes.values()):
                if peer.disk.member == member and self.reaches(source.address, peer.address):
                    self.work(peer, deliver)

        self.after(0.002 + min(self.latency, 0.2) * self.rng.random() * 0.2, arrive)

    # promises

    def founded(self, cluster: str, founders: tuple[str, ...]) -> None:
        if cluster in self.clusters:
            if self.clusters[cluster] != frozenset(founders):
                self.fail(f"{cluster} is founded twice, with different members")
            return
        for other, members in self.clusters.items():
            if members & set(founders):
                self.fail(f"{cluster} and {other} share {members & set(founders)}")
        self.clusters[cluster] = frozenset(founders)
        self.note(f"FOUNDED {cluster} with {founders}")

    def check_disk(self, disk: Disk) -> None:
        if disk.cluster is not None and self.bound.setdefault(disk.member, disk.cluster) != disk.cluster:
            self.fail(f"{disk.member} changed its cluster")
        if disk.cluster is not None and disk.cluster not in self.clusters:
            self.fail(f"{disk.member} is bound to {disk.cluster}, which was never founded")
        agreed = decode_founding_vote(disk.founding_vote).agrees_to
        if disk.term:
            voted = agreed.cluster_id if agreed is not None else None
            if disk.cluster is None or disk.last_index == 1 or disk.member in self.voted:
                if voted is None and disk.member in self.voted:
                    self.fail(f"{disk.member} forgot the answer in which it voted")
                if voted is not None and self.voted.setdefault(disk.member, voted) != voted:
                    self.fail(f"{disk.member} voted in two foundings")

    def all_bound(self) -> bool:
        return bool(self.processes) and all(it.disk.cluster is not None for it in self.processes.values())
