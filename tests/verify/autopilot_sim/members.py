"""Members as the invariants and the clients see them: real ones, one process after the other on one directory.

Each cluster has invariants of its own (`Group`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from coterie.consensus.member.member import Member
from coterie.consensus.raft.core.model.configuration import decode_voters, is_membership
from coterie.consensus.raft.ports import SnapshotInfo
from coterie.consensus.store import Put, State, encode
from tests.verify.raft_sim.invariants import Invariants
from tests.verify.raft_sim.workload.history import History

if TYPE_CHECKING:
    from tests.verify.autopilot_sim.world import Computer, JointWorld


class Replica:
    """A member's state, as its state machine."""

    def __init__(self, member: Member) -> None:
        self._member = member

    @property
    def _state(self) -> State:
        return self._member.state  # another one, once a snapshot has been loaded

    @property
    def revision(self) -> int:
        return self._state.keyspace.revision

    @property
    def digest(self) -> int:
        state = self._state
        return hash((state.time_ms, state.keyspace.size, state.membership_epoch, len(state.bans)))

    def places(self) -> list[tuple[int, int]]:
        """Each write of the clients, and its revision."""
        events = self._state.keyspace.history.after(0)
        return [(int(it.record.value), it.revision) for it in events if it.record is not None and it.key[:1] == b"k"]


class SimMember:
    """As a host of `raft_sim`: what the invariants ask of one, and of its disk."""

    bootstrap: tuple[str, ...] = ()
    paused = None
    resumed_at = 0.0

    def __init__(self, group: Group, computer: Computer, name: str) -> None:
        self.group = self.world = group
        self.computer = computer
        self.name = name
        self.life = 0
        self.went_back = False
        """Its disk is an earlier copy of itself."""
        self.platter = self.snapshots = self.clock = self
        self.down_at: dict[str, float] = {}
        self._member: Member | None = None
        self._durable: dict[int, int] = {}  # index -> term, as its process ended
        self._snapshot_index = 0

    def begin(self, member: Member) -> None:
        self.life += 1
        if self.went_back:
            self.group.invariants.forget_votes(cast(Any, self))
        self._member = member
        self.down_at = {}

    def end(self) -> None:
        """Its process is gone. What it held, it holds."""
        if self._member is not None:
            log = self._member.node.state.log
            self._snapshot_index = self._member.node.snapshot_index
            self._durable = {index: term for _, index, term in log.journal[:] if index <= log.durability.durable}
            self._member = None
            self.down_at = dict.fromkeys(self.group.hosts, self.group.now)

    @property
    def member(self) -> Member | None:
        return self._member

    @property
    def node(self) -> Any:
        member = self._member
        return None if member is None or member.node.stopped else member.node

    @property
    def machine(self) -> Replica:
        assert self._member is not None
        return Replica(self._member)

    def monotonic(self) -> float:
        return self.world.now

    @property
    def term(self) -> int:
        return cast(int, self.node.term)

    @property
    def voted_for(self) -> str | None:
        return cast("str | None", self.node.state.voted_for)

    def latest(self) -> SnapshotInfo | None:
        assert self._member is not None
        return self._member.directory.snapshots.latest()

    def holds(self, index: int, term: int) -> bool:
        if self._member is None:
            return index <= self._snapshot_index or self._durable.get(index) == term
        node = self._member.node
        log = node.state.log
        if index < log.first_index:
            return index <= node.snapshot_index
        return index <= log.durability.durable and log.term_at(index) == term


class Group:
    """One cluster: what its invariants and its clients know as their world."""

    def __init__(self, world: JointWorld, cluster: str) -> None:
        self.hosts: dict[str, SimMember] = {}
        self.founders: tuple[str, ...] = ()
        self.note = world.note
        self.cluster = cluster
        self.late_by = 0.01  # timers are a little late
        self.on_tick: Callable[[Any], None] | None = None
        self._world = world
        self.invariants = JointInvariants(cast(Any, self))
        self.history = History(cast(Any, self), lambda number, key: encode(Put(key.encode(), str(number).encode())))

    @property
    def now(self) -> float:
        return self._world.now

    @property
    def steps(self) -> int:
        return self._world.steps

    def fail(self, what: str, cause: BaseException | None = None) -> None:
        self._world.fail(f"cluster {self.cluster[:8]}: {what}", cause)

    @property
    def running(self) -> list[SimMember]:
        return [it for it in self.hosts.values() if it.node is not None]

    def leader(self) -> SimMember | None:
        """Of the highest term."""
        leading = [it for it in self.running if it.node.leading]
        return max(leading, key=lambda it: it.term, default=None)

    def is_even(self) -> bool:
        """All have applied the same."""
        return len({it.node.applied for it in self.running}) == 1


class JointInvariants(Invariants):
    """The founders are those that vote at the first election."""

    def _founded(self, host: Any, node: Any) -> None:
        world = cast(Any, self.world)
        if world.founders:
            return
        world.founders = node.voters
        absent = [voter for voter in node.voters if self.votes.get((voter, node.term)) != host.name]
        if absent:
            self.world.fail(f"{host.name} founds the cluster in term {node.term} without the votes of {absent}")

    def _configuration(self, host: Any, node: Any) -> None:
        known = host.latest() is not None or any(is_membership(command) for command, _, _ in node.log.journal[:])
        if known:
            super()._configuration(host, node)

    def _committed_voters(self, index: int) -> tuple[str, ...]:
        for at in range(index, 1, -1):
            command = self.committed[at][1]
            if is_membership(command):
                return decode_voters(command)
        return self.world.founders
