"""A snapshot that the log overtakes (fault 18): while a member loads what its leader sent, another leader, which has
kept more of its log, brings the same entries and later ones. Storms alone meet this in one seed of forty.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from tests.verify.raft_sim.workload.clients import Clients
from tests.verify.raft_sim.workload.history import History
from tests.verify.raft_sim.world import Host, World

SLOW_SECONDS = 1.5
"""What a job of the member's disk takes at most meanwhile."""


def overtake(world: World, history: History | Clients, rng: random.Random) -> None:
    """In calm weather. Comes to nothing where the others have cut their logs as well."""
    leader = world.leader()
    if leader is None or leader.node is None or len(leader.node.voters) < 3:
        return
    members = [world.hosts[name] for name in leader.node.voters if name != leader.name]
    member = rng.choice(members)
    with away(world, member):
        world.network.cut(leader.name, member.name)
        for _ in range(4):
            history.write(leader, "k")
        world.run(0.3)
        leader.node.compact()
        world.run_until(lambda: _is_behind(member, leader), 2.0)
    if not _is_behind(member, leader) or all(_is_behind(member, other) for other in members if other is not member):
        return
    world.note(f"{member.name} loads what {leader.name} has sent, and {leader.name} is away")
    latency, member.disk_latency = member.disk_latency, SLOW_SECONDS
    if world.run_until(lambda: _loads(member), 10.0):
        with away(world, leader):
            world.run_until(lambda: not _loads(member), 5.0)
    member.disk_latency = latency


def _is_behind(member: Host, other: Host) -> bool:
    """Does it need a snapshot of the other?"""
    assert member.node is not None
    assert other.node is not None
    return other.node.state.log.first_index > member.node.last_index


def _loads(member: Host) -> bool:
    incoming = None if member.node is None else member.node.state.incoming
    return incoming is not None and incoming.loading is not None


@contextmanager
def away(world: World, host: Host) -> Iterator[None]:
    """Nothing comes to the host, and nothing comes from it."""
    pairs = [(host.name, other) for other in world.hosts if other != host.name]
    pairs += [(b, a) for a, b in pairs]
    for source, target in pairs:
        world.network.block(source, target)
    yield
    for source, target in pairs:
        world.network.unblock(source, target)
