"""The samples that come to who names them: links, convergence, figures."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any

import httpx
import pytest

from coterie.app.wire.live.kinds import DETAILS
from coterie.gossip import Address, Engine, GossipConfig, GossipNode, HandshakeStats, NodeId, open_udp_socket
from tests.app.api.conftest import Part, gossip_node
from tests.app.api.live.clients import listening
from tests.app.api.live.test_live import served
from tests.waiting import PATIENCE_SECONDS, eventually

pytestmark = pytest.mark.anyio

QUICK: dict[str, Any] = {"figures_interval": 0.05}
KINDS = "kinds=" + ",".join(DETAILS)


async def test_who_does_not_name_them_does_not_get_them(gossip: GossipNode, part: Part) -> None:
    async with (
        served(gossip, part, **QUICK) as (address, hub),
        listening(address) as plain,
        listening(address, KINDS) as curious,
    ):
        await plain.ready()
        assert not set(plain.drawing.hello["kinds"]) & set(DETAILS)
        await curious.until(lambda d: set(DETAILS) <= d.samples.keys())
        rounds = hub.sample_round
        await plain.until(lambda d: hub.sample_round > rounds + 3 and "phi" in d.samples)
        assert not set(plain.drawing.samples) & set(DETAILS)
        assert curious.drawing.hello["kinds"] == sorted(DETAILS)
        assert set(curious.drawing.samples) <= {*DETAILS, "heartbeat"}


async def test_nothing_is_kept_while_nobody_asks(gossip: GossipNode, part: Part) -> None:
    def book() -> HandshakeStats | None:
        return gossip.engine.handshake_stats

    async with served(gossip, part, **QUICK) as (address, _), listening(address) as client:
        await client.ready()
        assert book() is None
        await client.say(type="subscribe", kinds=["convergence"])
        await client.until(lambda d: "convergence" in d.samples)
        assert book() is not None
        await client.say(type="subscribe", kinds=["members", "figures"])
        await client.until(lambda d: "figures" in d.samples)
        assert book() is None
        await client.say(type="subscribe", kinds=["gossip_links"])
        await client.until(lambda d: "gossip_links" in d.samples)
        assert book() is not None
    async with served(gossip, part, **QUICK, keep_seconds=0.01) as (address, hub):
        async with listening(address, KINDS) as client:
            await client.until(lambda d: "figures" in d.samples)
        await eventually(lambda: hub.idle)
        assert book() is None


def real_node(name: str) -> GossipNode:
    """One that is where it says."""
    sock = open_udp_socket(Address("127.0.0.1", 0))
    own = NodeId(name, 1_700_000_000, Address(*sock.getsockname()))
    return GossipNode(Engine(GossipConfig(gossip_interval=0.02), own, Random(name), now=time.monotonic()), sock)


async def test_two_nodes_that_really_gossip() -> None:
    one, two = real_node("one"), real_node("two")
    try:
        for node, other in ((one, two), (two, one)):
            await node.start()
            node.replace_seeds([str(other.node.gossip_advertise_addr)])
        async with served(one, None, **QUICK) as (address, _), listening(address, KINDS) as client:
            drawing = client.drawing

            def settled(_: Any) -> bool:
                if "convergence" not in drawing.samples:
                    return False
                spreads = {each["node_id"]: each for each in drawing.samples["convergence"]["nodes"]}
                return spreads.keys() == {"one", "two"} and all(each["confirmed"] == 1 for each in spreads.values())

            one.set("a", "1")
            await client.until(settled)
            assert drawing.samples["convergence"]["scope"] == "all"
            assert [peer["node_id"] for peer in drawing.samples["convergence"]["peers"]] == ["two"]
            opened = replied = answered = 0
            before = one.engine.counters.copy()
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not (opened and replied and answered):
                    message = await client.next()
                    if message.get("kind") == "gossip_links":
                        for link in message["links"]:
                            assert link["node_id"] == "two"
                            opened, replied = opened + link["opened"], replied + link["replied"]
                            answered += link["answered"]
            counted = one.engine.counters
            assert opened <= counted["sent_syn"]
            assert counted["received_syn"] > before["received_syn"]
            await two.stop()
            one.set("a", "2")
            await client.until(
                lambda d: any(each["behind_nodes"] == ["two"] for each in d.samples["convergence"]["nodes"])
            )
            own = next(each for each in drawing.samples["convergence"]["nodes"] if each["node_id"] == "one")
            assert (own["behind"], own["max_behind_versions"], own["confirmed"]) == (1, 1, 0)
    finally:
        await one.stop()
        await two.stop()


async def test_figures_count_what_is_done(gossip: GossipNode, part: Part) -> None:
    async with served(gossip, part, **QUICK) as (address, _), listening(address, "kinds=figures") as client:
        await client.until(lambda d: "figures" in d.samples)
        first = client.drawing.samples["figures"]
        assert first["live"]["clients"] == 1
        timed = 0
        async with httpx.AsyncClient(base_url=f"http://{address}", timeout=PATIENCE_SECONDS) as http:
            assert (await http.put("/v1/meta/k", content=b"v")).status_code == 200
            assert (await http.get("/nothing")).status_code == 404
        while client.drawing.samples["figures"]["http"]["responses_4xx"] == 0 or timed < 2:
            message = await client.next()
            if message.get("kind") == "figures":
                timed += message["http"]["duration"]["count"]
        last = client.drawing.samples["figures"]
        assert last["http"]["responses_2xx"] - first["http"]["responses_2xx"] == 1
        assert last["http"]["responses_4xx"] - first["http"]["responses_4xx"] == 1
        assert last["raft"]["proposals_done"] == first["raft"]["proposals_done"] + 1
        assert last["raft"]["commit_index"] > first["raft"]["commit_index"]
        assert last["raft"]["role"] == "leader"
        assert last["process"]["uptime_seconds"] > first["process"]["uptime_seconds"]
        assert last["process"]["memory_bytes"] > 10_000_000


async def test_a_node_without_raft_has_no_figures_of_it() -> None:
    node = gossip_node()
    try:
        async with served(node, None, **QUICK) as (address, _), listening(address, "kinds=figures") as client:
            await client.until(lambda d: "figures" in d.samples)
            assert client.drawing.samples["figures"]["raft"] is None
    finally:
        await node.stop()


async def test_the_same_as_server_sent_events(gossip: GossipNode, part: Part) -> None:
    async with served(gossip, part, **QUICK) as (address, _), httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
        found: set[str] = set()
        async with http.stream("GET", f"http://{address}/v1/events?{KINDS}") as stream:
            async for line in stream.aiter_lines():
                found |= {kind for kind in DETAILS if f'"kind":"{kind}"' in line and line.startswith("data:")}
                if found == set(DETAILS):
                    break


async def test_an_unknown_kind_is_told_with_all_there_are(gossip: GossipNode, part: Part) -> None:
    async with (
        served(gossip, part) as (address, _),
        httpx.AsyncClient(base_url=f"http://{address}", timeout=PATIENCE_SECONDS) as http,
    ):
        answer = await http.get("/v1/events?kinds=figure")
        assert answer.status_code == 400
        assert "figures" in answer.json()["error"]["message"]
