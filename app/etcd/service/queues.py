"""etcd's lock and election services, on keys: `<name>/<lease in hexadecimal>`, the oldest of which holds it.

Clients in Go do the same by themselves, over keys and watches, so these must be these very keys: Coterie's own locks
(`/v1/locks`) are others.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from msgspec.structs import replace

from coterie.app.api.locks.acquire import in_background
from coterie.app.etcd.errors import of_metadata
from coterie.app.etcd.messages.concurrency import (
    CampaignRequest,
    CampaignResponse,
    LeaderKey,
    LeaderRequest,
    LeaderResponse,
    LockRequest,
    LockResponse,
    ProclaimRequest,
    ProclaimResponse,
    ResignRequest,
    ResignResponse,
    UnlockRequest,
    UnlockResponse,
)
from coterie.app.etcd.messages.kv import (
    CompareResult,
    CompareTarget,
    DeleteRangeRequest,
    EtcdCompare,
    EtcdKeyValue,
    PutRequest,
    RangeRequest,
    RequestOp,
    ResponseHeader,
    SortOrder,
    SortTarget,
    TxnRequest,
)
from coterie.app.etcd.messages.lease import LeaseGrantRequest
from coterie.app.etcd.rpcs import Caller, EtcdCode, EtcdError
from coterie.app.etcd.service.access import Access, check_write, from_etcd, show_record
from coterie.app.etcd.service.kv import KvCalls
from coterie.app.etcd.service.leases import LeaseCalls
from coterie.consensus.api.errors import CompactedError, MetadataError
from coterie.consensus.store import Event, prefix_end

SESSION_TTL = 60
"""Seconds: of the lease that is made for a caller that names none, and that nobody renews."""

RELEASE_SECONDS = 5.0
"""For how long it is tried to give back what nobody waits for any more; the end of the lease does it otherwise."""


class QueueCalls:
    def __init__(self, access: Access, kv: KvCalls, leases: LeaseCalls) -> None:
        self._access = access
        self._kv = kv
        self._leases = leases

    # -- locks ---------------------------------------------------------------------------------------------------------

    async def lock(self, request: LockRequest, caller: Caller) -> LockResponse:
        """Answers once it is held."""
        header, key = await self._enter(request.name, request.lease, None, caller)
        return LockResponse(header, key.key)

    async def unlock(self, request: UnlockRequest, caller: Caller) -> UnlockResponse:
        done = await self._kv.delete_range(DeleteRangeRequest(request.key), caller)
        return UnlockResponse(done.header)

    # -- elections -----------------------------------------------------------------------------------------------------

    async def campaign(self, request: CampaignRequest, caller: Caller) -> CampaignResponse:
        """Answers once it leads."""
        header, key = await self._enter(request.name, request.lease, request.value, caller)
        return CampaignResponse(header, key)

    async def proclaim(self, request: ProclaimRequest, caller: Caller) -> ProclaimResponse:
        return ProclaimResponse(await self._proclaim(request.leader or LeaderKey(), request.value, caller))

    async def _proclaim(self, leader: LeaderKey, value: bytes, caller: Caller) -> ResponseHeader | None:
        put = PutRequest(leader.key, value, leader.lease)
        done = await self._kv.txn(
            TxnRequest((_made_at(leader.key, leader.rev),), (RequestOp(request_put=put),)), caller
        )
        if not done.succeeded:
            raise EtcdError(EtcdCode.UNKNOWN, "election: not leader")
        return done.header

    async def resign(self, request: ResignRequest, caller: Caller) -> ResignResponse:
        leader = request.leader or LeaderKey()
        delete = RequestOp(request_delete_range=DeleteRangeRequest(leader.key))
        done = await self._kv.txn(TxnRequest((_made_at(leader.key, leader.rev),), (delete,)), caller)
        return ResignResponse(done.header)

    async def leader(self, request: LeaderRequest, caller: Caller) -> LeaderResponse:
        header, first = await self._first(request.name, caller)
        if first is None:
            raise EtcdError(EtcdCode.UNKNOWN, "election: no leader")
        return LeaderResponse(header, first)

    async def observe(self, request: LeaderRequest, caller: Caller) -> AsyncGenerator[LeaderResponse, None]:
        """The leader, every other one after it, and all that each proclaims."""
        prefix = _prefix(request.name)
        while True:
            header, first = await self._first(request.name, caller)
            if first is not None:
                yield LeaderResponse(header, first)
            key = b"" if first is None else first.key
            async with aclosing(self._events(prefix, prefix_end(prefix), header.revision)) as events:
                async for event in events:
                    if event.key != key:
                        if not key:
                            break
                    elif event.record is None:
                        break
                    else:
                        yield LeaderResponse(self._access.header(event.revision), show_record(event.record))

    async def _first(self, name: bytes, caller: Caller) -> tuple[ResponseHeader, EtcdKeyValue | None]:
        """Who leads."""
        prefix = _prefix(name)
        first = RangeRequest(
            prefix, prefix_end(prefix) or b"\0", limit=1, sort_order=SortOrder.ASCEND, sort_target=SortTarget.CREATE
        )
        found = await self._kv.range(first, caller)
        return found.header or ResponseHeader(), found.kvs[0] if found.kvs else None

    # -- what both do --------------------------------------------------------------------------------------------------

    async def _enter(
        self, name: bytes, lease: int, value: bytes | None, caller: Caller
    ) -> tuple[ResponseHeader, LeaderKey]:
        """Take a place, and wait until it is the first. `value`: None for a lock, whose places have none."""
        prefix = _prefix(name)
        check_write(caller, (prefix, prefix_end(prefix)))
        try:
            if not lease:
                lease = (await self._leases.grant(LeaseGrantRequest(SESSION_TTL), caller)).ID
            key = prefix + b"%x" % lease
            put = RequestOp(request_put=PutRequest(key, value or b"", lease))
            get = RequestOp(request_range=RangeRequest(key))
            done = await self._kv.txn(TxnRequest((_made_at(key, 0),), (put,), (get,)), caller)
        except EtcdError as error:
            if error.code is EtcdCode.NOT_FOUND:  # so etcd answers, whose service is a client of its own
                raise EtcdError(EtcdCode.UNKNOWN, error.message) from None
            raise
        header = done.header or ResponseHeader()
        place = LeaderKey(name, key, header.revision, lease)
        try:
            if not done.succeeded:  # the lease has a place already
                ((held,),) = [op.response_range.kvs for op in done.responses if op.response_range is not None]
                place = replace(place, rev=held.create_revision)
                if value is not None and held.value != value:
                    await self._proclaim(place, value, caller)
            await self._wait(prefix, place, caller)
        except (asyncio.CancelledError, EtcdError):
            in_background(self._leave(place, caller))
            raise
        return self._access.header(), place

    async def _wait(self, prefix: bytes, place: LeaderKey, caller: Caller) -> None:
        """Until all places before are gone; the own one must be there then. Raises EtcdError."""
        while True:
            last = RangeRequest(
                prefix,
                prefix_end(prefix) or b"\0",
                limit=1,
                sort_order=SortOrder.DESCEND,
                sort_target=SortTarget.CREATE,
                max_create_revision=place.rev - 1,
                keys_only=True,
            )
            before = await self._kv.range(last, caller)
            if not before.kvs:
                break
            await self._gone(before.kvs[0].key, (before.header or ResponseHeader()).revision)
        own = await self._kv.range(RangeRequest(place.key, keys_only=True), caller)
        if not own.kvs:
            raise EtcdError(EtcdCode.UNKNOWN, "mutex: session is expired")

    async def _gone(self, key: bytes, revision: int) -> None:
        """Return once a key that is there at a revision may be gone."""
        async with aclosing(self._events(key, key + b"\0", revision)) as events:
            async for event in events:
                if event.record is None:
                    return

    async def _events(self, start: bytes, end: bytes | None, revision: int) -> AsyncGenerator[Event, None]:
        """What happens after a revision of etcd's; ends where history does not reach back so far: read anew then."""
        try:
            async with self._access.metadata.watch(start, end, from_revision=from_etcd(revision) + 1) as watching:
                async for batch in watching:
                    for event in batch.events:
                        yield event
        except CompactedError:
            return
        except MetadataError as error:
            raise of_metadata(error) from None

    async def _leave(self, place: LeaderKey, caller: Caller) -> None:
        with suppress(EtcdError):
            await self._kv.delete_range(
                DeleteRangeRequest(place.key), dataclasses.replace(caller, seconds=RELEASE_SECONDS)
            )


def _prefix(name: bytes) -> bytes:
    return name + b"/"


def _made_at(key: bytes, revision: int) -> EtcdCompare:
    """Holds while the key is the one that was made at this revision; 0: while there is none."""
    return EtcdCompare(CompareResult.EQUAL, CompareTarget.CREATE, key, create_revision=revision)
