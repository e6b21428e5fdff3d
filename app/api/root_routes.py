"""`/`, `/set_kv` and `/mark_for_deletion`: the cluster as this node sees it, and writes to this node's own keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, Query
from starlette.responses import Response

from coterie.app.api.cluster.state import encode_cluster_state
from coterie.app.api.keys.gossip import refuse
from coterie.app.api.parameters.documenting import errors
from coterie.app.http.errors import ApiError, json_response
from coterie.app.wire.errors import Code
from coterie.app.wire.state import ClusterStateAnswer, StatusAnswer
from coterie.gossip import GossipNode, KeyRefusedError

_KEY_REFUSALS = (
    Code.MISSING_PARAMETER,
    Code.EMPTY_PARAMETER,
    Code.INVALID_ENCODING,
    Code.INVALID_REQUEST,
    Code.KEY_REFUSED,
    Code.RESERVED_KEY,
    Code.TOO_LARGE,
)

DONE = b'{"status":true}'

Key = Annotated[str, Query(min_length=1, description="The key; not empty.", examples=["hello"])]
Value = Annotated[str, Query(description="The value to associate with the key; may be empty.", examples=["world"])]


def add_root(app: FastAPI, node: GossipNode) -> None:
    engine = node.engine

    def documented(path: str, **about: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """A GET endpoint; with and without a trailing slash, and in the OpenAPI document once."""

        def add(endpoint: Callable[..., Any]) -> Callable[..., Any]:
            app.get(path, operation_id=endpoint.__name__, **about)(endpoint)
            if path != "/":
                app.get(path + "/", include_in_schema=False)(endpoint)
            return endpoint

        return add

    @documented(
        "/",
        summary="The cluster as this node sees it",
        response_model=ClusterStateAnswer,
        response_description="The cluster, as compact JSON",
        tags=["cluster"],
    )
    async def get_cluster_state() -> Response:
        """All known nodes with their keys, and which of them are alive."""
        # Thousands of nodes with their keys: rendered directly, not by way of the model.
        return json_response(encode_cluster_state(engine))

    @documented(
        "/set_kv",
        summary="Set a key of this node",
        response_model=StatusAnswer,
        response_description="Done",
        responses=errors(*_KEY_REFUSALS, Code.TOO_MANY_KEYS),
        tags=["keys"],
    )
    async def set_kv(key: Key, value: Value) -> Response:
        """Sets a key-value pair on the current node; from there it spreads to all others."""
        try:
            node.set(key, value)
        except KeyRefusedError as error:
            refuse(error, "key" if len(key.encode()) > engine.config.max_key_value_bytes else "value")
        return json_response(DONE)

    @documented(
        "/mark_for_deletion",
        summary="Delete a key of this node",
        response_model=StatusAnswer,
        response_description="Done",
        responses=errors(*_KEY_REFUSALS),
        tags=["keys"],
    )
    async def mark_for_deletion(key: Key) -> Response:
        """Marks a key for deletion on the current node. The mark spreads to all others and is kept for
        `marked_for_deletion_grace_period`. A key that is not there is no error."""
        limit = engine.config.max_key_value_bytes
        if len(key.encode()) > limit:
            raise ApiError(Code.TOO_LARGE, f"the key is longer than max_key_value_bytes = {limit}", "key")
        try:
            node.delete(key)
        except KeyRefusedError as error:
            refuse(error, "key")
        return json_response(DONE)
