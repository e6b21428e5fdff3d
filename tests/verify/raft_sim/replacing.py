"""A member that is over is replaced by a new one, with an empty disk and a name of its own: as the autopilot does."""

from __future__ import annotations

from functools import partial

from coterie.consensus.raft.core.model.configuration import Configurations
from tests.verify.raft_sim.world import Host, World


def may_lose_one(world: World) -> bool:
    """Does every configuration that may come to be survive the loss of a voter?"""
    return all(len(voters) >= 3 for voters in map(_voters, world.hosts.values()) if voters)


def _voters(host: Host) -> tuple[str, ...]:
    """By its log, also of a host that is down."""
    if host.node is not None:
        return host.node.voters
    info = host.platter.snapshot_info
    return Configurations(host.bootstrap if info is None else info.voters, host.platter.log).latest


def replace_member(world: World, host: Host) -> None:
    """In calm weather: the old one goes, then the new one votes."""
    new = Host(world, f"{host.name}b", ())
    world.hosts[new.name] = new
    new.start()
    for name, add in ((host.name, False), (new.name, True)):
        if not world.run_until(partial(_changed, world, name, add), 20.0):
            world.fail(f"{name} could not be {'added' if add else 'removed'}")
        if not add:
            world.hosts.take_out(host.name)


def _changed(world: World, name: str, add: bool) -> bool:
    leader = world.leader()
    if leader is None or leader.node is None or leader.node.state.change_pending:
        return False
    if (name in leader.node.voters) == add:
        return True
    leader.node.change_voters(name, lambda *_: None, 1.0, add=add)
    return False
