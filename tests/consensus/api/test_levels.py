"""Limits and levels come from the log: members of several releases in one group hold one state."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import pytest

from coterie.consensus import RefusedError
from coterie.consensus.api.types import RequestId
from coterie.consensus.member.peers_file import read_peers
from coterie.consensus.raft.net.session import HEAD_BYTES, REFUSAL, Identity
from coterie.consensus.store import KNOWN_LEVEL, Limits, Put, RefusalCode, State, state_digest
from tests.consensus.api.groups import CONFIG, Group, running
from tests.consensus.raft.net.before import SessionBefore
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


@contextmanager
def release_before() -> Iterator[None]:
    """Members started meanwhile know the first level alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coterie.consensus.member.metadata.consumer.State", partial(State, known_level=1))
        yield


def proves_first(directory: Path) -> bool:
    return read_peers(directory).prove_first


def levels(group: Group) -> set[int]:
    return {member.state.feature_level for member in group.members.values()}


async def all_equal(group: Group) -> None:
    await group.members[0].metadata.put(b"last", b"")
    await eventually(lambda: len({member.state.applied_index for member in group.members.values()}) == 1)
    assert len({state_digest(member.state) for member in group.members.values()}) == 1


async def test_the_first_leader_logs_its_limits_whatever_the_others_begin_with(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        assert {member.state.limits for member in group.members.values()} == {Limits()}
    group = Group(tmp_path / "other", 3, CONFIG)
    try:
        for number, events in enumerate((10, 20, 30)):
            group.config = replace(CONFIG, limits=Limits(max_history_events=events))
            await group.start(number)
        await eventually(lambda: levels(group) == {KNOWN_LEVEL})
        kept = {member.state.limits.max_history_events for member in group.members.values()}
        assert len(kept) == 1
        assert kept <= {10, 20, 30}
        for number in range(50):
            await group.members[number % 3].metadata.put(b"k", b"%d" % number)
        await all_equal(group)
    finally:
        for number in list(group.members):
            await group.stop(number)


async def test_a_member_of_the_release_before_holds_the_level_down_until_it_is_upgraded(tmp_path: Path) -> None:
    group = Group(tmp_path, 3, CONFIG)
    once = RequestId(b"once", 0)
    try:
        with release_before():
            for number in range(3):
                await group.start(number)
        await group.members[0].metadata.put(b"k", b"0")
        for number in range(3):
            assert levels(group) == {1}
            await group.stop(number)
            await group.start(number)
            await group.members[number].metadata.submit(Put(b"k", b"1"), request=once)
        await eventually(lambda: levels(group) == {KNOWN_LEVEL})
        assert (await group.members[0].metadata.get(b"k")).value.version == 2  # type: ignore[union-attr]
        await all_equal(group)
    finally:
        for number in list(group.members):
            await group.stop(number)


async def test_a_member_of_the_release_before_is_refused_where_the_level_has_risen(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        led = await group.led()
        number, behind = next((n, member) for n, member in group.members.items() if member is not led)
        await group.stop(number)
        events: list[tuple[str, str]] = []
        for member in group.members.values():
            member.transport.on_event = lambda kind, detail: events.append((kind, detail))
        with release_before():
            old = await group.start(number)
        told: list[str] = []
        old.transport.on_event = lambda kind, detail: told.append(f"{kind}: {detail}")
        await eventually(lambda: any("run a newer release of coterie here" in each for each in told))
        await eventually(lambda: [detail for kind, detail in events if kind == "needs_upgrade"])
        assert any("run a newer release of coterie there" in detail for _, detail in events)
        assert not any(behind.id in member.transport.links for member in group.members.values())
        await group.stop(number)
        await group.start(number)
        await all_equal(group)


async def test_where_the_level_has_risen_the_old_way_of_proving_is_refused_after_a_restart_too(tmp_path: Path) -> None:
    """A member that has just started, and hears nobody, does not know its cluster's level."""
    async with running(tmp_path) as group:
        for number in range(3):
            directory = group.members[number].directory.path
            await eventually(partial(proves_first, directory))
            await group.stop(number)
        member = await group.start(0)
        assert member.state.feature_level < KNOWN_LEVEL
        caller = SessionBefore(
            Identity("test", "z" * 32, 1, b"p", CONFIG.secret, level=255),
            bytes(32),
            dialled=member.id,
            max_frame=10_000,
        )
        reader, writer = await asyncio.open_connection(*group.where[member.id])
        writer.writelines(caller.outgoing)
        async with asyncio.timeout(10):
            answer = await reader.read()
        assert answer[HEAD_BYTES] == REFUSAL
        writer.close()
        await writer.wait_closed()


async def test_a_request_id_used_again_for_something_else_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, size=1) as group:
        metadata = group.members[0].metadata
        request = msgspec.structs.replace(metadata.new_request(), principal="one")
        first = await metadata.put(b"a", b"1", request=request)
        assert await metadata.put(b"a", b"1", request=request) == first
        for reused in (
            metadata.put(b"b", b"1", request=request),
            metadata.put(b"a", b"2", request=request),
            metadata.delete(b"a", request=request),
            metadata.put(b"a", b"1", request=msgspec.structs.replace(request, principal="another")),
        ):
            with pytest.raises(RefusedError) as refused:
                await reused
            assert refused.value.code == RefusalCode.REQUEST_REUSED
        assert (await metadata.get(b"b")).value is None
        assert (await metadata.get(b"a")).revision == first.revision
