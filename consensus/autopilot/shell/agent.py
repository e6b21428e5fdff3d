"""A node's part in the metadata cluster: the asyncio shell of this package, between a gossip node and a Raft member.

Again and again it asks the pure parts what to do: `bootstrap.step` until there is a cluster, the `Governor` while this
member leads. It carries out on the `LocalMember` what the first says, and keeps announcements, links and addresses in
step with both.
Nothing of Raft's safety or timers passes through here: gossip gives addresses, candidates and evidence.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from coterie.consensus import Member, MemberMetadata, MemberStatus, UnavailableError
from coterie.consensus.autopilot.announcement import KEY_PREFIX, Announcement, Role, Status
from coterie.consensus.autopilot.founding import bootstrap
from coterie.consensus.autopilot.founding.bootstrap_actions import Bind, Halt, Keep, Own, Run, SetAside, Wait
from coterie.consensus.autopilot.link_targets import announced, wanted_links
from coterie.consensus.autopilot.observations import Sightings
from coterie.consensus.autopilot.shell.agent_config import AgentConfig
from coterie.consensus.autopilot.shell.gossip_view import GossipView
from coterie.consensus.autopilot.shell.governor import Governor, bar
from coterie.consensus.autopilot.shell.local_member import ListenError, LocalMember
from coterie.consensus.autopilot.voters.removal import Cause, Fate, fate
from coterie.consensus.raft.errors import RaftError
from coterie.gossip import Event, GossipNode, NodeAlive, NodeDead, NodeJoined, NodeRemoved

logger = logging.getLogger(__name__)

TURN_SECONDS = 0.5
"""How often everything is looked at, where nothing happens that asks for it."""

MAX_MOVES_A_TURN = 8
"""Of a founding: each is one durable step."""

MAX_LINK_EVENTS = 100
"""Of what links report, the last ones are kept for operators."""


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """Something that an operator should know: a wrong secret, another cluster, a copied directory."""

    at: float
    """Unix seconds."""
    kind: str
    detail: str


class Agent:
    """To be made and used in one running event loop."""

    def __init__(self, gossip: GossipNode, directory: Path, config: AgentConfig) -> None:
        """Opens the directory, or makes it. Raises as `open_member_directory`."""
        self.gossip = gossip
        self.config = config
        self.view = GossipView(gossip)
        self.reason = "starting"
        """Why this node is not in a cluster, or what its founding waits for; "" where all is well."""
        self.link_events: deque[LinkEvent] = deque(maxlen=MAX_LINK_EVENTS)
        self._giving_up = False  # the founding, by an operator's order
        self._leaving = False
        self._gone = False
        self._local = LocalMember(
            directory,
            config,
            self._locate,
            on_event=self._link_event,
            on_change=self._look_soon,
            on_stop=self._member_stopped,
        )
        self._listening = config.listen
        self._started = time.monotonic()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._unobserve: list[Callable[[], None]] = []
        self.failure: BaseException | None = None
        """Why this node's part in Raft is over until it is started again."""

    # -- life --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to look for a cluster, or to take part in the one that the directory belongs to. Does not wait.

        Raises OSError where the Raft address cannot be had.
        """
        # Tried at once: an address in use is an error now, and the port must be known before it is announced.
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, *self._listening)
        self._listening = (self._listening[0], server.sockets[0].getsockname()[1])
        server.close()
        self._unobserve = [
            self.gossip.observe(self._gossip_event),
            self.gossip.subscribe(KEY_PREFIX, lambda *_: self._look_soon()),
        ]
        self._task = asyncio.create_task(self._run(), name="raft agent")

    def _gossip_event(self, event: Event) -> None:
        if isinstance(event, NodeJoined | NodeAlive | NodeDead | NodeRemoved):
            self._look_soon()

    def _look_soon(self) -> None:
        self._news.set()

    async def stop(self) -> None:
        """End this node's part: leadership is handed over, the vote is kept, the directory let go."""
        for end in self._unobserve:
            end()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._local.hand_over()
        await self._local.halt()
        self._local.close()

    async def _run(self) -> None:
        while True:
            try:
                await self._turn()
            except (RaftError, OSError) as error:
                self.failure = self.failure or error
            except Exception:
                logger.exception("internal error: please report it")
            if self.failure is not None:
                # Disk and files are met, not obeyed: gossip and HTTP go on, and an operator is told.
                self.reason = f"this node's part in Raft has stopped: {self.failure}"
                logger.critical("%s", self.reason)
                self._announce(None)
                await self._local.halt()
                return
            self._news.clear()
            try:
                async with asyncio.timeout(TURN_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(0.02)  # what comes together is looked at together

    # -- turns -------------------------------------------------------------------------------------------------------

    async def _turn(self) -> None:
        await self._meet_fate()
        if self._gone:
            return
        if self._giving_up:
            await self._give_up()
        seen = self.view.sightings(time.monotonic())
        for _ in range(MAX_MOVES_A_TURN):
            move = bootstrap.step(self._own(), seen, uuid4().hex)
            if not await self._make(move):
                break
            self._announce(self._announcement())  # a move is durable by now, and may be told
            seen = self.view.sightings(time.monotonic())
        self._keep_links(seen)
        if self.governor is not None and self.cluster is not None:
            self.governor.turn(seen, time.monotonic())
        self._announce(self._announcement())

    async def _meet_fate(self) -> None:
        """Act upon this member's own removal, once it has learnt of it from the log."""
        member, governor = self.member, self.governor
        if member is None or governor is None or self._gone:
            return
        what, why = fate(
            self.member_id,
            member.node.configurations.as_of(member.node.applied),  # a removal counts once it is committed
            governor.bans(),
            self.config.rejoining,
            leaving=self._leaving,
        )
        if what is Fate.REJOIN:
            await self._local.set_aside(why)
        elif what is Fate.GONE:
            self._gone = True
            self._announce(self._announcement())
            self._tell(why)
            await self._local.halt()

    def _own(self) -> Own:
        term, last = self._local.last_entry()
        member = self.member
        return Own(
            member=self.member_id,
            node=self.gossip.node.node_id,
            generation=self.gossip.node.generation,
            rule=self.config.rule,
            ballot=self._local.ballot.ballot,
            cluster_id=self.cluster,
            term=term,
            last_index=last,
            running=None if member is None else member.cluster,
            up_for=time.monotonic() - self._started,
        )

    async def _give_up(self) -> None:
        """What this member has voted by the time that its Raft node has stopped decides how the founding ends."""
        self._giving_up = False
        if self.cluster is not None:
            return
        await self._local.halt_founding()
        move = bootstrap.give_up(self._own())
        if move is not None:
            await self._make(move)

    async def _make(self, move: Wait | Keep | Halt | Run | Bind | SetAside) -> bool:
        """Make a move; True where the next one is to be asked for at once."""
        match move:
            case Wait(reason):
                self._tell(reason)
                return False
            case Keep(ballot, reason):
                self._tell(reason)
                self._local.ballot.store(ballot)
            case Halt(reason):
                self._tell(reason)
                await self._local.halt_founding()
            case SetAside(reason):
                await self._local.set_aside(reason)
            case Bind(cluster_id, _, reason):
                self._tell(reason)
                self._local.join_cluster(cluster_id)
            case Run(cluster_id, founders, waiting):
                if self.member is None:
                    try:
                        await self._local.start(cluster_id, founders, self._listening)
                    except ListenError as error:
                        self._tell(str(error))
                        return False
                self._tell(waiting or "")
                return False
        return True

    def _tell(self, reason: str) -> None:
        if reason != self.reason:
            self.reason = reason
            if reason:
                logger.info("raft: %s", reason)

    def _member_stopped(self, failure: BaseException | None) -> None:
        if failure is not None:
            self.failure = failure
            self._look_soon()

    def _link_event(self, kind: str, detail: str) -> None:
        self.link_events.append(LinkEvent(time.time(), kind, detail))

    # -- links and announcements -------------------------------------------------------------------------------------

    def _locate(self, member: str) -> tuple[str, int] | None:
        """Gossip's address, else the last that worked."""
        seen = self.view.sightings(time.monotonic()).of_member.get(member)
        if seen is not None and seen.announcement is not None:
            return seen.announcement.address
        return self._local.addresses.find(member)

    def _keep_links(self, seen: Sightings) -> None:
        member = self.member
        if member is None:
            return
        here = announced(seen, self.member_id)
        member.link(wanted_links(self.member_id, member.cluster, member.node.voters, here))
        for other in member.node.connected:
            if (it := here.get(str(other.id))) is not None:
                self._local.addresses.note(str(other.id), it.address)
        self._local.addresses.save()

    def _announcement(self) -> Announcement:
        host, port = self.config.advertise
        member = self.member
        ballot = self._local.ballot.ballot
        status = None
        if member is not None and self.cluster is not None:
            status = Status(member.node.term, member.leader, member.state.membership_epoch, member.node.applied)
        return Announcement(
            member=self.member_id,
            incarnation=self._local.incarnation,
            host=host,
            port=port or self._listening[1],
            role=self.role,
            cluster_id=self.cluster,
            rule=self.config.rule,
            zone=self.config.zone,
            answer=ballot.answer,
            floor=ballot.floor,
            joining=ballot.joining,
            status=status,
        )

    def _announce(self, announcement: Announcement | None) -> None:
        if announcement is None:
            self.view.withdraw()
        else:
            self.view.announce(announcement)

    # -- operators' commands ------------------------------------------------------------------------------------------

    async def leave(self, timeout: float = 30.0) -> None:
        """Give up this member's vote and its place in the cluster, for good; the node goes on without Raft.

        Raises UnavailableError where that did not come to pass in time, and then it may still.
        """
        member = self._running()
        self._leaving = True
        await bar(member, self.member_id, Cause.LEAVE, "")
        try:
            async with asyncio.timeout(timeout):
                while not self._gone:
                    self._look_soon()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise UnavailableError("timed_out", "no majority has let this member go yet") from None

    async def remove(self, member: str, words: str) -> None:
        """Send a member away, dead or alive, on an operator's word. The leader carries it out. Raises MetadataError."""
        await bar(self._running(), member, Cause.FORCED, words)

    def give_up_founding(self) -> str | None:
        """Stop waiting for a founder that will never come; returns what was done, None where nothing is founded."""
        move = bootstrap.give_up(self._own())
        if move is None:
            return None
        self._giving_up = True
        self._look_soon()
        return move.reason

    def _running(self) -> Member:
        if self.member is None or self.cluster is None:
            raise UnavailableError("no_cluster", self.reason or "this node is in no metadata cluster yet")
        return self.member

    # -- the face ----------------------------------------------------------------------------------------------------

    @property
    def member(self) -> Member | None:
        """While it runs."""
        return self._local.member

    @property
    def governor(self) -> Governor | None:
        """Beside a running member."""
        return self._local.governor

    @property
    def member_id(self) -> str:
        return self._local.id

    @property
    def cluster(self) -> str | None:
        """The cluster that this member belongs to for good."""
        return self._local.cluster

    @property
    def role(self) -> Role:
        member = self.member
        if self._gone:
            return "left" if self._leaving else "removed"
        if member is None or self.cluster is None:
            return self._own().role if self._local.is_open or member is not None else "candidate"
        if self.member_id in member.state.bans and self.member_id not in member.node.voters:
            return "left" if self._leaving else "removed"
        return "voter" if self.member_id in member.node.voters else "observer"

    @property
    def metadata(self) -> MemberMetadata:
        """The metadata's face. Raises UnavailableError, with the reason, where this node is in no cluster yet."""
        return self._running().metadata

    def status(self) -> MemberStatus | None:
        return None if self.member is None else self.member.status()
