"""etcd's API on real sockets: of a node that is a cluster of its own, and of one without Raft that asks that one."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from coterie.app.api.app import create_app
from coterie.app.api.context import Context
from coterie.app.auth.authority import Authority
from coterie.app.etcd.listener import EtcdApi, etcd_gate
from coterie.app.http.forwarding import Forwarder
from coterie.app.observability.metrics.http import HttpMetrics
from coterie.app.raft.local import LocalRaft
from coterie.app.settings.auth import AuthSettings
from coterie.app.settings.etcd import EtcdSettings
from coterie.app.settings.tables import HttpSettings
from coterie.gossip import Address, GossipNode
from tests.app.api.conftest import RAFT, Part, gossip, gossip_node, part
from tests.app.api.servers import serving
from tests.app.api.test_forwarding import Client as WithoutRaft

__all__ = ["gossip", "part"]

LIMITS = HttpSettings()


def b64(data: bytes) -> str:
    return b64encode(data).decode()


def bytes_of(text: str) -> bytes:
    return b64decode(text)


@dataclass
class EtcdClient:
    """A client of the JSON gateway."""

    address: Address
    http: httpx.AsyncClient
    token: str | None = None

    async def post(self, path: str, body: Any = None, content: bytes | None = None) -> httpx.Response:
        headers = {} if self.token is None else {"Authorization": self.token}
        data = json.dumps(body or {}).encode() if content is None else content
        return await self.http.post(f"http://{self.address}{path}", content=data, headers=headers)

    async def ask(self, path: str, **body: Any) -> Any:
        """The answer to a call, which must succeed."""
        answer = await self.post(f"/v3{path}", body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def put(self, key: bytes, value: bytes = b"", **more: Any) -> int:
        """The revision of the write."""
        answer = await self.ask("/kv/put", key=b64(key), value=b64(value), **more)
        return int(answer["header"]["revision"])

    async def refused(self, path: str, **body: Any) -> tuple[int, int, str]:
        """Status, code and text of a refusal, in which all the names of the text say the same."""
        answer = await self.post(f"/v3{path}", body)
        error = answer.json()
        assert error["error"] == error["message"]
        return answer.status_code, error["code"], error["error"]

    @asynccontextmanager
    async def stream(self, path: str, *requests: Any) -> AsyncIterator[AsyncIterator[Any]]:
        """The answers of a stream: each must be a chunk of its own."""
        content = b"".join(json.dumps(each).encode() for each in requests)
        headers = {} if self.token is None else {"Authorization": self.token}
        url = f"http://{self.address}/v3{path}"
        async with self.http.stream("POST", url, content=content, headers=headers, timeout=None) as answer:
            assert answer.status_code == 200, await answer.aread()
            yield _documents(answer)


async def _documents(answer: httpx.Response) -> AsyncIterator[Any]:
    async for chunk in answer.aiter_raw():
        assert chunk.endswith(b"\n")
        yield json.loads(chunk)


async def result(answers: AsyncIterator[Any]) -> Any:
    return (await anext(answers))["result"]


@dataclass
class Apps:
    """Of one node: its own API, and etcd's."""

    own: ASGIApp
    etcd: ASGIApp
    context: Context


def apps(
    node: GossipNode, raft: LocalRaft, forwarder: Forwarder | None = None, auth: AuthSettings | None = None
) -> Apps:
    made: list[tuple[EtcdApi, Context]] = []

    def make(context: Context) -> ASGIApp:
        api = EtcdApi(context, EtcdSettings(), tls=False)
        made.append((api, context))
        return api.forwarded

    authority = None
    if auth is not None:
        authority = Authority(auth, raft, lambda _: False, None, on_loopback=True)
    own = create_app(node, LIMITS, RAFT, raft, etcd=make, forwarder=forwarder, authority=authority)
    ((api, context),) = made
    return Apps(own, etcd_gate(api, context.authority, LIMITS, HttpMetrics()), context)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=120) as client:
        yield client


@pytest.fixture
async def member(gossip: GossipNode, part: Part, http: httpx.AsyncClient) -> AsyncIterator[EtcdClient]:
    """Of a node with the metadata."""
    async with serving(apps(gossip, part).etcd) as address:
        yield EtcdClient(address, http)


@pytest.fixture(params=["with the metadata", "without Raft"])
async def etcd(
    request: pytest.FixtureRequest, gossip: GossipNode, part: Part, http: httpx.AsyncClient
) -> AsyncIterator[EtcdClient]:
    """Of either kind of node."""
    of_member = apps(gossip, part)
    if request.param == "with the metadata":
        async with serving(of_member.etcd) as address:
            yield EtcdClient(address, http)
        return
    node = gossip_node("other", 10_002)
    raft = WithoutRaft(node)
    forwarder = Forwarder(node.node.node_id, raft, LIMITS, asyncio.Event())
    try:
        async with serving(of_member.own) as raft.leader, serving(apps(node, raft, forwarder).etcd) as address:
            yield EtcdClient(address, http)
    finally:
        forwarder.close()
        await node.stop()
