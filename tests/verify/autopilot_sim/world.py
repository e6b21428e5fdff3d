"""Both layers in virtual time: computers that gossip, the real founding step, the real rules, and the real Raft node on
the simulated links and disks of `tests/verify/raft_sim`, whose invariants are checked after every step.

A computer has a name, an address and a disk; its member id is that of the disk, and its Raft host is of that name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any

from coterie.consensus.autopilot.announcement import AnnouncedRole, Announcement, FoundingRule
from coterie.consensus.autopilot.founding.bootstrap import step
from coterie.consensus.autopilot.founding.bootstrap_actions import (
    BindCluster,
    OwnState,
    RunRaft,
    StopRaft,
    StoreVote,
    Wait,
)
from coterie.consensus.autopilot.founding_vote import FoundingVote, decode_founding_vote, encode_founding_vote
from coterie.consensus.autopilot.node_lease_reaper import Heard
from coterie.consensus.autopilot.observations import Observation, Observations
from coterie.consensus.autopilot.voters.policy import Policy
from coterie.consensus.autopilot.voters.removal import (
    RejoinPolicy,
    RemovalCause,
    RemovalOutcome,
    ban_text,
    removal_outcome,
)
from coterie.consensus.autopilot.voters.rules import DecisionKind, VoterDecision, decide
from coterie.consensus.autopilot.voters.tracker import RaftFacts, Tracker
from coterie.consensus.raft.core.model.configuration import decode_voters, is_membership
from coterie.consensus.raft.errors import RaftError
from tests.verify.autopilot_sim.gossips import ROUND, EngineGossip, Gossip, Lies, TableGossip
from tests.verify.autopilot_sim.node_leases import ASK_SECONDS, LeaseDuty, NodeLeases
from tests.verify.raft_sim.disk import read_snapshot
from tests.verify.raft_sim.invariants import Invariants
from tests.verify.raft_sim.workload.history import History
from tests.verify.raft_sim.workload.machine import encode_op
from tests.verify.raft_sim.world import SETTINGS, Host, World

POLICY = Policy(stabilization_time=2.0, dead_voter_grace=5.0)
"""The times of the defaults, shrunk as the stand-in's failure detection is."""

TURN = 0.2

_CAUSES = tuple(RemovalCause)


@dataclass
class Data:
    """What lasts on a computer's disk beside the Raft log."""

    member: str
    host: Host
    founding_vote: bytes
    cluster: str | None = None
    incarnation: int = 0


class JointInvariants(Invariants):
    """The founders are known once there are some."""

    def _committed_voters(self, index: int) -> tuple[str, ...]:
        for at in range(index, 1, -1):
            command = self.committed[at][1]
            if is_membership(command):
                return decode_voters(command)
        return self.world.founders


class Computer:
    def __init__(self, world: JointWorld, name: str, port: int, rule: FoundingRule, zone: str) -> None:
        self.world = world
        self.name = name
        self.port = port
        self.rule = rule
        self.zone = zone
        self.rng = Random(f"{world.seed}/{name}")
        self.up = False
        self.life = 0
        self.reason = ""
        self.generation = 0
        self.gossip: Gossip
        self.lies: Lies | None = None
        self.tracker: Tracker
        self.duty: LeaseDuty
        self.acting = False
        self.not_before = 0.0
        self.addresses: dict[str, int] = {}  # the last that worked
        self.seen = Observations(())
        self.data: Data
        self.wipe()

    # the disk

    def wipe(self) -> None:
        """A new and empty disk."""
        assert not self.up
        self.world.members += 1
        member = f"{self.rng.randrange(16**6):06x}-{self.name}-{self.world.members}"
        host = self.world.hosts[member] = Host(self.world, member, ())
        self.data = Data(member, host, encode_founding_vote(FoundingVote()))
        self.world.of_member[member] = self

    @property
    def member(self) -> str:
        return self.data.member

    @property
    def node(self) -> Any:
        return self.data.host.node

    # life

    def start(self) -> None:
        if self.up:
            return
        self.up = True
        self.life += 1
        self.generation += 1
        self.data.incarnation += 1
        rng = Random(self.rng.random())
        if self.world.real_gossip:
            self.gossip = EngineGossip(self.name, self.generation, self.port, rng, self.world.now)
        else:
            self.gossip = TableGossip(self.name, self.generation, self.port, rng)
        self.started = self.world.now
        self.tracker = Tracker(self.world.policy.max_lag_entries)
        self.duty = LeaseDuty(self)
        self.acting = False
        self.world.note(f"{self.name} starts as {self.member}")
        self._repeat(ROUND, self._gossip, self.life)
        self._repeat(TURN, self.turn, self.life)

    def _repeat(self, gap: float, work: Callable[[], None], life: int) -> None:
        def again() -> None:
            if self.up and self.life == life:
                work()
                self.world.after(gap * (0.9 + 0.2 * self.rng.random()), again)

        self.world.after(gap * self.rng.random(), again)

    def stop(self) -> None:
        """As kill -9."""
        if self.up:
            self.up = False
            self.data.host.crash()
            self.world.note(f"{self.name} stops")

    def archive_directory(self, reason: str) -> None:
        self.world.note(f"{self.name}: {reason}; it begins anew")
        self.stop()
        self.wipe()
        self.start()

    # gossip

    def _gossip(self) -> None:
        world = self.world
        peers = [other.port for other in world.computers.values() if other is not self]
        self.gossip.round(peers, world.now, partial(world.datagram, self))

    def _announce(self) -> None:
        own, node = self._own(), self.node
        role: AnnouncedRole = own.role
        if self.data.cluster is not None:
            role = "voter" if node is not None and self.member in node.voters else "observer"
        self.gossip.say(
            Announcement(
                member=self.member,
                incarnation=self.data.incarnation,
                host="h",
                port=self.port,
                role=role,
                cluster_id=self.data.cluster,
                rule=self.rule,
                zone=self.zone,
                agrees_to=own.founding_vote.agrees_to,
                highest_rank=own.founding_vote.highest_rank,
                joining=own.founding_vote.joining,
            ),
            self.world.now,
        )

    def locate(self, member: str) -> int | None:
        """Gossip's address, else the last that worked."""
        seen = self.seen.of_member.get(member)
        if seen is not None and seen.announcement is not None:
            return seen.announcement.port
        return self.addresses.get(member)

    def wants(self, member: str) -> bool:
        """Is a link to be kept? Voters link to the whole cluster, others to the voters."""
        node = self.node
        if member in node.voters:
            return True
        seen = self.seen.of_member.get(member)
        it = seen.announcement if seen is not None else None
        if it is None or self.running is None or not it.takes_part_in(self.running):
            return False
        return self.member in node.voters or it.role == "voter"

    # turns

    @property
    def running(self) -> str | None:
        """The cluster whose Raft node runs."""
        if self.node is None:
            return None
        vote = decode_founding_vote(self.data.founding_vote)
        return self.data.cluster or vote.joining or (None if vote.agrees_to is None else vote.agrees_to.cluster_id)

    def _own(self) -> OwnState:
        node, platter = self.node, self.data.host.platter
        if node is not None:
            term, last = node.term, node.last_index
        else:
            term, last = platter.term, platter.log[-1][1] if platter.log else 0
            if platter.snapshot is not None:
                last = max(last, read_snapshot(platter.snapshot)[0].index)
        return OwnState(
            member=self.member,
            node=self.name,
            generation=self.generation,
            rule=self.rule,
            founding_vote=decode_founding_vote(self.data.founding_vote),
            cluster_id=self.data.cluster,
            term=term,
            last_index=last,
            running=self.running,
            up_for=self.world.now - self.started,
        )

    def turn(self) -> None:
        if self.data.host.paused is not None:
            return
        observations = self.gossip.observations(self.world.now)
        if self.lies is not None:
            observations = self.lies.over(observations, self.name, self.world.now)
        self.seen = Observations.of(self.world.located(observations))
        while self._move():
            self._announce()
        self._announce()
        node = self.node
        if node is None or self.data.cluster is None:
            return
        bans = self._bans()
        verdict, why = removal_outcome(
            self.member, node.state.committed_voters, bans, RejoinPolicy(after_force=True), leaving=False
        )
        if verdict is RemovalOutcome.REJOIN:
            self.archive_directory(why)
        else:
            self._govern(bans)

    def _move(self) -> bool:
        self.world.cluster_ids += 1
        action = step(self._own(), self.seen, f"cluster-{self.world.cluster_ids}")
        match action:
            case Wait(reason):
                self.reason = reason
                return False
            case StoreVote(vote, reason):
                self.world.note(f"{self.name}: {reason}")
                self.data.founding_vote = encode_founding_vote(vote)
            case StopRaft(reason):
                self.world.note(f"{self.name} halts: {reason}")
                self.data.host.crash()
            case BindCluster(cluster, _, reason):
                self.world.note(f"{self.name}: {reason}")
                self.world.bound(self, cluster)
                self.data.cluster = cluster
            case RunRaft(_, founders, waiting):
                self.reason = waiting or ""
                host = self.data.host
                if host.node is None and host.paused is None:
                    host.bootstrap = founders
                    self.world.founders = self.world.founders or founders
                    host.start()
                return False
        return True

    # leading

    def _bans(self) -> dict[str, str]:
        values = self.data.host.machine.values
        return {key[4:]: ban_text(_CAUSES[value]) for key, (value, _) in values.items() if key.startswith("ban:")}

    def _govern(self, bans: dict[str, str]) -> None:
        node = self.node
        now = self.data.host.clock.monotonic()
        leading, state = node.leading, node.state
        facts = RaftFacts(
            own=self.member,
            cluster_id=self.data.cluster or "",
            term=node.term,
            leading=leading,
            settled=leading and state.noop_applied,
            change_pending=state.change_pending,
            transferring=state.transfer is not None,
            voters=node.voters,
            last_index=state.log.last_index,
            match={peer: progress.match for peer, progress in state.progress.items()},
            heard_at={peer: progress.last_contact for peer, progress in state.progress.items()},
            bans=bans,
            answer_window=self.world.settings.election_max,
        )
        view = self.tracker.observe(self.seen, facts, now)
        if facts.settled:
            since = now - self.world.settings.election_max
            self.duty.turn({peer for peer, at in facts.heard_at.items() if at >= since}, now)
        if self.acting or not leading or self.world.now < self.not_before:
            return
        decision = decide(view, self.world.policy, now)
        if decision is not None:
            self.world.decided(self, decision)
            self.acting = True
            self._act(decision, bans)

    def _act(self, decision: VoterDecision, bans: dict[str, str]) -> None:
        life = self.life

        def ended(error: RaftError | None, _: object) -> None:
            if self.life != life:
                return
            self.acting = False
            if error is not None:
                self.not_before = self.world.now + 1.0
            elif decision.replacement is not None:
                self.tracker.expect_replacement(decision.replacement, self.data.host.clock.monotonic())

        def change(error: RaftError | None, _: object) -> None:
            if error is not None or self.life != life:
                ended(error, None)
            else:
                self._on_node(lambda node: node.change_voters(decision.member, ended, 5.0, add=False), ended)

        match decision.kind:
            case DecisionKind.PROMOTE:
                self._on_node(lambda node: node.change_voters(decision.member, ended, 5.0, add=True), ended)
            case DecisionKind.TRANSFER:
                self._on_node(lambda node: node.transfer(ended, decision.member), ended)
            case DecisionKind.REMOVE if decision.member in bans:
                change(None, None)
            case DecisionKind.REMOVE:
                self.ban(decision.member, decision.cause or RemovalCause.DEAD, change)

    def commit(self, key: str, done: Callable[[], None], failed: Callable[[], None]) -> None:
        """Put something into the log; `done` once that is committed."""
        self.world.operations += 1

        def ended(error: RaftError | None, _: object) -> None:
            done() if error is None else failed()

        op = encode_op((10**6 + self.world.operations, key, 0))
        self._on_node(lambda node: node.propose(op, ended, 5.0), ended)

    def ban(self, member: str, cause: RemovalCause, done: Callable[[RaftError | None, object], None]) -> None:
        self.world.operations += 1
        op = encode_op((10**6 + self.world.operations, f"ban:{member}", _CAUSES.index(cause)))
        self._on_node(lambda node: node.propose(op, done, 5.0), done)

    def _on_node(
        self, work: Callable[[Any], None], done: Callable[[RaftError | None, object], None] = lambda *_: None
    ) -> None:
        def run(host: Host) -> None:
            try:
                work(host.node)
            except RaftError as error:
                done(error, None)

        self.world.run_on(self.member, run)

    def hand_over(self) -> None:
        """What a stop by SIGTERM does first."""
        if self.node is not None and self.node.leading and len(self.node.voters) > 1:
            self._on_node(lambda node: node.transfer(lambda *_: None))


class JointWorld(World):
    founders: tuple[str, ...] = ()

    def __init__(
        self,
        seed: int,
        count: int,
        rule: FoundingRule,
        *,
        policy: Policy = POLICY,
        real_gossip: bool = False,
        zones: str = "",
    ) -> None:
        super().__init__(seed, 0, 0, settings=replace(SETTINGS, compact_after=60))
        self.tick_scale = 0.06
        self.policy = policy
        self.real_gossip = real_gossip
        self.invariants = JointInvariants(self)
        self.members = self.cluster_ids = self.operations = 0
        self.of_member: dict[str, Computer] = {}
        self.side: dict[str, int] = {}
        self.clusters: dict[str, str] = {}  # member -> the cluster that it is bound to
        self.decisions: list[tuple[float, str, VoterDecision]] = []
        self.lost_gossip = 0.0
        self.deaf: set[str] = set()  # no datagram comes or goes
        self.unlinked: set[str] = set()  # no connection lives
        self.leases = NodeLeases(self)
        self.computers: dict[str, Computer] = {}
        for at in range(count):
            zone = zones[at % len(zones)] if zones else ""
            self.computers[f"c{at}"] = Computer(self, f"c{at}", 100 + at, rule, zone)
        self.ports = 1_000
        self.history = History(self)
        self._relink()

    # gossip's network, and the links

    def reaches(self, a: Computer, b: Computer) -> bool:
        return self.side.get(a.name, 0) == self.side.get(b.name, 0)

    def connects(self, a: Computer, b: Computer) -> bool:
        return self.reaches(a, b) and self.unlinked.isdisjoint({a.name, b.name})

    def gossips(self, a: Computer, b: Computer) -> bool:
        return self.reaches(a, b) and self.deaf.isdisjoint({a.name, b.name})

    def hears(self, leader: Computer, name: str, generation: int) -> bool:
        """Whether this process lives, and either layer brings word of it."""
        other = self.computers[name]
        alive = other.up and other.generation == generation
        return alive and (self.connects(leader, other) or self.gossips(leader, other))

    def located(self, observations: list[Observation]) -> list[Observation]:
        """With the addresses that identities name."""
        return [
            replace(each, address=("h", self.computers[each.node].port)) if each.node in self.computers else each
            for each in observations
        ]

    def asked(self, source: Computer, port: int) -> tuple[Heard, float]:
        """What asking at an address comes to, and after how long."""
        for other in self.computers.values():
            if other.port == port and self.connects(source, other):
                if other.up:
                    return Heard(other.name, other.generation, answers=True), 0.02 * self.rng.random()
                if self.rng.random() < 0.5:
                    return Heard(refused=True), 0.02 * self.rng.random()
        return Heard(), ASK_SECONDS

    def unlink(self, names: set[str]) -> None:
        """No connection of these computers lives."""
        self.unlinked = names
        for a in self.computers.values():
            for b in self.computers.values():
                if a.name < b.name and not self.connects(a, b):
                    self.network.cut(a.member, b.member)

    def datagram(self, source: Computer, port: int, arrive: Callable[[Gossip], None]) -> None:
        if self.rng.random() < self.lost_gossip:
            return

        def deliver() -> None:
            for other in self.computers.values():
                if other.port == port and other.up and self.gossips(source, other):
                    arrive(other.gossip)

        self.after(0.01 * self.rng.random(), deliver)

    def part(self, side: dict[str, int]) -> None:
        """Computers reach only those of their side: of each other's gossip, and of Raft's links."""
        self.side = side
        for a in self.computers.values():
            for b in self.computers.values():
                if a.name < b.name and not self.reaches(a, b):
                    self.network.cut(a.member, b.member)

    def _relink(self) -> None:
        running = sorted((it for it in self.computers.values() if it.node is not None), key=lambda it: it.member)
        for at, low in enumerate(running):
            for high in running[at + 1 :]:
                if self.connects(low, high) and low.running == high.running and high.wants(low.member):
                    where = high.locate(low.member)
                    if where == low.port:
                        high.addresses[low.member] = where
                        self.network.connect(low.member, high.member)
        self.after(0.1 + 0.1 * self.rng.random(), self._relink)

    # what must hold

    def bound(self, computer: Computer, cluster: str) -> None:
        if self.clusters.setdefault(computer.member, cluster) != cluster:
            self.fail(f"{computer.member} changes its cluster")
        if not self.invariants.leaders:
            self.fail(f"{computer.member} is bound to a cluster that never had a leader")
        if len(set(self.clusters.values())) > 1:
            self.fail(f"two clusters: {self.clusters}")

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
        leader = self.leader()
        return None if leader is None else self.of_member[leader.name]

    def settled(self, voters: int) -> Callable[[], bool]:
        """Every running computer is in the cluster; so many of them vote, and nobody else does; all agree on it."""

        def holds() -> bool:
            chief = self.chief()
            if chief is None or chief.node is None:
                return False
            members = {it.member for it in self.running_computers}
            return (
                chief.data.cluster is not None
                and len(chief.node.voters) == voters
                and set(chief.node.voters) <= members
                and all(
                    it.data.cluster == chief.data.cluster
                    and it.node is not None
                    and it.node.voters == chief.node.voters
                    for it in self.running_computers
                )
                and chief.node.state.log.configurations.latest_index <= chief.node.commit
            )

        return holds

    def until(self, condition: Callable[[], bool], seconds: float, what: str) -> float:
        """Seconds that it took. Fails where it takes longer."""
        since = self.now
        if not self.run_until(condition, seconds):
            told = [
                f"{it.name} ({it.member}, up {it.up}): {it.reason or 'fine'}; "
                f"voters {None if it.node is None else it.node.voters}"
                for it in self.computers.values()
            ]
            self.fail(f"not within {seconds} s: {what}\n" + "\n".join(told))
        return self.now - since

    # clients

    def clients(self) -> None:
        """A write somewhere, again and again."""
        live = self.live()
        if live:
            host = self.rng.choice(live)
            if self.rng.random() < 0.7:
                self.history.write(host, f"k{self.rng.randrange(5)}", 1.5)
            else:
                self.history.begin_read(host, 1.5)
        self.after(0.1 * (0.5 + self.rng.random()), self.clients)

    def serve_all(self, seconds: float = 15.0) -> None:
        """Every running computer takes a write, and reads it."""
        for computer in self.running_computers:
            took: list[int] = []

            def attempt(computer: Computer = computer, took: list[int] = took) -> None:
                if took or computer.node is None:
                    return
                write = self.history.write(computer.data.host, "last", 1.0)

                def look() -> None:
                    if write.revision is not None:
                        took.append(write.revision)
                    elif not took:
                        attempt()

                self.after(1.05, look)

            attempt()
            self.until(lambda took=took: bool(took), seconds, f"a write at {computer.name}")  # type: ignore[misc]

    def finish(self) -> None:
        """The verdict of the clients."""
        self.run(2.0)
        chief = self.chief()
        if chief is None:
            self.fail("no leader at the end")
            return
        self.until(lambda: len({it.node.applied for it in self.running_computers}) == 1, 10.0, "equal logs")
        self.history.check_end(chief.data.host)
