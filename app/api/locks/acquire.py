"""Locks, elections and semaphores for HTTP clients: acquire, wait for a while, release (raft spec 3).

Functions on `MemberMetadata`. A queue entry lives on a lease that the client keeps alive, or that is bound to a node;
the fencing token of a grant is higher for every later holder.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from coterie.app.http.error_mapping import api_error
from coterie.app.http.errors import ApiError
from coterie.app.wire.encoding import to_text
from coterie.app.wire.errors import Code
from coterie.consensus.api.errors import (
    CompactedError,
    GrantEndedError,
    LeaseLostError,
    MetadataError,
    RefusedError,
    UnavailableError,
    UnknownOutcomeError,
)
from coterie.consensus.api.types import Consistency, RequestId
from coterie.consensus.member.metadata.calls import MemberMetadata
from coterie.consensus.store import Acquire, AcquireDone, QueueEntry, QueueKind, RefusalCode, Release, as_queue_entry

RENEWALS = 3
"""In the time that a lease lives, while a request waits on it."""

RELEASE_SECONDS = 5.0
"""How long it is tried to give back what nobody waits for any more; the end of the lease does it otherwise."""


@dataclass(frozen=True, slots=True)
class AcquireOptions:
    """What is asked for."""

    kind: QueueKind
    name: bytes
    value: bytes
    permits: int
    wait: float
    """Seconds; 0: do not wait."""
    stay: bool = False
    """Answer at once, with the place in the queue where it is not free."""


def show_queue_entry(place: QueueEntry) -> dict[str, Any]:
    value, encoding = to_text(place.value)
    return {
        "lease": place.lease,
        "token": place.token or None,
        "value": value,
        "encoding": encoding,
        "since_revision": place.since,
    }


async def acquire(
    metadata: MemberMetadata, wanted: AcquireOptions, lease: int, request: RequestId, seconds: float
) -> dict[str, Any]:
    """Get it, within the time that the request waits. Raises ApiError (busy, lease_not_found, grant_ended, ...)."""
    try:
        done = await _acquire(metadata, wanted, lease, request, seconds)
    except LeaseLostError:
        raise ApiError(Code.LEASE_NOT_FOUND, "the lease ended while waiting", "lease") from None
    except MetadataError as error:
        raise api_error(error, request) from None
    return {
        "name": wanted.name.decode(),
        "lease": lease,
        "token": done.token or None,
        "key": done.key.decode(),
        "revision": done.revision,
        "ahead": done.ahead,
    }


async def _acquire(
    metadata: MemberMetadata, wanted: AcquireOptions, lease: int, request: RequestId, seconds: float
) -> AcquireDone:
    operation = Acquire(wanted.kind, wanted.name, lease, wanted.value, wanted.permits, wanted.stay or wanted.wait > 0)
    done = cast(AcquireDone, await metadata.submit(operation, request=request, timeout=seconds))
    if done.token or wanted.stay:
        return done
    try:
        async with asyncio.timeout(wanted.wait):
            return await _granted(metadata, lease, done)
    except TimeoutError:
        await _leave_surely(metadata, wanted, lease, seconds)
        raise RefusedError(RefusalCode.BUSY) from None
    except UnavailableError:
        await _leave_surely(metadata, wanted, lease, seconds)
        raise
    except asyncio.CancelledError:
        # The client has gone: nobody would ever use the grant.
        in_background(_leave(metadata, wanted, lease, RELEASE_SECONDS))
        raise


async def _granted(metadata: MemberMetadata, lease: int, done: AcquireDone) -> AcquireDone:
    """Wait until the place is granted; returns it as it then is. Raises LeaseLostError, GrantEndedError."""
    since = done.revision
    while True:
        try:
            async with metadata.watch_key(done.key, from_revision=since + 1) as watching:
                async for batch in watching:
                    for event in batch.events:
                        if event.record is None:
                            raise await _lost(metadata, lease)
                        if token := as_queue_entry(event.record).token:
                            return AcquireDone(event.revision, done.key, token, 0)
        except CompactedError:
            # History went on without us: the key tells the place as it is now.
            found = await metadata.get(done.key)
            if found.value is None:
                raise await _lost(metadata, lease) from None
            if token := as_queue_entry(found.value).token:
                return AcquireDone(found.value.mod_revision, done.key, token, 0)
            since = found.revision


async def _lost(metadata: MemberMetadata, lease: int) -> MetadataError:
    """Why a place has gone; the state here is one in which it has."""
    if (await metadata.lease_info(lease, consistency=Consistency.STALE)).value is None:
        return LeaseLostError("the lease ended while waiting")
    return GrantEndedError(
        "the place in the queue was given back while this request waited in it; begin anew, with a new request id"
    )


async def _leave(metadata: MemberMetadata, wanted: AcquireOptions, lease: int, seconds: float) -> None:
    try:
        await metadata.submit(Release(wanted.kind, wanted.name, lease), timeout=seconds)
    except RefusedError as error:
        if error.code not in {RefusalCode.NOT_HELD, RefusalCode.LEASE_NOT_FOUND}:
            raise


async def _leave_surely(metadata: MemberMetadata, wanted: AcquireOptions, lease: int, seconds: float) -> None:
    """Leave the queue. Raises UnknownOutcomeError where the place may still be there, and be granted one day."""
    try:
        await _leave(metadata, wanted, lease, seconds)
    except UnavailableError as error:
        raise UnknownOutcomeError(f"the place in the queue was not given back: {error}") from None


_background: set[asyncio.Task[None]] = set()


def in_background(work: Coroutine[Any, Any, None]) -> None:
    """Run it to its end, whatever becomes of the caller; errors are of no use to anybody."""
    task = asyncio.get_running_loop().create_task(work)
    _background.add(task)

    def ended(task: asyncio.Task[None]) -> None:
        _background.discard(task)
        if not task.cancelled():
            task.exception()

    task.add_done_callback(ended)


async def on_new_lease(
    metadata: MemberMetadata,
    ttl: float,
    request: RequestId,
    seconds: float,
    use: Callable[[int], Coroutine[Any, Any, dict[str, Any]]],
) -> dict[str, Any]:
    """Make a lease for `use`; end it where that fails. Its request id follows from the caller's. Raises ApiError."""
    of_lease = msgspec.structs.replace(request, id=hashlib.sha256(b"lease" + request.id).digest())
    try:
        lease = (await metadata.grant_lease(ttl, request=of_lease, timeout=seconds)).lease
    except MetadataError as error:
        raise api_error(error, request) from None
    try:
        return await _renewing(metadata, lease, ttl, seconds, use(lease))
    except ApiError as error:
        if error.code is Code.LEASE_NOT_FOUND:
            # The caller named no lease. A former try of the request made it, and it has ended meanwhile.
            ended = GrantEndedError("the lease made for this request has ended; begin anew, with a new request id")
            raise api_error(ended, request) from None
        # Where the id is another request's, so is the lease.
        if error.code not in {Code.OUTCOME_UNKNOWN, Code.GRANT_ENDED, Code.REQUEST_REUSED}:
            in_background(_revoke(metadata, lease))
        raise
    except asyncio.CancelledError:
        in_background(_revoke(metadata, lease))
        raise


async def _renewing(
    metadata: MemberMetadata, lease: int, ttl: float, seconds: float, work: Coroutine[Any, Any, dict[str, Any]]
) -> dict[str, Any]:
    """Keep the lease alive while `work` waits: its time begins when what it is for is held, not with the waiting."""
    renewing = asyncio.ensure_future(_renew(metadata, lease, ttl))
    begun = asyncio.get_running_loop().time()
    try:
        done = await work
    finally:
        renewing.cancel()
    if asyncio.get_running_loop().time() - begun > ttl / RENEWALS / 2:
        with suppress(MetadataError):  # it is held; whether it still is, the lease says, and whoever renews it
            await metadata.keep_alive(lease, timeout=min(seconds, ttl / RENEWALS))
    return done


async def _renew(metadata: MemberMetadata, lease: int, ttl: float) -> None:
    while True:
        await asyncio.sleep(ttl / RENEWALS)
        with suppress(UnavailableError, UnknownOutcomeError):
            await metadata.keep_alive(lease, timeout=ttl / RENEWALS)


async def _revoke(metadata: MemberMetadata, lease: int) -> None:
    await metadata.revoke(lease, timeout=RELEASE_SECONDS)
