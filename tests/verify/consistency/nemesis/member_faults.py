"""Changes of who leads and who belongs to the cluster, by the faces that operators have, and by loss of disks.

All but transfers are made one at a time, and only where every voter is there: what loses a disk must not meet a cluster
that has already lost one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.verify.consistency.nemesis.schedule import SkipError
from tests.verify.consistency.nodes.asking import AskError, ask

if TYPE_CHECKING:
    from tests.verify.consistency.nemesis.nemesis import Act

CHANGE_SECONDS = 30.0
"""How long the cluster may take to be whole again, before the run goes on without."""

TRANSFER_PAUSE = 0.5


async def transfer(act: Act) -> None:
    """Leadership is handed over again and again, under load."""
    act.begin()
    deadline = time.monotonic() + act.step.seconds
    handed, refused = 0, 0
    while time.monotonic() < deadline:
        leader = await act.cluster.leader()
        if leader is not None:
            to = act.rng.choice([None, *[node.name for node in act.others([leader])]])
            try:
                await ask(leader.url, "/v1/raft/transfer", method="POST", body={"node": to})
                handed += 1
            except AskError:
                refused += 1
        await asyncio.sleep(TRANSFER_PAUSE)
    act.end(handed=handed, refused=refused)


@asynccontextmanager
async def _changing(act: Act) -> AsyncIterator[int]:
    """Alone, on a cluster with all its voters; yields how many. Raises SkipError."""
    if act.nemesis.membership.locked():
        raise SkipError("another change of members is under way")
    async with act.nemesis.membership:
        voters = await act.cluster.voters()
        count = await act.cluster.voter_count()
        if count < 3 or len(voters) < count:
            raise SkipError(f"{len(voters)} of {count} voters are there")
        yield count


async def _voters_again(act: Act, count: int) -> bool:
    """Whether so many voters are there in time, all of them running."""
    deadline = time.monotonic() + CHANGE_SECONDS
    while time.monotonic() < deadline:
        voters = await act.cluster.voters()
        if len(voters) >= count and len(voters) == await act.cluster.voter_count():
            return True
        await asyncio.sleep(0.2)
    return False


async def add_node(act: Act) -> None:
    """A node that was not there before joins."""
    async with _changing(act):
        if not act.cluster.can_grow:
            raise SkipError("there is no room for more nodes")
        act.begin()
        node = await act.cluster.add()
        await act.wait()
        act.end(node)


async def replace_node(act: Act) -> None:
    """A voter is dead for so long that a ready node takes its place; then it comes back, as a new member."""
    async with _changing(act) as count:
        voters = await act.cluster.voters()
        victim = await act.victim(lambda node: node in voters)
        act.begin(victim)
        await victim.kill()
        grace = float(act.cluster.settings["RAFT__DEAD_VOTER_GRACE"])
        await act.wait(max(act.step.seconds, grace * 1.5))
        await act.nemesis.start_again(victim)
        act.end(victim, voters_again=await _voters_again(act, count))


async def remove_node(act: Act) -> None:
    """An operator removes a voter that runs; it comes back with an empty disk, as a new member."""
    async with _changing(act) as count:
        voters = await act.cluster.voters()
        victim = await act.victim(lambda node: node in voters)
        status = await victim.status()
        asked = await act.cluster.leader()
        if status is None or asked is None:
            return
        act.begin(victim)
        try:
            await ask(asked.url, f"/v1/raft/members/{status['member_id']}", method="DELETE", seconds=10)
        except AskError as error:
            act.end(victim, error=str(error))
            return
        await act.wait()
        if victim.running:
            await victim.kill("remove")
        victim.wipe()
        await act.nemesis.start_again(victim)
        act.end(victim, voters_again=await _voters_again(act, count))


async def leave(act: Act) -> None:
    """A voter gives up its vote and goes on without Raft; started again, it joins as a new member."""
    async with _changing(act) as count:
        voters = await act.cluster.voters()
        victim = await act.victim(lambda node: node in voters)
        act.begin(victim)
        try:
            await ask(victim.url, "/v1/raft/leave?timeout=10", method="POST", seconds=15)
        except AskError as error:
            act.end(victim, error=str(error))
            return
        await act.wait()
        await victim.stop()
        await act.nemesis.start_again(victim)
        act.end(victim, voters_again=await _voters_again(act, count))


async def wipe(act: Act) -> None:
    """A voter loses its disk, and starts again with an empty one."""
    async with _changing(act) as count:
        voters = await act.cluster.voters()
        victim = await act.victim(lambda node: node in voters)
        act.begin(victim)
        await victim.kill("wipe")
        victim.wipe()
        await act.wait(act.step.seconds * act.rng.choice((0.05, 1.0)))
        await act.nemesis.start_again(victim)
        act.end(victim, voters_again=await _voters_again(act, count))
