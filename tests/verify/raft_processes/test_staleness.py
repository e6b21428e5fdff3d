"""A stale read says how old its answer may be at most (raft spec 3)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from coterie.consensus import Consistency
from tests.consensus.api.groups import running

pytestmark = pytest.mark.anyio


async def test_a_follower_that_takes_no_entries_says_how_old_its_data_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as group:
        leader = await group.led()
        await leader.metadata.put(b"k", b"old")
        behind = group.followers()[0]
        await behind.metadata.get(b"k")
        monkeypatch.setattr(behind.directory.journal, "shortage", lambda *_, **__: "disk_full")  # its disk is full
        await leader.metadata.put(b"k", b"new")
        await asyncio.sleep(2.0)  # what is acknowledged becomes older
        answer = await behind.metadata.get(b"k", consistency=Consistency.STALE)
        assert answer.value is not None
        assert answer.staleness is not None
        assert answer.value.value == b"new" or answer.staleness >= 2.0


async def test_who_has_restarted_is_not_fresh_before_the_new_leader_knows_what_is_committed(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as group:
        await group.members[0].metadata.put(b"k", b"acknowledged")
        for number in range(3):
            await group.stop(number)
        for number in range(3):
            member = await group.start(number)
            member.directory.journal.shortage = lambda *_, **__: "disk_full"  # type: ignore[method-assign]
        await group.led()
        await asyncio.sleep(1.0)  # with full disks the leader's no-op is never committed
        for member in group.members.values():
            answer = await member.metadata.get(b"k", consistency=Consistency.STALE)
            assert answer.value is not None or answer.staleness == float("inf")
