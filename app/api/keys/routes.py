"""`/v1/kv` and `/v1/meta`: the lists, and the documentation of single keys, which `fast_paths.py` serves.

The endpoints of single keys call the fast paths, so both ways give the same answer.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from coterie.app.api.context import Context
from coterie.app.api.keys import gossip as gossip_keys
from coterie.app.api.keys import metadata as metadata_keys
from coterie.app.api.keys.fast_paths import FastPaths
from coterie.app.api.keys.parameters import (
    FRESHNESS,
    IF_MATCH,
    IF_NONE_MATCH,
    KEY,
    LAYER,
    LEASE,
    NODE,
    PREV,
    RAW,
    REVISION,
    TTL,
    AtRevision,
    Freshness,
    OfNode,
)
from coterie.app.api.parameters.declared import (
    READ_ERRORS,
    REQUEST_ID,
    TIME_LEFT,
    TIMEOUT,
    WRITE_ERRORS,
    ChangeCall,
    Limit,
    Page,
    ReadCall,
    answer,
    documents,
)
from coterie.app.api.parameters.documenting import Responses, errors
from coterie.app.auth.authority import principal_of
from coterie.app.auth.visibility import shown_to
from coterie.app.wire.errors import Code
from coterie.app.wire.keys import (
    GossipDeleteAnswer,
    GossipGetAnswer,
    GossipListAnswer,
    GossipPutAnswer,
    MetaDeleteAnswer,
    MetaDeletePrefixAnswer,
    MetaGetAnswer,
    MetaListAnswer,
    MetaPutAnswer,
)
from coterie.consensus.api.types import Consistency

KV_PATH = "/v1/kv/{key:path}"

KEY_ERRORS = (Code.EMPTY_PARAMETER, Code.INVALID_ENCODING, Code.INVALID_REQUEST)
GOSSIP_WRITE_ERRORS = (*KEY_ERRORS, Code.KEY_REFUSED, Code.RESERVED_KEY, Code.TOO_LARGE)
META_WRITE_ERRORS = (
    *KEY_ERRORS,
    Code.KEY_INVALID,
    Code.RESERVED_KEY,
    Code.LEASE_NOT_FOUND,
    Code.NOT_OWNER,
    Code.PRECONDITION_FAILED,
    *WRITE_ERRORS,
    Code.NO_SPACE,
)
META_PUT_ERRORS = (*META_WRITE_ERRORS, Code.TOO_MANY_KEYS, Code.LEASE_FULL)
META_READ_ERRORS = (
    *KEY_ERRORS,
    *READ_ERRORS,
    Code.FUTURE_REVISION,
    Code.KEY_NOT_FOUND,
    Code.PRECONDITION_FAILED,
    Code.COMPACTED,
)

_RAW: Responses = {
    200: {
        "content": {
            "text/plain": {"schema": {"type": "string"}, "example": "ready"},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        }
    }
}
"""With `raw`: text where it is UTF-8."""

_NOT_MODIFIED: Responses = {304: {"description": "`If-None-Match` names the revision that the key is at"}}

_VALUE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The value, as it is.",
        "content": {
            "text/plain": {"schema": {"type": "string"}, "example": "ready"},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


def _once(*codes: Code) -> Responses:
    return errors(*dict.fromkeys(codes))


class _FastPath(Response):
    """An answer that the bare application gives."""

    def __init__(self, hot: FastPaths) -> None:
        super().__init__()
        self._hot = hot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._hot(scope, receive, send)


def add_key_routes(app: FastAPI, context: Context) -> None:
    hot = FastPaths(context)
    # -- gossip --------------------------------------------------------------------------------------------------------

    @app.get(
        "/v1/kv",
        summary="Keys of all nodes",
        operation_id="list_kv",
        response_model=GossipListAnswer,
        response_description="A page of keys, by node and then by key",
        responses=errors(Code.INVALID_REQUEST, Code.INVALID_ENCODING, Code.NODE_NOT_FOUND, Code.BAD_PAGE_TOKEN),
        tags=["gossip keys"],
    )
    async def list_kv(
        prefix: Annotated[str, Query(description="What the keys start with.", examples=["gpu/"])] = "",
        node: OfNode = None,
        limit: Limit = 1_000,
        page: Page = None,
    ) -> Response:
        """The keys of all nodes, or of one, as this node knows them. Nothing is frozen between the pages."""
        keys, token = await gossip_keys.page(context.node, prefix, node, limit, page)
        return answer({"layer": "gossip", "consistency": "eventual", "keys": keys, "next_page": token})

    @app.get(
        KV_PATH,
        summary="Read a key of a node",
        operation_id="get_kv",
        response_model=GossipGetAnswer | MetaGetAnswer,
        response_description="The key; with `raw` the bare value, as text",
        responses={**_RAW, **_NOT_MODIFIED, **_once(*META_READ_ERRORS, Code.NODE_NOT_FOUND)},
        tags=["gossip keys"],
    )
    @documents(KEY, NODE, RAW, LAYER)
    async def get_kv(**_: object) -> Response:
        """What this node knows of a key, of its own or of another's."""
        return _FastPath(hot)

    @app.put(
        KV_PATH,
        summary="Write a key of this node",
        operation_id="put_kv",
        response_model=GossipPutAnswer | MetaPutAnswer,
        response_description="Written",
        responses=_once(*GOSSIP_WRITE_ERRORS, *META_PUT_ERRORS),
        openapi_extra=_VALUE,
        tags=["gossip keys"],
    )
    @documents(KEY, TTL, LAYER)
    async def put_kv(**_: object) -> Response:
        """Writes a key of this node, at once and without asking anybody; from here it spreads to all others. Values
        are text in UTF-8."""
        return _FastPath(hot)

    @app.delete(
        KV_PATH,
        summary="Delete a key of this node",
        operation_id="delete_kv",
        response_model=GossipDeleteAnswer | MetaDeleteAnswer,
        response_description="Deleted, where it was there",
        responses=_once(*GOSSIP_WRITE_ERRORS, *META_WRITE_ERRORS),
        tags=["gossip keys"],
    )
    @documents(KEY, TTL, LAYER)
    async def delete_kv(**_: object) -> Response:
        """Deletes a key of this node, or with `ttl` lets it expire. A key that is not there is no error."""
        return _FastPath(hot)

    # -- metadata ------------------------------------------------------------------------------------------------------

    @app.get(
        "/v1/meta",
        summary="Keys of the metadata",
        operation_id="list_meta",
        response_model=MetaListAnswer,
        response_description="A page of keys, in order",
        responses=_once(*READ_ERRORS, Code.BAD_PAGE_TOKEN, Code.FUTURE_REVISION, Code.COMPACTED),
        tags=["metadata"],
    )
    async def list_meta(
        call: ReadCall,
        request: Request,
        prefix: Annotated[str, Query(description="What the keys start with.", examples=["jobs/"])] = "",
        limit: Limit = 1_000,
        page: Page = None,
        revision: AtRevision = None,
        consistency: Freshness = "linearizable",
    ) -> Response:
        """Keys in the order of their bytes. All pages of one list show the revision of the first; ask for each with the
        prefix of the first, too, where the token allows no more."""
        return answer(
            await metadata_keys.page(
                call.metadata,
                prefix,
                limit=limit,
                token=page,
                revision=revision,
                consistency=Consistency(consistency),
                seconds=call.seconds,
                shows=shown_to(principal_of(request.scope)),
            )
        )

    @app.delete(
        "/v1/meta",
        summary="Delete keys of the metadata by prefix",
        operation_id="delete_meta_prefix",
        response_model=MetaDeletePrefixAnswer,
        response_description="Deleted",
        responses=_once(
            Code.MISSING_PARAMETER, Code.EMPTY_PARAMETER, Code.RESERVED_KEY, Code.DELETE_TOO_LARGE, *WRITE_ERRORS
        ),
        tags=["metadata"],
    )
    async def delete_meta_prefix(
        call: ChangeCall,
        prefix: Annotated[str, Query(min_length=1, description="What the keys start with.", examples=["jobs/"])],
    ) -> Response:
        """Deletes all keys that start with the prefix, at one revision."""
        metadata_keys.check_writable(prefix)
        return answer(
            await metadata_keys.delete_prefix(call.metadata, prefix, request=call.request, seconds=call.seconds)
        )

    @app.get(
        "/v1/meta/{key:path}",
        summary="Read a key of the metadata",
        operation_id="get_meta",
        response_model=MetaGetAnswer,
        response_description="The key, with its revision as `ETag`; with `raw` the bare value",
        responses={**_RAW, **_NOT_MODIFIED, **_once(*META_READ_ERRORS)},
        tags=["metadata"],
    )
    @documents(KEY, RAW, REVISION, FRESHNESS, TIMEOUT, TIME_LEFT, IF_MATCH, IF_NONE_MATCH)
    async def get_meta(**_: object) -> Response:
        """One key, now or at a revision."""
        return _FastPath(hot)

    @app.put(
        "/v1/meta/{key:path}",
        summary="Write a key of the metadata",
        operation_id="put_meta",
        response_model=MetaPutAnswer,
        response_description="Written, with the new revision as `ETag`",
        responses=_once(*META_PUT_ERRORS),
        openapi_extra=_VALUE,
        tags=["metadata"],
    )
    @documents(KEY, LEASE, PREV, TIMEOUT, TIME_LEFT, REQUEST_ID, IF_MATCH, IF_NONE_MATCH)
    async def put_meta(**_: object) -> Response:
        """Writes a key; the answer comes once a majority has it on disk. Preconditions are checked with it."""
        return _FastPath(hot)

    @app.delete(
        "/v1/meta/{key:path}",
        summary="Delete a key of the metadata",
        operation_id="delete_meta",
        response_model=MetaDeleteAnswer,
        response_description="Deleted, where it was there",
        responses=_once(*META_WRITE_ERRORS),
        tags=["metadata"],
    )
    @documents(KEY, PREV, TIMEOUT, TIME_LEFT, REQUEST_ID, IF_MATCH, IF_NONE_MATCH)
    async def delete_meta(**_: object) -> Response:
        """Deletes a key. A key that is not there is no error, unless `If-Match` asks for it."""
        return _FastPath(hot)
