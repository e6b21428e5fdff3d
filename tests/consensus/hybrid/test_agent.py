"""Agents on gossip nodes, in one event loop, on loopback sockets and real directories."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from consensus import MemberConfig
from consensus.hybrid.agent import Agent, AgentConfig
from consensus.hybrid.announcement import FoundingRule
from consensus.hybrid.decision_log import read_decisions
from consensus.hybrid.policy import Policy
from consensus.journal import JournalConfig
from gossip import Address, Engine, GossipConfig, GossipNode, NodeId, open_udp_socket

pytestmark = pytest.mark.anyio

POLICY = Policy(stabilization_time=0.5, dead_voter_grace=1.0)
GOSSIP = GossipConfig(gossip_interval=0.1, initial_interval=0.5, max_interval=2.0)
JOURNAL = JournalConfig(segment_bytes=1024 * 1024)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Fleet:
    """Nodes by name; each is a gossip node and an agent."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.seeds: list[str] = []
        self.nodes: dict[str, tuple[GossipNode, Agent]] = {}
        self.generation = 1

    async def start(self, name: str, expect: int = 0, names: tuple[str, ...] = ()) -> Agent:
        sock = open_udp_socket(Address("127.0.0.1", 0))
        address = Address(*sock.getsockname()[:2])
        self.generation += 1
        node = NodeId(name, self.generation, address)
        engine = Engine(GOSSIP, node, random.Random(name), now=time.monotonic())
        gossip = GossipNode(engine, sock, list(self.seeds))
        self.seeds.append(str(address))
        config = AgentConfig(
            listen=("127.0.0.1", 0),
            advertise=("127.0.0.1", 0),
            rule=FoundingRule(expect, names),
            member=MemberConfig(secret=b"a test's secret"),
            journal=JOURNAL,
            policy=POLICY,
        )
        agent = Agent(gossip, self.directory / name, config)
        await gossip.start()
        await agent.start()
        self.nodes[name] = (gossip, agent)
        return agent

    async def stop(self, name: str) -> None:
        gossip, agent = self.nodes.pop(name)
        await agent.stop()
        await gossip.stop()

    async def found(self, *names: str) -> None:
        """Start these nodes and wait until all of them vote."""
        for name in names:
            await self.start(name, len(names))
        await self.until(lambda: all(self.agent(name).role == "voter" for name in names))
        await self.agents()[0].metadata.barrier(timeout=20)

    def agent(self, name: str) -> Agent:
        return self.nodes[name][1]

    def leader(self) -> str | None:
        return next((name for name, (_, agent) in self.nodes.items() if agent.member and agent.member.leading), None)

    def agents(self) -> list[Agent]:
        return [agent for _, agent in self.nodes.values()]

    async def until(self, holds: Callable[[], bool], seconds: float = 40) -> None:
        async with asyncio.timeout(seconds):
            while not holds():  # noqa: ASYNC110 - many nodes, any of which may be the last
                await asyncio.sleep(0.05)


@asynccontextmanager
async def fleet(directory: Path) -> AsyncIterator[Fleet]:
    made = Fleet(directory)
    try:
        yield made
    finally:
        for name in list(made.nodes):
            await made.stop(name)


def is_voter(agent: Agent) -> bool:
    return agent.role == "voter"


async def value(agent: Agent, key: bytes) -> bytes | None:
    record = (await agent.metadata.get(key, timeout=20)).value
    return None if record is None else record.value


async def test_three_nodes_found_one_cluster(tmp_path: Path) -> None:
    async with fleet(tmp_path) as nodes:
        await nodes.found("a", "b", "c")
        assert len({agent.cluster for agent in nodes.agents()}) == 1
        await nodes.agents()[0].metadata.put(b"k", b"v", timeout=20)
        for agent in nodes.agents():
            assert await value(agent, b"k") == b"v"
        await nodes.until(
            lambda: all(agent.member and agent.member.state.cluster_id == agent.cluster for agent in nodes.agents())
        )


async def test_newcomers_follow_and_are_promoted_in_pairs(tmp_path: Path) -> None:
    async with fleet(tmp_path) as nodes:
        await nodes.found("a", "b", "c")
        await nodes.start("d")
        await nodes.until(lambda: nodes.agent("d").role == "observer")
        await nodes.agent("d").metadata.put(b"k", b"v", timeout=20)
        await nodes.start("e")
        await nodes.until(lambda: all(agent.role == "voter" for agent in nodes.agents()))
        for agent in nodes.agents():
            await agent.metadata.barrier(timeout=20)
            assert agent.member is not None
            taken = read_decisions(agent.member.state)
            assert [(each.kind, each.outcome) for each in taken] == [("promote", "done")] * 2
        assert await value(nodes.agent("e"), b"k") == b"v"


async def test_a_dead_voter_is_replaced_and_comes_back_as_a_new_member(tmp_path: Path) -> None:
    async with fleet(tmp_path) as nodes:
        await nodes.found("a", "b", "c")
        await nodes.start("d")
        await nodes.until(lambda: nodes.agent("d").role == "observer")
        victim = next(name for name in "abc" if name != nodes.leader())
        member = nodes.agent(victim).member_id
        await nodes.stop(victim)
        await nodes.until(lambda: nodes.agent("d").role == "voter")
        await nodes.start(victim, 3)
        await nodes.until(lambda: nodes.agent(victim).role == "observer" and nodes.agent(victim).member_id != member)
        assert (tmp_path / f"{victim}.set-aside-1").is_dir()
        await nodes.agent(victim).metadata.put(b"k", b"v", timeout=20)


async def test_a_lease_bound_to_a_node_ends_with_it(tmp_path: Path) -> None:
    async with fleet(tmp_path) as nodes:
        await nodes.found("a", "b", "c")
        victim = next(name for name in "abc" if name != nodes.leader())
        gossip, agent = nodes.nodes[victim]
        metadata = next(each for each in nodes.agents() if each is not agent).metadata
        bound = await metadata.bind_lease(victim, gossip.node.generation, 0.2)
        async with metadata.lock(b"l", lease=bound.lease) as first:
            await nodes.stop(victim)
            async with metadata.lock(b"l", timeout=30) as second:
                assert second.token > first.token
            assert first.lost.is_set()


async def test_a_node_returns_with_another_address(tmp_path: Path) -> None:
    async with fleet(tmp_path) as nodes:
        await nodes.found("a", "b", "c")
        await nodes.agent("a").metadata.put(b"k", b"v")
        for name in "abc":
            await nodes.stop(name)
            await nodes.start(name, 3)
            agent = nodes.agent(name)
            await nodes.until(partial(is_voter, agent))
            assert await value(nodes.agent(name), b"k") == b"v"


async def test_leaving_gives_up_the_vote(tmp_path: Path) -> None:
    async with fleet(tmp_path) as nodes:
        await nodes.found("a", "b", "c")
        name = nodes.leader()
        assert name is not None
        await nodes.agent(name).leave()
        assert nodes.agent(name).role == "left"
        others = [other for other in "abc" if other != name]
        await nodes.agent(others[0]).metadata.put(b"k", b"v", timeout=20)
        member = nodes.agent(others[0]).member
        assert member is not None
        assert len(member.node.voters) == 2


async def test_an_operator_removes_a_member(tmp_path: Path) -> None:
    async with fleet(tmp_path) as nodes:
        await nodes.found("a", "b", "c")
        one, victim = (name for name in "abc" if name != nodes.leader())
        await nodes.agent(one).remove(nodes.agent(victim).member_id, "it is to be scrapped")
        await nodes.until(lambda: nodes.agent(victim).role == "removed")
        assert "it is to be scrapped" in nodes.agent(victim).reason


async def test_a_node_alone_waits_and_says_for_whom(tmp_path: Path) -> None:
    async with fleet(tmp_path) as nodes:
        await nodes.start("a", 3)
        await nodes.until(lambda: nodes.agent("a").reason != "starting")
        assert nodes.agent("a").role == "candidate"
        assert nodes.agent("a").reason
