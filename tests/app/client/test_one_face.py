"""The metadata of a member and the metadata over HTTP are one API: the same test bodies run on both."""

from __future__ import annotations

import asyncio
from itertools import product
from math import inf

import pytest

from coterie.app.client import Client
from coterie.consensus import (
    ConflictError,
    Consistency,
    GrantEndedError,
    LeaseLostError,
    Metadata,
    RefusedError,
    UnavailableError,
)
from coterie.consensus.store import (
    KEEP_LEASE,
    Acquire,
    AcquireDone,
    Compare,
    Delete,
    DeleteRange,
    EventKind,
    Get,
    GetDone,
    Guard,
    Put,
    PutDone,
    QueueKind,
    Range,
    RangeDone,
    RefusalCode,
    Release,
    Target,
    prefix_end,
    queue_prefix,
)
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

KEYS = [
    b"jobs/7",
    b"a/b//c/",
    b"/",
    b".",
    b"..",
    b"../up",
    b"%2F?#&=+ ;",
    "schlüssel/🔑".encode(),
    b"new\nline\0zero",
]


VALUES = [b"", b"text", b"\xff\0\xfe", "wört".encode()]


async def test_keys_and_values_come_back_as_they_were(metadata: Metadata) -> None:
    for key, value in product(KEYS, VALUES):
        done = await metadata.put(key, value)
        answer = await metadata.get(key)
        assert answer.value is not None
        assert (answer.value.key, answer.value.value) == (key, value)
        assert answer.value.mod_revision == done.revision == answer.revision
        assert answer.staleness is None
    assert [record.key for record in (await metadata.range(b"", None)).value.records] == sorted(KEYS)


async def test_a_write_names_what_it_replaced(metadata: Metadata) -> None:
    first = await metadata.put(b"a", b"1")
    assert (await metadata.put(b"a", b"2")).prev is None
    done = await metadata.put(b"a", b"3", prev=True)
    assert done.prev is not None
    assert (done.prev.value, done.prev.create_revision, done.prev.version) == (b"2", first.revision, 2)
    deleted = await metadata.delete(b"a", prev=True)
    assert (deleted.deleted, [each.value for each in deleted.prev]) == (1, [b"3"])
    assert (await metadata.delete(b"a")).deleted == 0
    answer = await metadata.get(b"a")
    assert answer.value is None
    assert answer.revision == deleted.revision


async def test_expectations(metadata: Metadata) -> None:
    done = await metadata.put(b"a", b"1", expect=0)
    with pytest.raises(ConflictError) as caught:
        await metadata.put(b"a", b"2", expect=0)
    assert caught.value.mod_revision == done.revision
    with pytest.raises(ConflictError):
        await metadata.delete(b"a", expect=done.revision + 1)
    again = await metadata.put(b"a", b"2", expect=done.revision)
    with pytest.raises(ConflictError) as caught:
        await metadata.put(b"missing", b"2", expect=again.revision)
    assert caught.value.mod_revision == 0
    with pytest.raises(ConflictError):
        await metadata.put(b"a", None, expect=done.revision)
    assert (await metadata.delete(b"a", expect=again.revision)).deleted == 1


async def test_keeping_value_and_lease(metadata: Metadata) -> None:
    lease = (await metadata.grant_lease(60)).lease
    await metadata.put(b"a", b"1", lease=lease)
    done = await metadata.put(b"a", None, lease=KEEP_LEASE, prev=True)
    assert done.prev is not None
    record = (await metadata.get(b"a")).value
    assert record is not None
    assert (record.value, record.lease, record.version) == (b"1", lease, 2)
    await metadata.put(b"a", b"2", lease=KEEP_LEASE)
    record = (await metadata.get(b"a")).value
    assert record is not None
    assert (record.value, record.lease) == (b"2", lease)
    with pytest.raises(RefusedError) as caught:
        await metadata.put(b"b", None)
    assert caught.value.code == RefusalCode.KEY_NOT_FOUND


async def test_pages_of_a_prefix(metadata: Metadata) -> None:
    for number in range(5):
        await metadata.put(b"p/%d" % number, b"x")
    await metadata.put(b"q", b"x")
    first = (await metadata.prefix(b"p/", limit=2)).value
    assert [record.key for record in first.records] == [b"p/0", b"p/1"]
    assert first.next is not None
    await metadata.delete(b"p/2")
    second = (await metadata.next_page(first.next, limit=10)).value
    assert [record.key for record in second.records] == [b"p/2", b"p/3", b"p/4"]
    assert (second.revision, second.next) == (first.revision, None)
    assert [record.key for record in (await metadata.range(b"", None)).value.records][-1] == b"q"
    assert [record.key for record in (await metadata.range(b"q", b"q\0")).value.records] == [b"q"]
    with pytest.raises(RefusedError) as caught:
        await metadata.next_page("no token")
    assert caught.value.code == "bad_page_token"


async def test_the_past(metadata: Metadata) -> None:
    first = await metadata.put(b"a", b"1")
    await metadata.put(b"a", b"2")
    then = (await metadata.get(b"a", revision=first.revision)).value
    assert then is not None
    assert then.value == b"1"
    page = (await metadata.prefix(b"a", revision=first.revision)).value
    assert [record.value for record in page.records] == [b"1"]
    with pytest.raises(RefusedError) as caught:
        await metadata.get(b"a", revision=first.revision + 100)
    assert caught.value.code == RefusalCode.FUTURE_REVISION


async def test_a_stale_read_says_how_old_it_may_be(metadata: Metadata) -> None:
    await metadata.put(b"a", b"1")
    answer = await metadata.get(b"a", consistency=Consistency.STALE)
    assert answer.staleness is not None
    assert 0 <= answer.staleness <= inf


async def test_transactions(metadata: Metadata) -> None:
    await metadata.put(b"a", b"\xff")
    await metadata.put(b"r/1", b"x")
    await metadata.put(b"r/2", b"y")
    done = await metadata.txn(
        [Compare(b"a", Target.VALUE, "=", b"\xff"), Compare(b"b", Target.EXISTS, "=", 0)],
        [
            Put(b"b", b"\xfe", prev=True),
            Get(b"b"),
            Range(b"r/", prefix_end(b"r/"), 1),
            Delete(b"a", prev=True),
            DeleteRange(b"r/", prefix_end(b"r/"), prev=True),
            Range(b"b", b"b\0", 5),
        ],
    )
    put, got, page, deleted, swept, one = done.results
    assert done.succeeded
    assert put == PutDone(done.revision, None)
    assert isinstance(got, GetDone)
    assert got.record is not None
    assert got.record.value == b"\xfe"
    assert isinstance(page, RangeDone)
    assert ([record.key for record in page.records], page.more) == ([b"r/1"], True)
    assert [record.value for record in deleted.prev] == [b"\xff"]  # type: ignore[union-attr]
    assert [record.key for record in swept.prev] == [b"r/1", b"r/2"]  # type: ignore[union-attr]
    assert isinstance(one, RangeDone)
    assert ([record.key for record in one.records], one.more) == ([b"b"], False)
    other = await metadata.txn([Compare(b"b", Target.VERSION, ">", 5)], [Put(b"b", b"")], [Get(b"none")])
    assert (other.succeeded, other.results) == (False, (GetDone(None),))


async def test_an_expectation_within_a_transaction_refuses_all_of_it(metadata: Metadata) -> None:
    await metadata.put(b"a", b"1")
    with pytest.raises(ConflictError):
        await metadata.txn((), [Put(b"b", b"1"), Put(b"a", b"2", expect=0)])
    assert (await metadata.get(b"b")).value is None


async def test_deleting_by_prefix(metadata: Metadata) -> None:
    for number in range(3):
        await metadata.put(b"d/%d" % number, b"x")
    assert (await metadata.delete_range(b"d/0", b"d/0\0")).deleted == 1
    done = await metadata.delete_range(b"d/", prefix_end(b"d/"), prev=True)
    assert (done.deleted, [record.key for record in done.prev]) == (2, [b"d/1", b"d/2"])
    assert (await metadata.delete_range(b"d/", prefix_end(b"d/"))).deleted == 0


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (Put(b"", b"x"), RefusalCode.KEY_INVALID),
        (Put(b"k" * 1_025, b"x"), RefusalCode.KEY_INVALID),
        (Put(b"k", b"x" * 1_048_577), "too_large"),
        (Put(b"k", b"x", lease=77), RefusalCode.LEASE_NOT_FOUND),
    ],
)
async def test_refusals_have_the_same_words(metadata: Metadata, operation: Put, code: str) -> None:
    with pytest.raises(RefusedError) as caught:
        await metadata.submit(operation)
    assert caught.value.code == code


async def test_leases(metadata: Metadata) -> None:
    done = await metadata.grant_lease(60)
    await metadata.put(b"on", b"lease", lease=done.lease)
    info = (await metadata.lease_info(done.lease)).value
    assert info is not None
    assert (info.id, info.renewal, info.ttl_ms, info.deadline_ms) == (done.lease, 0, 60_000, done.deadline_ms)
    renewed = await metadata.keep_alive(done.lease)
    assert renewed.renewal == 1
    assert renewed.deadline_ms >= done.deadline_ms
    ended = await metadata.revoke(done.lease)
    assert ended.deleted == 1
    gone = await metadata.lease_info(done.lease)
    assert (gone.value, gone.revision) == (None, ended.revision)
    with pytest.raises(RefusedError) as caught:
        await metadata.keep_alive(done.lease)
    assert caught.value.code == RefusalCode.LEASE_NOT_FOUND
    with pytest.raises(RefusedError) as caught:
        await metadata.grant_lease(0.01)
    assert (caught.value.code, caught.value.detail) == (RefusalCode.TTL_OUT_OF_RANGE, 1_000)


async def test_a_watch_brings_each_change_once_and_in_order(metadata: Metadata) -> None:
    before = await metadata.put(b"w/0", b"old")
    async with asyncio.timeout(PATIENCE_SECONDS), metadata.watch_prefix(b"w/") as watching:
        assert watching.revision >= before.revision
        one = await metadata.put(b"w/1", b"\xff")
        await metadata.put(b"other", b"x")
        two = await metadata.txn((), [Put(b"w/1", b"2"), Delete(b"w/0")])
        events = []
        async for batch in watching:
            events += batch.events
            if batch.revision >= two.revision:
                break
    assert [(event.revision, event.key, event.record and event.record.value) for event in events[:1]] == [
        (one.revision, b"w/1", b"\xff")
    ]
    rest = {event.key: event for event in events[1:]}
    assert {event.revision for event in rest.values()} == {two.revision}
    assert rest[b"w/0"].record is None
    assert rest[b"w/0"].prev is not None
    assert rest[b"w/0"].prev.value == b"old"
    assert rest[b"w/1"].prev is not None
    assert rest[b"w/1"].prev.value == b"\xff"


async def test_a_watch_of_the_past_and_of_one_kind(metadata: Metadata) -> None:
    first = await metadata.put(b"k", b"1")
    await metadata.delete(b"k")
    await metadata.put(b"k", b"2")
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with metadata.watch_key(b"k", from_revision=first.revision, kind=EventKind.PUT) as watching:
            values = []
            async for batch in watching:
                values += [event.record.value for event in batch.events if event.record is not None]
                if len(values) == 2:
                    break
    assert values == [b"1", b"2"]


async def test_progress_is_told_where_nothing_happens(metadata: Metadata) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), metadata.watch_key(b"k", progress=0.05) as watching:
        batch = await anext(aiter(watching))
    assert batch.events == []
    assert batch.revision == watching.revision


async def test_a_lock_is_held_by_one_and_fences(metadata: Metadata) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with metadata.lock(b"jobs/7", value=b"me") as held:
            assert held.token > 0
            (place,) = (await metadata.queue_entries(QueueKind.LOCK, b"jobs/7")).value
            assert (place.key, place.token, place.value) == (held.key, held.token, b"me")
            assert (await metadata.queue_names(QueueKind.LOCK)).value == [b"jobs/7"]
            assert (await metadata.txn([held.guard], [Put(b"done", b"1")])).succeeded
            with pytest.raises(UnavailableError):
                async with metadata.lock(b"jobs/7", timeout=2.0):
                    pass
            guard = held.guard
        assert not (await metadata.txn([guard], [Put(b"done", b"2")])).succeeded
        assert not (await metadata.txn([Guard(QueueKind.LOCK, b"jobs/7", 0)], [Put(b"done", b"2")])).succeeded
        async with metadata.lock(b"jobs/7") as later:
            assert later.token > guard.token


async def test_a_lock_that_is_not_waited_for(metadata: Metadata) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with metadata.lock(b"l", timeout=0) as held:
            assert held.token > 0
            with pytest.raises(RefusedError) as caught:
                async with metadata.lock(b"l", timeout=0):
                    pass
            assert caught.value.code == RefusalCode.BUSY
            assert len((await metadata.queue_entries(QueueKind.LOCK, b"l")).value) == 1


async def test_a_lock_goes_to_who_waits(metadata: Metadata) -> None:
    order = []

    async def work(number: int) -> None:
        async with metadata.lock(b"l") as held:
            order.append((number, held.token))
            await asyncio.sleep(0)

    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*(work(number) for number in range(4)))
    assert sorted(number for number, _ in order) == [0, 1, 2, 3]
    assert [token for _, token in order] == sorted(token for _, token in order)


async def test_a_holder_learns_of_the_end_of_its_lease(metadata: Metadata) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        lease = (await metadata.grant_lease(60)).lease
        async with metadata.lock(b"l", lease=lease) as held:
            await metadata.revoke(lease)
            await held.lost.wait()


async def test_a_waiter_learns_of_the_end_of_its_lease(metadata: Metadata) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        lease = (await metadata.grant_lease(60)).lease
        async with metadata.lock(b"l") as held:

            async def wait() -> None:
                async with metadata.lock(b"l", lease=lease):
                    pass

            waiting = asyncio.create_task(wait())
            places = queue_prefix(QueueKind.LOCK, b"l")
            async with metadata.watch_prefix(places, from_revision=held.token + 1) as watching:
                await anext(aiter(watching))
            await metadata.revoke(lease)
            with pytest.raises(LeaseLostError):
                await waiting


async def test_a_request_that_comes_again_after_its_grant_has_ended(client: Client, metadata: Metadata) -> None:
    request = await client.request_id()
    lease = (await metadata.grant_lease(60)).lease
    asked = Acquire(QueueKind.LOCK, b"l", lease, b"", 1, wait=True)
    first = await metadata.submit(asked, request=request)
    assert await metadata.submit(asked, request=request) == first
    await metadata.submit(Release(QueueKind.LOCK, b"l", lease))
    with pytest.raises(GrantEndedError, match="begin anew, with a new request id") as caught:
        await metadata.submit(asked, request=request)
    assert caught.value.code == RefusalCode.GRANT_ENDED
    assert (await metadata.queue_entries(QueueKind.LOCK, b"l")).value == []
    assert (await metadata.keep_alive(lease)).lease == lease
    anew = await metadata.submit(asked, request=await client.request_id())
    assert isinstance(anew, AcquireDone)
    assert isinstance(first, AcquireDone)
    assert anew.token > first.token > 0


async def test_an_election_proclaims(metadata: Metadata) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), metadata.elect(b"chief", b"me\xff") as held:
        (leader,) = (await metadata.queue_entries(QueueKind.ELECTION, b"chief")).value
        assert leader.value == b"me\xff"
        await held.proclaim(b"10.0.0.7")
        (leader,) = (await metadata.queue_entries(QueueKind.ELECTION, b"chief")).value
        assert (leader.value, leader.token) == (b"10.0.0.7", held.token)


async def test_a_semaphore_has_its_permits(metadata: Metadata) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with metadata.semaphore(b"s", 2) as one, metadata.semaphore(b"s", 2) as two:
            assert one.token != two.token
            places = (await metadata.queue_entries(QueueKind.SEMAPHORE, b"s")).value
            assert sorted(place.token for place in places) == sorted([one.token, two.token])
            with pytest.raises(RefusedError) as caught:
                async with metadata.semaphore(b"s", 3):
                    pass
            assert caught.value.code == RefusalCode.PERMITS_DIFFER


async def test_names_are_checked(metadata: Metadata) -> None:
    with pytest.raises(RefusedError) as caught:
        async with metadata.lock(b"a@b"):
            pass
    assert caught.value.code == RefusalCode.NAME_INVALID


async def test_a_kept_lease_ends_with_its_block(metadata: Metadata) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with metadata.lease(60) as lease:
            await metadata.put(b"alive", b"1", lease=lease.id)
        assert lease.lost.is_set()
        assert (await metadata.get(b"alive")).value is None
