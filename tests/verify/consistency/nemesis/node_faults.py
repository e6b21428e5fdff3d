"""Faults of one node: its process, its disk, its clock."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from tests.verify.consistency.nodes.disks import snapshot_note

if TYPE_CHECKING:
    from tests.verify.consistency.nemesis.nemesis import Act
    from tests.verify.consistency.nodes.node import Node

DEPOSED_SECONDS = 8.0
"""A leader whose disk hangs must have lost its place by then, and writes go on elsewhere. Elections take 0.4 to 0.8 s;
the rest is for machines that are busy."""

SLOW_SYNC_SECONDS = 0.25
"""Of a disk on which a snapshot takes long enough to be killed in."""


async def kill(act: Act) -> None:
    """kill -9, or a power cut; it starts again."""
    victim = await act.victim()
    act.begin(victim, power=victim.power)
    await victim.kill()
    await act.wait(act.step.seconds * act.rng.choice((0.05, 1.0)))
    await act.nemesis.start_again(victim)
    act.end(victim)


async def kill_all(act: Act) -> None:
    """All at one instant."""
    victims = act.cluster.up
    act.begin(*victims)
    await asyncio.gather(*[victim.kill() for victim in victims])
    await act.wait(act.step.seconds * 0.1)
    await asyncio.gather(*[act.nemesis.start_again(victim) for victim in victims])
    act.end(*victims)


async def stop(act: Act) -> None:
    """SIGTERM; it starts again."""
    victim = await act.victim()
    act.begin(victim)
    await victim.stop()
    await act.wait(act.step.seconds * 0.3)
    await act.nemesis.start_again(victim)
    act.end(victim)


async def pause(act: Act) -> None:
    """SIGSTOP and SIGCONT."""
    victim = await act.victim()
    act.begin(victim)
    victim.pause()
    await act.wait()
    victim.go_on()
    act.end(victim)


async def disk_full(act: Act) -> None:
    """Nothing is left on its disk; a node that stopped its part for that is started again."""
    victim = await act.victim()
    act.begin(victim)
    await asyncio.to_thread(victim.fill_disk)
    await act.wait()
    victim.free_disk()
    await _restart_if_failed(act, victim)
    act.end(victim)


async def slow_sync(act: Act) -> None:
    victim = await act.victim()
    seconds = act.rng.choice((0.02, 0.1, 0.5))
    act.begin(victim, sync_seconds=seconds)
    act.cluster.tell(victim, sync_seconds=seconds)
    await act.wait()
    act.cluster.tell(victim, sync_seconds=victim.fine.sync_seconds)
    act.end(victim)


async def hung_sync(act: Act) -> None:
    """Syncs do not return; then they do, or the node is killed in the middle."""
    victim = await act.victim()
    leading = victim is await act.cluster.leader()
    act.begin(victim, leading=leading)
    victim.disk_failed = True
    act.cluster.tell(victim, hung=True)
    if leading and act.nemesis.alone:
        await _deposed(act, victim)
    await act.wait()
    if act.rng.random() < 0.5:
        await victim.kill()
    act.cluster.tell(victim, hung=False)
    await _restart_if_failed(act, victim)
    act.end(victim)


async def _deposed(act: Act, victim: Node) -> None:
    """With nothing else wrong, another must lead soon."""
    began, begun = time.monotonic(), act.nemesis.begun
    while time.monotonic() < began + DEPOSED_SECONDS:
        others = [node for node in act.cluster.up if node is not victim]
        said = await asyncio.gather(*[node.status() for node in others])
        if any(status is not None and status["role"] == "leader" for status in said):
            return
        await asyncio.sleep(0.05)
    if act.nemesis.begun == begun:
        act.complain(
            "leader on a hung disk", f"{victim.name} had not been replaced {DEPOSED_SECONDS:g} s after its disk hung"
        )


async def _restart_if_failed(act: Act, victim: Node) -> None:
    status = await victim.status()
    if victim.running and (status is None or status["failure"]):
        await victim.kill()
    if not victim.running:
        await act.nemesis.start_again(victim)


async def clock(act: Act) -> None:
    """Its wall clock is wrong by seconds to months, forwards or backwards, while it runs and when it starts."""
    victim = await act.victim()
    offset = act.rng.choice((-1.0, 1.0)) * act.rng.choice((2.0, 600.0, 1e7))
    act.begin(victim, offset=offset)
    act.cluster.tell(victim, clock_offset=offset)
    await act.wait(act.step.seconds / 2)
    if offset < 60 and act.rng.random() < 0.3:  # a start in the far future would be a generation nobody can follow
        await victim.kill()
        await act.nemesis.start_again(victim)
    await act.wait(act.step.seconds / 2)
    act.cluster.tell(victim, clock_offset=0.0)
    act.end(victim)


async def kill_in_snapshot(act: Act) -> None:
    """Killed while it writes a snapshot, on a disk that takes its time; where none is written, killed at the end."""
    victim = await act.victim()
    note = snapshot_note(victim.told)
    note.unlink(missing_ok=True)
    act.cluster.tell(victim, sync_seconds=SLOW_SYNC_SECONDS)
    act.begin(victim)
    deadline = time.monotonic() + 2 * act.step.seconds
    while not (seen := note.exists()) and time.monotonic() < deadline:  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.02)
    await act.wait(act.rng.random() * 2 * SLOW_SYNC_SECONDS)
    await victim.kill()
    act.cluster.tell(victim, sync_seconds=victim.fine.sync_seconds)
    await act.nemesis.start_again(victim)
    act.end(victim, seen=seen)
