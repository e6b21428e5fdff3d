"""What must hold after every step (Raft paper, Figure 3), whatever fails: each check names the property it guards."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from coterie.consensus.member.metadata.digests import DivergedError
from coterie.consensus.member.metadata.state_machine import HaltedError
from coterie.consensus.raft.core.model.configuration import decode_voters, is_membership
from coterie.consensus.raft.core.model.entries import NO_OP
from coterie.consensus.raft.errors import WentBackError
from coterie.consensus.raft.messages import Message, RequestVote, ResponseVote
from coterie.consensus.raft.ports import Entry

if TYPE_CHECKING:
    from tests.verify.raft_sim.world import Host, World


class Invariants:
    def __init__(self, world: World) -> None:
        self.world = world
        self.leaders: dict[int, str] = {}  # by term
        self.votes: dict[tuple[str, int], str] = {}  # (voter, term) -> candidate
        self.entries: dict[tuple[int, int], tuple[bytes, int | None]] = {}  # (index, term) -> command, former term
        self.committed: dict[int, tuple[int, bytes, int]] = {1: (0, NO_OP, 0)}  # index -> term, command, term of commit
        self.committed_voters: dict[int, tuple[str, ...]] = {}  # as of an index
        self.top = 1
        self.digests: dict[int, tuple[int, int]] = {}  # index -> (revision, digest) once applied
        self.seen: dict[str, tuple[int, int, int]] = {}  # host -> commit, applied, term in this life
        self.led: set[tuple[str, int]] = set()
        self.on_elected: Callable[[Host], None] | None = None
        self.rotten = False
        """A member's state is no more that of its log: only digests can tell."""
        self.voters: dict[str, tuple[str, ...]] = {}  # host -> its configuration after its former step
        self.known_since: dict[str, float] = {}  # leader -> election or latest change of its voters, by its clock

    def excused(self, host: Host, failure: BaseException) -> bool:
        """A failing disk stops its own node, as does one that went back in time, or a level that it does not know; all
        are meant to. No peer's bytes do."""
        return (
            isinstance(failure, OSError)
            or (isinstance(failure, WentBackError) and host.went_back)
            or (isinstance(failure, HaltedError) and host.node is not None and not host.node.state.votes)
            or (isinstance(failure, DivergedError) and self.rotten)
        )

    def forget_votes(self, host: Host) -> None:
        """Its disk has forgotten them."""
        self.votes = {(voter, term): given for (voter, term), given in self.votes.items() if voter != host.name}

    def started(self, host: Host) -> None:
        assert host.node is not None
        node = host.node.state
        self.seen[host.name] = (node.commit, node.applied, node.term)
        self.voters[host.name] = node.voters
        self.check(host)

    def entry_added(self, entry: Entry, former: Entry | None) -> None:
        """Log matching: the same index and term means the same command, after the same entry."""
        command, index, term = entry
        before = None if former is None else former[2]
        known = self.entries.get((index, term))
        if known is None:
            self.entries[index, term] = (command, before)
            return
        if known[0] != command or (None not in {known[1], before} - {known[1]} and known[1] != before):
            self.world.fail(f"log matching: two entries ({index}, {term}): {known} and {(command, before)}")
        if known[1] is None:
            self.entries[index, term] = (command, before)

    def entries_removed(self, host: Host, entries: list[Entry]) -> None:
        """A committed entry leaves a log only into a snapshot: not even to be written again, for a crash may come
        between. A host of an earlier term than the commit's has no part in it: it may follow the leader of its own."""
        info = host.platter.snapshot_info
        covered = 1 if info is None else info.index
        own_term = host.platter.term if host.node is None else host.node.term
        for command, index, term in entries:
            known = self.committed.get(index)
            if index > covered and known is not None and known[:2] == (term, command) and known[2] <= own_term:
                self.world.fail(f"{host.name} drops entry {index}, which is committed")

    def recovered(self, host: Host, held: list[Entry], found: list[Entry]) -> None:
        """A restart loses no committed entry that was durable."""
        info = host.platter.snapshot_info
        covered = 1 if info is None else info.index
        there = {entry[1]: entry for entry in found}
        for entry in held:
            command, index, term = entry
            committed = self.committed.get(index, (None, None))[:2] == (term, command)
            if index > covered and committed and there.get(index) != entry:
                self.world.fail(f"{host.name} restarted without entry {index}, which is committed and was durable")

    def check(self, host: Host) -> None:
        assert host.node is not None
        node = host.node.state
        name = host.name
        before = self.seen[name]
        now = (node.commit, node.applied, node.term)
        if now != before:
            self._moved(host, node, before, now)
        self._votes(host, node)
        if node.leading and (name, now[2]) not in self.led:
            self._elected(host, node)
        if node.leading and node.voters != self.voters[name]:
            if set(node.voters) < set(self.voters[name]):
                self._strands_nobody(host, node)
            self.known_since[name] = host.clock.monotonic()
        self.voters[name] = node.voters
        if self.world.steps % 16 == 0:
            self._configuration(host, node)

    def _moved(self, host: Host, node: Any, before: tuple[int, int, int], now: tuple[int, int, int]) -> None:
        """Commit index, applied index and term only ever grow."""
        if any(late < early for early, late in zip(before, now, strict=True)):
            self.world.fail(f"{host.name} went back: {before} -> {now}")
        if now[1] > now[0]:
            self.world.fail(f"{host.name} applied {now[1]}, beyond its commit index {now[0]}")
        if now[0] > before[0]:
            self._committed(host, node, before[0])
        if now[1] > before[1]:
            self._applied(host, node)
        self.seen[host.name] = now

    def _votes(self, host: Host, node: Any) -> None:
        """At most one vote a term, also across restarts; what is not on the disk yet, nobody has heard of."""
        platter = host.platter
        if (platter.term, platter.voted_for) != (node.term, node.voted_for) and not node.outbox.storing:
            self.world.fail(f"{host.name}: term and vote in memory are not those on disk")
        if platter.voted_for is not None:
            self._voted(host, platter.term, platter.voted_for)

    def _voted(self, host: Host, term: int, candidate: str) -> None:
        if self.votes.setdefault((host.name, term), candidate) != candidate:
            self.world.fail(f"{host.name} voted twice in term {term}")

    def sent(self, host: Host, member: str, message: Message) -> None:
        """Nothing leaves before its term and vote are durable."""
        if isinstance(message, RequestVote | ResponseVote) and message.pre:
            return
        term = getattr(message, "term", 0)
        if term > host.platter.term:
            self.world.fail(f"{host.name} sends {message} and holds term {host.platter.term}")
        if isinstance(message, RequestVote | ResponseVote) and getattr(message, "granted", True):
            candidate = host.name if isinstance(message, RequestVote) else member
            if term == host.platter.term and host.platter.voted_for != candidate:
                self.world.fail(f"{host.name} sends {message} and holds a vote for {host.platter.voted_for}")
            self._voted(host, term, candidate)

    def _elected(self, host: Host, node: Any) -> None:
        """Election safety, and leader completeness."""
        self.led.add((host.name, node.term))
        self.known_since[host.name] = host.clock.monotonic()
        if self.on_elected is not None:
            self.on_elected(host)
        if self.leaders.setdefault(node.term, host.name) != host.name:
            self.world.fail(f"election safety: {self.leaders[node.term]} and {host.name} lead term {node.term}")
        self.world.note(f"{host.name} leads term {node.term} (voters {node.voters})")
        self._founded(host, node)
        for index in range(node.log.first_index, self.top + 1):
            term, _, commit_term = self.committed[index]
            if commit_term < node.term and (index > node.log.last_index or node.log.term_at(index) != term):
                self.world.fail(
                    f"leader completeness: {host.name}, leader of {node.term}, lacks committed entry {index}"
                )

    def _founded(self, host: Host, node: Any) -> None:
        """A leader without an entry of a leader before it has the votes of all founders."""
        known = [entry for entry in node.log.journal[:] if entry[1] > 1 and entry[2] < node.term]
        if known or host.snapshots.latest() is not None:
            return
        votes = {**self.votes, (host.name, node.term): node.voted_for}
        absent = [voter for voter in host.bootstrap if votes.get((voter, node.term)) != host.name]
        if absent:
            self.world.fail(f"{host.name} founds the cluster in term {node.term} without the votes of {absent}")

    def _committed(self, host: Host, node: Any, before: int) -> None:
        """What is committed anywhere is committed everywhere, and was durable on a majority when it was."""
        for index in range(max(before + 1, node.log.first_index), node.commit + 1):
            command, _, term = node.log.journal[index - node.log.first_index]
            known = self.committed.get(index)
            if known is None:
                if index != self.top + 1:
                    self.world.fail(f"{host.name} committed {index}, but nobody {self.top + 1}")
                self.committed[index] = (term, command, node.term)
                self.top = index
                self._durable(host, node, index, term)
            elif known[:2] != (term, command):
                self.world.fail(
                    f"{host.name} committed another entry {index} than was committed: {known} {(term, command)}"
                )
        if node.commit > self.top:
            self.world.fail(f"{host.name} committed {node.commit}, but nobody {self.top + 1}")

    def _durable(self, host: Host, node: Any, index: int, term: int) -> None:
        """By the configuration that was in force in this step, which may have changed after the commit."""
        hosts = self.world.hosts
        for voters in (self.voters[host.name], node.voters):
            holding = [voter for voter in voters if voter in hosts and hosts[voter].platter.holds(index, term)]
            if len(holding) * 2 > len(voters):
                return
        self.world.fail(f"entry {index} was committed, but is durable on {holding} of {voters} only")

    def _strands_nobody(self, host: Host, node: Any) -> None:
        """A leader takes no voter away where most of those that are left have been down for longer than it leads
        without answers, and some more: by its own clock, for its election, a change of the voters and a pause make it
        wait anew."""
        since = max(self.known_since[host.name], host.resumed_at)
        latest = host.clock.monotonic() - 1.5 * node.settings.leader_fallback
        ended = {name: it.down_at.get(host.name, latest) for name, it in self.world.hosts.items()}
        down = [voter for voter in node.voters if ended.get(voter, latest) < latest]
        if since < latest and len(down) * 2 >= len(node.voters):
            self.world.fail(f"{host.name} takes a voter away: of {node.voters}, which are left, {down} are down")

    def _applied(self, host: Host, node: Any) -> None:
        """State machine safety: the same state after the same index, on every node."""
        if self.rotten:
            return
        state = (host.machine.revision, host.machine.digest)
        if self.digests.setdefault(node.applied, state) != state:
            self.world.fail(f"state machine safety: {host.name} differs at {node.applied}")

    def _configuration(self, host: Host, node: Any) -> None:
        """The configuration is the function of snapshot and log."""
        info = host.snapshots.latest()
        voters = host.bootstrap if info is None else info.voters
        for command, _, _ in node.log.journal[:]:
            voters = decode_voters(command) if is_membership(command) else voters
        if tuple(sorted(voters)) != node.voters:
            self.world.fail(f"{host.name}: configuration {node.voters}, by its log {voters}")
        if node.log.durability.durable > node.log.last_index:
            self.world.fail(f"{host.name}: durable beyond its log")
        if info is not None and info.voters != self._committed_voters(info.index):
            self.world.fail(f"{host.name}: its snapshot up to {info.index} names {info.voters} as voters")

    def _committed_voters(self, index: int) -> tuple[str, ...]:
        known = self.committed_voters.get(index)
        if known is None:
            known = self.world.founders
            for at in range(index, 1, -1):
                command = self.committed[at][1]
                if is_membership(command):
                    known = decode_voters(command)
                    break
            self.committed_voters[index] = known
        return known
