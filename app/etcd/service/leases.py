"""Leases: a time to live is raised and cut to what Coterie has, and the answer tells which it became."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from msgspec.structs import replace

from coterie.app.etcd.errors import etcd_error, of_metadata
from coterie.app.etcd.messages.lease import (
    LeaseGrantRequest,
    LeaseGrantResponse,
    LeaseKeepAliveRequest,
    LeaseKeepAliveResponse,
    LeaseLeasesRequest,
    LeaseLeasesResponse,
    LeaseRevokeRequest,
    LeaseRevokeResponse,
    LeaseStatus,
    LeaseTimeToLiveRequest,
    LeaseTimeToLiveResponse,
)
from coterie.app.etcd.rpcs import Caller, EtcdCode, EtcdError
from coterie.app.etcd.service.access import Access, check_lease, may, span_of
from coterie.consensus.api.errors import MetadataError, RefusedError
from coterie.consensus.store import LeaseRecord, RefusalCode, State, queue_of

MIN_TTL = 2
"""Seconds: etcd's own, with its default settings."""

MAX_TTL = 9_000_000_000
"""Seconds: above it etcd refuses."""


class LeaseCalls:
    def __init__(self, access: Access) -> None:
        self._access = access

    async def grant(self, request: LeaseGrantRequest, caller: Caller) -> LeaseGrantResponse:
        check_lease(caller)
        if request.TTL > MAX_TTL:
            raise etcd_error("ttl_too_large")
        if request.ID < 0:
            raise EtcdError(
                EtcdCode.INVALID_ARGUMENT, f"etcdserver: the lease ID {request.ID} is below 0; choose another"
            )
        access = self._access
        limits = access.state.limits
        ttl = max(MIN_TTL, -(-limits.min_ttl_ms // 1000), min(request.TTL, limits.max_ttl_ms // 1000))
        try:
            done = await access.metadata.grant_lease(ttl, chosen=request.ID, **access.write(caller))
        except MetadataError as error:
            raise of_metadata(error) from None
        return LeaseGrantResponse(access.header(), done.lease, ttl)

    async def revoke(self, request: LeaseRevokeRequest, caller: Caller) -> LeaseRevokeResponse:
        """For whoever made it, and for those that may write all that lives with it."""
        check_lease(caller)
        access = self._access
        lease, state = _id(request.ID), access.state
        options = access.write(caller)
        once = options["request"]
        found, keys = state.lease(lease), state.lease_keys(lease)
        if found is None or not found.owner or found.owner != once.owner:
            if not all(_may_delete(caller, key) for key in keys):
                raise etcd_error("permission_denied")
            options["request"] = replace(once, any_lease=once.any_lease or bool(keys))
        try:
            done = await access.metadata.revoke(lease, **options)
        except MetadataError as error:
            raise of_metadata(error) from None
        return LeaseRevokeResponse(access.header(done.revision))

    async def keep_alive(
        self, requests: AsyncIterator[LeaseKeepAliveRequest], caller: Caller
    ) -> AsyncGenerator[LeaseKeepAliveResponse, None]:
        """An answer for each request; one without a time to live where there is no such lease."""
        check_lease(caller)
        access = self._access
        async for request in requests:
            lease = request.ID
            ttl = 0
            if lease > 0:
                try:
                    await access.metadata.keep_alive(lease, **access.write(caller))
                    ttl = _granted(access.state.lease(lease))
                except RefusedError as error:
                    if error.code != RefusalCode.LEASE_NOT_FOUND:
                        raise of_metadata(error) from None
                except MetadataError as error:
                    raise of_metadata(error) from None
            yield LeaseKeepAliveResponse(access.header(), lease, ttl)

    async def time_to_live(self, request: LeaseTimeToLiveRequest, caller: Caller) -> LeaseTimeToLiveResponse:
        check_lease(caller)
        state = await self._fresh_state(caller)
        access = self._access
        found = state.lease(request.ID)
        if found is None:
            return LeaseTimeToLiveResponse(access.header(), request.ID, -1)
        keys: tuple[bytes, ...] = ()
        if request.keys:
            keys = tuple(
                key for key in state.lease_keys(request.ID) if may(caller.principal, "read", span_of(key, b""))
            )
        left = max(0, found.deadline_ms - access.metadata.now_ms) // 1000 if found.ttl_ms else _granted(found)
        return LeaseTimeToLiveResponse(access.header(), request.ID, left, _granted(found), keys)

    async def leases(self, _request: LeaseLeasesRequest, caller: Caller) -> LeaseLeasesResponse:
        check_lease(caller)
        state = await self._fresh_state(caller)
        return LeaseLeasesResponse(
            self._access.header(), tuple(LeaseStatus(each) for each in sorted(state.leases.table))
        )

    async def _fresh_state(self, caller: Caller) -> State:
        """The state, as fresh as anything acknowledged before. Raises EtcdError."""
        access = self._access
        try:
            await access.metadata.barrier(access.seconds(caller))
        except MetadataError as error:
            raise of_metadata(error) from None
        return access.state


def _id(lease: int) -> int:
    """Raises EtcdError for what is no lease's id."""
    if lease <= 0:
        raise etcd_error("lease_not_found")
    return lease


def _granted(lease: LeaseRecord | None) -> int:
    """Seconds that it lives from its renewal; of one that lives with a node: from the node's death, at least 1."""
    if lease is None:
        return 0
    return lease.ttl_ms // 1000 if lease.ttl_ms else max(1, lease.hold_ms // 1000)


def _may_delete(caller: Caller, key: bytes) -> bool:
    """Of a key that lives with a lease: one of the metadata, or a place in the queue of a lock."""
    queue = queue_of(key)
    if queue is None:
        return may(caller.principal, "write", span_of(key, b""))
    return caller.principal.may("locks", "write", queue[1].decode("utf-8", "replace"))
