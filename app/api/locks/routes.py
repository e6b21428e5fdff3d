"""`/v1/locks`, `/v1/semaphores` and `/v1/elections`: the routes that they share, and the few that differ."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import Body, FastAPI, Path, Query, Request
from starlette.responses import Response

from coterie.app.api.context import Context
from coterie.app.api.encoding import decoding
from coterie.app.api.keys.watch import EventStream, enter, message
from coterie.app.api.locks.acquire import AcquireOptions, acquire, on_new_lease, show_queue_entry
from coterie.app.api.parameters.declared import ChangeCall, ReadCall, answer, barrier, read_errors, write_errors
from coterie.app.api.parameters.documenting import event_stream
from coterie.app.http.error_mapping import api_error
from coterie.app.http.errors import ApiError
from coterie.app.http.streams import while_wanted
from coterie.app.wire.encoding import to_bytes, to_text
from coterie.app.wire.errors import Code
from coterie.app.wire.locks import (
    AcquireBody,
    ElectionAnswer,
    HeldAnswer,
    NamesAnswer,
    ProclaimBody,
    ProclaimedAnswer,
    QueueAnswer,
    ReleasedAnswer,
    SemaphoreBody,
)
from coterie.consensus.api.errors import MetadataError, UnknownOutcomeError
from coterie.consensus.store import (
    Proclaim,
    QueueKind,
    Release,
    State,
    WatchBatch,
    prefix_end,
    queue_prefix,
)
from coterie.consensus.store.schema.limits import MAX_INT

Name = Annotated[str, Path(min_length=1, description="Its name; slashes may be in it.", examples=["jobs/7"])]
OfLease = Annotated[int, Query(ge=1, le=MAX_INT, description="The lease in whose name it is held.", examples=[3])]


ACQUIRE_ERRORS = (
    Code.MISSING_PARAMETER,
    Code.EMPTY_PARAMETER,
    Code.INVALID_ENCODING,
    Code.NAME_INVALID,
    Code.TTL_OUT_OF_RANGE,
    Code.LEASE_NOT_FOUND,
    Code.NOT_OWNER,
    Code.BUSY,
    Code.GRANT_ENDED,
    Code.TOO_MANY_KEYS,
    Code.NO_SPACE,
    Code.TOO_MANY_LEASES,
    Code.LEASE_FULL,
    Code.QUEUE_FULL,
)


def show_queue(name: str, state: State, kind: QueueKind) -> dict[str, Any]:
    places = [(place, show_queue_entry(place)) for place in state.queue_entries(kind, name.encode())]
    return {
        "name": name,
        "revision": state.keyspace.revision,
        "holders": [shown for place, shown in places if place.token],
        "waiters": [shown for place, shown in places if not place.token],
    }


def show_election(name: str, state: State) -> dict[str, Any]:
    queue = show_queue(name, state, QueueKind.ELECTION)
    return {
        "name": name,
        "revision": queue["revision"],
        "leader": queue["holders"][0] if queue["holders"] else None,
        "candidates": queue["waiters"],
    }


def add_queues(app: FastAPI, context: Context) -> None:
    _add_kind(app, context, QueueKind.LOCK, "locks", "lock", "Acquire", AcquireBody)
    _add_kind(app, context, QueueKind.SEMAPHORE, "semaphores", "semaphore", "Acquire a permit of", SemaphoreBody)
    _add_kind(app, context, QueueKind.ELECTION, "elections", "election", "Campaign in", AcquireBody)
    _add_election_extras(app, context)


def _add_kind(
    app: FastAPI,
    context: Context,
    kind: QueueKind,
    plural: str,
    word: str,
    verb: str,
    body_type: type[AcquireBody],
) -> None:
    article = "an" if word[0] in "aeiou" else "a"
    election = kind is QueueKind.ELECTION

    @app.get(
        f"/v1/{plural}",
        summary=f"All {plural} in use",
        operation_id=f"list_{plural}",
        response_model=NamesAnswer,
        response_description="Their names",
        responses=read_errors(),
        tags=[plural],
    )
    async def list_names(call: ReadCall) -> Response:
        """The names of those that anybody holds."""
        try:
            found = await call.metadata.queue_names(kind, timeout=call.seconds)
        except MetadataError as error:
            raise api_error(error) from None
        return answer({"revision": found.revision, "names": [to_text(name)[0] for name in found.value]})

    async def acquire_route(
        name: Name,
        body: Annotated[AcquireBody, Body()],
        request: Request,
        call: ChangeCall,
    ) -> Response:
        with decoding():
            value = to_bytes(body.value, body.encoding)
        longest = context.settings.max_request_timeout
        if body.wait > longest:
            raise ApiError(
                Code.INVALID_REQUEST,
                f"wait may be up to raft.max_request_timeout = {longest:g} seconds, not {body.wait:g}; wait again "
                "after `busy`",
                "wait",
                {"limit": longest},
            )
        wanted = AcquireOptions(
            kind,
            name.encode(),
            value,
            body.permits if isinstance(body, SemaphoreBody) else 1,
            body.wait,
            body.stay,
        )

        async def get(lease: int) -> dict[str, Any]:
            return await acquire(call.metadata, wanted, lease, call.request, call.seconds)

        if body.lease is not None:
            work = get(body.lease)
        else:
            work = on_new_lease(call.metadata, body.ttl or 0.0, call.request, call.seconds, get)
        held = await while_wanted(work, request.receive, context.stopping)
        if held is None:  # what was asked for is being given back, which a node that stops may not live to see
            raise api_error(UnknownOutcomeError("stopped"), call.request)
        return answer(held)

    acquire_route.__annotations__["body"] = Annotated[body_type, Body()]
    acquire_route.__doc__ = (
        f"Answers once it is held, or with `busy` when the time to wait is over; it is then not waited for any more. "
        f"Asking again with the same lease answers with the place that it has. The {word} is lost with the lease. "
        "Under the request id of a former try the answer is that try's, or `grant_ended` where what it got, or the "
        "place in the queue, has ended since: begin anew then, with a new request id."
    )
    app.post(
        f"/v1/{plural}/{{name:path}}",
        summary=f"{verb} {article} {word}",
        operation_id="campaign" if election else f"acquire_{word}",
        response_model=HeldAnswer,
        response_description="Held, with the fencing token",
        responses=write_errors(*ACQUIRE_ERRORS, *([Code.PERMITS_DIFFER] if kind is QueueKind.SEMAPHORE else [])),
        tags=[plural],
    )(acquire_route)

    @app.delete(
        f"/v1/{plural}/{{name:path}}",
        summary=f"Resign from {article} {word}" if election else f"Give {article} {word} back",
        operation_id="resign" if election else f"release_{word}",
        response_model=ReleasedAnswer,
        response_description="Given back",
        responses=write_errors(Code.MISSING_PARAMETER, Code.NAME_INVALID, Code.NOT_OWNER, Code.NOT_HELD),
        tags=[plural],
    )
    async def release(name: Name, lease: OfLease, call: ChangeCall) -> Response:
        """Gives it back, or stops waiting for it; the next one gets it at once."""
        try:
            done: Any = await call.metadata.submit(
                Release(kind, name.encode(), lease), request=call.request, timeout=call.seconds
            )
        except MetadataError as error:
            raise api_error(error, call.request) from None
        return answer({"name": name, "revision": done.revision, "released": True})

    if not election:

        @app.get(
            f"/v1/{plural}/{{name:path}}",
            summary=f"Who holds {article} {word}",
            operation_id=f"get_{word}",
            response_model=QueueAnswer,
            response_description="Holders and waiters",
            responses=read_errors(),
            tags=[plural],
        )
        async def look(name: Name, call: ReadCall) -> Response:
            """Holders and waiters, in order; both are empty where nobody wants it."""
            await barrier(call)
            return answer(show_queue(name, call.state, kind))


def _add_election_extras(app: FastAPI, context: Context) -> None:
    @app.get(
        "/v1/elections/{name:path}",
        summary="Who leads",
        operation_id="observe_election",
        response_model=ElectionAnswer,
        response_description="The leader and the candidates; with `watch` server-sent events",
        responses={200: {"content": event_stream("`election`, `stale` or `end`.")}, **read_errors()},
        tags=["elections"],
    )
    async def observe(
        name: Name,
        call: ReadCall,
        watch: Annotated[
            bool,
            Query(description="Go on telling: an event `election` now and at every change.", examples=[True]),
        ] = False,
    ) -> Response:
        """The leader with its value, and who would lead next."""
        if not watch:
            await barrier(call)
            return answer(show_election(name, call.state))
        prefix = queue_prefix(QueueKind.ELECTION, name.encode())
        watching = await enter(
            call.metadata, prefix, prefix_end(prefix), from_revision=None, kind=None, context=context
        )

        def tell() -> bytes:
            shown = show_election(name, call.state)
            return message("election", orjson.dumps(shown), shown["revision"])

        def render(batch: WatchBatch) -> list[bytes]:
            # The present state, not each step to it: a slow observer skips steps, never the last.
            return [tell()] if batch.events else []

        return EventStream(watching, render, context, first=tell())

    @app.put(
        "/v1/elections/{name:path}",
        summary="Proclaim a value as the leader",
        operation_id="proclaim",
        response_model=ProclaimedAnswer,
        response_description="Proclaimed",
        responses=write_errors(
            Code.MISSING_PARAMETER, Code.INVALID_ENCODING, Code.NAME_INVALID, Code.NOT_HELD, Code.NO_SPACE
        ),
        tags=["elections"],
    )
    async def proclaim(name: Name, body: Annotated[ProclaimBody, Body()], call: ChangeCall) -> Response:
        """Changes what others see of the leader; refused unless the token is the leader's."""
        with decoding():
            value = to_bytes(body.value, body.encoding)
        operation = Proclaim(QueueKind.ELECTION, name.encode(), body.token, value)
        try:
            done: Any = await call.metadata.submit(operation, request=call.request, timeout=call.seconds)
        except MetadataError as error:
            raise api_error(error, call.request) from None
        return answer({"name": name, "revision": done.revision, "token": body.token})
