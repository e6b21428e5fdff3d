"""Gossip keys: each node writes its own, and every node can be asked for any other's.

Functions on a node, for the routes to call. Refusals are ApiErrors.
"""

from __future__ import annotations

import asyncio
import base64
import time
from typing import Any, NoReturn

import orjson

from coterie.app.http.errors import ApiError
from coterie.app.wire.errors import Code
from coterie.gossip import (
    Address,
    GossipNode,
    KeyRefusedError,
    KeyStatus,
    KeyTooLargeError,
    KeyValue,
    NodeId,
    NodeState,
    ReservedKeyError,
    TooManyKeysError,
)

LOOKED_AT_PER_TURN = 10_000
"""Keys that a list goes through before the event loop gets its turn."""


def refuse(error: KeyRefusedError, larger: str) -> NoReturn:
    """The refusal of a write, as clients are told; `larger`: which of key and value took the room."""
    match error:
        case KeyTooLargeError():
            raise ApiError(Code.TOO_LARGE, str(error), larger)
        case ReservedKeyError():
            raise ApiError(Code.RESERVED_KEY, str(error), "key")
        case TooManyKeysError():
            raise ApiError(Code.TOO_MANY_KEYS, f"{error}; delete some, and wait for their grace period")
    raise ApiError(Code.KEY_REFUSED, str(error), "key")


def put(node: GossipNode, key: str, value: bytes, *, ttl: bool) -> dict[str, Any]:
    """Write a key of this node. A write that changes nothing keeps the version. Raises ApiError."""
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise ApiError(
            Code.INVALID_ENCODING,
            f"values of the gossip layer are text, and this one is not UTF-8 (byte {error.start}); "
            "use consistency=strong for bytes",
            "value",
        ) from None
    try:
        written = node.set_with_ttl(key, text) if ttl else node.set(key, text)
    except KeyRefusedError as error:
        refuse(error, "key" if len(key.encode()) > node.engine.config.max_key_value_bytes else "value")
    now = written or node.engine.own.get(key)
    assert now is not None, "what changes nothing is there already"  # noqa: S101
    return _show_written(node, key, now, {"changed": written is not None})


def delete(node: GossipNode, key: str, *, ttl: bool) -> dict[str, Any]:
    """Delete a key of this node, or let it expire. A key that is not there is no error. Raises ApiError."""
    limit = node.engine.config.max_key_value_bytes
    if len(key.encode()) > limit:
        raise ApiError(Code.TOO_LARGE, f"the key is longer than max_key_value_bytes = {limit}", "key")
    was_there = node.engine.own.get(key) is not None
    try:
        written = node.delete_after_ttl(key) if ttl else node.delete(key)
    except KeyRefusedError as error:
        refuse(error, "key")
    return _show_written(node, key, written, {"deleted": was_there})


def _show_written(node: GossipNode, key: str, kv: KeyValue | None, more: dict[str, Any]) -> dict[str, Any]:
    content = {
        "layer": "gossip",
        "consistency": "eventual",
        "node": node.node.node_id,
        "key": key,
        "version": kv.version if kv is not None else None,
        **more,
    }
    if kv is not None and kv.status == KeyStatus.DELETE_AFTER_TTL:
        content["expires_in_seconds"] = expires_in(node, node.engine.own, key)
    return content


def get(node: GossipNode, key: str, of: str | None) -> tuple[NodeState, KeyValue]:
    """What this node knows of a key of `of`, or of its own. Raises ApiError (key_not_found, node_not_found)."""
    state = node.engine.own if of is None else find_node(node, of)
    kv = state.get(key)
    if kv is None:
        raise ApiError(
            Code.KEY_NOT_FOUND, f"the node {state.id.node_id} has no key {key!r}, as far as known here", "key"
        )
    return state, kv


def show(node: GossipNode, state: NodeState, kv: KeyValue) -> dict[str, Any]:
    """A key with its value, and whose it is."""
    content: dict[str, Any] = {
        "node": state.id.node_id,
        "generation": state.id.generation,
        "alive": is_alive(node, state),
        "key": kv.key,
        "value": kv.value,
        "version": kv.version,
        "status": KeyStatus(kv.status).label,
    }
    if kv.status == KeyStatus.DELETE_AFTER_TTL:
        content["expires_in_seconds"] = expires_in(node, state, kv.key)
    return content


def expires_in(node: GossipNode, state: NodeState, key: str) -> float:
    """Seconds until this node drops a key that was written with time to live."""
    learnt = (state.expiring or {}).get(key)
    if learnt is None:
        return 0.0
    grace = node.engine.config.marked_for_deletion_grace_period
    return round(max(0.0, learnt + grace - time.monotonic()), 3)


def is_alive(node: GossipNode, state: NodeState) -> bool:
    return state is node.engine.own or state.liveness.alive


def find_node(node: GossipNode, node_id: str) -> NodeState:
    """The state of a node by its name: of its incarnations a live one, else the latest. Raises ApiError."""
    found = [state for state in node.engine.states if state.id.node_id == node_id]
    if not found:
        raise ApiError(Code.NODE_NOT_FOUND, f"no node {node_id!r} is known here; GET /v1/members lists them", "node")
    return max(found, key=lambda state: (is_alive(node, state), state.id.generation))


async def page(
    node: GossipNode, prefix: str, of: str | None, limit: int, token: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """Keys that start with `prefix`, by node and then by key, and the token of the next page.

    Nothing is frozen between pages: each shows what this node knows when it is asked for. Raises ApiError.
    """
    after_node, after_key = _read_token(token)
    states = node.engine.states if of is None else [find_node(node, of)]
    found: list[dict[str, Any]] = []
    last: tuple[Any, ...] = ()
    looked_at = 0
    for state in states:
        place = [state.id.node_id, state.id.generation, str(state.id.gossip_advertise_addr)]
        order = state.id.sort_key
        if after_node is not None and order < after_node:
            continue
        first = after_key if order == after_node else None
        looked_at += len(state.key_values)
        if looked_at > LOOKED_AT_PER_TURN:
            looked_at = 0
            await asyncio.sleep(0)
        matching = [kv for kv in state.visible() if kv.key.startswith(prefix) and (first is None or kv.key > first)]
        for kv in matching:
            if len(found) == limit:
                return found, _token(last)
            found.append(show(node, state, kv))
            last = (*place, kv.key)
    return found, None


def _token(last: tuple[Any, ...]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(last)).decode().rstrip("=")


def _read_token(token: str | None) -> tuple[Any, str | None]:
    if token is None:
        return None, None
    try:
        name, generation, address, key = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return NodeId(str(name), int(generation), Address.parse(address)).sort_key, str(key)
    except (ValueError, TypeError):
        raise ApiError(Code.BAD_PAGE_TOKEN, "this is no page token of this list", "page") from None
