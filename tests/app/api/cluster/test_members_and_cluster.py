"""Members, the cluster in one picture, and what operators can see and do of the Raft layer."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from coterie.app.api.app import create_app
from coterie.app.api.cluster.raft_routes import MAX_SAVES
from coterie.app.wire.cluster import (
    Cluster,
    ClusterMember,
    Compacting,
    Decisions,
    FoundingGivenUp,
    Members,
    RaftLeft,
    RaftMembers,
    RaftStatus,
    Removed,
    Transferred,
)
from coterie.app.wire.pydantic_models import model_of
from coterie.consensus.api.errors import RefusedError, UnavailableError, UnknownOutcomeError
from coterie.consensus.autopilot.announcement import Announcement, ClusterStatus, encode
from coterie.consensus.autopilot.decision_log import DecisionRecord
from coterie.consensus.autopilot.shell.local_member import LinkProblem
from coterie.consensus.store import KNOWN_LEVEL, read_snapshot
from coterie.gossip import Address, GossipNode, KeyStatus, NodeId
from tests.app.api.conftest import HTTP, RAFT, Part, error_of
from tests.app.api.streams import Stream, streaming

pytestmark = pytest.mark.anyio

NODE_B = NodeId("node-b", 7, Address("127.0.0.1", 10_002))
DECIDED = DecisionRecord(1_700_000_000.5, 1, "promote", "b" * 32, "node-b", "alive and caught up for 10 s", "done")


def hear(gossip: GossipNode, node: NodeId, announcement: Announcement | None = None) -> None:
    """Learn of a node, and of what it says of its part in Raft."""
    said = {} if announcement is None else encode(announcement)
    values = [(key, value, version, KeyStatus.SET) for version, (key, value) in enumerate(said.items(), 1)]
    gossip.reset_node_state_if_update(node, values, len(values) + 1, 0)


def see_alive(gossip: GossipNode, *nodes: NodeId) -> None:
    """Signs of life come in, at even intervals, until now."""
    engine = gossip.engine
    now = time.monotonic()
    for node in nodes:
        state = engine.state(node)
        assert state is not None
        for age in range(5, -1, -1):
            engine.detector.record_arrival(state.liveness, now - age * 0.5)
    engine.round(now)


def voter(member: str, **more: Any) -> Announcement:
    return Announcement(
        member=member, incarnation=1, host="127.0.0.1", port=11_002, role="voter", cluster_id="cluster", **more
    )


async def test_every_status_of_a_member_is_told(api: httpx.AsyncClient, gossip: GossipNode) -> None:
    dead, joining = NodeId("node-c", 7, Address("::1", 10_003)), NodeId("node-d", 7, Address("127.0.0.1", 10_004))
    left = NodeId("node-e", 7, Address("127.0.0.1", 10_005))
    hear(gossip, NODE_B)
    hear(gossip, dead)
    hear(gossip, joining)
    gone = Announcement(member="e" * 32, incarnation=1, host="127.0.0.1", port=11_005, role="left")
    hear(gossip, left, gone)
    see_alive(gossip, NODE_B, dead)
    state = gossip.engine.state(dead)
    assert state is not None
    state.liveness.last_arrival = time.monotonic() - 600
    gossip.engine.round(time.monotonic())

    answer = await api.get("/v1/members")
    model_of(Members).model_validate_json(answer.content, strict=True)
    assert (answer.json()["cluster_id"], answer.json()["node_id"]) == ("testing", "node-a")
    members = {each["node_id"]: each for each in answer.json()["members"]}
    assert {name: each["status"] for name, each in members.items()} == {
        "node-a": "live",
        "node-b": "live",
        "node-c": "dead",
        "node-d": "joining",
        "node-e": "left",
    }
    own, other = members["node-a"], members["node-b"]
    assert (own["phi"], own["last_heartbeat_seconds"], own["role"]) == (None, 0.0, "leader")
    assert 0 <= other["phi"] < 8
    assert 0 <= other["last_heartbeat_seconds"] < 60
    assert other["role"] == "observer"
    assert members["node-c"]["gossip_advertise_addr"] == "[::1]:10003"
    assert members["node-c"]["last_heartbeat_seconds"] >= 600
    assert members["node-d"]["last_heartbeat_seconds"] is None

    one = await api.get("/v1/members/node-b")
    model_of(ClusterMember).model_validate_json(one.content, strict=True)
    assert one.json()["gossip_advertise_addr"] == "127.0.0.1:10002"


async def test_a_member_that_nobody_knows_is_not_found(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/members/no/body")
    assert answer.status_code == 404
    assert error_of(answer) == {
        "code": "node_not_found",
        "message": "no node 'no/body' is known here; GET /v1/members lists them",
        "parameter": "node",
    }
    bad = await api.get("/v1/members/%FF")
    assert (bad.status_code, error_of(bad)["code"]) == (400, "invalid_encoding")
    assert error_of(bad)["message"] == "the path is not UTF-8 once its %-escapes are read"


async def test_the_cluster_is_shown_in_one_picture(api: httpx.AsyncClient, part: Part) -> None:
    part.decided.append(DECIDED)
    answer = await api.get("/v1/cluster")
    model_of(Cluster).model_validate_json(answer.content, strict=True)
    own = {"node_id": "node-a", "generation": 1_700_000_000, "gossip_advertise_addr": "127.0.0.1:10001"}
    decided = {
        "time": 1_700_000_000.5,
        "action": "promote",
        "member_id": "b" * 32,
        "node_id": "node-b",
        "reason": "alive and caught up for 10 s",
        "outcome": "done",
    }
    raft = answer.json()["raft"]
    members = raft.pop("members")
    assert answer.json()["gossip"] == {"cluster_id": "testing", "live": [own], "dead": [], "twins": []}
    assert raft == {
        "enabled": True,
        "cluster_id": "cluster",
        "leader": "node-a",
        "term": part.member.node.term,
        "quorum": True,
        "membership_epoch": 3,
        "voters": ["node-a", "c" * 32],
        "observers": ["node-b"],
        "candidates": [],
        "decisions": [decided],
    }
    assert [(each["node_id"], each["role"], each["reason"]) for each in members] == [
        ("node-a", "leader", None),
        ("node-b", "observer", "stabilizing, 4 s left"),
        (None, "voter", None),
    ]
    decisions = await api.get("/v1/raft/decisions")
    model_of(Decisions).model_validate_json(decisions.content, strict=True)
    assert decisions.json() == {"decisions": [decided]}
    listed = await api.get("/v1/raft/members")
    model_of(RaftMembers).model_validate_json(listed.content, strict=True)
    assert listed.json() == {"members": members}


async def test_a_node_without_raft_shows_what_gossip_tells(gossip: GossipNode) -> None:
    hear(gossip, NODE_B, voter("b" * 32, status=ClusterStatus(term=4, leader="b" * 32, epoch=2)))
    old = NodeId("node-c", 7, Address("127.0.0.1", 10_003))
    hear(gossip, old, voter("c" * 32, status=ClusterStatus(term=3, leader="c" * 32)))
    see_alive(gossip, NODE_B, old)
    transport = httpx.ASGITransport(app=create_app(gossip, HTTP, RAFT))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/v1/cluster")
        status = await client.get("/v1/raft/status")
        members = (await client.get("/v1/members")).json()["members"]
    model_of(Cluster).model_validate_json(answer.content, strict=True)
    raft = answer.json()["raft"]
    assert (raft["enabled"], raft["cluster_id"], raft["leader"], raft["term"]) == (False, "cluster", "node-b", 4)
    assert (raft["voters"], raft["quorum"], raft["membership_epoch"]) == (["node-b", "node-c"], None, 2)
    model_of(RaftStatus).model_validate_json(status.content, strict=True)
    assert (status.json()["enabled"], status.json()["member_id"], status.json()["peers"]) == (False, None, [])
    roles = {each["node_id"]: each["role"] for each in members}
    assert roles == {"node-a": "client", "node-b": "leader", "node-c": "voter"}


async def test_a_dead_leader_leads_nobody(gossip: GossipNode) -> None:
    hear(gossip, NODE_B, voter("b" * 32, status=ClusterStatus(term=4, leader="b" * 32)))
    transport = httpx.ASGITransport(app=create_app(gossip, HTTP, RAFT))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        raft = (await client.get("/v1/cluster")).json()["raft"]
    assert (raft["leader"], raft["voters"]) == (None, ["node-b"])


async def test_the_status_of_the_own_member(api: httpx.AsyncClient, part: Part) -> None:
    part.links.append(LinkProblem(1_700_000_000.5, "wrong_cluster", "127.0.0.1:9"))
    answer = await api.get("/v1/raft/status")
    model_of(RaftStatus).model_validate_json(answer.content, strict=True)
    status = answer.json()
    assert (status["role"], status["leader"], status["quorum"]) == ("leader", "node-a", True)
    assert status["member_id"] == part.member.id
    assert status["voters"] == [part.member.id]
    assert status["link_events"] == [{"time": 1_700_000_000.5, "kind": "wrong_cluster", "detail": "127.0.0.1:9"}]
    assert status["reason"] is None
    assert (status["operation_level"], status["known_operation_level"]) == (KNOWN_LEVEL, KNOWN_LEVEL)


async def test_leadership_is_handed_over(api: httpx.AsyncClient, part: Part) -> None:
    answer = await api.post("/v1/raft/transfer", json={"node": "node-b"})
    model_of(Transferred).model_validate_json(answer.content, strict=True)
    assert answer.json() == {"leader": "node-b"}
    await api.post("/v1/raft/transfer", json={})
    assert part.asked == [("transfer", "node-b"), ("transfer", None)]


async def test_a_transfer_that_may_yet_happen_is_not_called_a_failure(api: httpx.AsyncClient, part: Part) -> None:
    part.fails = UnknownOutcomeError("node-b was asked")
    unknown = await api.post("/v1/raft/transfer", json={"node": "node-b"})
    assert (unknown.status_code, error_of(unknown)["code"]) == (504, "outcome_unknown")
    assert "may still do so; GET /v1/cluster tells who leads" in error_of(unknown)["message"]


REASONS = [
    ("target_unreachable", "no link to the voter"),
    ("target_behind", "did not hold the whole log in time"),
    ("other_leader", "another node was elected"),
]


@pytest.mark.parametrize(("reason", "said"), REASONS)
async def test_why_a_transfer_was_not_done_is_told(api: httpx.AsyncClient, part: Part, reason: str, said: str) -> None:
    part.fails = UnavailableError(reason, f"{reason}: for programmers")
    failed = await api.post("/v1/raft/transfer", json={"node": "node-b"})
    assert (failed.status_code, error_of(failed)["details"]) == (503, {"reason": reason})
    assert said in error_of(failed)["message"]


async def test_members_leave_and_are_removed(api: httpx.AsyncClient, part: Part) -> None:
    removed = await api.delete(f"/v1/raft/members/{'b' * 32}")
    model_of(Removed).model_validate_json(removed.content, strict=True)
    left = await api.post("/v1/raft/leave?timeout=3")
    model_of(RaftLeft).model_validate_json(left.content, strict=True)
    compacting = await api.post("/v1/raft/compact")
    model_of(Compacting).model_validate_json(compacting.content, strict=True)
    assert compacting.json() == {"applied_index": 7, "snapshot_index": 3}
    given_up = await api.delete("/v1/raft/founding")
    model_of(FoundingGivenUp).model_validate_json(given_up.content, strict=True)
    assert given_up.json() == {"given_up": "the agreement is taken back"}
    assert part.asked == [("remove", "b" * 32), ("leave", "3.0")]


OPERATIONS: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/v1/raft/transfer", {"json": {}}),
    ("DELETE", "/v1/raft/members/b", {}),
    ("POST", "/v1/raft/leave", {}),
    ("POST", "/v1/raft/compact", {}),
    ("DELETE", "/v1/raft/founding", {}),
]


@pytest.mark.parametrize(("method", "url", "more"), OPERATIONS)
async def test_what_operators_ask_may_be_refused(
    method: str, url: str, more: dict[str, Any], api: httpx.AsyncClient, part: Part
) -> None:
    part.fails = RefusedError("bad_target", message="'x' is no voter that could take over")
    refused = await api.request(method, url, **more)
    assert refused.status_code == 409
    assert error_of(refused) == {
        "code": "refused",
        "message": "'x' is no voter that could take over",
        "parameter": None,
        "details": {"reason": "bad_target"},
    }
    part.fails = UnavailableError("no_cluster", "waiting for 1 more of bootstrap_expect = 3 nodes")
    unavailable = await api.request(method, url, **more)
    assert (unavailable.status_code, unavailable.headers["retry-after"]) == (503, "1")
    assert error_of(unavailable) == {
        "code": "unavailable",
        "message": "the cluster cannot serve this now: waiting for 1 more of bootstrap_expect = 3 nodes",
        "parameter": None,
        "details": {"reason": "no_cluster"},
    }


async def test_a_saved_snapshot_holds_everything(api: httpx.AsyncClient, part: Part) -> None:
    for number in range(50):
        await api.put(f"/v1/meta/{number}", content=b"x" * 1_000)
    answer = await api.get("/v1/raft/snapshot")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == 'attachment; filename="coterie-revision-50.snapshot"'
    state = read_snapshot([answer.content])
    assert (state.keyspace.revision, len(state.keyspace.table)) == (50, 50)
    part.metadata.fails = UnavailableError("no_leader")
    for _ in range(MAX_SAVES + 1):
        failed = await api.get("/v1/raft/snapshot")
        assert (failed.status_code, error_of(failed)["code"]) == (503, "unavailable")


class TakesNothing(Stream):
    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.started.set()
            await self.gone.wait()


async def test_snapshots_that_nobody_takes_are_few(app: ASGIApp, api: httpx.AsyncClient) -> None:
    """Each holds megabytes of its node's memory."""
    async with AsyncExitStack() as clients:
        for _ in range(MAX_SAVES):
            entered = streaming(app, "/v1/raft/snapshot", client=TakesNothing)
            assert (await clients.enter_async_context(entered)).status == 200
        refused = await api.get("/v1/raft/snapshot")
        assert (refused.status_code, error_of(refused)["code"]) == (503, "overloaded")
    assert (await api.get("/v1/raft/snapshot")).status_code == 200
