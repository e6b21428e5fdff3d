"""Both layers in virtual time: computers on which the real agent runs, with its bootstrapper, leader's loop and local
member, the real Raft node, links, files and gossip engine. Simulated are the time, the wires and the process's end.

A computer has a name, an address and a directory. The invariants of `tests/verify/raft_sim` are checked after every
step, for each cluster by itself.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, cast

from coterie.consensus.autopilot.announcement import FoundingRule
from coterie.consensus.autopilot.node_lease_reaper import Heard
from coterie.consensus.autopilot.observations import Observations
from coterie.consensus.autopilot.shell import leader_loop
from coterie.consensus.autopilot.shell.agent import Agent
from coterie.consensus.autopilot.shell.agent_config import AgentConfig
from coterie.consensus.autopilot.shell.gossip_view import GossipView
from coterie.consensus.autopilot.voters import rules
from coterie.consensus.autopilot.voters.policy import Policy
from coterie.consensus.autopilot.voters.removal import RejoinPolicy, RemovalCause
from coterie.consensus.autopilot.voters.rules import DecisionKind, VoterDecision
from coterie.consensus.autopilot.voters.view import ClusterView
from coterie.consensus.journal import JournalConfig
from coterie.consensus.member.config import MemberConfig
from coterie.consensus.raft.errors import WentBackError
from coterie.consensus.raft.settings import RaftConfig
from coterie.consensus.store import LeaseBind, encode
from coterie.gossip import Address, GossipNode
from tests.verify.autopilot_sim.gossips import ROUND, Lies, SimGossip
from tests.verify.autopilot_sim.members import Group, SimMember
from tests.verify.autopilot_sim.process_files import ProcessFiles
from tests.verify.autopilot_sim.virtual_loop import Tcp, VirtualLoop, running
from tests.verify.raft_sim.world import World

POLICY = Policy(stabilization_time=2.0, dead_voter_grace=5.0)
"""The times of the defaults, shrunk as gossip's failure detection is."""

LEASE_HOLD_MS = 1_500

ASK_SECONDS = 1.0
"""Until a question without an answer is given up."""

JOURNAL = JournalConfig(segment_bytes=65_536, reserve_bytes=4_096)

RAFT = RaftConfig(compact_after=60, snapshot_patience=1.5, snapshot_backoff=0.5)
"""Logs are cut within seconds."""


class Computer:
    def __init__(self, world: JointWorld, name: str, port: int, rule: FoundingRule, zone: str) -> None:
        self.world = world
        self.name = name
        self.port = port
        self.rule = rule
        self.zone = zone
        self.rng = Random(f"{world.seed}/{name}")
        self.loop: VirtualLoop | None = None  # of the process that runs
        self.agent: Agent | None = None
        self.gossip: SimGossip
        self.files: ProcessFiles
        self.generation = 0
        self.lies: Lies | None = None
        self.of_now: SimMember | None = None
        self.looks_on = False
        """It gossips, and has no part in Raft."""
        self.view: GossipView
        self._disks = 0
        self.wipe()

    # the disk

    def wipe(self) -> None:
        """A new and empty disk."""
        assert not self.up
        self._disks += 1
        self.directory = self.world.directory / f"{self.name}-{self._disks}"

    def copy_disk(self) -> None:
        """As a snapshot of the machine, taken while no process runs."""
        assert not self.up
        shutil.copytree(self.directory, self.directory.with_suffix(".copy"))

    def put_back(self) -> None:
        """The disk goes back to the copy."""
        assert not self.up
        shutil.rmtree(self.directory)
        self.directory.with_suffix(".copy").rename(self.directory)
        if self.of_now is not None:
            self.of_now.went_back = True

    # what it is

    @property
    def up(self) -> bool:
        return self.loop is not None

    @property
    def member(self) -> str:
        return "" if self.agent is None else self.agent.member_id

    @property
    def node(self) -> Any:
        member = None if self.agent is None else self.agent.member
        return None if member is None else member.node

    @property
    def cluster(self) -> str | None:
        """That it belongs to for good."""
        return None if self.agent is None else self.agent.cluster

    @property
    def reason(self) -> str:
        return "" if self.agent is None else self.agent.reason

    # life

    def start(self) -> None:
        if self.up:
            return
        self.generation += 1
        self.loop = VirtualLoop(self.world, self, Random(self.rng.random()))  # type: ignore[abstract]  # the rest nobody calls
        self.files = ProcessFiles()
        self.world.note(f"{self.name} starts")
        self.loop.run_now(self._begin)

    def _begin(self) -> None:
        assert self.loop is not None
        self.gossip = SimGossip(self.loop, self.name, self.generation, self.port)
        self._gossip(self.loop)
        if self.looks_on:
            self.view = GossipView(cast(GossipNode, self.gossip))
            return
        self.agent = Agent(
            cast(GossipNode, self.gossip),
            self.directory,
            AgentConfig(
                listen=("127.0.0.1", self.port),
                advertise=("127.0.0.1", self.port),
                rule=self.rule,
                member=MemberConfig(secret=b"simulated", raft=RAFT),
                journal=JOURNAL,
                files=self.files,
                zone=self.zone,
                policy=self.world.policy,
                rejoining=RejoinPolicy(after_force=True),
                ask_process=self._ask,
            ),
        )
        self.view = self.agent.view
        truth = self.view.observations

        def observations(now: float) -> Any:
            return truth(now) if self.lies is None else self.lies.over(truth, self.name)(now)

        self.view.observations = observations  # type: ignore[method-assign]
        self.loop.create_task(self.agent.start())

    def _gossip(self, loop: VirtualLoop) -> None:
        peers = [other.port for other in self.world.computers.values() if other is not self]
        self.gossip.round(self.rng.sample(peers, min(2, len(peers))))
        loop.call_later(ROUND * (0.9 + 0.2 * self.rng.random()), self._gossip, loop)

    def seen(self) -> Observations:
        """What gossip shows it."""
        loop = self.loop
        assert loop is not None
        return cast(Observations, loop.run_now(lambda: self.view.observations(loop.time())))

    async def _ask(self, address: tuple[str, int]) -> Heard:
        return await self.world.asked(self, address[1])

    def stop(self) -> None:
        """As kill -9."""
        if self.loop is not None:
            self.world.note(f"{self.name} stops")
            self.end()

    def end(self) -> None:
        """The process is gone, if there is one."""
        if self.loop is None:
            return
        loop, self.loop, self.agent = self.loop, None, None
        loop.kill()
        self.files.end()
        if self.of_now is not None:
            self.of_now.end()

    def hand_over(self) -> None:
        """As SIGTERM: it has some time until it is killed."""
        if self.loop is not None and self.agent is not None:
            self.world.note(f"{self.name} is asked to stop")
            agent, loop = self.agent, self.loop
            loop.run_now(lambda: loop.create_task(agent.stop()))


_open: list[JointWorld] = []


def close_worlds() -> None:
    """End whatever runs in the worlds so far: there is one at a time."""
    while _open:
        world = _open.pop()
        for computer in world.computers.values():
            computer.end()
        world._scratch.cleanup()


class JointWorld(World):
    def __init__(
        self,
        seed: int,
        count: int,
        rule: FoundingRule,
        *,
        policy: Policy = POLICY,
        zones: str = "",
    ) -> None:
        close_worlds()
        _open.append(self)
        super().__init__(seed, 0, 0)
        for loud in ("raft", "member"):
            logging.getLogger(f"coterie.consensus.{loud}").setLevel(logging.ERROR)
        self.policy = policy
        self._scratch = tempfile.TemporaryDirectory(prefix="coterie-sim-")
        self.directory = Path(self._scratch.name)
        self.tcp = Tcp(self)
        self.groups: dict[str, Group] = {}  # by cluster
        self.of_member: dict[str, Computer] = {}
        self.side: dict[str, int] = {}
        self.clusters: dict[str, str] = {}  # member -> the cluster that it is bound to
        self.most_clusters = 1
        self.decisions: list[tuple[float, str, VoterDecision]] = []
        self.lost_gossip = 0.0
        self.deaf: set[str] = set()  # no datagram comes or goes
        self.unlinked: set[str] = set()  # no connection lives
        self.computers: dict[str, Computer] = {}
        for at in range(count):
            zone = zones[at % len(zones)] if zones else ""
            self.computers[f"c{at}"] = Computer(self, f"c{at}", 100 + at, rule, zone)
        self.ports = 1_000

    # what happens

    def stepped(self, computer: Computer) -> None:
        """Something has happened on a computer."""
        if self.broken is not None:
            raise self.broken
        self.steps += 1
        agent = computer.agent
        member = None if agent is None else agent.member
        if agent is None or member is None:
            return
        group = self._group(member.cluster)
        it = group.hosts.get(member.id)
        if it is None:
            it = group.hosts[member.id] = SimMember(group, computer, member.id)
            self.of_member[member.id] = computer
        if member.node.stopped:
            failure = member.node.failure
            if failure is not None and not (it.went_back and isinstance(failure, WentBackError)):
                self.fail(f"{computer.name} stopped: {failure!r}", failure)
            it.end()
            return
        if it.member is not member:
            it.begin(member)
            computer.of_now = it
            group.invariants.started(cast(Any, it))
        group.invariants.check(cast(Any, it))
        if agent.cluster is not None and member.id not in self.clusters:
            self._bound(computer, member.id, agent.cluster)
        if self.steps % 64 == 0 and group.on_tick is not None:
            group.on_tick(it)

    def _group(self, cluster: str) -> Group:
        if cluster not in self.groups:
            self.groups[cluster] = Group(self, cluster)
        return self.groups[cluster]

    def internal_error(self, what: str, cause: BaseException | None) -> None:
        if self.broken is None:  # else it is what broke it
            self.fail(f"internal error: {what}: {cause!r}", cause)

    # the wires

    def at_port(self, port: int) -> Computer | None:
        return next((it for it in self.computers.values() if it.port == port), None)

    def reaches(self, a: Computer, b: Computer) -> bool:
        return self.side.get(a.name, 0) == self.side.get(b.name, 0)

    def connects(self, a: Computer, b: Computer) -> bool:
        return self.reaches(a, b) and self.unlinked.isdisjoint({a.name, b.name})

    def gossips(self, a: Computer, b: Computer) -> bool:
        return self.reaches(a, b) and self.deaf.isdisjoint({a.name, b.name})

    def unlink(self, names: set[str]) -> None:
        """Nothing goes over connections of these computers."""
        self.unlinked = names
        self.tcp.flush()

    def part(self, side: dict[str, int]) -> None:
        """Computers reach only those of their side, on both layers."""
        self.side = side
        self.tcp.flush()

    def datagram(self, source: Computer, port: int, datagram: bytes) -> None:
        if self.rng.random() < self.lost_gossip:
            return
        address = Address("127.0.0.1", source.port)

        def deliver() -> None:
            other = self.at_port(port)
            if other is not None and other.loop is not None and self.gossips(source, other):
                gossip = other.gossip
                other.loop.run_now(lambda: gossip.receive(datagram, address))

        self.after(0.01 * self.rng.random(), deliver)

    async def asked(self, source: Computer, port: int) -> Heard:
        """What asking at an address comes to."""
        other = self.at_port(port)
        if other is not None and self.connects(source, other):
            if other.up:
                await asyncio.sleep(0.02 * self.rng.random())
                return Heard(other.name, other.generation, answers=True)
            if self.rng.random() < 0.5:
                await asyncio.sleep(0.02 * self.rng.random())
                return Heard(refused=True)
        await asyncio.sleep(ASK_SECONDS)
        return Heard()

    # what must hold

    def _bound(self, computer: Computer, member: str, cluster: str) -> None:
        self.note(f"{computer.name} belongs to {cluster[:8]}")
        self.clusters[member] = cluster
        if not self._group(cluster).invariants.leaders:
            self.fail(f"{member} is bound to a cluster that never had a leader")
        if len(set(self.clusters.values())) > self.most_clusters:
            self.fail(f"too many clusters: {self.clusters}")

    def decided(self, computer: Computer, decision: VoterDecision) -> None:
        self.note(f"{computer.name} decides: {decision.kind.value} {decision.member}: {decision.reason}")
        self.decisions.append((self.now, computer.member, decision))
        voters = set(computer.node.voters)
        if decision.kind is DecisionKind.REMOVE and decision.cause is RemovalCause.DEAD:
            least = self.policy.min_voters - (1 if decision.replacement is not None else 0)
            if len(voters) - 1 < least:
                self.fail(f"{len(voters) - 1} voters would be left")

    # looking

    @property
    def running_computers(self) -> list[Computer]:
        return [it for it in self.computers.values() if it.up]

    def chief(self) -> Computer | None:
        leading = [leader for group in self.groups.values() if (leader := group.leader()) is not None]
        leader = max(leading, key=lambda it: it.term, default=None)
        return None if leader is None else self.of_member[leader.name]

    def settled(self, voters: int, among: list[Computer] | None = None) -> Callable[[], bool]:
        """Every running computer (of these) is in the cluster; so many vote, and nobody else does; all agree on it."""

        def holds() -> bool:
            running = [it for it in self.running_computers if among is None or it in among]
            leading = [it for it in running if it.node is not None and it.node.leading]
            chief = max(leading, key=lambda it: cast(int, it.node.term), default=None)
            if chief is None:
                return False
            members = {it.member for it in running}
            return (
                chief.cluster is not None
                and len(chief.node.voters) == voters
                and set(chief.node.voters) <= members
                and all(
                    it.cluster == chief.cluster and it.node is not None and it.node.voters == chief.node.voters
                    for it in running
                )
                and chief.node.state.log.configurations.latest_index <= chief.node.commit
            )

        return holds

    def until(self, condition: Callable[[], bool], seconds: float, what: str) -> float:
        """Seconds that it took. Fails where it takes longer."""
        since = self.now
        while not condition():
            if self.now - since > seconds:
                told = [
                    f"{it.name} ({it.member}, up {it.up}): {it.reason or 'fine'}; "
                    f"voters {None if it.node is None else it.node.voters}"
                    for it in self.computers.values()
                ]
                self.fail(f"not within {seconds} s: {what}\n" + "\n".join(told))
            self.run(0.05)
        return self.now - since

    # leases

    def bind_lease(self, computer: Computer) -> None:
        """To the computer's process, by the leader."""
        chief = self.chief()
        assert chief is not None
        assert chief.loop is not None
        bind = encode(LeaseBind(computer.name, computer.generation, LEASE_HOLD_MS))
        node = chief.node
        chief.loop.run_now(lambda: node.propose(bind, lambda *_: None, 5.0))
        self.until(lambda: self.leases_of(computer.name) == 1, 5.0, f"a lease of {computer.name}")

    def leases_of(self, name: str) -> int:
        """By the leader's state; -1: there is no leader."""
        chief = self.chief()
        member = None if chief is None or chief.agent is None else chief.agent.member
        return -1 if member is None else len(member.state.leases_of_node(name))

    # clients

    def clients(self) -> None:
        """A write somewhere, again and again."""
        live = [it for it in self.running_computers if it.of_now is not None and it.of_now.node is not None]
        if live:
            computer = self.rng.choice(live)
            it = cast(Any, computer.of_now)
            key = f"k{self.rng.randrange(5)}"
            reads = self.rng.random() < 0.3
            assert computer.loop is not None
            computer.loop.run_now(
                lambda: it.group.history.begin_read(it, 1.5) if reads else it.group.history.write(it, key, 1.5)
            )
        self.after(0.1 * (0.5 + self.rng.random()), self.clients)

    def serve_all(self, seconds: float = 15.0) -> None:
        """Every running computer takes a write."""
        for computer in [it for it in self.running_computers if not it.looks_on]:
            self.until(lambda computer=computer: self._takes_a_write(computer), seconds, f"a write at {computer.name}")  # type: ignore[misc]

    def _takes_a_write(self, computer: Computer) -> bool:
        it = computer.of_now
        if it is None or it.node is None or computer.loop is None:
            return False
        write = computer.loop.run_now(lambda: it.group.history.write(cast(Any, it), "k", 1.0))
        self.run(1.05)
        return write.revision is not None

    def finish(self) -> None:
        """The verdict of the clients."""
        self.run(2.0)
        for group in [it for it in self.groups.values() if it.running]:
            leader = group.leader()
            if leader is None:
                self.fail(f"no leader of {group.cluster[:8]} at the end")
                return
            self.until(group.is_even, 10.0, "equal logs")
            group.history.check_end(cast(Any, leader))


def _decide(view: ClusterView, policy: Policy, now: float) -> VoterDecision | None:
    decision = rules.decide(view, policy, now)
    loop = running()
    if loop is not None and decision is not None:
        loop.world.decided(loop.computer, decision)
    return decision


class _Alarm(logging.Handler):
    """What the product calls an internal error is one."""

    def emit(self, record: logging.LogRecord) -> None:
        loop = running()
        if loop is not None and not loop.dead and "internal error" in record.getMessage():
            cause = record.exc_info[1] if record.exc_info else None
            loop.world.internal_error(record.getMessage(), cause)


setattr(leader_loop, "decide", _decide)  # noqa: B010 - it is imported there, and not exported
logging.getLogger("coterie").addHandler(_Alarm(logging.ERROR))
