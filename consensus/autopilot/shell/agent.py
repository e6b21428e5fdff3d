"""A node's part in the metadata cluster: the task between a gossip node and a Raft member.

Each turn runs the `Bootstrapper` and the `LeaderLoop` on the `LocalMember`, keeps its links, and announces its state.
Nothing of Raft's safety or timers passes through here: gossip gives addresses, evidence, and nodes that may vote.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from coterie.consensus import Member, MemberMetadata, UnavailableError
from coterie.consensus.autopilot.announcement import KEY_PREFIX, AnnouncedRole, Announcement, ClusterStatus
from coterie.consensus.autopilot.founding.bootstrap import other_clusters
from coterie.consensus.autopilot.shell.agent_config import AgentConfig
from coterie.consensus.autopilot.shell.bootstrapper import Bootstrapper
from coterie.consensus.autopilot.shell.gossip_view import GossipView
from coterie.consensus.autopilot.shell.leader_loop import LeaderLoop, ban_member
from coterie.consensus.autopilot.shell.local_member import LinkProblem, LocalMember
from coterie.consensus.autopilot.voters.removal import RemovalCause, RemovalOutcome, removal_outcome
from coterie.consensus.member.lineage import replaced_clusters
from coterie.consensus.raft.errors import RaftError, WentBackError
from coterie.gossip import Event, GossipNode, NodeAlive, NodeDead, NodeJoined, NodeRemoved

logger = logging.getLogger(__name__)

TURN_SECONDS = 0.5
"""Between turns, where nothing happens that asks for one."""

WRONG_SECRET = "wrong_secret"  # noqa: S105 - a word for operators
"""The kind of a link's problem."""

MAX_ACTIONS_A_TURN = 8
"""Of a bootstrap: each is one durable step."""


class Agent:
    """Make and use it in one running event loop."""

    def __init__(self, gossip: GossipNode, directory: Path, config: AgentConfig) -> None:
        """Opens the directory, or makes it. Raises as `open_member_directory`."""
        self.gossip = gossip
        self.config = config
        self.view = GossipView(gossip, config.keys, believed=config.believed)
        self._leaving = False
        self._gone = False
        self._local = LocalMember(directory, config, self.view, on_change=self._wake, on_stop=self._member_stopped)
        self._bootstrapper = Bootstrapper(gossip.node, config.rule, self._local)
        self._listening = config.listen
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._unobserve: list[Callable[[], None]] = []
        self.failure: BaseException | None = None
        """Why this node takes no part in Raft until its next start."""
        self.met: str | None = None
        """What is wrong where another cluster gossips with this member's; None where none does."""

    # -- life --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to look for a cluster, or to take part in the one that the directory belongs to. Does not wait.

        Raises OSError where the Raft address cannot be had.
        """
        # Bound at once: an address in use is an error now, and the port must be known before it is announced.
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, *self._listening)
        self._listening = (self._listening[0], server.sockets[0].getsockname()[1])
        server.close()
        self._unobserve = [
            self.gossip.observe(self._gossip_event),
            self.gossip.subscribe(KEY_PREFIX, lambda *_: self._wake()),
        ]
        self._task = asyncio.create_task(self._run(), name="raft agent")

    def _gossip_event(self, event: Event) -> None:
        if isinstance(event, NodeJoined | NodeAlive | NodeDead | NodeRemoved):
            self._wake()

    def _wake(self) -> None:
        self._woken.set()

    def _member_stopped(self, failure: BaseException | None) -> None:
        if failure is not None:
            self.failure = failure
            self._wake()

    async def stop(self) -> None:
        """Stop: transfer leadership, keep the vote, close the directory."""
        for end in self._unobserve:
            end()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._local.transfer_leadership()
        await self._local.halt()
        await self._local.close()

    async def _run(self) -> None:
        while True:
            try:
                await self._turn()
            except (RaftError, OSError) as error:
                self.failure = self.failure or error
            except Exception:
                logger.exception("internal error: please report it")
            if isinstance(self.failure, WentBackError) and self.config.rejoining.after_death:
                why, self.failure = str(self.failure), None
                await self._local.archive_directory(why)
                continue
            if self.failure is not None:
                # Gossip and HTTP go on, and report the failure to an operator.
                self._bootstrapper.reason = f"this node's part in Raft has stopped: {self.failure}"
                logger.critical("%s", self.reason)
                self.view.withdraw()
                await self._local.halt()
                return
            self._woken.clear()
            try:
                async with asyncio.timeout(TURN_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(0.02)  # one turn for all that comes together

    # -- turns -------------------------------------------------------------------------------------------------------

    async def _turn(self) -> None:
        await self._act_on_own_removal()
        if self._gone:
            return
        await self._bootstrapper.carry_out_giving_up(self._listening)
        seen = self.view.observations(time.monotonic())
        for _ in range(MAX_ACTIONS_A_TURN):
            if not await self._bootstrapper.step(seen, self._listening):
                break
            self._announce()  # the action is durable by now
            seen = self.view.observations(time.monotonic())
        self.met = None if self.cluster is None else other_clusters(self.cluster, seen.proved())
        self._local.keep_links(seen)
        if self.leader_loop is not None and self.cluster is not None:
            self.leader_loop.turn(seen, time.monotonic())
        self._announce()

    async def _act_on_own_removal(self) -> None:
        """Act on this member's own removal, once the log has brought it."""
        member, leader_loop = self.member, self.leader_loop
        if member is None or leader_loop is None or self._gone:
            return
        what, why = removal_outcome(
            self.member_id,
            member.node.state.committed_voters,  # a removal counts once it is committed
            leader_loop.bans(),
            self.config.rejoining,
            leaving=self._leaving,
        )
        if what is RemovalOutcome.REJOIN:
            await self._local.archive_directory(why)
        elif what is RemovalOutcome.GONE:
            self._gone = True
            self._announce()
            self._bootstrapper.set_reason(why)
            await self._local.halt()

    # -- announcements -----------------------------------------------------------------------------------------------

    def _announce(self) -> None:
        host, port = self.config.advertise
        member = self.member
        vote = self._local.vote_file.vote
        status: ClusterStatus | None = None
        replaces: tuple[str, ...] = ()
        if member is not None and self.cluster is not None:
            replaces = replaced_clusters(member.state)
            status = ClusterStatus(member.node.term, member.leader, member.state.membership_epoch, member.node.applied)
        announcement = Announcement(
            member=self.member_id,
            incarnation=self._local.incarnation,
            host=host,
            port=port or self._listening[1],
            role=self.role,
            cluster_id=self.cluster,
            rule=self.config.rule,
            zone=self.config.zone,
            agrees_to=vote.agrees_to,
            highest_rank=vote.highest_rank,
            joining=vote.joining,
            status=status,
            replaces=replaces,
        )
        self.view.announce(announcement)

    # -- operators' commands ------------------------------------------------------------------------------------------

    async def leave(self, timeout: float = 30.0) -> None:
        """Give up this member's vote and its place in the cluster, for good; the node goes on without Raft.

        `timeout`: seconds. Raises UnavailableError where the cluster has not let it go in time; it may do so later.
        """
        member = self._running()
        self._leaving = True
        await ban_member(member, self.member_id, RemovalCause.LEAVE, "")
        try:
            async with asyncio.timeout(timeout):
                while not self._gone:
                    self._wake()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise UnavailableError("timed_out", "no majority has let this member go yet") from None

    async def remove(self, member: str, words: str) -> None:
        """Ban a member, dead or alive, for an operator. The leader removes it. Raises MetadataError."""
        await ban_member(self._running(), member, RemovalCause.FORCED, words)

    def give_up_founding(self) -> str | None:
        """Stop waiting for a founder that will never come; returns what was done, None where nothing is founded."""
        done = self._bootstrapper.give_up()
        self._wake()
        return done

    def _running(self) -> Member:
        if self.member is None or self.cluster is None:
            raise UnavailableError("no_cluster", self.reason or "this node is in no metadata cluster yet")
        return self.member

    # -- reading -----------------------------------------------------------------------------------------------------

    @property
    def reason(self) -> str:
        """Why this node is in no cluster, or what its founding waits for, or that others take its member for a copy; ""
        where all is well."""
        reason = self._bootstrapper.reason or self._local.refused_as_twin
        problems = self.link_problems
        if reason and self.failure is None and problems and problems[-1].kind == WRONG_SECRET:
            return f"{reason}; its raft.secret is not that of the others ({problems[-1].detail})"
        return reason

    @property
    def link_problems(self) -> Sequence[LinkProblem]:
        """The latest, oldest first."""
        return self._local.link_problems

    @property
    def member(self) -> Member | None:
        """While it runs."""
        return self._local.member

    @property
    def leader_loop(self) -> LeaderLoop | None:
        """Beside a running member."""
        return self._local.leader_loop

    @property
    def member_id(self) -> str:
        return self._local.id

    @property
    def cluster(self) -> str | None:
        """The cluster that this member belongs to for good."""
        return self._local.cluster

    @property
    def role(self) -> AnnouncedRole:
        member = self.member
        if self._gone:
            return "left" if self._leaving else "removed"
        if member is None or self.cluster is None:
            return self._bootstrapper.own_state().role if self._local.is_open or member is not None else "candidate"
        if self.member_id in member.state.bans and self.member_id not in member.node.voters:
            return "left" if self._leaving else "removed"
        return "voter" if self.member_id in member.node.voters else "observer"

    @property
    def metadata(self) -> MemberMetadata:
        """Raises UnavailableError, with the reason, where this node is in no cluster yet."""
        return self._running().metadata
