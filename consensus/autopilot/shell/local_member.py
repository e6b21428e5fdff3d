"""The member on this node: its directory and, while it takes part in a cluster, the Raft node and the leader's loop.

The directory is open all the time. A running member closes the log in it when it stops; it is opened again then.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from coterie.consensus.api.errors import MetadataError, UnavailableError
from coterie.consensus.autopilot.link_targets import announced, link_targets
from coterie.consensus.autopilot.observations import Observations
from coterie.consensus.autopilot.shell.address_book import AddressBook
from coterie.consensus.autopilot.shell.agent_config import AgentConfig
from coterie.consensus.autopilot.shell.founding_vote_file import FoundingVoteFile
from coterie.consensus.autopilot.shell.gossip_view import GossipView
from coterie.consensus.autopilot.shell.leader_loop import LeaderLoop, ban_member
from coterie.consensus.autopilot.voters.removal import RemovalCause
from coterie.consensus.journal import MemberDirectory, open_member_directory
from coterie.consensus.member.member import Member
from coterie.consensus.raft.errors import RaftError

logger = logging.getLogger(__name__)


MAX_LINK_PROBLEMS = 100
"""The latest are kept for operators."""


@dataclass(frozen=True, slots=True)
class LinkProblem:
    """Why a link to another member was refused or broken: a wrong secret, another cluster, a copied directory."""

    at: float
    """Unix seconds."""
    kind: str
    """A word of a small fixed set."""
    detail: str


class ListenError(Exception):
    """The Raft address cannot be had now. It may be tried again."""


class LocalMember:
    """The directory's member, and its links; another member after the directory is archived."""

    def __init__(
        self,
        path: Path,
        config: AgentConfig,
        view: GossipView,
        *,
        on_change: Callable[[], None],
        on_stop: Callable[[BaseException | None], None],
    ) -> None:
        """Opens the directory, or makes it. Raises as `open_member_directory`.

        `on_change`: the leader or the voters changed. `on_stop`: as of a `Member`.
        """
        self.path = path
        self.member: Member | None = None
        self.leader_loop: LeaderLoop | None = None
        self._config = config
        self.link_problems: deque[LinkProblem] = deque(maxlen=MAX_LINK_PROBLEMS)
        self._view = view
        self._on_change = on_change
        self._on_stop = on_stop
        self._reported: set[str] = set()  # members whose directories went back in time
        self._banning: asyncio.Task[None] | None = None
        self._store: MemberDirectory | None = None
        self.vote_file: FoundingVoteFile
        self.addresses: AddressBook
        self._take_files(*self._open_files())

    # -- the directory -----------------------------------------------------------------------------------------------

    def _open_files(self) -> tuple[MemberDirectory, FoundingVoteFile, AddressBook]:
        """Waits for the disk: on the loop while the process starts, and has nothing else to do; later beside it."""
        files = self._config.files
        store = open_member_directory(self.path, config=self._config.journal, files=files)
        try:
            return store, FoundingVoteFile.open(files, self.path), AddressBook(self.path)
        except BaseException:
            store.close()
            raise

    async def _open_again(self) -> None:
        self._take_files(*await asyncio.to_thread(self._open_files))

    def _take_files(self, store: MemberDirectory, vote_file: FoundingVoteFile, addresses: AddressBook) -> None:
        self._store, self.vote_file, self.addresses = store, vote_file, addresses
        self.id = store.identity.member_id.hex
        self.incarnation = store.identity.incarnation
        self.cluster = store.identity.cluster_id

    @property
    def is_open(self) -> bool:
        return self._store is not None

    @property
    def _opened(self) -> MemberDirectory:
        if self._store is None:
            raise AssertionError("the directory is open")
        return self._store

    async def close(self) -> None:
        store, self._store = self._store, None
        self.vote_file.close()
        if store is not None:
            await asyncio.to_thread(store.close)

    async def archive_directory(self, reason: str) -> None:
        """End as this member; begin again with an empty directory, as a new one."""
        await self.halt()
        await self.close()
        aside = await asyncio.to_thread(_set_aside, self.path)
        logger.warning("the member %s ends (%s): its files are now in %s", self.id, reason, aside)
        await self._open_again()

    def join_cluster(self, cluster_id: str) -> None:
        """For good: written into the identity."""
        self._opened.identity.join_cluster(cluster_id)
        self.cluster = cluster_id

    def last_entry(self) -> tuple[int, int]:
        """Term, and index of the last entry of the log (0: it is empty)."""
        if self.member is not None:
            return self.member.node.term, self.member.node.last_index
        if self._store is None:
            return 0, 0  # it is being opened again
        log = self._store.journal
        return log.term, log[-1][1] if len(log) else 0

    # -- running -----------------------------------------------------------------------------------------------------

    async def start(self, cluster_id: str, founders: tuple[str, ...], listen: tuple[str, int]) -> None:
        """Take part in a cluster. Raises ListenError; after any other error this member is over."""
        member = Member(
            self._opened,
            cluster_id,
            founders,
            self._locate,
            self._config.member,
            claims=self._claimed,
            on_event=self._note_problem,
            on_stop=self._on_stop,
        )
        try:
            await member.start(*listen)
        except BaseException as error:
            await member.stop()
            self._store = None
            if isinstance(error, OSError) and not isinstance(error, RaftError):
                self.vote_file.close()
                await self._open_again()
                raise ListenError(f"the Raft address cannot be listened on: {error}") from error
            raise
        self.member = member
        self.leader_loop = LeaderLoop(member, self._config.policy, self._config.ask_process)
        member.observe(self._changed(member))

    def _changed(self, member: Member) -> Callable[[], None]:
        """An observer that reports changes of leader and voters, not every write."""
        last: tuple[object, ...] = ()

        def look() -> None:
            nonlocal last
            node = member.node
            now = (node.term, member.leader, node.voters, node.last_index > 1, self.id in member.state.bans)
            if now != last:
                last = now
                self._on_change()

        return look

    def _note_problem(self, kind: str, detail: str) -> None:
        self.link_problems.append(LinkProblem(time.time(), kind, detail))

    def _locate(self, member: str) -> tuple[str, int] | None:
        """Where it proves to be by gossip, else the last address that worked."""
        claims = self._view.observations(time.monotonic()).claims(member)
        proved = (each.announcement.address for each in claims if each.proved and each.announcement is not None)
        return next(proved, None) or self.addresses.find(member)

    def _claimed(self, member: str) -> list[tuple[str, int]]:
        """Where it may be beside that: the last address that worked, and whatever anybody announces."""
        last = self.addresses.find(member)
        claims = self._view.observations(time.monotonic()).claims(member)
        found = [] if last is None else [last]
        return found + [each.announcement.address for each in claims if each.announcement is not None]

    def keep_links(self, seen: Observations) -> None:
        """While a member runs: link it to the members that it should have links to, and note their addresses."""
        member = self.member
        if member is None:
            return
        here = announced(seen, self.id)
        member.link(link_targets(self.id, member.cluster, member.node.voters, here))
        member.consumer.levels.others = [
            other for other, it in here.items() if it.takes_part_in(member.cluster) and seen.of_member[other].live
        ]
        for other in member.node.state.links:
            reached, claimed = member.transport.reached.get(other), seen.of_member.get(other)
            if reached is not None:
                self.addresses.note(other, reached)
            elif claimed is not None and claimed.proved and claimed.announcement is not None:
                self.addresses.note(other, claimed.announcement.address)  # it calls this one
        self.addresses.save(member.in_disk_thread)
        self._condemn_twins(member, seen)
        self._report_rollbacks(member)

    def _condemn_twins(self, member: Member, seen: Observations) -> None:
        """A twin of a process that is gone for good runs on a directory that went back. For no longer than a leader
        lives without answers the former link may be a link that broke, and comes back."""
        transport = member.transport
        since = transport.loop.time() - self._config.member.raft.leader_fallback
        for other, (incarnation, first) in list(transport.twins.items()):
            if first > since or (twin := seen.took_over(other, incarnation)) is None:
                continue
            transport.condemn(
                other,
                f"{twin.node} starts for the {incarnation}. time, and an earlier process in its place had that start",
            )

    def _report_rollbacks(self, member: Member) -> None:
        """Put every proof that this member holds into the log, as a ban: a later leader has none of its own, for the
        process that it was against ends at once."""
        for other, proof in member.node.state.went_back.items():
            words = f"the directory of {other} went back in time: {proof}"
            if other not in self._reported:
                self._reported.add(other)
                self._note_problem("went_back", words)
            banning = self._banning is not None and not self._banning.done()
            if other in member.node.voters and other not in member.state.bans and not banning:
                self._banning = asyncio.create_task(_ban(member, other, words), name="ban of a rolled back member")

    @property
    def refused_as_twin(self) -> str:
        """Why members give this one no link: they take it for a copy; "" where none does."""
        refused = {} if self.member is None else self.member.transport.refused_by
        by = sorted(other for other, told in refused.items() if told.startswith("cloned"))
        if not by:
            return ""
        return (
            f"no link to {', '.join(by)}: another process has run on a copy of the data directory. Where "
            "that process runs, stop one of the two; else set the raft directory of this node aside, and it joins as a "
            "new member"
        )

    async def transfer_leadership(self) -> None:
        """To another voter, where this member leads and there is one."""
        member = self.member
        if member is not None and member.leading and len(member.node.voters) > 1:
            try:
                async with asyncio.timeout(2 * self._config.member.raft.election_max):
                    await member.transfer()
            except (TimeoutError, UnavailableError, RaftError, Exception) as error:  # noqa: BLE001 - it stops anyhow
                logger.info("leadership was not handed over: %s", error)

    async def halt(self) -> None:
        leader_loop, self.leader_loop = self.leader_loop, None
        if leader_loop is not None:
            await leader_loop.stop()
        if self._banning is not None:
            self._banning.cancel()
            await asyncio.gather(self._banning, return_exceptions=True)
        member, self.member = self.member, None
        if member is not None:
            await member.stop()
            self._store = None  # closed with it

    async def halt_founding(self) -> None:
        """Stop the Raft node, so that it votes no more, and keep the directory open."""
        if self.member is not None:
            await self.halt()
            self.vote_file.close()
            await self._open_again()


async def _ban(member: Member, other: str, words: str) -> None:
    with suppress(MetadataError):  # the next turn tries again
        await ban_member(member, other, RemovalCause.DEAD, words)


def _set_aside(path: Path) -> Path:
    """Rename a directory. Its new name."""
    number = 1
    while (aside := path.with_name(f"{path.name}.set-aside-{number}")).exists():
        number += 1
    return path.rename(aside)
