"""Leases, locks, elections and semaphores of the API, on a running group."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from coterie.consensus import LeaseLostError, MemberMetadata, RefusedError, UnavailableError
from coterie.consensus.store import EventKind, Put, QueueKind, queue_prefix
from tests.consensus.api.groups import running

pytestmark = pytest.mark.anyio


async def somebody_asks(metadata: MemberMetadata, after: int) -> None:
    """Return once the lock `l` has a place that it did not have at revision `after`."""
    prefix = queue_prefix(QueueKind.LOCK, b"l")
    async with metadata.watch_prefix(prefix, from_revision=after + 1, kind=EventKind.PUT) as watching:
        await anext(watching)


async def test_a_kept_lease_outlives_its_time_to_live_and_goes_at_the_end(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        metadata = group.followers()[0].metadata
        async with metadata.lease(4.0) as lease:
            await metadata.put(b"k", b"v", lease=lease.id)
            async with metadata.watch_key(b"k", progress=5.0) as watching:
                assert (await anext(watching)).events == []  # nothing happened for longer than the lease lives
            assert not lease.lost.is_set()
            assert 0 < lease.seconds_left <= 3.6
        assert (await metadata.get(b"k")).value is None


async def test_a_lease_that_nobody_renews_ends_with_its_keys(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        metadata = group.followers()[0].metadata
        lease = (await metadata.grant_lease(3.0)).lease
        done = await metadata.put(b"k", b"v", lease=lease)
        async with metadata.watch_key(b"k", from_revision=done.revision + 1) as watching:
            batch = await anext(watching)
        assert batch.events[0].record is None
        with pytest.raises(RefusedError, match="lease_not_found"):
            await metadata.keep_alive(lease)


async def test_a_lease_outlives_a_change_of_leaders(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        metadata = group.followers()[0].metadata
        async with metadata.lease(20.0) as lease:
            leader = await group.led()
            await leader.transfer()
            await metadata.put(b"k", b"v", lease=lease.id, timeout=20)
            assert not lease.lost.is_set()


async def test_locks_are_granted_one_after_the_other_with_rising_tokens(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        inside = 0
        tokens: list[int] = []

        async def work(number: int) -> None:
            nonlocal inside
            metadata = group.members[number % 3].metadata
            async with metadata.lock(b"l") as held:
                inside += 1
                assert inside == 1
                tokens.append(held.token)
                done = await metadata.txn([held.guard], [Put(b"k", b"%d" % number)])
                assert done.succeeded
                inside -= 1

        await asyncio.gather(*(work(number) for number in range(6)))
        assert len(tokens) == 6
        assert tokens == sorted(tokens)


async def test_a_lost_lock_is_noticed_and_its_guard_refuses(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        one, two = (member.metadata for member in group.followers()[:2])
        lease = (await one.grant_lease(60)).lease
        async with one.lock(b"l", lease=lease) as held:
            await two.revoke(lease)
            async with asyncio.timeout(20):
                await held.lost.wait()
            assert not (await one.txn([held.guard], [Put(b"k", b"")])).succeeded


async def test_waiting_for_a_lock_ends_with_the_lease_or_the_time(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        one, two = (member.metadata for member in group.followers()[:2])
        async with one.lock(b"l"):
            with pytest.raises(UnavailableError, match="held it"):
                async with two.lock(b"l", timeout=2.0):
                    pass
            lease = (await two.grant_lease(60)).lease
            before = (await one.get(b"k")).revision

            async def wait() -> None:
                async with two.lock(b"l", lease=lease):
                    pass

            waiting = asyncio.create_task(wait())
            await somebody_asks(one, before)
            await one.revoke(lease)
            with pytest.raises(LeaseLostError):
                await waiting
            assert len((await one.queue_entries(QueueKind.LOCK, b"l")).value) == 1


async def test_a_cancelled_waiter_leaves_the_queue(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        metadata = group.members[0].metadata
        async with metadata.lock(b"l") as held:

            async def wait() -> None:
                async with metadata.lock(b"l"):
                    pass

            waiting = asyncio.create_task(wait())
            await somebody_asks(metadata, held.token)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert len((await metadata.queue_entries(QueueKind.LOCK, b"l")).value) == 1


async def test_an_election_shows_its_leader_and_what_it_proclaims(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        one, two = (member.metadata for member in group.followers()[:2])
        async with one.elect(b"e", b"one") as held:
            await held.proclaim(b"one, ready")
            places = (await two.queue_entries(QueueKind.ELECTION, b"e")).value
            assert [place.value for place in places] == [b"one, ready"]
        async with two.elect(b"e", b"two") as later:
            assert later.token > held.token or held.token == 0


async def test_a_semaphore_has_its_number_of_holders(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        metadata = group.members[0].metadata
        async with metadata.semaphore(b"s", 2), metadata.semaphore(b"s", 2):
            with pytest.raises(UnavailableError):
                async with metadata.semaphore(b"s", 2, timeout=2.0):
                    pass
