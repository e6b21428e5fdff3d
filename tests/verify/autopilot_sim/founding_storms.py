"""What happens to the nodes of the founding model: all stay up; deaths, wipes and partitions; namesakes; meetings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random

from coterie.consensus.autopilot.announcement import FoundingRule
from tests.verify.autopilot_sim.founding_model import Disk, Model, Process

BOUND = 30.0
"""Seconds from the last start (or from the end of all faults) until every node must belong to the one cluster."""


@dataclass(frozen=True)
class Verdict:
    clusters: int
    seconds: float
    """From the last start until every node belonged to a cluster."""
    stuck: int = 0
    """Founders that waited for a lost member until the operator gave the founding up."""
    lost: bool = False
    """A founded cluster lost the disks of a majority: restoring from the survivors is another matter."""


def _rule(rng: Random) -> tuple[FoundingRule, int]:
    """How the cluster is to be founded, and how many nodes there are."""
    if rng.random() < 0.3:
        names = tuple(f"n{i}" for i in range(rng.choice([1, 2, 3, 3, 5])))
        return FoundingRule(names=names), len(names) + rng.randrange(3)
    expect = rng.choice([1, 3, 3, 3, 5])
    return FoundingRule(expect), {1: 1, 3: rng.choice([3, 4, 5, 5]), 5: rng.choice([5, 6, 7])}[expect]


class Hosts:
    """Named machines with disks, on which processes come and go."""

    def __init__(self, model: Model, rule: FoundingRule, count: int) -> None:
        self.model = model
        self.rule = rule
        self.disks: dict[int, Disk] = {address: model.new_disk() for address in range(1, count + 1)}

    def start(self, address: int) -> None:
        if address not in self.model.processes:
            self.model.start(f"n{address - 1}", address, self.disks[address], self.rule)

    def start_all(self, spread: float) -> None:
        order = list(self.disks)
        self.model.rng.shuffle(order)
        at = 0.0
        for address in order:
            self.model.after(at, lambda address=address: self.start(address))  # type: ignore[misc]
            at += spread * self.model.rng.random()
        self.model.run(at + 0.001)

    def wipe(self, address: int) -> None:
        process = self.model.processes.get(address)
        if process is not None:
            self.model.kill(process)
        self.disks[address] = self.model.new_disk()
        self.model.note(f"n{address - 1} loses its disk")

    def all_in_one(self) -> bool:
        model = self.model
        return (
            len(model.processes) == len(self.disks)
            and model.all_bound()
            and len({process.disk.cluster for process in model.processes.values()}) == 1
        )


def calm(seed: int) -> Verdict:
    """Everybody stays up, whatever the order of starts; gossip is late and lossy."""
    model = Model(seed)
    rng = model.rng
    rule, count = _rule(rng)
    model.loss = rng.choice([0.0, 0.0, 0.1, 0.3])
    model.latency = rng.choice([0.01, 0.05, 0.5, 1.0])
    hosts = Hosts(model, rule, count)
    hosts.start_all(rng.choice([0.0, 0.1, 1.0, 3.0]))
    since = model.now
    if not model.run(BOUND, hosts.all_in_one):
        model.fail(f"no cluster of all: {_reasons(model)}")
    if len(model.clusters) != 1:
        model.fail(f"{len(model.clusters)} clusters")
    return Verdict(1, model.now - since)


def storm(seed: int) -> Verdict:
    """Processes die at any write, restart, lose disks; gossip is parted. Then all is well, and an operator looks."""
    model = Model(seed)
    rng = model.rng
    rule, count = _rule(rng)
    model.loss = rng.choice([0.0, 0.1, 0.3])
    model.latency = rng.choice([0.05, 0.5])
    model.crash_rate = rng.choice([0.0, 0.02, 0.1])
    wipes = rng.random() < 0.4
    hosts = Hosts(model, rule, count)
    hosts.start_all(rng.choice([0.1, 1.0, 3.0]))
    end = model.now + rng.choice([10.0, 30.0, 60.0])
    while model.now < end:
        model.run(rng.expovariate(0.5))
        address = rng.choice(list(hosts.disks))
        match rng.choice(["kill", "kill", "restart", "restart", "restart", "part", "heal", "wipe"]):
            case "kill" if address in model.processes:
                model.kill(model.processes[address])
            case "restart":
                hosts.start(address)
            case "part":
                model.parted = {each: rng.randrange(2) for each in hosts.disks}
            case "heal":
                model.parted = {}
            case "wipe" if wipes:
                hosts.wipe(address)
            case _:
                pass
    model.parted, model.loss, model.crash_rate = {}, 0.0, 0.0
    model.note("all is well")
    since = model.now
    stuck = 0
    for _ in range(6):
        for address in hosts.disks:
            hosts.start(address)
        if model.run(BOUND + 40.0, hosts.all_in_one):
            break
        if _majority_lost(model, hosts):
            return Verdict(len(model.clusters), model.now - since, stuck, lost=True)
        stuck += _operate(model, hosts)
    else:
        model.fail(f"no cluster of all: {_reasons(model)}")
    return Verdict(len(model.clusters), model.now - since, stuck)


def _majority_lost(model: Model, hosts: Hosts) -> bool:
    members = {disk.member for disk in hosts.disks.values()}
    return any(2 * len(founders & members) <= len(founders) for founders in model.clusters.values())


def _operate(model: Model, hosts: Hosts) -> int:
    """An operator reads why nothing happens, and gives up every founding that waits for a lost member."""
    waiting = [process for process in model.processes.values() if process.disk.term and process.disk.cluster is None]
    living = {process.disk.cluster for process in model.processes.values() if process.disk.last_index > 1}
    given_up = 0
    for process in waiting:
        if "waits for member" not in process.reason:
            model.fail(f"{process.name} waits, and says {process.reason!r}")
        agreed = process.own().founding_vote.agrees_to
        if agreed is None or agreed.cluster_id in living:
            model.fail(f"{process.name} waits, although its cluster is founded: {process.reason}")
        process.model.work(process, Process.abandon)
        hosts.disks[process.address] = model.new_disk()
        given_up += 1
    if not given_up:
        _forget_dead(model)
    return given_up


def _forget_dead(model: Model) -> None:
    """Gossip forgets the dead after its grace period: a wiped cluster is then no more."""
    live = {process.gossip.id for process in model.processes.values()}
    for process in model.processes.values():
        view = process.gossip.view
        model.forgotten |= view.keys() - live
        process.gossip.view = {who: seen for who, seen in view.items() if who in live}


def namesakes(seed: int) -> Verdict:
    """A second process under a name that is taken, with a disk of its own: it, or the first one, takes no part."""
    model = Model(seed)
    rng = model.rng
    rule = FoundingRule(3)
    hosts = Hosts(model, rule, 3)
    model.latency = rng.choice([0.05, 0.5])
    hosts.start_all(rng.choice([0.1, 1.0]))
    model.run(rng.random() * 12)
    model.start("n1", 99, model.new_disk(), rule)
    since = model.now

    def settled() -> bool:
        return sum(process.disk.cluster is not None for process in model.processes.values()) >= 3

    if not model.run(2 * BOUND, settled):
        model.fail(f"no cluster: {_reasons(model)}")
    took = model.now - since
    model.run(10.0)
    if len(model.clusters) != 1:
        model.fail(f"{len(model.clusters)} clusters")
    return Verdict(1, took)


def meeting(seed: int) -> Verdict:
    """Two clusters, founded apart, whose gossip then meets; a newcomer arrives, and a founder restarts."""
    model = Model(seed)
    sides = (tuple(f"n{i}" for i in range(3)), tuple(f"n{i}" for i in range(3, 6)))
    model.parted = {address: int(address > 3) for address in range(1, 7)}
    rules = [FoundingRule(names=side) if seed % 2 else FoundingRule(3) for side in sides]
    disks = {address: model.new_disk() for address in range(1, 7)}
    for address, disk in disks.items():
        model.start(f"n{address - 1}", address, disk, rules[address > 3])
    if not model.run(BOUND, model.all_bound):
        model.fail(f"not founded: {_reasons(model)}")
    before = {address: disk.cluster for address, disk in disks.items()}
    model.parted = {}
    model.note("they meet")
    newcomer = model.start("n9", 50, model.new_disk(), FoundingRule(3))
    restarted = model.rng.randrange(1, 7)
    model.kill(model.processes[restarted])
    model.run(5.0)
    model.start(f"n{restarted - 1}", restarted, disks[restarted], rules[restarted > 3])
    model.run(20.0)
    if len(set(before.values())) != 2 or {address: disk.cluster for address, disk in disks.items()} != before:
        model.fail("two clusters were to be there, and to stay")
    if newcomer.disk.cluster is None and "two clusters meet" not in newcomer.reason:
        model.fail(f"the newcomer says {newcomer.reason!r}")
    return Verdict(len(model.clusters), model.now)


def _reasons(model: Model) -> Counter[str]:
    return Counter(f"{process.name}: {process.reason}" for process in model.processes.values())
