"""A node that holds no metadata: its requests go to the leader that gossip names, one hop, and come back unchanged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from coterie.app.api.app import create_app
from coterie.app.http.forwarding import Forwarder
from coterie.app.raft.leaders import LeaderCandidate
from coterie.app.raft.local import LocalRaft
from coterie.app.raft.view import RaftPicture
from coterie.consensus.api.errors import UnknownOutcomeError
from coterie.gossip import Address, GossipNode
from tests.app.api.conftest import HTTP, RAFT, Part, error_of, gossip_node, raft_member
from tests.app.api.servers import serving
from tests.app.api.streams import Stream, streaming
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio


class Client(LocalRaft):
    """A node without Raft, for which gossip names a leader."""

    leader: Address | None = None
    waits_for = ""

    @property
    def reason(self) -> str:
        return self.waits_for

    def leader_candidates(self) -> Sequence[LeaderCandidate]:
        return () if self.leader is None else (LeaderCandidate(self.leader, None),)


@dataclass
class Hop:
    """What reached the leader."""

    app: ASGIApp
    heads: list[dict[str, str]] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.heads.append({name.decode(): value.decode() for name, value in scope["headers"]})
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        self.targets.append(target.decode())
        await self.app(scope, receive, send)


@pytest.fixture
async def leader(app: ASGIApp) -> AsyncIterator[tuple[Address, Hop]]:
    hop = Hop(app)
    async with serving(hop) as address:
        yield address, hop


@pytest.fixture
async def other() -> AsyncIterator[GossipNode]:
    node = gossip_node("knöten/2", 10_002)
    yield node
    await node.stop()


@pytest.fixture
async def node(other: GossipNode, leader: tuple[Address, Hop]) -> Client:
    client = Client(other)
    client.leader = leader[0]
    return client


@pytest.fixture
async def forwarder(other: GossipNode, node: Client) -> AsyncIterator[Forwarder]:
    forwarder = Forwarder(other.node.node_id, node, HTTP, asyncio.Event())
    yield forwarder
    forwarder.close()


@pytest.fixture
async def far(other: GossipNode, node: Client, forwarder: Forwarder) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the node without Raft."""
    transport = httpx.ASGITransport(app=create_app(other, HTTP, RAFT, node, forwarder=forwarder))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def test_any_node_answers(far: httpx.AsyncClient, api: httpx.AsyncClient, leader: tuple[Address, Hop]) -> None:
    hop = leader[1]
    value = bytes(range(256)) * 8
    written = await far.put("/v1/meta/a%2F/b?prev=true", content=value, headers={"If-None-Match": "*"})
    assert written.json() == {"key": "a//b", "revision": 1, "prev": None}
    assert written.headers["etag"] == '"1"'
    assert hop.targets == ["/v1/meta/a%2F/b?prev=true"]
    assert hop.heads[0]["host"] == str(leader[0])
    assert hop.heads[0]["if-none-match"] == "*"
    assert hop.heads[0]["coterie-forwarded"] == "kn%C3%B6ten/2"
    assert 0 < float(hop.heads[0]["coterie-timeout"]) <= 5.0
    assert (await far.get("/v1/meta/a//b?raw=true")).content == value
    assert (await api.get("/v1/meta/a//b?raw=true")).content == value

    for method, url, body in [
        ("POST", "/v1/txn", {"then": [{"put": {"key": "t", "value": "x"}}]}),
        ("GET", "/v1/meta?prefix=t", None),
        ("DELETE", "/v1/meta/t", None),
        ("POST", "/v1/leases", {"ttl": 60}),
        ("GET", "/v1/leases/1", None),
        ("POST", "/v1/locks/l", {"lease": 1}),
        ("GET", "/v1/elections/e", None),
        ("PUT", "/v1/kv/s?consistency=strong", {}),
        ("GET", "/v1/kv/s?consistency=strong", None),
        ("GET", "/v1/raft/decisions", None),
        ("POST", "/v1/request_ids", None),
    ]:
        answer = await far.request(method, url, json=body)
        assert answer.status_code == 200, (method, url, answer.text)
    snapshot = await far.get("/v1/raft/snapshot")
    assert snapshot.content == (await api.get("/v1/raft/snapshot")).content
    assert len({head["coterie-forwarded"] for head in hop.heads}) == 1


async def test_refusals_come_back_as_they_are(far: httpx.AsyncClient) -> None:
    missing = await far.get("/v1/meta/absent")
    assert (missing.status_code, error_of(missing)["code"]) == (404, "key_not_found")
    failed = await far.put("/v1/meta/a", content="x", headers={"If-Match": '"7"'})
    assert (failed.status_code, error_of(failed)["details"]) == (412, {"mod_revision": 0})
    unchanged = await far.put("/v1/meta/a", content="x")
    again = await far.get("/v1/meta/a", headers={"If-None-Match": unchanged.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_what_is_the_nodes_own_is_not_forwarded(far: httpx.AsyncClient, leader: tuple[Address, Hop]) -> None:
    assert (await far.put("/v1/kv/a", content="x")).json()["node"] == "knöten/2"
    for url in ("/v1/members", "/v1/cluster", "/v1/raft/status", "/v1/raft/members", "/", "/v1/kv"):
        assert (await far.get(url)).status_code == 200
    assert (await far.get("/v1/members")).json()["node_id"] == "knöten/2"
    assert leader[1].targets == []


async def test_time_and_request_id_go_along(far: httpx.AsyncClient, leader: tuple[Address, Hop], part: Part) -> None:
    request_id = (await far.post("/v1/request_ids")).json()["request_id"]
    part.metadata.loses_answers = UnknownOutcomeError("the leader went away")
    headers = {"Coterie-Request-Id": request_id}
    lost = await far.put("/v1/meta/a?timeout=25", content="x", headers=headers)
    assert (lost.status_code, error_of(lost)["details"]) == (504, {"request_id": request_id})
    assert 15 < float(leader[1].heads[-1]["coterie-timeout"]) <= 25.0
    part.metadata.loses_answers = None
    again = await far.put("/v1/meta/a", content="x", headers={**headers, "Coterie-Timeout": "15"})
    assert again.json()["revision"] == part.state.keyspace.revision == 1
    assert 0 < float(leader[1].heads[-1]["coterie-timeout"]) <= 15.0


async def test_the_leader_gets_the_time_that_is_left_when_the_body_is_there(
    far: httpx.AsyncClient, leader: tuple[Address, Hop]
) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(0.25)
        yield b"y"

    await far.put("/v1/meta/a?timeout=5", content=slowly())
    assert 0 < float(leader[1].heads[-1]["coterie-timeout"]) <= 4.75


async def test_a_forwarded_request_is_not_passed_on(far: httpx.AsyncClient, leader: tuple[Address, Hop]) -> None:
    answer = await far.get("/v1/meta/a", headers={"Coterie-Forwarded": "another"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert error_of(answer) == {
        "code": "unavailable",
        "message": "the cluster cannot serve this now: no leader is known now",
        "parameter": None,
        "details": {"reason": "not_leader"},
    }
    assert leader[1].targets == []


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_without_a_leader_the_answer_says_so(method: str, far: httpx.AsyncClient, node: Client) -> None:
    node.leader = None
    node.waits_for = "waiting for 1 more of bootstrap_expect = 3 nodes"
    answer = await far.request(method, "/v1/meta/a", content="x")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert error_of(answer) == {
        "code": "unavailable",
        "message": "the cluster cannot serve this now: no leader is known now "
        "(waiting for 1 more of bootstrap_expect = 3 nodes)",
        "parameter": None,
        "details": {"reason": "no_leader"},
    }


async def test_where_no_node_takes_part_in_raft_the_answer_says_so(other: GossipNode) -> None:
    transport = httpx.ASGITransport(app=create_app(other, HTTP, RAFT, LocalRaft(other)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.put("/v1/meta/a", content="x")
    assert answer.status_code == 503
    assert error_of(answer)["message"].endswith("(no live node that this one knows of has raft.enabled)")


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_leader_that_cannot_be_reached_changes_nothing(
    method: str, far: httpx.AsyncClient, node: Client
) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    node.leader = Address(*server.sockets[0].getsockname())
    server.close()
    await server.wait_closed()
    answer = await far.request(method, "/v1/meta/a", content="x")
    assert answer.status_code == 503
    assert error_of(answer) == {
        "code": "unavailable",
        "message": f"the cluster cannot serve this now: the leader, at {node.leader}, cannot be reached",
        "parameter": None,
        "details": {"reason": "leader_unreachable"},
    }


@asynccontextmanager
async def peer(answers: Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], object]) -> AsyncIterator[Address]:
    """A server that reads a request's head, and then does as told; it counts its connections."""
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        number = count
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                if answers(reader, writer, number) is None:
                    break
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Address(*server.sockets[0].getsockname())
    finally:
        server.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-le", b"no HTTP\r\n\r\n"])
async def test_a_leader_that_is_lost_leaves_the_outcome_unknown(
    answer: bytes, far: httpx.AsyncClient, node: Client
) -> None:
    async with peer(lambda _, writer, __: writer.write(answer)) as address:
        node.leader = address
        written = await far.put("/v1/meta/a", content="x")
        read = await far.get("/v1/meta/a")
    assert written.status_code == 504
    assert error_of(written) == {
        "code": "outcome_unknown",
        "message": f"the leader, at {address}, did not answer: whether this happened is not known",
        "parameter": None,
    }
    assert (read.status_code, error_of(read)["details"]) == (503, {"reason": "leader_lost"})


async def test_a_leader_that_is_silent_is_not_waited_for(
    far: httpx.AsyncClient, node: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coterie.app.http.forwarding.ANSWER_GRACE_SECONDS", 0.0)
    async with peer(lambda *_: True) as address:
        node.leader = address
        written = await far.put("/v1/meta/a?timeout=1", content="x")
        read = await far.get("/v1/meta/a?timeout=0.01")
    assert (written.status_code, error_of(written)["code"]) == (504, "outcome_unknown")
    assert (read.status_code, error_of(read)["code"]) == (503, "unavailable")


async def test_a_connection_that_ended_while_idle_is_made_anew_for_a_read(far: httpx.AsyncClient, node: Client) -> None:
    answered = 0

    def answer(_: object, writer: asyncio.StreamWriter, number: int) -> object:
        """The first connection answers once, and ends at the next request."""
        nonlocal answered
        answered += 1
        if number == 1 and answered == 2:
            return None
        body = b'{"connection":%d}' % number
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        return True

    async with peer(answer) as address:
        node.leader = address
        assert (await far.get("/v1/meta/a")).json() == {"connection": 1}
        assert (await far.get("/v1/meta/a")).json() == {"connection": 2}
        assert (await far.get("/v1/meta/a")).json() == {"connection": 2}


async def test_connections_are_used_again(far: httpx.AsyncClient, node: Client) -> None:
    def answer(_: object, writer: asyncio.StreamWriter, number: int) -> object:
        body = b'{"connection":%d}' % number
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        return True

    async with peer(answer) as address:
        node.leader = address
        assert [(await far.get("/v1/meta/a")).json()["connection"] for _ in range(3)] == [1, 1, 1]


async def test_a_watch_is_passed_through(other: GossipNode, node: Client, api: httpx.AsyncClient, part: Part) -> None:
    app = create_app(other, HTTP, RAFT, node)
    async with streaming(app, "/v1/watch", "prefix=", [(b"last-event-id", b"0")]) as stream:
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        await api.put("/v1/meta/a", content="x")
        assert (await stream.next_data())["changes"][0]["key"] == "a"
        assert len(part.metadata.watches) == 1
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(part.metadata.watches):  # the leader hears of the client's leaving by the end of the connection
            await api.get("/v1/meta/a")


@pytest.mark.parametrize("end", ["leader", "node"])
async def test_a_stream_that_is_cut_looks_cut(end: str, other: GossipNode, node: Client, app: ASGIApp) -> None:
    stopping = asyncio.Event()
    front = create_app(other, HTTP, RAFT, node, stopping)
    chunk = b"7\r\nid: 1\n\n\r\n"
    cut = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunk)
        await cut.wait()
        writer.transport.abort()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    node.leader = Address(*server.sockets[0].getsockname())
    async with streaming(front, "/v1/watch", "prefix=", client=Stream) as stream:
        assert await stream.next() == {"id": "1"}
        if end == "leader":
            cut.set()
        else:
            stopping.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await stream.aborted.wait()
        assert stream.messages.empty()
    cut.set()
    server.close()


async def test_a_follower_asks_the_leader_why_others_do_not_vote(
    far: httpx.AsyncClient, node: Client, leader: tuple[Address, Hop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leader alone knows the reason; a node that does not lead shows it all the same."""
    own = raft_member("node-b", "b" * 32, "observer", reason="it follows the log")
    monkeypatch.setattr(node, "picture", lambda: RaftPicture("cluster", "node-a", 1, (own,), None))
    shown = (await far.get("/v1/cluster")).json()["raft"]["members"]
    assert [each["reason"] for each in shown] == ["stabilizing, 4 s left"]
    assert leader[1].targets == ["/v1/raft/members"]
    assert leader[1].heads[0]["coterie-forwarded"] == "kn%C3%B6ten/2"
    forwarded = await far.get("/v1/raft/members", headers={"Coterie-Forwarded": "x"})
    assert json.loads(forwarded.content)["members"][0]["reason"] == "it follows the log"
    node.leader = None
    assert (await far.get("/v1/raft/members")).json()["members"][0]["reason"] == "it follows the log"


@pytest.mark.parametrize(("value", "status"), [("a\tb \t", 404), ("\ta", 404), ("a\x0bb", 400)])
async def test_a_header_that_cannot_be_passed_on_is_no_fault(far: httpx.AsyncClient, value: str, status: int) -> None:
    answer = await far.get("/v1/meta/absent", headers={"x-odd": value})
    assert answer.status_code == status, answer.text
