"""A node whose part in Raft is real, a group of one member with its own directory, and can be made to fail."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from coterie.app.api.app import create_app
from coterie.app.raft.local import LocalRaft
from coterie.app.raft.view import RaftPicture
from coterie.app.settings.tables import HttpSettings, RaftSettings
from coterie.app.wire.cluster import RaftMember
from coterie.consensus.api.errors import MetadataError
from coterie.consensus.autopilot.decision_log import DecisionRecord
from coterie.consensus.autopilot.shell.local_member import LinkProblem
from coterie.consensus.journal import open_member_directory
from coterie.consensus.member.config import MemberConfig
from coterie.consensus.member.member import Member
from coterie.consensus.member.metadata.calls import MemberMetadata
from coterie.consensus.member.observing.metrics import MemberMetrics
from coterie.consensus.member.observing.status import MemberStatus, PeerStatus
from coterie.consensus.raft.settings import RaftConfig as MemberSettings
from coterie.consensus.restore import backup
from coterie.consensus.store import KNOWN_LEVEL, ClientOperation, SingleResult, State
from coterie.gossip import Address, Engine, GossipConfig, GossipNode, NodeId, open_udp_socket
from tests.waiting import eventually

MAX_BODY_BYTES = 4_096

HTTP = HttpSettings(max_query_bytes=2_048, max_header_bytes=2_048, max_body_bytes=MAX_BODY_BYTES)
RAFT = RaftSettings(max_request_timeout=30.0, watch_heartbeat=30.0)


def raft_member(
    node_id: str | None,
    member_id: str,
    role: str,
    raft_addr: str | None = None,
    zone: str = "",
    reason: str | None = None,
    live: bool = True,
) -> RaftMember:
    return RaftMember(node_id, member_id, role, raft_addr, zone, reason, live)


class FailingMetadata(MemberMetadata):
    """Fails on demand, before or after the real thing happened."""

    fails: MetadataError | None = None
    loses_answers: MetadataError | None = None

    async def submit(self, operation: ClientOperation, **options: Any) -> SingleResult:
        if self.fails is not None:
            raise self.fails
        result = await super().submit(operation, **options)
        if self.loses_answers is not None:
            raise self.loses_answers
        return result

    async def barrier(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the interface's own
        if self.fails is not None:
            raise self.fails
        await super().barrier(timeout)


@dataclass
class Part(LocalRaft):
    """The only member of a Raft group."""

    node: GossipNode
    member: Member
    decided: list[DecisionRecord] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    links: list[LinkProblem] = field(default_factory=list)
    fails: MetadataError | None = None

    def __post_init__(self) -> None:
        super().__init__(self.node)

    @property
    def enabled(self) -> bool:
        return True

    @property
    def clusters(self) -> Sequence[str]:
        return (self.member.cluster,)

    @property
    def term(self) -> int:
        return self.member.node.term

    @property
    def reason(self) -> str:
        return ""

    @property
    def metadata(self) -> FailingMetadata:
        assert isinstance(self.member.metadata, FailingMetadata)
        return self.member.metadata

    @property
    def state(self) -> State:
        return self.member.state

    def link_problems(self) -> Sequence[LinkProblem]:
        return self.links

    def picture(self) -> RaftPicture:
        own = raft_member(self.node.node.node_id, self.member.id, "leader", "127.0.0.1:11001", "zone-a")
        other = raft_member("node-b", "b" * 32, "observer", "127.0.0.1:11002", reason="stabilizing, 4 s left")
        lost = raft_member(None, "c" * 32, "voter")
        return RaftPicture("cluster", own.node_id, self.member.node.term, (own, other, lost), True, 3)

    def decisions(self) -> Sequence[DecisionRecord]:
        return self.decided

    def status(self) -> MemberStatus:
        return self.member.status()

    def peers(self) -> Sequence[PeerStatus]:
        return self.member.peers()

    def figures(self) -> MemberMetrics:
        return self.member.metrics()

    async def transfer(self, node_id: str | None) -> str:
        return await self._do("transfer", node_id)

    async def remove(self, named: str) -> str:
        await self._do("remove", named)
        return named

    async def leave(self, seconds: float) -> None:
        await self._do("leave", str(seconds))

    def compact(self) -> tuple[int, int]:
        if self.fails is not None:
            raise self.fails
        return 7, 3

    def give_up_founding(self) -> str | None:
        if self.fails is not None:
            raise self.fails
        return "the agreement is taken back"

    async def _do(self, what: str, whom: str | None) -> str:
        self.asked.append((what, whom))
        if self.fails is not None:
            raise self.fails
        return whom or "node-b"

    def save(self) -> AsyncIterator[bytes]:
        return backup(self.member)


def gossip_node(name: str = "node-a", port: int = 10_001, **config: Any) -> GossipNode:
    """Never started: it holds its own keys and answers for them."""
    own = NodeId(name, 1_700_000_000, Address("127.0.0.1", port))
    engine = Engine(GossipConfig(**config), own, Random(1), now=time.monotonic())
    return GossipNode(engine, open_udp_socket(Address("127.0.0.1", 0)))


@pytest.fixture
async def gossip() -> AsyncIterator[GossipNode]:
    node = gossip_node(max_key_value_bytes=256, max_keys_per_node=5)
    yield node
    await node.stop()


@pytest.fixture
async def part(gossip: GossipNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Part]:
    monkeypatch.setattr("coterie.consensus.member.metadata.consumer.MemberMetadata", FailingMetadata)
    store = open_member_directory(tmp_path / "raft")
    # It is alone: whoever campaigns soon, leads soon.
    hasty = MemberSettings(heartbeat=0.01, election_min=0.05, election_max=0.1, leader_fallback=0.04)
    config = MemberConfig(secret=b"secret", max_watches=2, raft=hasty)
    member = Member(store, "cluster", (store.identity.member_id.hex,), lambda _: None, config)
    try:
        await member.start("127.0.0.1", 0)
        await member.metadata.barrier()
        await eventually(lambda: member.state.feature_level == KNOWN_LEVEL)  # what founds a cluster is done
        yield Part(gossip, member)
    finally:
        await member.stop()


@pytest.fixture
def app(gossip: GossipNode, part: Part) -> ASGIApp:
    return create_app(gossip, HTTP, RAFT, part)


@pytest.fixture
async def api(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        yield client


@dataclass
class RawAnswer:
    """What the application sent, to the byte."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


async def raw_request(
    app: ASGIApp,
    method: str,
    raw_path: bytes,
    *,
    query: bytes = b"",
    headers: Any = (),
    chunks: Sequence[bytes] = (b"",),
    host: bytes | None = b"localhost",
) -> RawAnswer:
    """A request whose path no client has tidied up; its body comes in `chunks`."""
    waiting = [
        {"type": "http.request", "body": chunk, "more_body": i < len(chunks) - 1} for i, chunk in enumerate(chunks)
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": raw_path.decode("latin-1"),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": [*([] if host is None else [(b"host", host)]), *headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    await app(scope, receive, send)
    head, *parts = sent
    names = {name.decode().lower(): value.decode() for name, value in head["headers"]}
    return RawAnswer(head["status"], names, b"".join(part.get("body", b"") for part in parts))


@pytest.fixture
def raw(app: ASGIApp) -> Callable[..., Any]:
    """Send a request to the application as it is: `await raw("GET", b"/v1/kv/..")`."""

    async def request(method: str, raw_path: bytes, **more: Any) -> RawAnswer:
        return await raw_request(app, method, raw_path, **more)

    return request


def error_of(answer: Any) -> dict[str, Any]:
    """The error in an answer's body, which holds nothing else."""
    body = answer.json()
    assert list(body) == ["error"], body
    error: dict[str, Any] = body["error"]
    return error
