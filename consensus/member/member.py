"""A member of a Raft group in this process: directory, log, links, state and clock put together in one event loop.

Nothing here decides anything: promises are kept in `raft/`, `journal/` and `store/`. What is here is the order in which
things start and stop, and what others may know of the member.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable

from coterie.consensus.journal import MemberDirectory
from coterie.consensus.member.config import MemberConfig
from coterie.consensus.member.event_loop import SystemClock, call_node
from coterie.consensus.member.metadata.calls import MemberMetadata
from coterie.consensus.member.metadata.consumer import MetadataConsumer
from coterie.consensus.member.observing.metrics import MemberMetrics
from coterie.consensus.member.observing.status import MemberStatus, PeerStatus, member_status, peer_statuses
from coterie.consensus.member.runtime import LinkOptions, RaftRuntime
from coterie.consensus.raft.net.session import Identity
from coterie.consensus.raft.net.tcp import Claims, Locate
from coterie.consensus.raft.node import RaftNode
from coterie.consensus.store import State
from coterie.consensus.store.schema.levels import CALLERS_PROVE_FIRST_SINCE

logger = logging.getLogger(__name__)


class Member:
    """Made in a running event loop on an open `MemberDirectory`, which it closes when it stops."""

    node: RaftNode
    """Once started."""
    metadata: MemberMetadata
    """The calls, once started."""

    def __init__(
        self,
        directory: MemberDirectory,
        cluster: str,
        founders: tuple[str, ...],
        locate: Locate,
        config: MemberConfig,
        *,
        claims: Claims | None = None,
        refuse: Callable[[str], str | None] | None = None,
        on_event: Callable[[str, str], None] | None = None,
        on_stop: Callable[[BaseException | None], None] | None = None,
    ) -> None:
        """`founders`: the member ids of the first configuration, () for one that joins later. `locate`: where a member
        is now; `claims`: where else it may be. `refuse`: the reason to refuse a link to a member, or None. `on_event`:
        what links report.
        """
        self.id = directory.identity.member_id.hex
        self.cluster = cluster
        self.config = config
        self.directory = directory
        self._clock = SystemClock()
        self._observers: list[Callable[[], None]] = []
        self._on_stop = on_stop
        self._stopping: asyncio.Task[None] | None = None
        self.consumer = MetadataConsumer(
            config.limits,
            request_timeout=config.request_timeout,
            digest_interval=config.digest_interval,
            max_watches=config.max_watches,
            tracing=config.tracing,
            on_change=self._notify_observers,
        )
        self._runtime = RaftRuntime(
            directory,
            Identity(
                cluster,
                self.id,
                directory.identity.incarnation,
                secrets.token_bytes(8),
                config.secret,
                level=self.consumer.machine.state.known_level,
            ),
            founders,
            locate,
            self.consumer.machine,
            config.raft,
            LinkOptions(
                net=config.net,
                server_tls=config.server_tls,
                client_tls=config.client_tls,
                tls_name=config.tls_name,
                refuse=refuse,
                claims=claims,
                on_event=on_event,
                needed_level=lambda: self.state.feature_level,
                all_prove_first=lambda: self.state.feature_level >= CALLERS_PROVE_FIRST_SINCE,
            ),
            clock=self._clock,
            before_tick=self.consumer.before_tick,
            on_stop=self._node_stopped,
        )
        self.transport = self._runtime.transport

    # life

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Load the state, then listen, then take part. Returns where it listens.

        Raises OSError where the address cannot be had, CorruptStateError or OSError where the directory must not be
        started from.
        """
        self.node = await self._runtime.load()
        self.consumer.bind(self.node)
        self.metadata = self.consumer.metadata
        self._runtime.begin()
        self.consumer.begin()
        return await self._runtime.listen(host, port)

    async def stop(self) -> None:
        """End this member's part: calls get their outcome, links close, the log is synced, the directory is let go."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop())
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        self._runtime.halt()
        await self.consumer.end()
        await self._runtime.close()

    async def __aenter__(self) -> Member:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _node_stopped(self, failure: BaseException | None) -> None:
        self._notify_observers()
        if self._on_stop is not None:
            self._on_stop(failure)

    # what happens

    def observe(self, observer: Callable[[], None]) -> Callable[[], None]:
        """Call `observer` whenever entries were applied, or leadership changed. Returns what ends it."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer) if observer in self._observers else None

    def _notify_observers(self) -> None:
        for observer in list(self._observers):
            try:
                observer()
            except Exception:
                logger.exception("an observer failed")

    # views

    @property
    def state(self) -> State:
        """As applied here so far. To be read, never written."""
        return self.consumer.machine.state

    @property
    def leading(self) -> bool:
        return self.node.leading

    @property
    def leader(self) -> str | None:
        """Member id of the leader, as far as this member knows."""
        return self.node.leader

    def staleness(self) -> float:
        """How old what is applied here may be at most, in seconds."""
        return self.node.staleness()

    def status(self) -> MemberStatus:
        election_max, now = self.config.raft.election_max, self._clock.monotonic()
        return member_status(self.node, self.cluster, self.state, election_max, now)

    def metrics(self) -> MemberMetrics:
        node = self.node
        return MemberMetrics(
            raft=node.metrics,
            state=self.state.sizes(),
            pending_proposals=node.state.pending.proposals,
            waiting_reads=node.state.pending.reads,
            open_watches=len(self.metadata.watches),
            log_bytes=self.directory.journal.memory_bytes,
            disk_full=self.directory.journal.disk_full,
            log_full=self.directory.journal.log_full,
            staleness=self.staleness(),
            unknown_messages=self.transport.unknown_messages,
        )

    def peers(self) -> list[PeerStatus]:
        """What this member knows of the others; matches and silences are a leader's knowledge."""
        return peer_statuses(self.node, self._clock.monotonic())

    # duties

    def link(self, members: Iterable[str]) -> None:
        """Keep links to these members and to the voters, and to no others."""
        self.transport.keep({*members, *self.node.voters} - {self.id})

    async def transfer(self, target: str | None = None) -> str:
        """Hand leadership to a voter (None: the one that holds most of the log). Returns who leads now.

        Raises RefusedError, UnavailableError, UnknownOutcomeError (it was asked, and may yet take over).
        """
        return str(await call_node(lambda done: self.node.transfer(done, target)))

    async def change_voters(self, member: str, *, add: bool, timeout: float | None = None) -> tuple[str, ...]:
        """As the leader: add or remove one voter. Returns the voters. Raises as `MemberMetadata.submit`."""
        limit = self.config.request_timeout if timeout is None else timeout
        voters: tuple[str, ...] = await call_node(lambda done: self.node.change_voters(member, done, limit, add=add))
        return voters

    def in_disk_thread(self, job: Callable[[], None]) -> None:
        """Run `job`, which raises nothing, where it holds nobody up."""
        self._runtime.in_disk_thread(job)

    def compact(self) -> None:
        """Take a snapshot soon, and cut the log."""
        self._runtime.compact()
