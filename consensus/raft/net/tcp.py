"""The transport, over asyncio TCP (raft spec 2 and 2b; faults 6, 12, 13, 16).

FIFO, no duplicates, loss only by closing a link. Of two members the one with the higher id calls; its partner's
address is asked for, and resolved, at every call. Who may connect is decided here, by proof, and never by a
configuration.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import ssl
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, cast

from coterie.consensus.raft.errors import ProtocolError
from coterie.consensus.raft.messages import KINDS, Message, UnknownKindError, WentBack, decode, encode, kind_of
from coterie.consensus.raft.net.admission import Admission
from coterie.consensus.raft.net.reports import Reports
from coterie.consensus.raft.net.session import NONCE_BYTES, HandshakeError, Hello, Identity, LinkSession
from coterie.consensus.raft.net.tls_listener import TlsListener
from coterie.consensus.raft.ports import Greeting

logger = logging.getLogger(__name__)

Locate = Callable[[str], tuple[str, int] | None]
"""Where a member is now: (host or address, port), or None while nobody knows."""


@dataclass(frozen=True, slots=True)
class NetSettings:
    max_frame_bytes: int = 8 << 20
    """A frame's size, to be above the largest batch, append and snapshot chunk."""
    max_unsent_bytes: int = 64 << 20
    """A link that holds more than this unsent is closed."""
    max_connections: int = 256
    max_strangers: int = 64
    """Connections that have not proved the secret; one more closes the oldest."""
    max_handshakes: int = 64
    """TLS handshakes under way; one more ends the oldest."""
    handshake_timeout: float = 3.0
    idle_after: float = 1.0
    """Seconds of silence after which a side says that it is alive (fault 12)."""
    dead_after: float = 5.0
    """Seconds without a byte after which a link is closed."""
    retry_min: float = 0.1
    retry_max: float = 0.5
    """Seconds between calls to a member that does not answer: also how long a member that is back is without links."""
    report_min: float = 1.0
    report_max: float = 60.0
    """Seconds between two reports of the same trouble; of a member that cannot be called they grow to the latter."""


GUEST = "~?"
"""The name of a caller that is no member begins so: it proves the secret, and no state is kept for it."""

GUEST_SECONDS = 75.0
"""A guest is gone after so long, answered or not."""

BACKLOG = 128
"""Connections that wait in the system to be accepted."""

Claims = Callable[[str], Sequence[tuple[str, int]]]
"""Further addresses at which a member is said to be: whoever answers there has to prove that it is it."""

MAX_CLAIMS = 8
"""Addresses that are called at a time for one member."""

CLAIM_SECONDS = 0.25
"""After so long without a proof from one address the next one is called too."""

ACCEPT_TURNS = 5
"""Of the event loop: accepted, made, closed, lost, and one more."""


class Link(asyncio.Protocol):
    """One connection."""

    def __init__(self, owner: TcpTransport, dialled: str | None) -> None:
        self.owner = owner
        self.dialled = dialled
        self.session = LinkSession(
            owner.identity,
            secrets.token_bytes(NONCE_BYTES),
            dialled=dialled,
            max_frame=owner.settings.max_frame_bytes,
            check=owner.check_hello,
        )
        self.socket: asyncio.Transport | None = None
        self.member: str | None = None  # once it is open
        self.guest = False
        self.not_understood: frozenset[str] = frozenset()
        """Kinds of messages that the other side does not know: an earlier release."""
        self.met_unknown = False
        self.unsent: list[bytes] = []
        self.heard = self.spoke = owner.loop.time()
        self.closed = False
        self.gone = asyncio.Event()
        self.settled = asyncio.Event()
        """It is open, or gone."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.socket = cast(asyncio.Transport, transport)
        self.socket.set_write_buffer_limits(high=self.owner.settings.max_unsent_bytes)
        if not self.owner._arrived(self):
            self.close()
            return
        self._flush_handshake()

    def data_received(self, data: bytes) -> None:
        if self.closed:
            return
        self.heard = self.owner.loop.time()
        try:
            bodies = self.session.feed(data)
            if self.member is None and self.session.peer is not None and not self.guest:
                self.owner._opened(self)
            self._flush_handshake()
            for body in bodies:
                if self.guest and self.owner.on_guest is not None:
                    if self.owner.strangers.pop(self, None) is not None:
                        self.owner.loop.call_later(GUEST_SECONDS, self.abort)
                    self.owner.on_guest(self, body)
                    continue
                member = self.member
                if member is None or (self.socket is not None and self.socket.is_closing()):
                    return
                try:
                    message = decode(body)
                except UnknownKindError as error:
                    self.owner._passed_over(self, error)
                    continue
                self.owner.received(member, message)
                if self.owner.refused_by:
                    self.owner.refused_by.pop(member, None)
        except HandshakeError as error:
            if error.reason == "refused_by_peer":
                refusing = self.member or self.dialled
                if refusing is not None:
                    self.owner.refused_by[refusing] = error.detail
            else:
                self.session.refuse(error.told)
                self._flush_handshake()
            self.owner._report(error.reason, f"{self.name}: {error}")
            self.close()
        except ProtocolError as error:
            self.owner._report("bad_bytes", f"{self.name}: {error}")
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.gone.set()
        self.settled.set()
        self.owner._lost(self)

    @property
    def name(self) -> str:
        if self.member is not None:
            return self.member
        where = self.socket.get_extra_info("peername") if self.socket is not None else None
        return str(where)

    def _flush_handshake(self) -> None:
        if self.session.outgoing and self.socket is not None:
            self.socket.writelines(self.session.outgoing)
            self.session.outgoing.clear()

    def put(self, frame: bytes) -> None:
        """Queue a frame; all of one loop turn are written together."""
        if not self.unsent:
            self.owner.loop.call_soon(self.flush)
        self.unsent.append(frame)

    def flush(self) -> None:
        if self.closed or self.socket is None:
            return
        self.spoke = self.owner.loop.time()
        frames, self.unsent = self.unsent, []
        self.socket.writelines(frames)
        if self.socket.get_write_buffer_size() > self.owner.settings.max_unsent_bytes:
            self.owner._report("slow_link", f"{self.name} does not take what is sent")
            self.abort()

    def say_last(self, message: Message) -> None:
        """To a proved member whose link ends here."""
        peer = self.session.peer
        if self.socket is not None and peer is not None and kind_of(message) in peer.understood:
            self._flush_handshake()
            self.socket.write(self.session.send(encode(message)))

    def close(self) -> None:
        self.closed = True
        if self.socket is not None:
            self.socket.close()

    def abort(self) -> None:
        self.closed = True
        if self.socket is not None:
            self.socket.abort()


class TcpTransport:
    """`on_event(kind, detail)` hears what an operator should: wrong cluster, wrong secret, clones, bad bytes."""

    def __init__(
        self,
        identity: Identity,
        locate: Locate,
        settings: NetSettings | None = None,
        *,
        server_tls: ssl.SSLContext | None = None,
        client_tls: ssl.SSLContext | None = None,
        tls_name: str | None = None,
        on_event: Callable[[str, str], None] | None = None,
        refuse: Callable[[str], str | None] | None = None,
        on_guest: Callable[[Link, bytes], None] | None = None,
        needed_level: Callable[[], int] = lambda: 1,
        all_prove_first: Callable[[], bool] = lambda: False,
        claims: Claims | None = None,
        admission: Admission | None = None,
    ) -> None:
        """`refuse`: a word for why a member gets no link though it knows the secret, or None. `tls_name`: what the
        certificates of called members must bear; None: the host that is called. `on_guest`: takes what a guest sends;
        None: there are none. `needed_level`: of operations, which a member must follow to get a link.
        `all_prove_first`: whether all members do so as callers; then whoever does not gets no proof."""
        self.on_guest = on_guest
        self.refuse = refuse
        self.needed_level = needed_level
        self.all_prove_first = all_prove_first
        self.identity = identity
        self.locate = locate
        self.claims = claims
        self.reached: dict[str, tuple[str, int]] = {}
        """Where each member that this side calls was when it last proved to be it."""
        self.settings = settings if settings is not None else NetSettings()
        self.server_tls = server_tls
        self.client_tls = client_tls
        self.tls_name = tls_name
        self.on_event = on_event
        self.loop = asyncio.get_running_loop()
        self.bind(lambda _member, _message: None, lambda _member, _greeting: None, lambda _: None, lambda *_: None)
        self.links: dict[str, Link] = {}
        self.strangers: dict[Link, float] = {}  # not open yet -> since when; oldest first
        self.all: set[Link] = set()
        self.wanted: dict[str, asyncio.Task[None]] = {}
        self.admission = admission if admission is not None else Admission()
        self.twins: dict[str, tuple[int, float]] = {}
        """Members without a link of which a second process calls for the same start: which start, and since when."""
        self.refused_by: dict[str, str] = {}
        """Members that refuse this one a link, and why, in their words."""
        self.unknown_messages = 0
        """Messages passed over: of kinds that this release does not know."""
        self.server: asyncio.Server | TlsListener | None = None
        self._care: asyncio.Task[None] | None = None
        self._stopping = False
        self._reports = Reports(self.settings.report_min, self.settings.report_max)

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Take connections on an address (IPv4, IPv6 or a name); returns where. The node must have ticked once."""
        if self.server_tls is None:
            self.server = await self.loop.create_server(lambda: Link(self, None), host, port, backlog=BACKLOG)
            bound = self.server.sockets[0].getsockname()
        else:
            bound = await self._listen_tls(self.server_tls, host, port)
        self.take_part()
        return str(bound[0]), int(bound[1])

    def take_part(self) -> None:
        """Look after links; `listen` does this too."""
        if self._care is None:
            self._care = self.loop.create_task(self._take_care())

    async def _listen_tls(self, context: ssl.SSLContext, host: str, port: int) -> tuple[str, int]:
        """An event loop's own server would hold any number of handshakes."""
        found = await self.loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        listening = socket.create_server(found[0][4][:2], family=found[0][0], backlog=BACKLOG)
        listening.setblocking(False)
        settings = self.settings
        self.server = TlsListener(
            listening, context, lambda: Link(self, None), settings.handshake_timeout, settings.max_handshakes
        )
        bound: tuple[str, int] = listening.getsockname()[:2]
        return bound

    async def close(self) -> None:
        self._stopping = True
        tasks = [*self.wanted.values(), *([self._care] if self._care is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.server is not None:
            self.server.close()
        for link in list(self.all):
            link.abort()
        # A connection that was just being accepted arrives a few turns of the loop later, and is closed as it does.
        for _ in range(ACCEPT_TURNS):
            await asyncio.sleep(0)

    # what the node calls

    def bind(
        self,
        received: Callable[[str, Message], None],
        link_up: Callable[[str, Greeting], None],
        link_down: Callable[[str], None],
        rolled_back: Callable[[str, str], None],
    ) -> None:
        """Where to report to: what a member sent, each member whose link came up or broke, and each that is proved to
        have gone back in time, with the proof in words."""
        self.received, self.link_up, self.link_down = received, link_up, link_down
        self.rolled_back = rolled_back

    def add(self, member: str) -> None:
        """Keep a link to a member. The one with the higher id calls, the other waits to be called."""
        if self.identity.member > member and member not in self.wanted and not self._stopping:
            self.wanted[member] = self.loop.create_task(self._keep(member))

    def keep(self, members: Collection[str]) -> None:
        """Keep links to these members, and close those to others that this side keeps."""
        for member in list(self.wanted):
            if member not in members:
                self.wanted.pop(member).cancel()
                self._reports.forget(member)
                self.drop(member)
        for former in self.refused_by.keys() - members:
            del self.refused_by[former]
        for member in sorted(members):
            self.add(member)

    def drop(self, member: str) -> None:
        """The member broke the protocol: close its link. It may come back."""
        link = self.links.get(member)
        if link is not None:
            self.loop.call_soon(link.abort)

    def condemn(self, member: str, words: str) -> None:
        """A twin is proved to run on a directory that went back in time: it is told so where it calls next."""
        self.twins.pop(member, None)
        self.admission.condemn(member, words)

    def send(self, member: str, message: Message) -> None:
        """Only enqueues; never calls back. Without a link, or to a member that does not know such messages, nothing is
        sent."""
        link = self.links.get(member)
        if link is None or link.closed or (link.not_understood and kind_of(message) in link.not_understood):
            return
        link.put(link.session.send(encode(message)))

    # links

    async def _keep(self, member: str) -> None:
        """Call a member, and call again whenever the link is gone."""
        wait = self.settings.retry_min
        while True:
            try:
                link = await self._call(member)
            except Exception:
                logger.exception("internal error in calling %s: please report it", member)
                link = None
            if link is not None:
                await link.gone.wait()
                if link.member is not None:
                    wait = self.settings.retry_min
            await asyncio.sleep(wait * (0.5 + secrets.randbelow(1000) / 1000))
            wait = min(wait * 2, self.settings.retry_max)

    async def _call(self, member: str) -> Link | None:
        """A link, open where it was called at one of several addresses; None where none came about."""
        likeliest = self.locate(member)
        others = () if self.claims is None else self.claims(member)
        where = list(dict.fromkeys([*(() if likeliest is None else (likeliest,)), *others]))
        if len(where) > MAX_CLAIMS:  # a stranger may claim many: each time others of them, and the likeliest always
            where = [where[0], *secrets.SystemRandom().sample(where[1:], MAX_CLAIMS - 1)]
        if not where:
            return None
        calls = [asyncio.create_task(self._prove(member, each, at * CLAIM_SECONDS)) for at, each in enumerate(where)]
        try:
            for proved in asyncio.as_completed(calls):
                if (link := await proved) is not None:
                    return link
            return None
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    async def _prove(self, member: str, where: tuple[str, int], after: float) -> Link | None:
        """Call one address, `after` seconds from now; the link once it is open."""
        await asyncio.sleep(after)
        link = await self._connect(member, where)
        if link is None:
            return None
        try:
            await link.settled.wait()
        except asyncio.CancelledError:
            if link.member is None:  # another address has proved to be it
                link.abort()
            raise
        if link.member is None:
            return None
        self.reached[member] = where
        return link

    async def _connect(self, member: str, where: tuple[str, int]) -> Link | None:
        try:
            async with asyncio.timeout(self.settings.handshake_timeout):
                _, link = await self.loop.create_connection(
                    lambda: Link(self, member), *where, ssl=self.client_tls, **self._connecting(where[0])
                )
        except (OSError, ssl.SSLError) as error:
            self._report("no_connection", f"{member} at {where[0]}:{where[1]}: {error}", member)
            return None
        return link

    def _connecting(self, host: str) -> dict[str, Any]:
        """Options of a call. Of a name with several addresses all are tried: a quarter of a second apart, or by uvloop
        one by one."""
        options: dict[str, Any] = {}
        if self.client_tls is not None and self.tls_name is not None:
            options["server_hostname"] = self.tls_name
        try:
            ip_address(host)
        except ValueError:
            if isinstance(self.loop, asyncio.BaseEventLoop):
                options["happy_eyeballs_delay"] = 0.25
        return options

    def _arrived(self, link: Link) -> bool:
        """A connection is there; whose is not known yet. False: there are too many."""
        if self._stopping:
            return False
        if link.dialled is None and len(self.all) >= self.settings.max_connections and not self.strangers:
            self._report("too_many_connections", link.name)
            return False
        self.all.add(link)
        self.strangers[link] = self.loop.time()
        while len(self.strangers) > self.settings.max_strangers:
            oldest = next(iter(self.strangers))
            del self.strangers[oldest]
            self._report("stranger_pushed_out", oldest.name)
            oldest.abort()
        return True

    def _opened(self, link: Link) -> None:
        """The peer has proved the secret. Raises HandshakeError where it is refused all the same."""
        peer = link.session.peer
        if peer is None:
            raise ProtocolError("not open")
        if peer.member.startswith(GUEST):
            if self.on_guest is None or link.dialled is not None:
                raise HandshakeError("no_guests", "this member answers members only")
            link.guest = True
            return
        if link.dialled is None and self.identity.member > peer.member:
            raise HandshakeError("wrong_direction", f"{peer.member} is called by this node")
        reason = self.refuse(peer.member) if self.refuse is not None else None
        if reason is not None:
            raise HandshakeError(reason, f"{peer.member} is refused")
        try:
            self.admission.admit(peer)
        except HandshakeError as error:
            if error.reason == "rolled_back":
                self.rolled_back(peer.member, str(error))
                link.say_last(WentBack(str(error)))
            elif error.reason == "cloned" and peer.member not in self.links:
                self.twins.setdefault(peer.member, (peer.incarnation, self.loop.time()))
            raise
        self.strangers.pop(link, None)
        member = peer.member
        self.twins.pop(member, None)
        former = self.links.get(member)
        if former is not None:
            self._forget(former)
            former.abort()
        link.member = member
        link.not_understood = KINDS - peer.understood
        link.settled.set()
        self.links[member] = link
        self._reports.forget(peer.member)
        self.link_up(member, Greeting(peer.level, peer.incarnation, peer.term, peer.index))

    def check_hello(self, hello: Hello) -> None:
        """Raises HandshakeError for a member that does not follow the cluster's level, or does not prove first."""
        needed = self.needed_level()
        if hello.level < needed and not hello.member.startswith(GUEST):
            raise HandshakeError(
                "needs_upgrade",
                f"the cluster uses operations of level {needed}, {hello.member[:64]} knows up to {hello.level}: "
                "run a newer release of coterie there",
                told=f"needs_upgrade: operations are of level {needed}; run a newer release of coterie here",
            )
        if not hello.proves_first and self.all_prove_first():
            raise HandshakeError(
                "needs_upgrade",
                f"{hello.member[:64]} does not prove the secret first: run a newer release of coterie there",
                told="needs_upgrade: callers prove the secret first; run a newer release of coterie here",
            )

    def _passed_over(self, link: Link, error: UnknownKindError) -> None:
        """A later release sends what this one does not know, although the handshake named what it does: the sender is a
        proved member, the frame is whole, and nothing here depends on it. Reported once a link."""
        self.unknown_messages += 1
        if not link.met_unknown:
            link.met_unknown = True
            self._report("unknown_kind", f"{link.name}: {error}; passed over")

    def _lost(self, link: Link) -> None:
        self.all.discard(link)
        self.strangers.pop(link, None)
        self._forget(link)

    def _forget(self, link: Link) -> None:
        if link.member is not None and self.links.get(link.member) is link:
            del self.links[link.member]
            self.link_down(link.member)

    async def _take_care(self) -> None:
        """Say that we live, close what is dead, drop strangers that take too long."""
        settings = self.settings
        while True:
            await asyncio.sleep(min(settings.idle_after, settings.handshake_timeout) / 2)
            now = self.loop.time()
            for link, since in list(self.strangers.items()):
                if now - since > settings.handshake_timeout:
                    self._report("handshake_timeout", link.name)
                    link.abort()
            for link in list(self.links.values()):
                if now - link.heard > settings.dead_after:
                    self._report("dead_link", link.name)
                    link.abort()
                elif now - link.spoke >= settings.idle_after / 2 and not link.unsent:
                    link.put(link.session.idle())

    def _report(self, kind: str, detail: str, member: str = "") -> None:
        """A line in the log, and an event, where it is due. `member`: that cannot be called."""
        hidden = self._reports.due(kind, member, self.loop.time())
        if hidden is None:
            return
        more = f" (and {hidden} more)" if hidden else ""
        logger.warning("raft link, %s: %s%s", kind, detail, more)
        if self.on_event is not None:
            self.on_event(kind, detail)
