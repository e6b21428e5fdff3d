"""`/v1/leases`: keys, locks and leaderships live on them, for a time or for as long as a node's process lives."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, FastAPI, Path, Query, Request
from msgspec.structs import replace
from starlette.responses import Response

from coterie.app.api.context import Context
from coterie.app.api.keys.gossip import find_node, is_alive
from coterie.app.api.parameters.declared import (
    ChangeCall,
    Limit,
    MetadataCall,
    ReadCall,
    answer,
    barrier,
    read_errors,
    write_errors,
)
from coterie.app.auth.authority import principal_of
from coterie.app.auth.rules import Principal
from coterie.app.http.error_mapping import api_error
from coterie.app.http.errors import ApiError
from coterie.app.wire.encoding import to_text
from coterie.app.wire.errors import Code
from coterie.app.wire.locks import LeaseAnswer, LeaseBody, LeaseDetailsAnswer, LeaseRevoked, LeasesAnswer
from coterie.app.wire.tokens import Action
from coterie.consensus.api.errors import MetadataError
from coterie.consensus.store import LeaseDone, LeaseRecord, State, queue_of

LeaseId = Annotated[int, Path(ge=1, le=2**53 - 1, description="The lease's id.", examples=[3])]


def show_lease(lease: LeaseRecord, state: State) -> dict[str, Any]:
    bound = bool(lease.node)
    return {
        "lease": lease.id,
        "kind": "node" if bound else "ttl",
        "ttl_seconds": None if bound else lease.ttl_ms / 1000,
        "remaining_seconds": None if bound else max(0, lease.deadline_ms - state.time_ms) / 1000,
        "deadline_ms": None if bound else lease.deadline_ms,
        "node": lease.node or None,
        "generation": lease.generation if bound else None,
        "hold_seconds": lease.hold_ms / 1000 if bound else None,
        "renewals": lease.renewal,
    }


def _may(principal: Principal, action: Action, key: bytes) -> bool:
    """Of a key that lives with a lease: one of the metadata, or a place in the queue of a lock."""
    queue = queue_of(key)
    if queue is None:
        return principal.may("metadata", action, to_text(key)[0])
    return principal.may("locks", action, to_text(queue[1])[0])


def add_leases(app: FastAPI, context: Context) -> None:
    async def made(done: LeaseDone, call: MetadataCall) -> Response:
        lease = call.state.lease(done.lease)
        if lease is None:
            raise ApiError(Code.LEASE_NOT_FOUND, "the lease ended at once: its time is shorter than the request took")
        return answer(show_lease(lease, call.state))

    @app.post(
        "/v1/leases",
        summary="Make a lease",
        operation_id="grant_lease",
        response_model=LeaseAnswer,
        response_description="The lease",
        responses=write_errors(
            Code.TTL_OUT_OF_RANGE, Code.NODE_NOT_FOUND, Code.LEASE_NOT_FOUND, Code.REFUSED, Code.TOO_MANY_LEASES
        ),
        tags=["leases"],
    )
    async def grant_lease(body: Annotated[LeaseBody, Body()], call: ChangeCall) -> Response:
        """Keys, locks and leaderships that are put on a lease go when it ends. It is for the token that makes it, and
        for those that may administer everything; others are answered `not_owner`."""
        try:
            if body.ttl is not None:
                done = await call.metadata.grant_lease(body.ttl, request=call.request, timeout=call.seconds)
            else:
                state = find_node(context.node, body.node or "")
                meant = body.generation in {None, state.id.generation}
                if not (meant and is_alive(context.node, state)):
                    raise ApiError(
                        Code.REFUSED, f"the node {body.node!r} is not alive", "node", {"reason": "node_not_alive"}
                    )
                done = await call.metadata.bind_lease(
                    state.id.node_id, state.id.generation, body.hold, request=call.request, timeout=call.seconds
                )
        except MetadataError as error:
            raise api_error(error, call.request) from None
        return await made(done, call)

    @app.get(
        "/v1/leases",
        summary="All leases",
        operation_id="list_leases",
        response_model=LeasesAnswer,
        response_description="A page of leases, by id",
        responses=read_errors(),
        tags=["leases"],
    )
    async def list_leases(
        call: ReadCall,
        limit: Limit = 1_000,
        page: Annotated[int, Query(ge=0, description="`next_page` of the answer before.", examples=[3])] = 0,
    ) -> Response:
        """All leases of the cluster."""
        await barrier(call)
        table = call.state.leases.table
        ids = sorted(each for each in table if each > page)
        leases = [show_lease(table[each], call.state) for each in ids[:limit]]
        return answer({"leases": leases, "next_page": str(ids[limit - 1]) if len(ids) > limit else None})

    @app.get(
        "/v1/leases/{lease}",
        summary="One lease",
        operation_id="get_lease",
        response_model=LeaseDetailsAnswer,
        response_description="The lease, and what lives with it",
        responses=read_errors(Code.LEASE_NOT_FOUND),
        tags=["leases"],
    )
    async def get_lease(lease: LeaseId, call: ReadCall, request: Request) -> Response:
        """A lease and its keys, as far as the token may read them."""
        await barrier(call)
        found = call.state.lease(lease)
        if found is None:
            raise ApiError(
                Code.LEASE_NOT_FOUND,
                "there is no such lease: it ended, or never was",
                "lease",
                {"revision": call.state.keyspace.revision},
            )
        principal = principal_of(request.scope)
        keys = [to_text(key)[0] for key in call.state.lease_keys(lease) if _may(principal, "read", key)]
        return answer({**show_lease(found, call.state), "revision": call.state.keyspace.revision, "keys": keys})

    @app.post(
        "/v1/leases/{lease}/keepalive",
        summary="Renew a lease",
        operation_id="keep_lease_alive",
        response_model=LeaseAnswer,
        response_description="The lease, renewed",
        responses=write_errors(Code.LEASE_NOT_FOUND, Code.NOT_OWNER),
        tags=["leases"],
    )
    async def keep_lease_alive(lease: LeaseId, call: ChangeCall) -> Response:
        """Its time begins anew."""
        try:
            done = await call.metadata.keep_alive(lease, request=call.request, timeout=call.seconds)
        except MetadataError as error:
            raise api_error(error, call.request) from None
        return await made(done, call)

    @app.delete(
        "/v1/leases/{lease}",
        summary="End a lease",
        operation_id="revoke_lease",
        response_model=LeaseRevoked,
        response_description="Ended",
        responses=write_errors(Code.LEASE_NOT_FOUND, Code.NOT_OWNER),
        tags=["leases"],
    )
    async def revoke_lease(lease: LeaseId, call: ChangeCall, request: Request) -> Response:
        """Ends it now: its keys are deleted, and what it held is free for the next. For the token that made it, and for
        those that allow to write all that lives with it."""
        principal, once = principal_of(request.scope), call.request
        found, keys = call.state.lease(lease), call.state.lease_keys(lease)
        if found is None or not found.owner or found.owner != once.owner:
            if not all(_may(principal, "write", key) for key in keys):
                raise ApiError(Code.FORBIDDEN, "keys live with this lease that the token does not allow to write")
            once = replace(once, any_lease=once.any_lease or bool(keys))
        try:
            done = await call.metadata.revoke(lease, request=once, timeout=call.seconds)
        except MetadataError as error:
            raise api_error(error, call.request) from None
        return answer({"lease": lease, "revision": done.revision, "deleted": done.deleted})
