"""What every member of a Raft group runs on, whatever its state machine: node, links, disk thread and driver, and the
order in which they start and stop.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from coterie.consensus.journal import DiskThread, MemberDirectory
from coterie.consensus.member.event_loop import Driver, SystemClock
from coterie.consensus.member.peers_file import KnownPeers, read_peers, write_peers
from coterie.consensus.raft.net.admission import Admission
from coterie.consensus.raft.net.session import Identity
from coterie.consensus.raft.net.tcp import Claims, Link, Locate, NetSettings, TcpTransport
from coterie.consensus.raft.node import RaftNode
from coterie.consensus.raft.ports import StateMachine
from coterie.consensus.raft.settings import RaftConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOptions:
    """How a member reaches the others, and which of them it accepts."""

    net: NetSettings
    server_tls: ssl.SSLContext | None = None
    client_tls: ssl.SSLContext | None = None
    tls_name: str | None = None
    refuse: Callable[[str], str | None] | None = None
    on_event: Callable[[str, str], None] | None = None
    on_guest: Callable[[Link, bytes], None] | None = None
    needed_level: Callable[[], int] = lambda: 1
    """Of operations, that a member must follow to get a link."""
    all_prove_first: Callable[[], bool] = lambda: False
    """Whether every member proves the secret first where it calls. Once it is so it stays so, across restarts too."""
    claims: Claims | None = None


class RaftRuntime:
    """Made in a running event loop on an open `MemberDirectory`, which it closes when it closes.

    `before_tick` is called before each tick of the node: what has happened since the last one can be seen then.
    """

    def __init__(
        self,
        directory: MemberDirectory,
        identity: Identity,
        founders: tuple[str, ...],
        locate: Locate,
        machine: StateMachine,
        settings: RaftConfig,
        links: LinkOptions,
        *,
        clock: SystemClock,
        before_tick: Callable[[], None],
        on_stop: Callable[[BaseException | None], None],
    ) -> None:
        self.directory = directory
        known = read_peers(directory.path)
        self._incarnations: Mapping[str, int] = known.incarnations
        self._prove_first = known.prove_first
        self._all_prove_first = links.all_prove_first
        self._node: RaftNode | None = None
        self._driver = Driver(before_tick)
        self._disk = DiskThread()
        self._timer: asyncio.Task[None] | None = None
        journal, snapshot = directory.journal, directory.snapshots.latest()
        last = journal[-1][1] if len(journal) else 0
        held = max(last, 0 if snapshot is None else snapshot.index)
        self.transport = TcpTransport(
            replace(identity, term=journal.term, index=held),
            locate,
            links.net,
            server_tls=links.server_tls,
            client_tls=links.client_tls,
            tls_name=links.tls_name,
            on_event=links.on_event,
            refuse=links.refuse,
            on_guest=links.on_guest,
            needed_level=links.needed_level,
            all_prove_first=self._do_all_prove_first,
            claims=links.claims,
            admission=Admission(known=known.incarnations, on_new=self._keep_incarnations),
        )
        self._make_node = partial(
            RaftNode,
            identity.member,
            founders,
            journal=directory.journal,
            snapshots=directory.snapshots,
            machine=machine,
            transport=self.transport,
            disk=self._disk,
            clock=clock,
            settings=settings,
            on_stop=on_stop,
            on_work=self._driver.wake,
        )

    def _keep_incarnations(self, incarnations: Mapping[str, int]) -> None:
        self._incarnations = incarnations
        self._keep_peers()

    def _do_all_prove_first(self) -> bool:
        if not self._prove_first and self._all_prove_first():
            self._prove_first = True
            self._keep_peers()
        return self._prove_first

    def _keep_peers(self) -> None:
        known = KnownPeers(self._incarnations, self._prove_first)
        self.in_disk_thread(partial(write_peers, self.directory.path, known))

    def in_disk_thread(self, job: Callable[[], None]) -> None:
        """Run `job`, whose end nobody waits for."""
        self._disk.submit(job, lambda *_: None)

    @property
    def node(self) -> RaftNode:
        """Once it is loaded."""
        if self._node is None:
            raise AssertionError("the node is not loaded yet")
        return self._node

    async def load(self) -> RaftNode:
        """Make the node, and load its state, in the disk thread.

        Raises CorruptStateError or OSError where the directory must not be started from."""

        def make() -> RaftNode:
            node = self._make_node()
            node.load()
            return node

        self._node = await self._disk.run(make)
        return self._node

    def begin(self) -> None:
        """Begin to tick, once the node is loaded."""
        self._driver.run(self.node)

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Take part, once the state is loaded. Returns where it listens. Raises OSError where the address is taken."""
        where = await self.transport.listen(host, port)
        self.take_part(self.node.voters)
        return where

    def take_part(self, members: Iterable[str]) -> None:
        """Keep links to these, once the state is loaded; `listen` does so for the voters."""
        self.transport.take_part()
        for member in members:
            if member != self.node.own:
                self.transport.add(member)
        self._timer = asyncio.create_task(self._every_second())

    async def _every_second(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.node.upkeep()
            self._do_all_prove_first()

    def compact(self) -> None:
        """Take a snapshot soon, and cut the log."""
        self.node.compact()
        self._driver.wake()

    def halt(self) -> None:
        """End this member's part in Raft: every call gets its outcome."""
        if self._node is not None:
            self._node.stop()
        self._driver.stop()
        if self._timer is not None:
            self._timer.cancel()

    async def close(self) -> None:
        """After `halt`: close the links, finish the disk's work, let the directory go."""
        await self.transport.close()
        await self._disk.close(self.directory.close)
