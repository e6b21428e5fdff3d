"""A node with Raft off: it asks the leader of tokens, passes them on, and allows nothing when nobody can be asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import httpx
import pytest
from starlette.types import ASGIApp

from coterie.app.api.app import create_app
from coterie.app.auth import authority as authority_module
from coterie.app.auth.authority import Authority
from coterie.app.http.forwarding import Forwarder
from coterie.app.raft.view import RaftPicture
from coterie.app.wire.cluster import RaftMember
from coterie.gossip import Address, GossipNode
from tests.app.api.conftest import HTTP, RAFT, gossip_node, raft_member
from tests.app.api.servers import serving
from tests.app.api.streams import Stream, streaming
from tests.app.api.test_forwarding import Client
from tests.app.auth.conftest import ADMIN, SMALL, WRONG, bearer, closed, code, make

pytestmark = pytest.mark.anyio


class Far(Client):
    """What gossip tells of the Raft layer is set by hand."""

    others: Sequence[RaftMember] = ()

    def picture(self) -> RaftPicture:
        return RaftPicture("cluster", None, 1, self.others, None)


@pytest.fixture
async def far_node(app: ASGIApp) -> AsyncIterator[tuple[Far, GossipNode]]:
    """Knows of the leader by gossip alone."""
    other = gossip_node("far", 10_002)
    async with serving(app) as address:
        part = Far(other)
        part.leader = address
        yield part, other
    await other.stop()


@pytest.fixture
async def far_forwarder(far_node: tuple[Far, GossipNode]) -> AsyncIterator[Forwarder]:
    part, node = far_node
    forwarder = Forwarder(node.node.node_id, part, HTTP, asyncio.Event())
    yield forwarder
    forwarder.close()


@pytest.fixture
def far_authority(far_node: tuple[Far, GossipNode], far_forwarder: Forwarder) -> Authority:
    """It has no tokens of its own; answers last for so short that each question is asked."""
    return closed(far_node[0], far_forwarder, tokens=(), cache_seconds=0.000_001)


@pytest.fixture
def far_app(far_node: tuple[Far, GossipNode], far_forwarder: Forwarder, far_authority: Authority) -> ASGIApp:
    part, node = far_node
    return create_app(node, HTTP, RAFT, part, forwarder=far_forwarder, authority=far_authority)


@pytest.fixture
async def far(far_app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=far_app), base_url="http://localhost") as client:
        yield client


async def test_a_token_of_the_metadata_holds_at_every_node(far: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    token = await make(client, [("metadata", "write", "jobs/"), ("gossip", "write", "jobs/")], id="worker")
    for url, status in [
        ("/v1/kv/jobs/1", 200),
        ("/v1/kv/other", 403),
        ("/v1/meta/jobs/1", 200),
        ("/v1/meta/other", 403),
    ]:
        assert (await far.put(url, content="x", headers=bearer(token))).status_code == status, url
    operation = {"put": {"key": "other", "value": "x"}}
    assert (await far.post("/v1/txn", json={"then": [operation]}, headers=bearer(token))).status_code == 403
    assert (await far.get("/v1/tokens/self", headers=bearer(token))).json()["id"] == "worker"
    assert (await far.put("/v1/kv/jobs/1", content="x", headers=bearer(WRONG))).status_code == 401
    assert (await far.put("/v1/meta/jobs/1", content="x")).status_code == 401
    assert (await far.put("/v1/meta/jobs/1", content="x", headers=bearer(SMALL))).status_code == 403
    made = await far.post("/v1/tokens", json={"rules": [{"layer": "*", "action": "read"}]}, headers=bearer(ADMIN))
    assert made.status_code == 200
    await client.delete("/v1/tokens/worker", headers=bearer(ADMIN))
    assert (await far.put("/v1/kv/jobs/1", content="x", headers=bearer(token))).status_code == 401


async def test_answers_are_relied_on_for_a_while(
    far: httpx.AsyncClient, far_authority: Authority, far_node: tuple[Far, GossipNode], client: httpx.AsyncClient
) -> None:
    far_authority.swap(far_authority.settings.model_copy(update={"cache_seconds": 3_600.0}))
    token = await make(client, [("gossip", "write")])
    assert (await far.put("/v1/kv/a", content="x", headers=bearer(token))).status_code == 200
    far_node[0].leader = None
    far_node[0].others = [raft_member("node-a", "a" * 32, "voter")]
    assert (await far.put("/v1/kv/a", content="x", headers=bearer(token))).status_code == 200
    assert (await far.put("/v1/kv/a", content="x", headers=bearer(ADMIN))).status_code == 503


@pytest.mark.parametrize("leader", [None, Address("127.0.0.1", 1)])
async def test_where_nobody_can_be_asked_nothing_is_allowed(
    far: httpx.AsyncClient, far_node: tuple[Far, GossipNode], leader: Address | None
) -> None:
    far_node[0].leader = leader
    far_node[0].others = [raft_member("node-a", "a" * 32, "voter")]
    for url in ("/v1/kv/a", "/v1/meta/a"):
        answer = await far.put(url, content="x", headers=bearer(ADMIN))
        assert (answer.status_code, code(answer)) == (503, "unavailable")
    marked = await far.get("/v1/tokens/self", headers={**bearer(ADMIN), "coterie-forwarded": "x"})
    assert marked.status_code == 503


async def ends(stream: Stream) -> None:
    async with asyncio.timeout(30):
        await stream.aborted.wait()


@pytest.fixture
async def looking(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setattr(authority_module, "LOOK_SECONDS", 0.02)
    task = asyncio.create_task(authority.watch())
    yield
    task.cancel()


def of(token: str) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", b"Bearer " + token.encode())]


async def test_streams_end_with_their_token(client: httpx.AsyncClient, app: ASGIApp, looking: None) -> None:
    token = await make(client, [("*", "read")], id="ending")
    async with (
        streaming(app, "/v1/watch", "prefix=", of(ADMIN)) as stays,
        streaming(app, "/v1/watch", "prefix=", of(token)) as watch,
        streaming(app, "/v1/events", "", of(token)) as events,
    ):
        await client.post("/v1/tokens/ending/rotate", json={"keep_seconds": 600}, headers=bearer(ADMIN))
        await asyncio.sleep(0.1)  # looked at a few times: the former secret is still good
        assert not watch.aborted.is_set()
        await client.delete("/v1/tokens/ending", headers=bearer(ADMIN))
        await ends(watch)
        await ends(events)
        assert not stays.aborted.is_set()


async def test_streams_end_when_less_is_allowed_without_a_token(
    client: httpx.AsyncClient, app: ASGIApp, authority: Authority, looking: None
) -> None:
    authority.swap(authority.settings.model_copy(update={"anonymous": "read"}))
    async with streaming(app, "/v1/watch", "prefix=") as stream:
        authority.swap(authority.settings.model_copy(update={"anonymous": "none"}))
        await ends(stream)


async def test_a_websocket_ends_with_its_token(client: httpx.AsyncClient, app: ASGIApp, looking: None) -> None:
    """Pages show it among the subprotocols."""
    token = await make(client, [("*", "read")], id="page")
    closed_with: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    accepted = asyncio.Event()
    first = True

    async def receive() -> dict[str, str]:
        nonlocal first
        if first:
            first = False
            return {"type": "websocket.connect"}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "websocket.accept":
            accepted.set()
        elif message["type"] in {"websocket.close", "websocket.http.response.start"} and not closed_with.done():
            closed_with.set_result(int(str(message.get("code", message.get("status", 0)))))

    def scope(*subprotocols: str) -> dict[str, object]:
        return {
            "type": "websocket",
            "path": "/v1/ws",
            "raw_path": b"/v1/ws",
            "query_string": b"",
            "http_version": "1.1",
            "headers": [(b"host", b"localhost")],
            "subprotocols": list(subprotocols),
            "extensions": {"websocket.http.response": {}},
            "client": ("127.0.0.1", 1),
        }

    running = asyncio.ensure_future(app(scope("coterie.live.v1", token), receive, send))  # type: ignore[arg-type]
    async with asyncio.timeout(30):
        await accepted.wait()
        await client.delete("/v1/tokens/page", headers=bearer(ADMIN))
        assert await closed_with == 1008
        await running
    first, closed_with = True, asyncio.get_running_loop().create_future()
    await app(scope("coterie.live.v1", token), receive, send)  # type: ignore[arg-type]
    assert await closed_with == 401


async def test_without_a_raft_layer_there_are_no_other_tokens(
    far: httpx.AsyncClient, far_node: tuple[Far, GossipNode]
) -> None:
    far_node[0].leader = None
    assert (await far.put("/v1/kv/a", content="x", headers=bearer(ADMIN))).status_code == 401
