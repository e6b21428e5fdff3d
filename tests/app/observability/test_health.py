"""`/livez`, `/readyz`, `/healthz`: what each looks at, and that what fails says why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from coterie.app.api.app import create_app
from coterie.app.observability.health import Health
from coterie.app.raft.local import LocalRaft
from coterie.app.settings.tables import HttpSettings
from coterie.gossip import Address, GossipNode, NodeId

pytestmark = pytest.mark.anyio

ALL = ("/livez", "/readyz", "/healthz")


class Raft(LocalRaft):
    wrong: str | None = None

    def problem(self, max_staleness: float) -> str | None:
        return self.wrong


class Watched:
    """A node with the parts that its health is made of."""

    def __init__(self, node: GossipNode) -> None:
        self.node = node
        self.raft = Raft(node)
        self.stopping = asyncio.Event()
        self.health = Health(node, self.raft, self.stopping, 5.0)
        app = create_app(node, HttpSettings(), raft=self.raft, stopping=self.stopping, health=self.health)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost")

    async def codes(self) -> list[int]:
        return [(await self.client.get(path)).status_code for path in ALL]

    async def error(self, path: str = "/readyz") -> Any:
        answer = await self.client.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        return answer.json()["error"]


@pytest.fixture
async def watched(node: GossipNode) -> AsyncIterator[Watched]:
    watched = Watched(node)
    async with watched.client:
        yield watched


async def test_a_node_is_alive_and_ready_once_it_gossips(watched: Watched) -> None:
    assert await watched.codes() == [503, 503, 503]
    assert (await watched.error("/livez"))["message"] == "gossip: no gossip rounds are held"
    await watched.node.start()
    assert await watched.codes() == [200, 200, 200]
    await watched.node.stop()
    assert await watched.codes() == [503, 503, 503]


async def test_a_node_whose_part_in_raft_has_a_problem_is_alive_and_not_ready(watched: Watched) -> None:
    await watched.node.start()
    watched.raft.wrong = "no leader is known"
    assert await watched.codes() == [200, 503, 503]
    error = await watched.error()
    assert (error["code"], error["message"]) == ("not_ready", "raft: no leader is known")
    assert {"name": "raft", "ok": False, "reason": "no leader is known"} in error["details"]["checks"]
    assert (await watched.client.get("/readyz?exclude=raft")).status_code == 200


async def test_a_stopping_node_is_not_ready(watched: Watched) -> None:
    await watched.node.start()
    watched.stopping.set()
    assert await watched.codes() == [200, 503, 503]
    assert (await watched.error())["message"] == "shutdown: this node is stopping"


async def test_a_part_of_the_node_can_say_that_it_is_not_ready_and_take_it_back(watched: Watched) -> None:
    await watched.node.start()
    release = watched.health.hold("leave", "this node is leaving")
    assert await watched.codes() == [200, 503, 503]
    assert (await watched.error())["message"] == "leave: this node is leaving"
    release()
    assert await watched.codes() == [200, 200, 200]


async def test_a_node_whose_name_another_process_has_is_not_ready(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    await watched.node.start()
    own = watched.node.node
    twin = NodeId(own.node_id, own.generation + 1, Address("192.0.2.7", 10000))
    monkeypatch.setattr(type(watched.node.engine), "twins", {own.node_id: (own, twin)})
    assert await watched.codes() == [200, 503, 503]
    assert "another running process, at 192.0.2.7:10000, has the node_id" in (await watched.error())["message"]
    told = (await watched.client.get("/v1/cluster")).json()["gossip"]["twins"]
    assert [each["generation"] for each in told] == [own.generation, own.generation + 1]


async def test_checks_are_named_on_demand(watched: Watched) -> None:
    await watched.node.start()
    assert (await watched.client.get("/readyz")).json() == {"status": "ok"}
    checks = (await watched.client.get("/readyz?verbose")).json()["checks"]
    assert {check["name"] for check in checks} == {"gossip", "shutdown", "raft"}
    assert all(check["ok"] and check["reason"] is None for check in checks)


async def test_a_check_that_there_is_not_is_refused_with_the_nearest(watched: Watched) -> None:
    """Left out by mistake, it would seem to be left out for good, and the balancer would take the node away."""
    await watched.node.start()
    for path in ALL:
        answer = await watched.client.get(f"{path}?exclude=seed&exclude=rfat")
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["code"] == "invalid_request"
        assert "exclude" in str(error)
        assert error["message"] == "there is no check 'rfat'; did you mean 'raft'?"
    message = (await watched.client.get("/readyz?exclude=disk")).json()["error"]["message"]
    assert message.endswith("there are gossip, leaving, node_id, raft, seed, shutdown")
    for name in ("leaving", "node_id", "seed"):  # these appear only where they fail
        assert (await watched.client.get(f"/readyz?exclude={name}")).status_code == 200
