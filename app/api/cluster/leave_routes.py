"""`POST /v1/leave`: this node leaves. `DELETE /v1/members/{node_id}`: a dead node is purged."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Path, Query
from starlette.responses import Response

from coterie.app.api.cluster.leave import GracefulLeave
from coterie.app.api.cluster.purge import purge
from coterie.app.api.context import Context
from coterie.app.api.keys.gossip import refuse
from coterie.app.api.parameters.declared import answer
from coterie.app.api.parameters.documenting import errors
from coterie.app.http.error_mapping import api_error
from coterie.app.http.errors import ApiError
from coterie.app.wire.cluster import Departed, Forgotten
from coterie.app.wire.errors import Code
from coterie.consensus.api.errors import MetadataError
from coterie.gossip import KeyRefusedError


def add_leave(app: FastAPI, context: Context, graceful_leave: GracefulLeave) -> None:
    @app.post(
        "/v1/leave",
        summary="Leave the cluster and stop",
        operation_id="leave",
        response_model=Departed,
        response_description="Left; the node stops",
        tags=["members"],
    )
    async def leave(
        keep_vote: Annotated[
            bool,
            Query(description="Keep the place in the Raft layer, for a node that comes back soon.", examples=[True]),
        ] = False,
    ) -> Response:
        """This very node gives up its part in Raft (within `leave.raft_timeout`), tells others by gossip that it goes
        (`left` in `GET /v1/members` from then on; within `leave.gossip_timeout`), answers, finishes the requests under
        way and stops. Started again, it joins as a new generation."""
        done = await graceful_leave.leave(keep_vote=keep_vote)
        return answer({"raft": done.raft, "reason": done.reason or None, "told": done.told})

    @app.delete(
        "/v1/members/{node_id:path}",
        summary="Forget a dead node",
        operation_id="forget_member",
        response_model=Forgotten,
        response_description="Forgotten",
        responses=errors(
            Code.INVALID_ENCODING,
            Code.NODE_NOT_FOUND,
            Code.REFUSED,
            Code.TOO_MANY_KEYS,
            Code.UNAVAILABLE,
            Code.OUTCOME_UNKNOWN,
        ),
        tags=["members"],
    )
    async def forget_member(node_id: Annotated[str, Path(description="Its name.", examples=["node4"])]) -> Response:
        """For a node that is lost for good: this node and, by gossip, all others that hold it dead drop it before its
        grace period is over, and its member of the Raft layer is barred for ever. One that is alive is refused: stop
        it first, or have it leave. Should the node come back after all, it is a new generation and a new member."""
        try:
            forgotten, members = await purge(context.node, context.raft, node_id)
        except MetadataError as error:
            raise api_error(error) from None
        except KeyRefusedError as error:
            refuse(error, "node_id")
        if not forgotten and not members:
            raise ApiError(
                Code.NODE_NOT_FOUND, f"no node {node_id!r} is known here; GET /v1/members lists them", "node"
            )
        return answer({"node_id": node_id, "forgotten": forgotten, "raft_members": members})
