"""Groups of real nodes on loopback sockets, and what strangers can do to them (faults 2, 6, 12, 16)."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from coterie.consensus.member.event_loop import Driver, SystemClock
from coterie.consensus.raft.errors import ProtocolError, RaftUnavailableError, WentBackError
from coterie.consensus.raft.messages import KINDS, Message, Ping, TimeoutNow, UnknownKindError, decode, encode, kind_of
from coterie.consensus.raft.net import session as net_session
from coterie.consensus.raft.net import tcp
from coterie.consensus.raft.net.admission import Admission
from coterie.consensus.raft.net.session import HEAD_BYTES, REFUSAL, Identity, LinkSession
from coterie.consensus.raft.net.tcp import NetSettings, TcpTransport
from coterie.consensus.raft.net.tls_listener import TlsListener
from coterie.consensus.raft.node import RaftNode
from coterie.consensus.raft.settings import RaftConfig
from tests.consensus.raft.net.before import SessionBefore
from tests.verify.raft_sim.disk import Platter, SimJournal, SimSnapshots
from tests.verify.raft_sim.workload.machine import Registers, encode_op
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


class Inline:
    """A disk whose jobs end at once."""

    def submit(self, job: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> None:
        done(job(), None)


class Peer:
    """One node on a socket of its own."""

    def __init__(self, group: TcpGroup, name: str, **changes: Any) -> None:
        self.name = name
        self.events: list[str] = []
        identity = {"cluster": "test", "member": name, "incarnation": 1, "process": os.urandom(8), "secret": b"s"}
        self.driver = Driver()
        self.transport = TcpTransport(
            Identity(**{**identity, **changes.pop("identity", {})}),
            group.where.get,
            group.net,
            on_event=lambda kind, _: self.events.append(kind),
            **changes,
        )
        self.machine = Registers()
        rng = random.Random(name)
        platter = Platter()
        self.node = RaftNode(
            name,
            group.voters,
            journal=SimJournal(platter, rng, lambda _entry, _former: None, lambda _entries: None),
            snapshots=SimSnapshots(platter, rng),
            machine=self.machine,
            transport=self.transport,
            disk=Inline(),
            clock=SystemClock(),
            settings=RaftConfig(),
            on_work=self.driver.wake,
        )

    async def start(self, group: TcpGroup, host: str = "127.0.0.1") -> None:
        self.driver.run(self.node)
        group.where[self.name] = await self.transport.listen(host, 0)
        for other in group.voters:
            if other != self.name:
                self.transport.add(other)

    async def stop(self) -> None:
        self.driver.stop()
        self.node.stop()
        await self.transport.close()

    async def put(self, number: int, within: float = 10.0) -> int:
        """Where a slow machine has just lost the leader, nothing happened, and it is tried again."""
        end = asyncio.get_running_loop().time() + within
        while True:
            try:
                return await self._put(number, within)
            except RaftUnavailableError as error:
                if error.reason != "not_leader" or asyncio.get_running_loop().time() >= end:
                    raise
                await asyncio.sleep(0.05)

    async def _put(self, number: int, within: float) -> int:
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def answer(error: Exception | None, result: int) -> None:
            if not done.done():
                done.set_exception(error) if error is not None else done.set_result(result)

        self.node.propose(encode_op((number, "k", number)), answer, within)
        return await done


class TcpGroup:
    def __init__(self, *voters: str, net: NetSettings | None = None) -> None:
        self.voters = voters
        self.where: dict[str, tuple[str, int]] = {}
        self.net = net if net is not None else NetSettings()
        self.peers: list[Peer] = []

    async def start(self, host: str = "127.0.0.1", **changes: Any) -> None:
        self.peers = [Peer(self, name, **changes) for name in self.voters]
        for peer in self.peers:
            await peer.start(self, host)

    def leader(self) -> Peer | None:
        return next((peer for peer in self.peers if peer.node.leading), None)

    async def stop(self) -> None:
        for peer in self.peers:
            await peer.stop()


async def closed_by_peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Wait until the other side has closed a connection, and close this one."""
    async with asyncio.timeout(10):
        with suppress(ConnectionError):
            while await reader.read(4096):
                pass
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture
async def group() -> AsyncIterator[TcpGroup]:
    group = TcpGroup("a", "b", "c")
    await group.start()
    yield group
    await group.stop()


async def test_a_group_elects_writes_and_survives_its_leader(group: TcpGroup) -> None:
    for number in range(10):
        assert await group.peers[number % 3].put(number) == number + 1
    leader = group.leader()
    assert leader is not None
    await leader.stop()
    rest = [peer for peer in group.peers if peer is not leader]
    await eventually(lambda: not any(leader.name in peer.transport.links for peer in rest))
    assert await rest[0].put(100) == 11
    await eventually(lambda: all(peer.machine.ids[-1:] == [100] for peer in rest))
    group.peers = rest


async def test_idle_links_stay(group: TcpGroup) -> None:
    await group.peers[0].put(1)
    followers = [peer for peer in group.peers if not peer.node.leading]
    link = followers[0].transport.links[followers[1].name]
    first = link.heard
    await eventually(lambda: link.heard > first + 1.0)  # between followers nothing but the keep-alive is said
    assert followers[0].transport.links[followers[1].name] is link


async def test_random_bytes_and_giant_lengths_do_not_disturb(group: TcpGroup) -> None:
    await group.peers[0].put(1)
    rng = random.Random(5)
    host, port = group.where["a"]
    for data in [rng.randbytes(rng.randrange(1, 4000)) for _ in range(50)] + [
        b"\xff" * 8,
        b"\x7f\xff\xff\xff" + bytes(999),
    ]:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(data)
        writer.write_eof()
        await closed_by_peer(reader, writer)
    assert await group.peers[1].put(2) == 2
    assert "bad_bytes" in group.peers[0].events
    assert not any(peer.node.stopped for peer in group.peers)


async def linked(group: TcpGroup) -> tuple[LinkSession, asyncio.StreamReader, asyncio.StreamWriter]:
    """A member's link to `a`, by hand; its id is above all others, so that it is the one to call."""
    session = LinkSession(
        Identity("test", "z", 1, os.urandom(8), b"s"), os.urandom(32), dialled="a", max_frame=group.net.max_frame_bytes
    )
    reader, writer = await asyncio.open_connection(*group.where["a"])
    while session.peer is None:
        writer.writelines(session.outgoing)
        session.outgoing.clear()
        session.feed(await reader.read(4096))
    writer.writelines(session.outgoing)
    await eventually(lambda: "z" in group.peers[0].transport.links)
    return session, reader, writer


async def test_a_kind_of_message_that_is_not_known_is_passed_over_and_told_once(group: TcpGroup) -> None:
    await group.peers[0].put(1)
    transport = group.peers[0].transport
    session, reader, writer = await linked(group)
    link = transport.links["z"]
    later = msgspec.msgpack.encode({"type": "later", "term": 10**6, "more": [1, {"x": None}]})
    for _ in range(3):
        writer.write(session.send(later))
    await eventually(lambda: transport.unknown_messages == 3)
    assert group.peers[0].events.count("unknown_kind") == 1
    writer.write(session.send(later) + session.send(encode(Ping(0, 1, 0))))  # of an old term: it is answered
    answers: list[bytes] = []
    async with asyncio.timeout(30):
        while not answers:
            answers += [body for body in session.feed(await reader.read(65_536)) if b"pong" in body]
    assert transport.links["z"] is link
    assert transport.unknown_messages == 4
    assert await group.peers[1].put(2) == 2
    writer.write(session.send(msgspec.msgpack.encode({"type": "ping", "term": "much"})))
    await closed_by_peer(reader, writer)
    assert "bad_bytes" in group.peers[0].events


async def test_what_a_member_does_not_understand_is_not_said_to_it(
    group: TcpGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    await group.peers[0].put(1)
    transport = group.peers[0].transport
    monkeypatch.setattr(net_session, "KINDS", {"ping", "pong"})
    session, reader, writer = await linked(group)
    monkeypatch.undo()
    transport.send("z", TimeoutNow(1))
    transport.send("z", Ping(1, 7, 0))
    heard: list[bytes] = []
    async with asyncio.timeout(30):
        while encode(Ping(1, 7, 0)) not in heard:
            heard += session.feed(await reader.read(65_536))
    assert encode(TimeoutNow(1)) not in heard
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode([1]),
        msgspec.msgpack.encode({"term": 1}),
        msgspec.msgpack.encode({"type": 1}),
        msgspec.msgpack.encode({"type": "Later"}),
        msgspec.msgpack.encode({"type": "later\n"}),
        msgspec.msgpack.encode({"type": "x" * 33}),
        msgspec.msgpack.encode({"type": "ping", "term": -1, "round": 0, "commit": 0}),
        msgspec.msgpack.encode({"type": "later"})[:-1],
        msgspec.msgpack.encode({"type": "later"}) + b"\x00",
        msgspec.msgpack.encode({"type": "later", "x": 1})[:-1],
    ],
)
def test_what_is_no_message_of_any_release_is_malformed(data: bytes) -> None:
    with pytest.raises(ProtocolError) as refused:
        decode(data)
    assert not isinstance(refused.value, UnknownKindError)


def test_every_kind_is_named() -> None:
    assert kind_of(Ping(1, 1, 1)) == "ping"
    assert len(KINDS) == len(get_args(Message))
    with pytest.raises(UnknownKindError, match="'later'"):
        decode(msgspec.msgpack.encode({"type": "later", "x": 1}))


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        ({"cluster": "other"}, "wrong_cluster"),
        ({"secret": b"guess"}, "wrong_secret"),
    ],
)
async def test_a_stranger_is_refused_and_reported(group: TcpGroup, identity: dict[str, object], reason: str) -> None:
    await group.peers[0].put(1)
    stranger = Peer(group, "z", identity=identity)
    stranger.node.start()
    stranger.transport.add("a")
    await eventually(lambda: "refused_by_peer" in stranger.events)
    assert stranger.transport.links == {}
    assert "z" not in group.peers[0].transport.links
    await eventually(lambda: reason in group.peers[0].events)
    assert await group.peers[1].put(2) == 2
    await stranger.stop()


async def test_a_copied_data_directory_is_refused(group: TcpGroup) -> None:
    await group.peers[0].put(1)
    clone = Peer(group, "c")  # the same member and start, another process
    clone.node.start()
    clone.transport.add("a")
    await eventually(lambda: "cloned" in group.peers[0].events)
    assert await group.peers[0].put(2) == 2
    assert group.peers[0].transport.twins == {}  # the first process has its link
    await eventually(lambda: clone.transport.refused_by.get("a", "").startswith("cloned"))
    await clone.stop()


async def test_a_process_that_loses_its_link_and_calls_again_is_no_twin(group: TcpGroup) -> None:
    a, _, c = group.peers
    await a.put(1)
    clone = Peer(group, "c")
    clone.node.start()
    await eventually(lambda: "c" in a.transport.links)
    a.transport.locate = lambda _: None
    c.transport.wanted.pop("a").cancel()
    a.transport.drop("c")
    await eventually(lambda: "c" not in a.transport.links)
    clone.transport.add("a")
    await eventually(lambda: "c" in a.transport.twins)
    c.transport.add("a")
    await eventually(lambda: "c" in a.transport.links)
    assert a.transport.twins == {}
    assert not a.node.state.went_back
    await clone.stop()


async def test_a_condemned_twin_is_told_and_ends(group: TcpGroup) -> None:
    a, _, c = group.peers
    await a.put(1)
    await eventually(lambda: "c" in a.transport.links)
    await c.stop()
    twin = Peer(group, "c")
    twin.node.start()
    twin.transport.add("a")
    await eventually(lambda: a.transport.twins.get("c", (0,))[0] == 1)
    assert not a.node.state.went_back
    a.transport.condemn("c", "another had its place")
    await eventually(lambda: isinstance(twin.node.failure, WentBackError))
    assert "another had its place" in a.node.state.went_back["c"]
    assert a.transport.twins == {}
    await twin.stop()


@pytest.mark.parametrize("before", ["a", "b", "c", "ab", "bc"])
async def test_members_of_the_release_before_take_part(before: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def session(own: Identity, *args: Any, **options: Any) -> LinkSession:
        return (SessionBefore if own.member in before else LinkSession)(own, *args, **options)

    monkeypatch.setattr(tcp, "LinkSession", session)
    group = TcpGroup("a", "b", "c")
    await group.start()
    for number, peer in enumerate(group.peers):
        assert await peer.put(number) == number + 1
    await eventually(lambda: all(len(peer.transport.links) == 2 for peer in group.peers))
    await group.stop()


async def test_where_all_prove_first_the_old_way_is_refused_and_gets_no_proof(group: TcpGroup) -> None:
    await group.peers[0].put(1)
    group.peers[0].transport.all_prove_first = lambda: True
    caller = SessionBefore(
        Identity("test", "z", 1, b"p", b"s", level=255), os.urandom(32), dialled="a", max_frame=10_000
    )
    reader, writer = await asyncio.open_connection(*group.where["a"])
    writer.writelines(caller.outgoing)
    async with asyncio.timeout(10):
        answer = await reader.read()
    assert answer[HEAD_BYTES] == REFUSAL
    assert (
        answer[HEAD_BYTES + 1 :]
        == b"needs_upgrade: callers prove the secret first; run a newer release of coterie here"
    )
    assert "needs_upgrade" in group.peers[0].events
    await closed_by_peer(reader, writer)


async def test_recorded_frames_are_worth_nothing(group: TcpGroup) -> None:
    await group.peers[0].put(1)
    term = group.peers[0].node.term
    identity = Identity("test", "zz", 1, b"p", b"s")
    reader, writer = await asyncio.open_connection(*group.where["a"])
    session = LinkSession(identity, os.urandom(32), dialled="a", max_frame=10**6)
    recorded: list[bytes] = []
    while session.peer is None:
        recorded += session.outgoing
        writer.writelines(session.outgoing)
        session.outgoing.clear()
        session.feed(await reader.read(4096))
    recorded.append(session.send(encode(Ping(term, 1, 1))))
    writer.write(recorded[-1])
    await eventually(lambda: "zz" in group.peers[0].transport.links)
    writer.close()
    await writer.wait_closed()
    await eventually(lambda: "zz" not in group.peers[0].transport.links)
    reader, writer = await asyncio.open_connection(*group.where["a"])
    writer.writelines(recorded)
    await closed_by_peer(reader, writer)
    assert "zz" not in group.peers[0].transport.links
    assert "wrong_secret" in group.peers[0].events


async def test_a_thousand_open_connections_leave_the_group_available(group: TcpGroup) -> None:
    await group.peers[0].put(1)
    sockets = []
    loop = asyncio.get_running_loop()
    try:
        for _ in range(1000):
            sock = socket.socket()
            sock.setblocking(False)
            await loop.sock_connect(sock, group.where["a"])
            sockets.append(sock)
        transport = group.peers[0].transport
        await eventually(lambda: len(transport.all) <= group.net.max_strangers + 2)
        assert await group.peers[1].put(2) == 2
        leader = group.leader()
        assert leader is not None
        transport.links["b"].abort()  # and a member that has lost its link gets in among them
        await eventually(lambda: "b" in transport.links)
    finally:
        for sock in sockets:
            sock.close()


async def test_a_member_that_has_moved_is_found_at_its_new_address(group: TcpGroup) -> None:
    await group.peers[0].put(1)
    moved = group.peers[0]
    assert moved.transport.server is not None
    moved.transport.server.close()
    group.where["a"] = await moved.transport.listen("127.0.0.1", 0)
    for link in list(moved.transport.links.values()):
        link.abort()
    await eventually(lambda: len(moved.transport.links) == 2)
    assert await moved.put(2) == 2


async def test_ipv6() -> None:
    group = TcpGroup("a", "b")
    try:
        await group.start("::1")
    except OSError:
        pytest.skip("no IPv6 on this machine")
    assert await group.peers[0].put(1) == 1
    await group.stop()


def tls_contexts(tmp_path: Path) -> dict[str, Any]:
    """A server's and a client's, which trust each other."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for context in (server, client):
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(certificate)
        context.verify_mode = ssl.CERT_REQUIRED
    return {"server_tls": server, "client_tls": client}


async def test_a_member_that_counts_fewer_starts_than_were_seen_is_told_and_stops() -> None:
    group = TcpGroup("a", "b")
    await group.start()
    await group.peers[0].put(1)
    peer = group.peers[0]
    peer.transport.admission = Admission(known={"b": 99})
    peer.transport.links["b"].abort()
    await eventually(lambda: group.peers[1].node.failure is not None)
    assert isinstance(group.peers[1].node.failure, WentBackError)
    assert "99 was seen" in peer.node.state.went_back["b"]
    await group.stop()


async def test_handshakes_that_never_begin_are_few_and_end(tmp_path: Path) -> None:
    group = TcpGroup("a", "b", net=NetSettings(max_handshakes=20, handshake_timeout=1.0))
    await group.start(**tls_contexts(tmp_path))
    await group.peers[0].put(1)
    before = len(os.listdir("/proc/self/fd"))
    loop = asyncio.get_running_loop()
    held = []
    try:
        for _ in range(300):
            sock = socket.socket()
            sock.setblocking(False)
            await loop.sock_connect(sock, group.where["a"])
            held.append(sock)
        listener = group.peers[0].transport.server
        assert isinstance(listener, TlsListener)
        await eventually(lambda: len(os.listdir("/proc/self/fd")) - before - len(held) <= 20 + 2)
        former = group.peers[1].transport.links["a"]
        group.peers[0].transport.links["b"].abort()
        # Among them a member gets in, and both sides know it.
        await eventually(lambda: group.peers[1].transport.links.get("a") not in {None, former})
        await eventually(lambda: "b" in group.peers[0].transport.links)
        assert await group.peers[1].put(2) == 2
        for sock in held:
            with suppress(ConnectionError):
                async with asyncio.timeout(10):
                    assert await loop.sock_recv(sock, 1) == b""
    finally:
        for sock in held:
            sock.close()
        await group.stop()


async def test_mutual_tls(tmp_path: Path) -> None:
    group = TcpGroup("a", "b")
    await group.start(**tls_contexts(tmp_path))
    assert await group.peers[1].put(1) == 1
    reader, writer = await asyncio.open_connection(*group.where["a"])  # without TLS, and without a certificate
    writer.write(b"plain")
    await closed_by_peer(reader, writer)
    assert await group.peers[0].put(2) == 2
    await group.stop()


@pytest.mark.parametrize("stranger", ["silent", "refuses", "answers"])
async def test_of_several_addresses_the_handshake_decides(stranger: str) -> None:
    """One that somebody else claims keeps nobody away."""
    group = TcpGroup("a", "b")
    called: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.append(writer)
        if stranger == "answers":
            writer.write(b"\0\0\0\x02no")
        await closed_by_peer(reader, writer)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    forged = server.sockets[0].getsockname()
    if stranger == "refuses":
        server.close()
    low = Peer(group, "a")
    real: dict[str, tuple[str, int]] = {}
    high = Peer(group, "b", claims=lambda member: [forged, real[member]] if member in real else [forged])
    try:
        await low.start(group)
        real["a"], group.where["a"] = group.where["a"], forged
        await high.start(group)
        await eventually(lambda: "a" in high.transport.links and "b" in low.transport.links)
        assert high.transport.reached["a"] == real["a"]
        assert await high.put(1) == 1
        assert stranger == "refuses" or called
    finally:
        await high.stop()
        await low.stop()
        server.close()
