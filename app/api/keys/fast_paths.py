"""`/v1/kv/{key}` and `/v1/meta/{key}` as a bare ASGI application: what FastAPI documents, at a fraction of its cost.

Every byte of the path behind the prefix is the key: slashes, dots and a slash at the end included. The gate
(`app/http/gate/gate.py`) has applied limits before, and logs the request.
"""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from coterie.app.api.context import Context, request_id
from coterie.app.api.encoding import raw_headers, show_record
from coterie.app.api.keys import gossip as gossip_keys
from coterie.app.api.keys import metadata as metadata_keys
from coterie.app.api.keys.metadata import check_readable, check_writable, outcome, read_lease, read_precondition
from coterie.app.api.keys.parameters import (
    FRESHNESS,
    IF_MATCH,
    IF_NONE_MATCH,
    LAYER,
    LEASE,
    NODE,
    PREV,
    RAW,
    REVISION,
    TTL,
)
from coterie.app.api.parameters.declared import REQUEST_ID, TIME_LEFT, TIMEOUT
from coterie.app.api.parameters.unknown import KnownParameters
from coterie.app.http.error_mapping import api_error, conflict
from coterie.app.http.errors import ApiError
from coterie.app.http.request import KeyRequest, Reply, json_reply
from coterie.app.observability.metrics.http import ROUTE
from coterie.app.wire.errors import Code
from coterie.consensus.api.errors import MetadataError
from coterie.consensus.api.types import Consistency
from coterie.consensus.member.metadata.calls import MemberMetadata
from coterie.consensus.store import Delete, Put

KV = b"/v1/kv/"
META = b"/v1/meta/"

KV_ROUTE = "/v1/kv/{key}"
META_ROUTE = "/v1/meta/{key}"

OF_METADATA = (LEASE.name, PREV.name, REVISION.name)
OF_GOSSIP = (NODE.name, TTL.name)
"""What `/v1/kv` takes for one layer alone. For the other it is refused: a lease that is ignored is a key too many."""

OF_EITHER_LAYER = (*OF_METADATA, *OF_GOSSIP, RAW.name, TIMEOUT.name)


class FastPaths:
    """Serves the hot paths, and passes everything else on to `rest`."""

    def __init__(self, context: Context, rest: ASGIApp | None = None, known: KnownParameters | None = None) -> None:
        """`known`: what is refused where it is not among them."""
        self._context = context
        self._rest = rest
        self._known = known
        self._gossip = {"PUT": self._put_gossip, "GET": self._get_gossip, "DELETE": self._delete_gossip}
        self._meta = {"PUT": self._put, "GET": self._get, "DELETE": self._delete}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises ApiError for refusals."""
        self._context.refuse_other_cluster(scope)
        if self._known is not None and scope["query_string"]:
            self._known.check(scope)
        if self._rest is not None and (scope["type"] != "http" or not scope["raw_path"].startswith((META, KV))):
            await self._rest(scope, receive, send)
            return
        if scope["raw_path"].startswith(META):
            scope[ROUTE] = META_ROUTE
            request = KeyRequest(scope, receive, self._context.limits, len(META))
            layer = None
        else:
            scope[ROUTE] = KV_ROUTE
            request = KeyRequest(scope, receive, self._context.limits, len(KV))
            layer = LAYER.read(request)
            if layer == "eventual":
                await (await self._answer_gossip(request)).send(send)
                return
            for name in OF_GOSSIP:
                if request.parameter(name) is not None:
                    raise ApiError(
                        Code.INVALID_REQUEST, f"{name} is for gossip's keys; leave consistency=strong or it out", name
                    )
        handler = self._meta.get(request.method)
        if handler is None:
            raise _wrong_method(request.method)
        metadata = self._context.raft.metadata
        if metadata is None:
            await self._context.forwarder.to_leader(scope, receive, send, self._timeout(request))
            return
        await (await handler(request, metadata, layer)).send(send)

    # -- gossip --------------------------------------------------------------------------------------------------------

    async def _answer_gossip(self, request: KeyRequest) -> Reply:
        handler = self._gossip.get(request.method)
        if handler is None:
            raise _wrong_method(request.method)
        for name in OF_METADATA:
            if request.parameter(name) is not None:
                raise ApiError(
                    Code.INVALID_REQUEST, f"{name} is for the metadata; use consistency=strong, or leave it out", name
                )
        return await handler(request)

    async def _put_gossip(self, request: KeyRequest) -> Reply:
        _refuse_preconditions(request)
        _refuse_node(request)
        ttl = TTL.read(request)
        return json_reply(gossip_keys.put(self._context.node, request.key, await request.body(), ttl=ttl))

    async def _get_gossip(self, request: KeyRequest) -> Reply:
        node, raw = self._context.node, RAW.read(request)
        state, kv = gossip_keys.get(node, request.key, NODE.read(request))
        if raw:
            value = kv.value.encode()
            return Reply(value, headers=(*raw_headers(value), (b"coterie-version", b"%d" % kv.version)))
        return json_reply({"layer": "gossip", "consistency": "eventual", **gossip_keys.show(node, state, kv)})

    async def _delete_gossip(self, request: KeyRequest) -> Reply:
        _refuse_preconditions(request)
        _refuse_node(request)
        return json_reply(gossip_keys.delete(self._context.node, request.key, ttl=TTL.read(request)))

    # -- metadata ------------------------------------------------------------------------------------------------------

    def _timeout(self, request: KeyRequest) -> float:
        return self._context.timeout(TIMEOUT.read(request), TIME_LEFT.read(request))

    async def _put(self, request: KeyRequest, metadata: MemberMetadata, layer: str | None) -> Reply:
        key, prev = request.key, PREV.read(request)
        value, lease = await request.body(), read_lease(LEASE.read(request))
        done = await self._write(request, metadata, Put(key.encode(), value, lease, prev))
        return json_reply(_layered(layer, metadata_keys.show_put(key, done, prev=prev)), done.revision)

    async def _delete(self, request: KeyRequest, metadata: MemberMetadata, layer: str | None) -> Reply:
        key, prev = request.key, PREV.read(request)
        done = await self._write(request, metadata, Delete(key.encode(), prev))
        return json_reply(_layered(layer, metadata_keys.show_delete(key, done, prev=prev)))

    async def _write(self, request: KeyRequest, metadata: MemberMetadata, operation: Put | Delete) -> Any:
        precondition = read_precondition(IF_MATCH.read(request), IF_NONE_MATCH.read(request))
        once = request_id(metadata, REQUEST_ID.read(request), request.scope)
        seconds = self._timeout(request)
        check_writable(request.key)
        guarded = precondition.guard(operation)
        try:
            return outcome(await metadata.submit(guarded, request=once, timeout=seconds))
        except MetadataError as error:
            raise api_error(error, once) from None

    async def _get(self, request: KeyRequest, metadata: MemberMetadata, layer: str | None) -> Reply:
        # On /v1/kv the word `consistency` chose the layer.
        consistency = Consistency.LINEARIZABLE if layer else Consistency(FRESHNESS.read(request))
        raw, revision, seconds = RAW.read(request), REVISION.read(request), self._timeout(request)
        check_readable(request.key)
        try:
            answer = await metadata.get(
                request.key.encode(), revision=revision, consistency=consistency, timeout=seconds
            )
        except MetadataError as error:
            raise api_error(error) from None
        record = answer.value
        mod_revision = record.mod_revision if record is not None else 0
        if not read_precondition(IF_MATCH.read(request), None).holds(mod_revision):
            raise conflict(mod_revision)
        if not read_precondition(None, IF_NONE_MATCH.read(request)).holds(mod_revision):
            return Reply(b"", 304, ((b"etag", b'"%d"' % mod_revision), (b"cache-control", b"no-store")))
        if record is None:
            raise metadata_keys.not_found(request.key, answer)
        shown = metadata_keys.show_answer(answer)
        if raw:
            headers = [*raw_headers(record.value), (b"etag", b'"%d"' % record.mod_revision)]
            headers += [
                (f"coterie-{name.replace('_', '-')}".encode(), str(value).encode()) for name, value in shown.items()
            ]
            return Reply(record.value, headers=tuple(headers))
        return json_reply(_layered(layer, {**show_record(record), **shown}), record.mod_revision)


def _layered(layer: str | None, content: dict[str, object]) -> dict[str, object]:
    """On `/v1/kv` the answer says which layer gave it."""
    return content if layer is None else {**content, "layer": "raft", "consistency": "strong"}


def _wrong_method(method: str) -> ApiError:
    return ApiError(
        Code.METHOD_NOT_ALLOWED,
        f"{method} is not possible at this path; use DELETE, GET, PUT",
        headers={"Allow": "DELETE, GET, HEAD, PUT"},
    )


def _refuse_preconditions(request: KeyRequest) -> None:
    for each in (IF_MATCH, IF_NONE_MATCH):
        if each.read(request) is not None:
            raise ApiError(
                Code.INVALID_REQUEST,
                f"{each.name} needs agreement, which the gossip layer has not; use consistency=strong",
                each.name,
            )


def _refuse_node(request: KeyRequest) -> None:
    if NODE.read(request) is not None:
        raise ApiError(
            Code.INVALID_REQUEST,
            "a node's keys are written by the node itself: send this to that one, without the parameter node",
            "node",
        )
