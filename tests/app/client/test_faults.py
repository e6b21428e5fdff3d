"""The client on a real node whose connections fail: lost answers, ways that end, streams that break."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from coterie.app.client import NOT_OVER_HTTP, Client, ClientError, ClientLimits
from coterie.consensus import CompactedError, ConflictError, RefusedError, UnavailableError, UnknownOutcomeError
from coterie.consensus.store import ClientOperation, Compact, DeleteRange, LeaseRevoke, Proclaim, Put, QueueKind
from coterie.gossip import Address
from tests.app.api.conftest import Part
from tests.app.client.proxies import passing
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

QUICK = ClientLimits(first_pause_seconds=0.01, max_pause_seconds=0.05, patience_seconds=30.0)


async def test_a_write_whose_answer_is_lost_happens_once(served: Address, part: Part) -> None:
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        passing(served) as one,
        passing(served) as two,
        Client(one.address, two.address, limits=QUICK, timeout=30.0) as client,
    ):
        for number in range(5):
            one.loses, two.loses = 1, number % 2
            done = await client.metadata.put(b"k", b"%d" % number)
            record = part.state.get(b"k")
            assert record is not None
            assert (record.version, record.mod_revision) == (number + 1, done.revision)
        # The same holds where it would be refused the second time.
        one.loses = two.loses = 1
        await client.metadata.put(b"once", b"x", expect=0)
        one.loses = two.loses = 1
        assert (await client.metadata.delete(b"once")).deleted == 1
        one.loses = two.loses = 1
        done_txn = await client.metadata.txn((), [Put(b"t", b"1", expect=0)])
        assert done_txn.succeeded
        assert part.state.keyspace.revision == done_txn.revision


async def test_a_write_whose_every_answer_is_lost_is_unknown_and_can_be_settled(served: Address, part: Part) -> None:
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        passing(served) as proxy,
        Client(proxy.address, limits=QUICK, timeout=30.0) as client,
    ):
        await client.request_id()
        proxy.loses = 10**6
        with pytest.raises(UnknownOutcomeError) as caught:
            await client.metadata.put(b"k", b"v", expect=0, timeout=3.0)
        proxy.loses = 0
        done = await client.metadata.put(b"k", b"v", expect=0, request=caught.value.request)
        record = part.state.get(b"k")
        assert record is not None
        assert (record.version, record.mod_revision) == (1, done.revision)
        with pytest.raises(ConflictError):
            await client.metadata.put(b"k", b"v", expect=0)


async def test_a_watch_goes_on_over_broken_ways_without_gap_or_repetition(served: Address) -> None:
    writes = 30
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        passing(served) as one,
        passing(served) as two,
        Client(str(served)) as writer,
        Client(one.address, two.address, limits=QUICK) as client,
    ):
        seen: list[bytes] = []
        async with client.metadata.watch_prefix(b"w/") as watching:

            async def write() -> None:
                for number in range(writes):
                    await writer.metadata.put(b"w/%d" % number, b"%d" % number)
                    if number % 10 == 3:
                        port = int(one.address.rpartition(":")[2])
                        await one.fail()
                        await one.start(port)
                    if number % 10 == 8:
                        port = int(two.address.rpartition(":")[2])
                        await two.fail()
                        await two.start(port)

            writing = asyncio.create_task(write())
            async for batch in watching:
                seen += [event.record.value for event in batch.events if event.record is not None]
                if len(seen) >= writes:
                    break
            await writing
    assert seen == [b"%d" % number for number in range(writes)]


async def test_a_watch_that_cannot_go_on_says_compacted(served: Address, part: Part) -> None:
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        passing(served) as proxy,
        Client(proxy.address, limits=QUICK) as client,
    ):
        metadata = part.member.metadata
        async with client.metadata.watch_key(b"k") as watching:
            first = await metadata.put(b"k", b"1")
            assert (await anext(watching)).revision == first.revision
            port = int(proxy.address.rpartition(":")[2])
            await proxy.fail()
            for number in range(3):
                last = await metadata.put(b"k", b"%d" % number)
            await metadata.compact(last.revision)
            await proxy.start(port)
            with pytest.raises(CompactedError) as caught:
                await anext(watching)
            assert caught.value.compacted == last.revision
        with pytest.raises(CompactedError):
            async with client.metadata.watch_key(b"k", from_revision=1):
                pass
        with pytest.raises(CompactedError):
            await client.metadata.get(b"k", revision=1)


async def test_a_watch_ends_when_nobody_can_be_reached_for_long(served: Address) -> None:
    limits = ClientLimits(first_pause_seconds=0.01, max_pause_seconds=0.05, patience_seconds=0.2)
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        passing(served) as proxy,
        Client(proxy.address, limits=limits) as client,
        client.metadata.watch_key(b"k") as watching,
    ):
        await proxy.fail()
        with pytest.raises(UnavailableError):
            await anext(watching)


async def test_an_event_beyond_the_bound_ends_the_watch(served: Address, part: Part) -> None:
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        Client(str(served), limits=ClientLimits(max_event_bytes=10_000)) as client,
        client.metadata.watch_key(b"k") as watching,
    ):
        await part.member.metadata.put(b"k", b"x" * 5_000)
        assert (await anext(watching)).events
        await part.member.metadata.put(b"k", b"x" * 20_000)
        with pytest.raises(ClientError, match="max_event_bytes"):
            await anext(watching)


async def test_a_lock_outlives_the_way_it_was_got_by(served: Address, part: Part) -> None:
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        passing(served) as one,
        passing(served) as two,
        Client(one.address, two.address, limits=QUICK) as client,
    ):
        async with client.metadata.lock(b"l", ttl=6.0) as held:
            (lease,) = part.state.leases.table
            await one.fail()
            async with part.member.metadata.watch_key(b"other", progress=0.05) as ticks:
                async for _ in ticks:
                    if part.state.leases.table[lease].renewal:  # by the other way
                        break
            assert not held.lost.is_set()
            assert (await client.metadata.txn([held.guard], [Put(b"k", b"v")])).succeeded
        assert not part.state.leases.table


async def test_a_holder_without_any_way_hears_of_it_from_its_own_clock(served: Address) -> None:
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        passing(served) as proxy,
        Client(proxy.address, limits=QUICK, timeout=1.0) as client,
        client.metadata.lock(b"l", ttl=4.0) as held,
    ):
        await proxy.fail()
        await held.lost.wait()


async def test_a_lock_that_is_taken_away_is_told_by_the_cluster(served: Address, part: Part, client: Client) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with client.metadata.lock(b"l", ttl=600.0) as held:
            (lease,) = part.state.leases.table
            await part.member.metadata.submit(LeaseRevoke(lease))
            await held.lost.wait()


async def test_what_http_does_not_offer_is_refused_here(client: Client) -> None:
    refused: list[ClientOperation] = [
        Compact(1),
        Proclaim(QueueKind.LOCK, b"l", 1, b"v"),
        Put(b"\xff", b"v"),
        DeleteRange(b"a", b"c"),
    ]
    for operation in refused:
        with pytest.raises(RefusedError) as caught:
            await client.metadata.submit(operation)
        assert caught.value.code == NOT_OVER_HTTP


async def test_a_node_that_nobody_listens_at() -> None:
    async with Client("127.0.0.1:1", limits=QUICK, timeout=1.0) as nobody:
        with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1 (cannot|could not) be reached"):
            await nobody.metadata.put(b"k", b"v")
        with pytest.raises(UnavailableError):
            await nobody.leave(timeout=1.0)


async def test_streams_take_no_connection_from_requests(served: Address) -> None:
    """Leases are renewed by requests, which must not wait for watches to end."""
    few = ClientLimits(max_connections=2, max_streams=3)
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        Client(str(served), timeout=PATIENCE_SECONDS, limits=few) as client,
        AsyncExitStack() as stack,
    ):
        for _ in range(few.max_streams):
            await stack.enter_async_context(client.metadata.watch_key(b"k"))
        # One more, whose end nobody tells before others end: its lease does.
        async with client.metadata.lock(b"name", ttl=PATIENCE_SECONDS) as held:
            await client.metadata.put(b"k", b"v")
            assert not held.lost.is_set()
        await stack.aclose()
        async with client.metadata.watch_key(b"k"):
            pass
