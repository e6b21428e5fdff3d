"""The leader proves itself before it is sent a request: whom a node without metadata believes, and whom it does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from coterie.app.api.app import create_app
from coterie.app.http.forwarding import Forwarder
from coterie.app.http.peers.search import PeerTrust
from coterie.app.raft.leaders import LeaderCandidate
from coterie.consensus.autopilot.secret_keys import SecretKeys
from coterie.gossip import Address
from tests.app.api.conftest import HTTP, RAFT, Part, error_of, gossip, gossip_node, part
from tests.app.api.servers import serving
from tests.app.api.test_forwarding import Client

__all__ = ["gossip", "part"]

pytestmark = pytest.mark.anyio

KEYS = SecretKeys(b"a secret of sixteen characters or more")
OTHERS = SecretKeys(b"another secret, that a stranger has made up")
BY_SECRET = PeerTrust(KEYS)

Heard = list[tuple[str, dict[str, str]]]
"""Path and headers of each request."""


class Knows(Client):
    """Gossip names these."""

    candidates: Sequence[LeaderCandidate] = ()

    def leader_candidates(self) -> Sequence[LeaderCandidate]:
        return self.candidates


def hearing(app: ASGIApp, heard: Heard) -> ASGIApp:
    async def hear(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        heard.append((scope["path"], headers))
        await app(scope, receive, send)

    return hear


@asynccontextmanager
async def leader(part: Part, keys: SecretKeys | None, heard: Heard) -> AsyncIterator[Address]:
    """The real member, at an address of its own."""
    later: list[ASGIApp] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await later[0](scope, receive, send)

    async with serving(hearing(app, heard)) as address:
        node = gossip_node("leader", address.port)
        forwarder = Forwarder("leader", part, HTTP, asyncio.Event(), trust=PeerTrust(keys))
        later.append(create_app(node, HTTP, RAFT, part, forwarder=forwarder))
        yield address
        await node.stop()


@asynccontextmanager
async def stranger(heard: Heard, body: bytes = b"{}") -> AsyncIterator[Address]:
    """Answers everything, with what it likes."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"coterie-proof", b"0" * 64)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async with serving(hearing(app, heard)) as address:
        yield address


@asynccontextmanager
async def client(trust: PeerTrust, *candidates: LeaderCandidate) -> AsyncIterator[tuple[httpx.AsyncClient, Knows]]:
    """Of a node without Raft, for which gossip names these."""
    node = gossip_node("far", 10_002)
    raft = Knows(node)
    raft.candidates = candidates
    forwarder = Forwarder("far", raft, HTTP, asyncio.Event(), trust=trust)
    app = create_app(node, HTTP, RAFT, raft, forwarder=forwarder)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as asking:
        yield asking, raft
    forwarder.close()
    await node.stop()


async def test_a_leader_that_proves_the_secret_is_sent_requests(part: Part) -> None:
    heard: Heard = []
    async with leader(part, KEYS, heard) as address, client(BY_SECRET, LeaderCandidate(address, "cluster")) as (far, _):
        assert (await far.put("/v1/meta/a", content="x")).status_code == 200
        assert (await far.get("/v1/meta/a")).json()["value"] == "x"
    assert [path for path, _ in heard] == ["/v1/raft/statement", "/v1/meta/a", "/v1/meta/a"]
    assert heard[1][1]["coterie-cluster"] == "cluster"


@pytest.mark.parametrize("forged", ["made up", "of another secret"])
async def test_a_stranger_is_sent_nothing_and_delays_nothing(forged: str, part: Part) -> None:
    """It is named first; the real leader is found behind it."""
    strange: Heard = []
    said = b'{"node_id":"x","generation":1,"cluster_id":"cluster","member_id":"%s","leading":true,"term":9}'
    async with (
        leader(part, KEYS, []) as address,
        stranger(strange, said % part.member.id.encode()) as evil,
        leader(part, OTHERS, strange) as other,
        client(
            BY_SECRET,
            LeaderCandidate(other if forged == "of another secret" else evil, "cluster"),
            LeaderCandidate(address, "cluster"),
        ) as (far, _),
    ):
        assert (await far.put("/v1/meta/a", content="x")).status_code == 200
        assert (await far.put("/v1/meta/a", content="y")).status_code == 200
    assert [path for path, _ in strange] == ["/v1/raft/statement"]


async def test_the_real_leaders_answer_is_of_no_use_at_another_address(part: Part) -> None:
    heard: Heard = []
    async with leader(part, KEYS, heard) as address, httpx.AsyncClient(base_url=f"http://{address}") as asking:
        for asked, proves in ((str(address), True), ("127.0.0.1:1", False)):
            question = {"nonce": "n", "address": asked, "proof": KEYS.question("n", asked)}
            answer = await asking.get("/v1/raft/statement", params=question)
            assert ("coterie-proof" in answer.headers) == proves
            assert answer.json()["leading"]
        question = {"nonce": "n", "address": str(address), "proof": OTHERS.question("n", str(address))}
        assert "coterie-proof" not in (await asking.get("/v1/raft/statement", params=question)).headers
        assert "coterie-proof" not in (await asking.get("/v1/raft/statement")).headers


async def test_where_nobody_proves_itself_the_answer_says_so(part: Part) -> None:
    strange: Heard = []
    async with stranger(strange) as evil, client(BY_SECRET, LeaderCandidate(evil, "cluster")) as (far, _):
        answer = await far.put("/v1/meta/a", content="x")
        assert (answer.status_code, error_of(answer)["details"]) == (503, {"reason": "leader_unproved"})
        assert f"what answers at {evil} " in error_of(answer)["message"]
    assert [path for path, _ in strange] == ["/v1/raft/statement"]


async def test_without_anything_to_prove_by_nothing_is_sent_and_the_settings_are_named(part: Part) -> None:
    heard: Heard = []
    async with leader(part, None, heard) as address:
        async with client(PeerTrust(), LeaderCandidate(address, "cluster")) as (far, _):
            answer = await far.put("/v1/meta/a", content="x")
            assert error_of(answer)["details"] == {"reason": "leader_unproved"}
            for setting in ("raft.secret", "tls.ca", "keyring.keys"):
                assert setting in error_of(answer)["message"]
        assert heard == []
        async with client(PeerTrust(is_open=lambda: True), LeaderCandidate(address, "cluster")) as (far, _):
            assert (await far.put("/v1/meta/a", content="x")).status_code == 200
    assert [path for path, _ in heard] == ["/v1/meta/a"]


async def test_a_leader_of_another_cluster_refuses_what_is_meant_for_one(part: Part) -> None:
    """Gossip is believed here, so that only the request itself says which cluster is meant."""
    heard: Heard = []
    async with leader(part, None, heard) as address:
        async with client(PeerTrust(sealed=True), LeaderCandidate(address, "other")) as (far, raft):
            answer = await far.put("/v1/meta/a", content="x")
            assert (answer.status_code, error_of(answer)["details"]) == (503, {"reason": "wrong_cluster"})
            assert raft._gossip.pin.cluster is None
        assert part.state.keyspace.revision == 0
        async with client(PeerTrust(sealed=True), LeaderCandidate(address, "cluster")) as (far, raft):
            assert (await far.put("/v1/meta/a", content="x")).status_code == 200
            assert raft._gossip.pin.cluster == "cluster"
        async with client(BY_SECRET, LeaderCandidate(address, "other")) as (far, _):
            answer = await far.put("/v1/meta/a", content="x")
            assert error_of(answer)["details"] == {"reason": "leader_unproved"}


async def test_who_must_be_the_leader_by_raft_itself_is_asked_for(part: Part) -> None:
    heard: Heard = []
    async with leader(part, KEYS, heard) as address:
        async with client(BY_SECRET, LeaderCandidate(address, "cluster", part.member.id)) as (far, _):
            assert (await far.put("/v1/meta/a", content="x")).status_code == 200
        async with client(BY_SECRET, LeaderCandidate(address, "cluster", "b" * 32)) as (far, _):
            assert (await far.put("/v1/meta/a", content="x")).status_code == 503


async def test_headers_that_are_not_the_leaders_to_set_are_not_passed_back(part: Part) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"2"),
            (b"coterie-x", b"1"),
            (b"access-control-allow-origin", b"*"),
            (b"set-cookie", b"a=b"),
            (b"location", b"http://elsewhere/"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

    async with serving(app) as address, client(PeerTrust(sealed=True), LeaderCandidate(address, None)) as (far, _):
        answer = await far.get("/v1/meta/a")
    assert dict(answer.headers) == {"content-type": "application/json", "content-length": "2", "coterie-x": "1"}
