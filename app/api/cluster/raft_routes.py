"""`/v1/raft/...`: this node's own part in Raft, and what operators do about members."""

from __future__ import annotations

from collections.abc import AsyncIterator
from math import isfinite
from typing import Annotated, Any

from fastapi import Body, FastAPI, Path, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from coterie.app.api.cluster.overview import show_decision, show_raft_members
from coterie.app.api.context import Context
from coterie.app.api.parameters.declared import ReadCall, Timeout, answer, read_errors
from coterie.app.api.parameters.documenting import errors
from coterie.app.http.error_mapping import TRANSFER_UNKNOWN, api_error
from coterie.app.http.errors import ApiError
from coterie.app.http.request import write_request_id
from coterie.app.wire.cluster import (
    Compacting,
    Decisions,
    FoundingGivenUp,
    RaftLeft,
    RaftMembers,
    RaftStatus,
    Removed,
    TransferBody,
    Transferred,
)
from coterie.app.wire.errors import Code
from coterie.app.wire.keys import RequestIdAnswer
from coterie.consensus.api.errors import MetadataError, RefusedError, UnknownOutcomeError
from coterie.consensus.member.observing.status import MemberStatus, PeerStatus

MAX_SAVES = 2
"""Snapshots that are sent at a time: to a client that takes its time each holds some megabytes, and the state as it
was when it began."""


class _Saved(StreamingResponse):
    """Gives its place back at the end."""

    def __init__(self, saves: set[object], chunks: AsyncIterator[bytes], **options: Any) -> None:
        super().__init__(chunks, media_type="application/octet-stream", **options)
        self._saves = saves
        saves.add(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._saves.discard(self)


def show_status(context: Context) -> dict[str, Any]:
    status: MemberStatus | None = context.raft.status()
    always: dict[str, Any] = {
        "enabled": context.raft.enabled,
        "reason": context.raft.reason or None,
        "link_events": [
            {"time": event.at, "kind": event.kind, "detail": event.detail} for event in context.raft.link_problems()
        ],
    }
    if status is None:
        names = [name for name in RaftStatus.__struct_fields__ if name not in {*always, "voters", "peers"}]
        return {**always, **dict.fromkeys(names), "voters": [], "peers": []}
    return {
        **always,
        "member_id": status.member,
        "cluster_id": status.cluster,
        "role": status.role,
        "leader": context.raft.picture().leader,
        "term": status.term,
        "voters": list(status.voters),
        "last_index": status.last_index,
        "commit_index": status.commit_index,
        "applied_index": status.applied_index,
        "snapshot_index": status.snapshot_index,
        "log_entries": status.log_entries,
        "revision": status.revision,
        "founding": status.founding,
        "change_pending": status.change_pending,
        "quorum": status.quorum,
        "failure": status.failure,
        "log_shortage": status.shortage,
        "operation_level": status.level,
        "known_operation_level": status.known_level,
        "peers": [_show_peer(peer) for peer in context.raft.peers()],
    }


def _show_peer(peer: PeerStatus) -> dict[str, Any]:
    return {
        "member_id": peer.member,
        "voter": peer.voter,
        "connected": peer.connected,
        "match_index": peer.match,
        "silent_seconds": round(peer.silent_seconds, 3) if isfinite(peer.silent_seconds) else None,
        "receives_snapshot": peer.receives_snapshot,
    }


def add_raft(app: FastAPI, context: Context) -> None:
    saves: set[object] = set()

    @app.get(
        "/v1/raft/status",
        summary="This node's part in Raft",
        operation_id="get_raft_status",
        response_model=RaftStatus,
        response_description="Its part",
        tags=["raft"],
    )
    async def get_raft_status() -> Response:
        """Indexes, term and links of this very node."""
        return answer(show_status(context))

    @app.get(
        "/v1/raft/members",
        summary="Members of the Raft layer",
        operation_id="list_raft_members",
        response_model=RaftMembers,
        response_description="Voters, observers and candidates",
        tags=["raft"],
    )
    async def list_raft_members(request: Request) -> Response:
        """Each with its role, and why it does not vote."""
        return answer({"members": await show_raft_members(context, context.raft.picture(), request)})

    @app.get(
        "/v1/raft/decisions",
        summary="What the leader decided of the voters",
        operation_id="list_raft_decisions",
        response_model=Decisions,
        response_description="Decisions with their reasons",
        responses=errors(Code.UNAVAILABLE),
        tags=["raft"],
    )
    async def list_raft_decisions() -> Response:
        """The latest of all leaders, as the metadata holds them."""
        return answer({"decisions": [show_decision(each) for each in context.raft.decisions()]})

    @app.post(
        "/v1/raft/transfer",
        summary="Hand leadership over",
        operation_id="transfer_leadership",
        response_model=Transferred,
        response_description="Handed over",
        responses=errors(
            Code.MISSING_PARAMETER,
            Code.INVALID_REQUEST,
            Code.NODE_NOT_FOUND,
            Code.REFUSED,
            Code.UNAVAILABLE,
            Code.OUTCOME_UNKNOWN,
        ),
        tags=["raft"],
    )
    async def transfer_leadership(body: Annotated[TransferBody, Body()]) -> Response:
        """To one voter, or to the one that holds most of the log. Answered once the new leader is heard of, or after
        two election timeouts (`raft.election_timeout`, twice that each) at most: then with why it was not done, and 504
        where the voter was asked and may yet take over."""
        try:
            return answer({"leader": await context.raft.transfer(body.node)})
        except UnknownOutcomeError:
            raise ApiError(Code.OUTCOME_UNKNOWN, TRANSFER_UNKNOWN) from None
        except MetadataError as error:
            raise api_error(error) from None

    @app.delete(
        "/v1/raft/members/{member}",
        summary="Remove a member by force",
        operation_id="remove_raft_member",
        response_model=Removed,
        response_description="Removed",
        responses=errors(Code.NODE_NOT_FOUND, Code.REFUSED, Code.UNAVAILABLE, Code.OUTCOME_UNKNOWN),
        tags=["raft"],
    )
    async def remove_raft_member(
        member: Annotated[
            str,
            Path(description="Its member id, or its node id.", examples=["0d6e4c7a0b5e4d3c9a8b7c6d5e4f3a2b"]),
        ],
    ) -> Response:
        """For a member that is lost for good: its id is barred for ever, and the leader removes it, which `GET
        /v1/raft/members` shows. Dead voters are replaced by themselves, after `raft.dead_voter_grace`."""
        try:
            removed = await context.raft.remove(member)
        except RefusedError as error:
            if error.code != Code.NODE_NOT_FOUND:
                raise api_error(error) from None
            raise ApiError(Code.NODE_NOT_FOUND, str(error), "member") from None
        except MetadataError as error:
            raise api_error(error) from None
        return answer({"removed": removed})

    @app.post(
        "/v1/raft/leave",
        summary="Leave the Raft layer",
        operation_id="leave_raft",
        response_model=RaftLeft,
        response_description="Left",
        responses=errors(Code.INVALID_REQUEST, Code.UNAVAILABLE, Code.OUTCOME_UNKNOWN),
        tags=["raft"],
    )
    async def leave_raft(seconds: Timeout = None) -> Response:
        """This very node gives up its vote and its place for good, and goes on as a client of the others'. To stop a
        node for a while, just stop it: it keeps its vote."""
        try:
            await context.raft.leave(context.timeout(seconds, None))
        except MetadataError as error:
            raise api_error(error) from None
        return answer({"left": True})

    @app.post(
        "/v1/raft/compact",
        summary="Take a snapshot and cut the log",
        operation_id="compact_raft",
        response_model=Compacting,
        response_description="Begun",
        responses=errors(Code.UNAVAILABLE),
        tags=["raft"],
    )
    async def compact_raft() -> Response:
        """This very node's, now. It does so by itself after so many entries or bytes, and where its log is full; by
        hand it is of use where an earlier snapshot found no space on the disk, and there is some now."""
        try:
            applied, snapshot = context.raft.compact()
        except MetadataError as error:
            raise api_error(error) from None
        return answer({"applied_index": applied, "snapshot_index": snapshot})

    @app.delete(
        "/v1/raft/founding",
        summary="Give up a founding",
        operation_id="give_up_founding",
        response_model=FoundingGivenUp,
        response_description="Given up, where there was one",
        responses=errors(Code.UNAVAILABLE),
        tags=["raft"],
    )
    async def give_up_founding() -> Response:
        """For a founder that waits for another that will never come, as `reason` in `GET /v1/cluster` says: it takes
        back its agreement, and may agree to another founding."""
        try:
            return answer({"given_up": context.raft.give_up_founding()})
        except MetadataError as error:
            raise api_error(error) from None

    @app.get(
        "/v1/raft/snapshot",
        summary="Save the metadata",
        operation_id="save_snapshot",
        response_class=Response,
        response_description="The whole state, as a file for `coterie recover`",
        responses={
            200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
            **read_errors(),
        },
        tags=["raft"],
    )
    async def save_snapshot(call: ReadCall) -> Response:
        """All that was acknowledged before, checksummed. Restoring it makes a new cluster, which is done offline, by
        the command line: `coterie recover --help`."""
        if len(saves) >= MAX_SAVES:
            raise ApiError(Code.OVERLOADED, f"this node sends {MAX_SAVES} snapshots already; ask another, or later")
        begun = object()
        saves.add(begun)
        try:
            chunks = context.raft.save()
            first = await anext(aiter(chunks))
            name = f"coterie-revision-{call.state.keyspace.revision}.snapshot"
            return _Saved(
                saves,
                _with_first(first, chunks),
                headers={"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'},
            )
        except MetadataError as error:
            raise api_error(error) from None
        finally:
            saves.discard(begun)

    @app.post(
        "/v1/request_ids",
        summary="Make a request id",
        operation_id="make_request_id",
        response_model=RequestIdAnswer,
        response_description="An id for one write",
        responses=read_errors(),
        tags=["metadata"],
    )
    async def make_request_id(call: ReadCall) -> Response:
        """For the header `Coterie-Request-Id`: a write that carries it happens at most once, however often it is
        sent. Nothing is stored by this."""
        request = call.metadata.new_request()
        valid = call.state.limits.request_window_ms / 1000
        return answer({"request_id": write_request_id(request), "valid_seconds": valid})


async def _with_first(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk
