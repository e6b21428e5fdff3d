"""Agents in one event loop: real gossip on UDP, real Raft links on TCP, real directories, all on loopback."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import pytest

from coterie.consensus import Member, MemberConfig, MetadataError
from coterie.consensus.autopilot.announcement import FoundingRule
from coterie.consensus.autopilot.decision_log import read_decisions
from coterie.consensus.autopilot.founding import agreement as founding
from coterie.consensus.autopilot.shell import local_member
from coterie.consensus.autopilot.shell.agent import Agent
from coterie.consensus.autopilot.shell.agent_config import AgentConfig
from coterie.consensus.autopilot.shell.local_member import LocalMember
from coterie.consensus.autopilot.voters.policy import Policy
from coterie.consensus.autopilot.voters.removal import RejoinPolicy
from coterie.consensus.journal import MemberDirectory, open_member_directory
from coterie.gossip import Address, Engine, GossipConfig, GossipNode, NodeId, open_udp_socket
from tests.waiting import PATIENCE_SECONDS, eventually

pytestmark = pytest.mark.anyio

GOSSIP = GossipConfig(gossip_interval=0.1, initial_interval=0.1, max_interval=0.5)
POLICY = Policy(stabilization_time=0.3, dead_voter_grace=600.0)
"""Nobody is replaced for being slow."""
HASTY = Policy(stabilization_time=0.3, dead_voter_grace=1.0)


@pytest.fixture(autouse=True)
def _settle_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(founding, "SETTLE_SECONDS", 0.5)


class Nodes:
    """Nodes by name, whose directories outlast their processes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.policy = POLICY
        self.running: dict[str, tuple[GossipNode, Agent]] = {}
        self.generation = 0
        self.seed = ""

    def __getitem__(self, name: str) -> Agent:
        return self.running[name][1]

    async def start(self, name: str, rule: FoundingRule, **but: object) -> Agent:
        sock = open_udp_socket(Address("127.0.0.1", 0))
        address = Address("127.0.0.1", sock.getsockname()[1])
        self.generation += 1
        engine = Engine(GOSSIP, NodeId(name, self.generation, address), Random(self.generation), now=monotonic())
        self.seed = self.seed or str(address)
        known = [str(gossip.node.gossip_advertise_addr) for gossip, _ in self.running.values()]
        gossip = GossipNode(engine, sock, [self.seed, *known])
        config = AgentConfig(
            listen=("127.0.0.1", 0),
            advertise=("127.0.0.1", 0),
            rule=rule,
            member=MemberConfig(secret=b"secret"),
            policy=self.policy,
            **but,  # type: ignore[arg-type]
        )
        agent = Agent(gossip, self.root / name, config)
        self.running[name] = gossip, agent
        await gossip.start()
        await agent.start()
        return agent

    async def kill(self, name: str) -> None:
        """Without a word to anybody: gossip first, then the links."""
        gossip, agent = self.running.pop(name)
        await gossip.stop()
        if agent.member is not None:
            await agent.member.stop()
        await agent.stop()

    async def stop(self) -> None:
        for name in list(self.running):
            await self.kill(name)

    def leader(self) -> Agent | None:
        found = [agent for _, agent in self.running.values() if agent.member is not None and agent.member.leading]
        return found[0] if len(found) == 1 else None

    def voters(self) -> set[str]:
        """The names of the nodes that vote, as the leader knows them, once all are in the cluster."""
        if any(agent.cluster is None for _, agent in self.running.values()):
            return set()
        leader = self.leader()
        voting = leader.member.node.voters if leader is not None and leader.member is not None else ()
        return {name for name, (_, agent) in self.running.items() if agent.member_id in voting}

    async def until(self, holds: Callable[[], bool]) -> None:
        def told() -> str:
            roles = {name: (agent.role, agent.reason) for name, (_, agent) in self.running.items()}
            return f"{roles}; voters {self.voters()}"

        await eventually(holds, told)


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[Nodes]:
    found = Nodes(tmp_path)
    yield found
    await found.stop()


THREE = FoundingRule(3)


async def written(agent: Agent, value: bytes) -> None:
    """Write and read, from whatever node; what it cannot do yet is tried again."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                await agent.metadata.put(b"key", value)
                assert (await agent.metadata.get(b"key")).value is not None
            except MetadataError:
                await asyncio.sleep(0.05)
            else:
                return


async def test_three_found_two_join_and_vote_and_every_node_serves(nodes: Nodes) -> None:
    for name in ("n1", "n2", "n3"):
        await nodes.start(name, THREE)
    await nodes.until(lambda: nodes.voters() == {"n1", "n2", "n3"})
    for name in ("n4", "n5"):
        await nodes.start(name, THREE)
    await nodes.until(lambda: nodes.voters() == {"n1", "n2", "n3", "n4", "n5"})
    await nodes.until(lambda: len({agent.cluster for _, agent in nodes.running.values()}) == 1)
    for name, (_, agent) in nodes.running.items():
        await written(agent, name.encode())
        assert agent.role == "voter"


async def test_a_killed_voter_is_replaced_and_comes_back_as_a_new_member(nodes: Nodes) -> None:
    nodes.policy = HASTY
    for name in ("n1", "n2", "n3"):
        await nodes.start(name, THREE)
    await nodes.until(lambda: nodes.voters() == {"n1", "n2", "n3"})
    await nodes.start("n4", THREE)
    await nodes.until(lambda: nodes["n4"].cluster is not None)
    leader = nodes.leader()
    assert leader is not None
    gone = next(name for name in ("n1", "n2", "n3") if nodes[name] is not leader)
    former = nodes[gone].member_id
    await nodes.kill(gone)
    await nodes.until(lambda: len(nodes.voters()) == 3)
    assert "n4" in nodes.voters()
    await written(nodes["n4"], b"without it")
    await nodes.start(gone, THREE)
    await nodes.until(lambda: nodes[gone].member_id != former and nodes[gone].cluster is not None)
    assert nodes[gone].role == "observer"
    assert [it.name for it in nodes.root.iterdir() if "set-aside" in it.name] == [f"{gone}.set-aside-1"]


async def test_a_restarted_member_has_another_address_and_the_same_vote(nodes: Nodes) -> None:
    for name in ("n1", "n2", "n3"):
        await nodes.start(name, THREE)
    await nodes.until(lambda: nodes.voters() == {"n1", "n2", "n3"})
    members = {name: nodes[name].member_id for name in nodes.running}
    for name in ("n1", "n2", "n3"):
        await nodes.kill(name)
        await nodes.start(name, THREE)
        await nodes.until(lambda: nodes.voters() == {"n1", "n2", "n3"})
        await written(nodes[name], name.encode())
    assert {name: nodes[name].member_id for name in nodes.running} == members


async def test_a_member_that_leaves_is_gone_for_good(nodes: Nodes) -> None:
    for name in ("n1", "n2", "n3"):
        await nodes.start(name, THREE)
    await nodes.until(lambda: nodes.voters() == {"n1", "n2", "n3"})
    await nodes["n2"].leave()
    assert nodes["n2"].role == "left"
    await nodes.until(lambda: nodes.voters() == {"n1", "n3"})
    leader = nodes.leader()
    assert leader is not None
    assert leader.member is not None
    assert nodes["n2"].member_id in leader.member.state.bans
    await written(nodes["n1"], b"two are left")


async def test_the_leader_itself_can_leave(nodes: Nodes) -> None:
    for name in ("n1", "n2", "n3"):
        await nodes.start(name, THREE)
    await nodes.until(lambda: nodes.voters() == {"n1", "n2", "n3"})
    leader = nodes.leader()
    assert leader is not None
    await leader.leave()
    assert leader.role == "left"
    await nodes.until(lambda: len(nodes.voters()) == 2)


async def test_a_founder_that_waits_says_for_whom_and_can_be_given_up(nodes: Nodes) -> None:
    for name in ("n1", "n2"):
        await nodes.start(name, THREE)
    await nodes.until(lambda: all("waiting for 1 more" in agent.reason for _, agent in nodes.running.values()))
    with pytest.raises(MetadataError, match="waiting for 1 more"):
        _ = nodes["n1"].metadata
    assert nodes["n1"].give_up_founding() is None


async def test_a_node_that_lost_its_disk_comes_back_as_a_new_member(nodes: Nodes) -> None:
    nodes.policy = HASTY
    for name in ("n1", "n2", "n3"):
        await nodes.start(name, THREE)
    await nodes.until(lambda: nodes.voters() == {"n1", "n2", "n3"})
    await written(nodes["n1"], b"before")
    former = nodes["n3"].member_id
    await nodes.kill("n3")
    shutil.rmtree(nodes.root / "n3")
    await nodes.start("n3", THREE)
    await nodes.until(lambda: nodes.voters() == {"n1", "n2", "n3"})
    assert nodes["n3"].member_id != former
    leader = nodes.leader()
    assert leader is not None
    assert leader.member is not None
    state = leader.member.state
    assert former in state.bans
    await nodes.until(lambda: [taken.kind for taken in read_decisions(state)] == ["remove", "promote"])


async def test_a_lease_bound_to_a_node_ends_with_it(nodes: Nodes) -> None:
    for name in ("n1", "n2", "n3"):
        await nodes.start(name, THREE)
    await nodes.until(lambda: nodes.voters() == {"n1", "n2", "n3"})
    await nodes.start("n4", THREE)
    gossip, _ = nodes.running["n4"]
    metadata = nodes["n1"].metadata
    lost = await metadata.bind_lease("n4", gossip.node.generation, 0.5)
    kept = await metadata.bind_lease("n1", nodes.running["n1"][0].node.generation, 0.5)
    await metadata.put(b"held", b"by n4", lease=lost.lease)
    await nodes.until(lambda: nodes["n4"].cluster is not None)
    await nodes.kill("n4")

    def ended() -> bool:
        leader = nodes.leader()
        return leader is not None and leader.member is not None and leader.member.state.lease(lost.lease) is None

    await nodes.until(ended)
    assert (await metadata.get(b"held")).value is None
    assert (await metadata.lease_info(kept.lease)).value is not None


async def test_an_operator_sends_a_voter_away(nodes: Nodes) -> None:
    for name in ("n1", "n2", "n3"):
        await nodes.start(name, THREE)
    await nodes.until(lambda: nodes.voters() == {"n1", "n2", "n3"})
    target = nodes["n3"]
    await nodes["n1"].remove(target.member_id, "its disk is slow")
    await nodes.until(lambda: nodes.voters() == {"n1", "n2"} and "its disk is slow" in target.reason)
    assert target.role == "removed"


async def test_a_cluster_is_found_by_members_of_a_lower_and_of_a_higher_id(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two members the one of the higher id dials: either way a newcomer gets its links."""
    first_bytes = {"n1": b"\x80", "lower": b"\x00", "higher": b"\xff"}

    def opened(path: Path, **options: Any) -> MemberDirectory:
        begin = first_bytes[path.name]
        return open_member_directory(path, entropy=lambda size: begin + os.urandom(size - 1), **options)

    monkeypatch.setattr(local_member, "open_member_directory", opened)
    await nodes.start("n1", FoundingRule(1))
    await nodes.until(lambda: nodes.voters() == {"n1"})
    for name in ("lower", "higher"):
        await nodes.start(name, FoundingRule())
        await nodes.until(lambda name=name: nodes[name].cluster is not None)  # type: ignore[misc]
    assert nodes["lower"].member_id < nodes["n1"].member_id < nodes["higher"].member_id


async def test_a_founding_that_is_given_up_is_tried_anew(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    """All three agree, and the third takes no part in the election: without its vote there is no cluster."""
    started = LocalMember.start

    async def start(local: LocalMember, cluster_id: str, founders: tuple[str, ...], listen: tuple[str, int]) -> None:
        if local.path.name != "n3":
            await started(local, cluster_id, founders, listen)

    monkeypatch.setattr(LocalMember, "start", start)
    for name in ("n1", "n2", "n3"):
        await nodes.start(name, THREE)
    await nodes.until(lambda: all(nodes[name].member is not None for name in ("n1", "n2")))
    members = {nodes[name].member_id for name in nodes.running}
    cluster = nodes["n1"].member.cluster if nodes["n1"].member is not None else ""
    assert nodes["n1"].give_up_founding() is not None
    monkeypatch.setattr(LocalMember, "start", started)
    await nodes.until(lambda: nodes.voters() == {"n1", "n2", "n3"})
    assert nodes["n1"].cluster != cluster
    assert {nodes[name].member_id for name in nodes.running} == members


async def test_an_address_that_cannot_be_listened_on_is_told_until_it_can(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    listened = Member.start
    taken = True

    async def start(member: Member, host: str, port: int) -> tuple[str, int]:
        if taken:
            raise OSError("address already in use")
        return await listened(member, host, port)

    monkeypatch.setattr(Member, "start", start)
    agent = await nodes.start("n1", FoundingRule(1))
    told = "the Raft address cannot be listened on: address already in use"
    await nodes.until(lambda: agent.reason == told)
    taken = False
    await nodes.until(lambda: nodes.voters() == {"n1"} and agent.reason == "")


async def rolled_back(nodes: Nodes, **but: object) -> tuple[Agent, str, str]:
    """Three voters, of which one starts from a copy of its directory: the leader, that node, and its member before."""
    for name in ("n1", "n2", "n3"):
        await nodes.start(name, THREE)
    await nodes.until(lambda: nodes.voters() == {"n1", "n2", "n3"})
    leader = nodes.leader()
    assert leader is not None
    back = next(name for name in ("n1", "n2", "n3") if nodes[name] is not leader)
    former = nodes[back].member_id
    await written(leader, b"in the copy")
    await asyncio.to_thread(shutil.copytree, nodes.root / back, nodes.root / "copy")  # while it runs
    for number in range(20):
        await written(leader, b"after the copy, %d" % number)
    await nodes.kill(back)
    shutil.rmtree(nodes.root / back)
    (nodes.root / "copy").rename(nodes.root / back)
    await nodes.start(back, THREE, **but)
    return leader, back, former


async def test_a_voter_whose_directory_went_back_in_time_is_replaced_by_itself_as_a_new_member(nodes: Nodes) -> None:
    leader, back, former = await rolled_back(nodes)
    await nodes.until(lambda: nodes[back].member_id != former and nodes.voters() == {"n1", "n2", "n3"})
    assert [it.name for it in nodes.root.iterdir() if "set-aside" in it.name] == [f"{back}.set-aside-1"]
    told = [it for agent in (leader, *(it for _, it in nodes.running.values())) for it in agent.link_problems]
    assert any(it.kind == "went_back" and former in it.detail for it in told)
    await written(nodes[back], b"as a new member")


async def test_a_twin_whose_original_may_only_be_cut_off_is_refused_and_says_why(nodes: Nodes) -> None:
    """Each start has another address here: the process before may be anywhere."""
    for name in ("n1", "n2", "n3"):
        await nodes.start(name, THREE)
    await nodes.until(lambda: nodes.voters() == {"n1", "n2", "n3"})
    back = next(name for name in ("n1", "n2", "n3") if nodes[name] is not nodes.leader())
    await nodes.kill(back)
    await asyncio.to_thread(shutil.copytree, nodes.root / back, nodes.root / "copy")
    await nodes.start(back, THREE)
    others = [agent for name, (_, agent) in nodes.running.items() if name != back]
    await nodes.until(lambda: all(_links(agent) == 2 for agent in others))
    await nodes.kill(back)
    shutil.rmtree(nodes.root / back)
    (nodes.root / "copy").rename(nodes.root / back)
    twin = await nodes.start(back, THREE)
    await nodes.until(lambda: all(agent.member_id in twin.reason for agent in others))
    assert "another process has run on a copy of the data directory" in twin.reason
    for agent in others:
        assert agent.member is not None
        since = agent.member.transport.twins[twin.member_id][1]
        await nodes.until(lambda since=since: monotonic() > since + 2.0)  # type: ignore[misc]
        assert not agent.member.node.state.went_back
    assert twin.failure is None


def _links(agent: Agent) -> int:
    return 0 if agent.member is None else len(agent.member.transport.links)


async def test_proof_of_a_rollback_outlives_the_leader_that_has_it(nodes: Nodes) -> None:
    leader, back, former = await rolled_back(nodes, rejoining=RejoinPolicy(after_death=False))
    await nodes.until(lambda: nodes[back].failure is not None)
    other = next(agent for name, (_, agent) in nodes.running.items() if agent is not leader and name != back)
    assert leader.member is not None
    assert other.member is not None
    while not other.member.leading:
        with suppress(MetadataError):
            await leader.member.transfer(other.member_id)
    await nodes.kill(back)
    await nodes.start("n4", THREE)
    await nodes.until(lambda: "n4" in nodes.voters() and former not in nodes["n4"].member.node.voters)  # type: ignore[union-attr]
