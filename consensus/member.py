"""A member of a Raft group in this process: directory, log, links, state and clock put together in one event loop.

Nothing here decides anything: promises are kept in `raft/`, `journal/` and `store/`. What is here is the order in which
things start and stop, the leader's duties to leases, and what others may know of the member.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from consensus.calls import outcome
from consensus.journal import DiskThread, Store
from consensus.member_figures import MemberFigures
from consensus.metadata import Metadata
from consensus.raft import errors as raft_errors
from consensus.raft.core import Member as Peer
from consensus.raft.driver import Driver, SystemClock
from consensus.raft.net.session import Identity
from consensus.raft.net.tcp import Locate, NetSettings, TcpTransport
from consensus.raft.node import RaftNode
from consensus.raft.settings import RaftSettings
from consensus.replica import Replica
from consensus.store import LeaseExpire, Limits, State, encode

logger = logging.getLogger(__name__)

MAX_EXPIRIES_AT_ONCE = 1_000
"""Leases that the leader ends in one go; the rest follow."""

LEASE_CHECK_SECONDS = 0.25
"""How often a leader looks for leases whose time is over, at the latest; the shortest lease lives 1 s."""

TICKS_PER_WINDOW = 10
"""An idle leader tells the time so often while a request id is remembered: every 30 s with the default window."""

GC_THRESHOLDS = (50_000, 20, 100)
"""Log entries and records are immutable and free of cycles: with the interpreter's own thresholds the collector would
walk over them many times a second, for milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberConfig:
    secret: bytes
    """Shared by all members; without it nobody gets a link."""
    raft: RaftSettings = field(default_factory=RaftSettings)
    net: NetSettings = field(default_factory=NetSettings)
    limits: Limits = field(default_factory=Limits)
    """What the state begins with. Must be equal at all founders; later it is changed by an operation."""
    request_timeout: float = 5.0
    """Seconds that a call takes at most, where it does not say otherwise."""
    max_watches: int = 10_000
    """Open at once at this member."""
    server_tls: ssl.SSLContext | None = None
    client_tls: ssl.SSLContext | None = None
    tls_name: str | None = None
    """What other members' certificates must bear; None: the address that they are called at."""

    def __post_init__(self) -> None:
        if not self.secret:
            raise ValueError("secret must not be empty")


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """What a leader knows of another member."""

    member: str
    voter: bool
    connected: bool
    match: int
    """Index up to which it is known to hold the leader's log."""
    silent_seconds: float
    """Since it last answered this leader."""
    receives_snapshot: bool


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """A member's own view."""

    member: str
    cluster: str
    role: str
    """leader, candidate or follower; a follower that is no voter is an observer."""
    leader: str | None
    term: int
    voters: tuple[str, ...]
    connected: tuple[str, ...]
    """Members with an open link to this one."""
    last_index: int
    commit_index: int
    applied_index: int
    snapshot_index: int
    log_entries: int
    revision: int
    founding: bool
    """The cluster has not been founded yet: every founder's vote is needed."""
    change_pending: bool
    """The latest change of voters is not committed yet."""
    quorum: bool
    """A majority is known to be there: heard from as a leader, or heard of from one."""
    failure: str | None
    """Why this member has stopped its part in Raft."""


class Member:
    """Made in a running event loop on an open `Store`, which it closes when it stops."""

    def __init__(
        self,
        store: Store,
        cluster: str,
        founders: tuple[str, ...],
        locate: Locate,
        config: MemberConfig,
        *,
        refuse: Callable[[str], str | None] | None = None,
        on_event: Callable[[str, str], None] | None = None,
        on_stop: Callable[[BaseException | None], None] | None = None,
    ) -> None:
        """`founders`: the member ids of the first configuration, () for one that joins later. `locate`: where a member
        is now. `refuse`: the reason to refuse a link to a member, or None. `on_event`: what links report.

        Raises CorruptStateError or OSError where the directory must not be started from.
        """
        self.id = store.identity.member_id.hex
        self.cluster = cluster
        self.config = config
        self.store = store
        self._loop = asyncio.get_running_loop()
        self._clock = SystemClock()
        self._driver = Driver()
        self._disk = DiskThread()
        self._changed = False
        self._observers: list[Callable[[], None]] = []
        self._on_stop = on_stop
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping: asyncio.Task[None] | None = None
        self.replica = Replica(State(config.limits), self._clock.monotonic, self._applied)
        self.transport = TcpTransport(
            Identity(cluster, self.id, store.identity.incarnation, secrets.token_bytes(8), config.secret),
            locate,
            config.net,
            server_tls=config.server_tls,
            client_tls=config.client_tls,
            tls_name=config.tls_name,
            on_event=on_event,
            refuse=refuse,
        )
        self.node = RaftNode(
            self.id,
            founders,
            journal=store.journal,
            snapshots=store.snapshots,
            machine=self.replica,
            transport=self.transport,
            disk=self._disk,
            clock=self._clock,
            settings=config.raft,
            on_stop=self._node_stopped,
            on_work=self._worked,
        )
        self._led = False
        self._ticking = False
        self.metadata = Metadata(
            self.node,
            self.replica,
            config.request_timeout,
            staleness=self.staleness,
            max_watches=config.max_watches,
        )

    # life

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Load the state, then listen, then take part. Returns where it listens.

        Raises OSError where the address cannot be had, CorruptStateError where the snapshot cannot be loaded.
        """
        self._driver.run(self.node)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        self.replica.hub.feed()
        where = await self.transport.listen(host, port)
        for voter in self.node.voters:
            if voter != self.id:
                self.transport.addNode(Peer(voter))
        self._tasks = [asyncio.create_task(self._end_leases(), name="leases"), asyncio.create_task(self._second())]
        return where

    async def stop(self) -> None:
        """End this member's part: calls get their outcome, links close, the log is synced, the directory is let go."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop())
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        self.node.stop()
        self._driver.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.metadata.close()
        await self.transport.close()
        await self._disk.close()
        self.store.close()

    async def __aenter__(self) -> Member:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _node_stopped(self, failure: BaseException | None) -> None:
        self._tell_observers()
        if self._on_stop is not None:
            self._on_stop(failure)

    async def _second(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.store.journal.onOneSecondTimer()

    # what happens

    def _worked(self) -> None:
        """The node has something to do in the next loop turn."""
        self._driver.wake()
        if self.node.leading != self._led:
            self._led = self.node.leading
            if self._led:
                self.replica.lead()
            else:
                self.replica.follow()
            self._applied()

    def _applied(self) -> None:
        if not self._changed:
            self._changed = True
            self._loop.call_soon(self._feed)

    def _feed(self) -> None:
        self._changed = False
        ready = self.replica.hub.feed()
        if ready:
            self.metadata.wake(ready)
        self._tell_observers()

    def observe(self, observer: Callable[[], None]) -> Callable[[], None]:
        """Call `observer` whenever entries were applied, or leadership changed. Returns what ends it."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer) if observer in self._observers else None

    def _tell_observers(self) -> None:
        for observer in list(self._observers):
            try:
                observer()
            except Exception:
                logger.exception("an observer failed")

    async def _end_leases(self) -> None:
        """As the leader: propose the end of leases whose time is over. (Void where one was renewed meanwhile.)"""
        proposed: dict[int, int] = {}  # the renewal of leases whose end is under way
        while True:
            wait = LEASE_CHECK_SECONDS
            deadline = self.state.leases.next_deadline_ms()
            if deadline is not None:
                wait = min(wait, max(0.01, (deadline - self.replica.now_ms) / 1000))
            await asyncio.sleep(wait)
            if not self.node.leading or self.node.noop_index is None or self.node.applied < self.node.noop_index:
                proposed.clear()
                continue
            self._keep_time()
            for lease in self.state.due_leases(self.replica.now_ms)[:MAX_EXPIRIES_AT_ONCE]:
                if proposed.get(lease.id) != lease.renewal:
                    proposed[lease.id] = lease.renewal
                    self._propose_expiry(lease.id, lease.renewal, proposed)

    def _keep_time(self) -> None:
        """In an idle cluster too, everybody's time stays near the leader's: new request ids are made from it."""
        period_ms = self.state.limits.request_window_ms / TICKS_PER_WINDOW
        if self.replica.now_ms - self.state.time_ms > period_ms and not self._ticking:
            self._ticking = True

            def done(*_: object) -> None:
                self._ticking = False

            self.node.propose(self.replica.stamp(), done, self.config.request_timeout)

    def _propose_expiry(self, lease: int, renewal: int, proposed: dict[int, int]) -> None:
        def done(_error: raft_errors.RaftError | None, _result: Any) -> None:
            if proposed.get(lease) == renewal:
                del proposed[lease]  # where it did not happen, it is due again

        self.node.propose(encode(LeaseExpire(lease, renewal)), done, self.config.request_timeout)

    # views

    @property
    def state(self) -> State:
        """As applied here so far. To be read, never written."""
        return self.replica.state

    @property
    def leading(self) -> bool:
        return self.node.leading

    @property
    def leader(self) -> str | None:
        """Member id of the leader, as far as this member knows."""
        if self.node.leading:
            return self.id
        leader = self.node.leader
        return None if leader is None else str(leader.id)

    def staleness(self) -> float:
        """How old what is applied here may be at most, in seconds."""
        return self.node.staleness()

    def _silent_seconds(self) -> float:
        """Since a majority was known to be there: heard from as a leader, or heard of from one."""
        node = self.node
        now = self._clock.monotonic()
        if not node.leading:
            return now - node.leader_contact
        heard = sorted(now - node.heard.get(node.member(voter), 0.0) for voter in node.voters if voter != self.id)
        needed = len(node.voters) // 2
        return heard[needed - 1] if needed else 0.0

    def status(self) -> MemberStatus:
        node = self.node
        role = "leader" if node.leading else "candidate" if node.campaign is not None else "follower"
        return MemberStatus(
            member=self.id,
            cluster=self.cluster,
            role=role if node.votes else "observer",
            leader=self.leader,
            term=node.term,
            voters=node.voters,
            connected=tuple(sorted(str(peer.id) for peer in node.connected)),
            last_index=node.last_index,
            commit_index=node.commit,
            applied_index=node.applied,
            snapshot_index=node.snapshot_index,
            log_entries=len(node.log),
            revision=self.state.keyspace.revision,
            founding=node.founding,
            change_pending=node.configurations.latest_index > node.commit,
            quorum=self._silent_seconds() < self.config.raft.election_max,
            failure=repr(node.failure) if node.failure is not None else None,
        )

    def figures(self) -> MemberFigures:
        node = self.node
        return MemberFigures(
            raft=node.figures,
            state=self.state.figures(),
            pending_proposals=node.pending,
            waiting_reads=node.waiting_reads,
            open_watches=self.metadata.open_watches,
            log_bytes=self.store.journal.memory_bytes,
            disk_full=self.store.journal.disk_full,
            staleness=self.staleness(),
        )

    def peers(self) -> list[PeerStatus]:
        """What this member knows of the others; matches and silences are a leader's knowledge."""
        node = self.node
        now = self._clock.monotonic()
        found = []
        for peer in sorted(node.others | node.connected, key=str):
            flow = node.flows.get(peer)
            found.append(
                PeerStatus(
                    member=str(peer.id),
                    voter=str(peer.id) in node.voters,
                    connected=peer in node.connected,
                    match=node.match.get(peer, 0) if node.leading else 0,
                    silent_seconds=now - node.heard[peer] if node.leading and peer in node.heard else float("inf"),
                    receives_snapshot=flow is not None and flow.transfer is not None,
                )
            )
        return found

    # duties

    def link(self, members: Iterable[str]) -> None:
        """Keep links to these members and to the voters, and to no others."""
        self.transport.keep({*members, *self.node.voters} - {self.id})

    async def transfer(self, target: str | None = None) -> str:
        """Hand leadership to a voter (None: the one that holds most of the log). Returns who leads now.

        Raises RefusedError, UnavailableError, UnknownOutcomeError (it was asked, and may yet take over).
        """
        return str(await outcome(lambda done: self.node.transfer(done, target)))

    async def change_voters(self, member: str, *, add: bool, timeout: float | None = None) -> tuple[str, ...]:
        """As the leader: add or remove one voter. Returns the voters. Raises as `Metadata.submit`."""
        limit = self.config.request_timeout if timeout is None else timeout
        voters: tuple[str, ...] = await outcome(lambda done: self.node.change_voters(member, done, limit, add=add))
        return voters

    def compact(self) -> None:
        """Take a snapshot soon, and cut the log."""
        self.node.compact()
        self._driver.wake()
