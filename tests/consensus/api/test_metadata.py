"""The API on a running group: every call, at the leader and elsewhere."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from coterie.consensus import (
    CompactedError,
    ConflictError,
    Consistency,
    MemberMetadata,
    RefusedError,
    UnavailableError,
    UnknownOutcomeError,
)
from coterie.consensus.store import Compare, EventKind, Get, GetDone, Limits, Put, QueueKind, Target
from tests.consensus.api.groups import CONFIG, running

pytestmark = pytest.mark.anyio


async def test_every_member_serves_writes_and_fresh_reads(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        for number, member in group.members.items():
            done = await member.metadata.put(b"k", b"%d" % number)
            for other in group.members.values():
                answer = await other.metadata.get(b"k")
                assert answer.value is not None
                assert answer.value.value == b"%d" % number
                assert answer.value.mod_revision == done.revision
                assert answer.staleness is None


async def test_a_single_member_is_a_group(tmp_path: Path) -> None:
    async with running(tmp_path, 1) as group:
        metadata = group.members[0].metadata
        assert (await metadata.put(b"k", b"v")).revision == 1
        await group.stop(0)
        member = await group.start(0)
        answer = await member.metadata.get(b"k", timeout=20)
        assert answer.value is not None
        assert answer.value.value == b"v"


async def test_expectations_transactions_and_ranges(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        metadata = group.followers()[0].metadata
        first = await metadata.put(b"a/1", b"x", expect=0)
        with pytest.raises(ConflictError) as conflict:
            await metadata.put(b"a/1", b"y", expect=0)
        assert conflict.value.mod_revision == first.revision
        done = await metadata.txn(
            [Compare(b"a/1", Target.VALUE, "=", b"x")], [Put(b"a/2", b"z"), Get(b"a/1")], [Get(b"a/2")]
        )
        assert done.succeeded
        assert isinstance(done.results[1], GetDone)
        page = (await metadata.prefix(b"a/", limit=1)).value
        assert [record.key for record in page.records] == [b"a/1"]
        assert page.next is not None
        rest = (await metadata.next_page(page.next)).value
        assert [record.key for record in rest.records] == [b"a/2"]
        deleted = await metadata.delete_range(b"a/", b"a0")
        assert deleted.deleted == 2
        old = await metadata.get(b"a/1", revision=done.revision)
        assert old.value is not None
        await metadata.compact(deleted.revision)
        with pytest.raises(CompactedError):
            await metadata.get(b"a/1", revision=first.revision)


async def test_a_stale_read_says_how_old_it_may_be(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        await group.members[0].metadata.put(b"k", b"v")
        for member in group.members.values():
            async with asyncio.timeout(30):
                while member.staleness() == inf:  # noqa: ASYNC110 - no age is known before the leader's second ping
                    await asyncio.sleep(0.02)
            answer = await member.metadata.get(b"k", consistency=Consistency.STALE)
            assert answer.staleness is not None
            assert 0 <= answer.staleness < inf


async def test_bad_calls_are_refused_by_name(tmp_path: Path) -> None:
    async with running(tmp_path, 1) as group:
        metadata = group.members[0].metadata
        with pytest.raises(RefusedError, match="key_invalid"):
            await metadata.put(b"", b"v")
        with pytest.raises(RefusedError, match="malformed"):
            await metadata.put(b"k", b"v", lease=-7)
        with pytest.raises(RefusedError, match="too_large"):
            await metadata.put(b"k", bytes(2 << 20))
        with pytest.raises(RefusedError, match="lease_not_found"):
            await metadata.put(b"k", b"v", lease=99)
        with pytest.raises(RefusedError, match="future_revision"):
            await metadata.get(b"k", revision=10**6)
        with pytest.raises(RefusedError, match="bad_page_token"):
            await metadata.next_page("nonsense")


async def test_without_a_majority_calls_end_at_their_deadline(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        follower = next(number for number, member in group.members.items() if not member.leading)
        await group.members[follower].metadata.put(b"k", b"v")
        for number in [number for number in group.members if number != follower]:
            await group.stop(number)
        metadata = group.members[follower].metadata
        with pytest.raises((UnavailableError, UnknownOutcomeError)):
            await metadata.put(b"k", b"w", timeout=0.5)
        with pytest.raises(UnavailableError):
            await metadata.get(b"k", timeout=0.5)
        answer = await metadata.get(b"k", consistency=Consistency.STALE)
        assert answer.value is not None
        assert answer.value.value == b"v"


async def test_a_repeated_request_is_done_once(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        metadata = group.followers()[0].metadata
        request = metadata.new_request()
        first = await metadata.put(b"k", b"1", request=request)
        await metadata.put(b"k", b"2")
        again = await group.followers()[1].metadata.put(b"k", b"1", request=request)
        assert again == first
        answer = await metadata.get(b"k")
        assert answer.value is not None
        assert answer.value.value == b"2"


async def test_a_watch_resumes_without_a_gap(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        one, two = (member.metadata for member in group.followers()[:2])
        seen: list[bytes] = []
        async with one.watch_prefix(b"w/") as watching:
            await two.put(b"w/1", b"")
            await two.put(b"other", b"")
            async for batch in watching:
                seen += [event.key for event in batch.events]
                if seen:
                    break
            resume = watching.revision + 1
        for number in range(2, 40):
            await two.put(b"w/%d" % number, b"")
        await two.delete(b"w/2")
        async with two.watch_prefix(b"w/", from_revision=resume, kind=EventKind.PUT) as watching:
            async for batch in watching:
                seen += [event.key for event in batch.events]
                if b"w/39" in seen:
                    break
        assert seen == [b"w/%d" % number for number in range(1, 40)]


async def test_an_idle_watch_tells_its_progress(tmp_path: Path) -> None:
    async with running(tmp_path, 1) as group:
        metadata = group.members[0].metadata
        async with metadata.watch_key(b"k", progress=0.05) as watching:
            done = await metadata.put(b"elsewhere", b"")
            async for batch in watching:
                assert batch.events == []
                if batch.revision >= done.revision:
                    break


async def test_a_watch_behind_history_is_told(tmp_path: Path) -> None:
    async with running(tmp_path, 1) as group:
        metadata = group.members[0].metadata
        for _ in range(3):
            done = await metadata.put(b"k", b"")
        await metadata.compact(done.revision)
        with pytest.raises(CompactedError):
            async with metadata.watch_key(b"k", from_revision=1):
                pass


async def test_a_position_beyond_the_present_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        metadata = group.followers()[0].metadata
        done = await metadata.put(b"k", b"v")
        async with metadata.watch_key(b"k", from_revision=done.revision + 1) as watching:
            assert watching.revision == done.revision
        with pytest.raises(RefusedError, match="future_revision"):
            async with metadata.watch_key(b"k", from_revision=done.revision + 2):
                pass
        with pytest.raises(RefusedError, match="future_revision"):
            await metadata.get(b"k", revision=done.revision + 1, consistency=Consistency.STALE)


async def test_a_position_that_a_member_has_not_applied_yet_is_waited_for(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        leading = next(member.metadata for member in group.members.values() if member.leading)
        for number in range(20):
            done = await leading.put(b"k", b"%d" % number)
            for follower in group.followers():
                answer = await follower.metadata.get(b"k", revision=done.revision, consistency=Consistency.STALE)
                assert answer.revision >= done.revision
                async with follower.metadata.watch_key(b"k", from_revision=done.revision + 1):
                    pass


async def test_watchers_are_let_go_when_the_member_stops(tmp_path: Path) -> None:
    async with running(tmp_path, 1) as group:
        metadata: MemberMetadata = group.members[0].metadata
        async with metadata.watch_key(b"k") as watching:
            await group.stop(0)
            with pytest.raises(UnavailableError, match="stopped"):
                await anext(watching)


async def test_leadership_moves_and_calls_go_on(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        leader = await group.led()
        target = group.followers()[0]
        assert await leader.transfer(target.id) == target.id
        assert target.leading
        for member in group.members.values():
            await member.metadata.put(b"k", b"v", timeout=20)


async def test_voters_change_and_a_newcomer_catches_up(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        await group.members[0].metadata.put(b"k", b"v")
        group.new_directory(3)
        newcomer = await group.start(3)
        answer = await newcomer.metadata.get(b"k", timeout=20)
        assert answer.value is not None
        assert newcomer.status().role == "observer"
        leader = await group.led()
        assert newcomer.id in await leader.change_voters(newcomer.id, add=True)
        await newcomer.metadata.put(b"k", b"w", timeout=20)
        assert newcomer.status().role == "follower"
        assert newcomer.id in group.members[0].state.config.decode("latin1")


async def test_queues_are_listed(tmp_path: Path) -> None:
    async with running(tmp_path, 1) as group:
        metadata = group.members[0].metadata
        async with metadata.lock(b"one", value=b"me") as held:
            places = (await metadata.queue_entries(QueueKind.LOCK, b"one")).value
            assert [(place.token, place.value) for place in places] == [(held.token, b"me")]
            assert (await metadata.queue_names(QueueKind.LOCK)).value == [b"one"]
        assert (await metadata.queue_names(QueueKind.LOCK)).value == []


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})], ids=["uvloop"])
async def test_it_runs_on_the_loop_that_nodes_run_on(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        await group.followers()[0].metadata.put(b"k", b"v")


async def test_a_write_after_a_long_idle_time_is_no_old_request(tmp_path: Path) -> None:
    config = replace(CONFIG, limits=Limits(request_window_ms=1_000))
    async with running(tmp_path, config=config) as group:
        await group.members[0].metadata.put(b"k", b"1")
        await asyncio.sleep(2.5)  # longer than request ids are remembered
        for member in group.members.values():
            await member.metadata.put(b"k", b"2")
