"""Leaving over HTTP, and forgetting the dead."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import httpx
import pytest

from coterie.app.api.app import create_app
from coterie.app.api.cluster.leave import GracefulLeave
from coterie.app.api.cluster.purge import FORGET_PREFIX, follow_purges
from coterie.app.observability.health import Health
from coterie.app.raft.local import LocalRaft
from coterie.app.settings.operation import LeaveSettings
from coterie.consensus.api.errors import UnavailableError
from coterie.consensus.member.observing.status import MemberStatus
from coterie.gossip import LEFT_KEY, Address, GossipNode, KeyStatus, NodeId, NodeRemoved
from tests.app.api.cluster.test_members_and_cluster import NODE_B, hear, see_alive
from tests.app.api.conftest import HTTP, RAFT, Part, error_of

pytestmark = pytest.mark.anyio

NODE_X = NodeId("node-x", 7, Address("127.0.0.1", 10_009))


class OfThree(Part):
    """One voter of three."""

    def status(self) -> MemberStatus:
        return replace(super().status(), voters=(self.member.id, "b" * 32, "c" * 32))


def alone(node: GossipNode, stopping: asyncio.Event) -> GracefulLeave:
    """Without a part in Raft."""
    raft = LocalRaft(node)
    return GracefulLeave(node, raft, LeaveSettings(), stopping, Health(node, raft, stopping, 10.0))


async def leave(part: Part, query: str = "", settings: LeaveSettings | None = None) -> tuple[dict[str, Any], bool]:
    """The answer, and whether the node stops."""
    stopping = asyncio.Event()
    health = Health(part.node, part, stopping, 10.0)
    graceful_leave = GracefulLeave(part.node, part, settings or LeaveSettings(), stopping, health)
    app = create_app(part.node, HTTP, RAFT, part, stopping, health=health, graceful_leave=graceful_leave)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        answer = await client.post(f"/v1/leave{query}")
        assert answer.status_code == 200
        again = await client.post("/v1/leave")
        assert again.json() == answer.json(), "it happens once"
    return json.loads(answer.content), stopping.is_set()


async def test_a_voter_gives_up_its_vote_and_says_goodbye(part: Part) -> None:
    of_three = OfThree(part.node, part.member)
    told = await leave(of_three, settings=LeaveSettings(raft_timeout=4.0))
    assert told == ({"raft": "left", "reason": None, "told": 0}, True)
    assert of_three.asked == [("leave", "4.0")]
    assert part.node.engine.own.left


async def test_the_vote_is_kept_where_that_is_asked_or_nobody_else_votes(part: Part) -> None:
    of_three = OfThree(part.node, part.member)
    assert await leave(of_three, "?keep_vote=true") == ({"raft": "kept", "reason": None, "told": 0}, True)
    assert await leave(part) == ({"raft": "kept", "reason": "it is the only voter", "told": 0}, True)
    assert of_three.asked == part.asked == []


async def test_no_majority_keeps_nobody_from_leaving(part: Part) -> None:
    of_three = OfThree(part.node, part.member, fails=UnavailableError("timed_out", "no majority"))
    answer, stops = await leave(of_three)
    assert (answer["raft"], stops) == ("failed", True)
    assert "no majority" in answer["reason"]


async def test_a_node_without_raft_just_goes(gossip: GossipNode) -> None:
    stopping = asyncio.Event()
    graceful_leave = alone(gossip, stopping)
    farewell = await graceful_leave.leave(keep_vote=False)
    assert (farewell.raft, farewell.told, stopping.is_set()) == ("none", 0, True)


async def test_a_full_namespace_keeps_nobody_from_leaving(gossip: GossipNode) -> None:
    for number in range(gossip.engine.config.max_keys_per_node):
        gossip.set(str(number), "")
    stopping = asyncio.Event()
    await alone(gossip, stopping).leave(keep_vote=False)
    assert stopping.is_set()


async def test_who_left_is_shown_as_such(api: httpx.AsyncClient, gossip: GossipNode) -> None:
    hear(gossip, NODE_B)
    see_alive(gossip, NODE_B)
    gossip.reset_node_state_if_update(NODE_B, [(LEFT_KEY, "1", 2, KeyStatus.SET)], 2, 0)
    gossip.engine.round(time.monotonic())
    assert (await api.get("/v1/members/node-b")).json()["status"] == "left"
    assert [node["node_id"] for node in (await api.get("/")).json()["dead_nodes"]] == ["node-b"]


async def test_a_dead_node_is_forgotten_everywhere(api: httpx.AsyncClient, gossip: GossipNode, part: Part) -> None:
    events: list[object] = []
    gossip.observe(events.append)
    hear(gossip, NODE_X)
    hear(gossip, NODE_B)
    answer = await api.delete("/v1/members/node-x")
    assert answer.json() == {"node_id": "node-x", "forgotten": 1, "raft_members": []}
    told = gossip.engine.own.get(FORGET_PREFIX + "node-x")
    assert told is not None
    assert (told.value, told.status) == ("7", KeyStatus.DELETE_AFTER_TTL)
    assert NodeRemoved(NODE_X) in events
    assert (await api.get("/v1/members/node-x")).status_code == 404
    # The test's Raft layer has a member of this name.
    assert (await api.delete("/v1/members/node-b")).json()["raft_members"] == ["b" * 32]
    assert part.asked == [("remove", "b" * 32)]


async def test_the_living_and_the_unknown_are_not_forgotten(api: httpx.AsyncClient, gossip: GossipNode) -> None:
    hear(gossip, NODE_X)
    see_alive(gossip, NODE_X)
    for name in ("node-x", "node-a"):
        refused = await api.delete(f"/v1/members/{name}")
        assert (refused.status_code, error_of(refused)["code"]) == (409, "refused")
        assert "is alive: stop it first" in error_of(refused)["message"]
    unknown = await api.delete("/v1/members/nobody")
    assert (unknown.status_code, error_of(unknown)["code"]) == (404, "node_not_found")


async def test_others_forget_whom_they_hold_dead_too(gossip: GossipNode) -> None:
    follow_purges(gossip)
    living = NodeId("living", 7, Address("127.0.0.1", 10_008))
    newer = NodeId("node-x", 8, Address("127.0.0.1", 10_009))
    for node in (NODE_X, newer, living):
        hear(gossip, node)
    see_alive(gossip, living)
    words = [("node-x", "7"), ("living", "7"), ("nonsense", "-1"), ("nonsense", "9" * 400), ("", "²")]
    values = [(FORGET_PREFIX + name, value, i, KeyStatus.SET) for i, (name, value) in enumerate(dict(words).items(), 1)]
    gossip.reset_node_state_if_update(NODE_B, values, len(values), 0)
    assert gossip.engine.state(NODE_X) is None
    assert gossip.engine.state(newer) is not None
    assert gossip.engine.state(living) is not None
    # The word came before the death.
    gossip.reset_node_state_if_update(living, [(LEFT_KEY, "1", 2, KeyStatus.SET)], 2, 0)
    gossip.engine.round(time.monotonic())
    gossip.set("any", "")  # what happened is told with the next event
    assert gossip.engine.state(living) is None
