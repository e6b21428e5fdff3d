"""The service on a node without metadata: each call goes to the leader, as JSON, once that has proved itself.

What gossip tells every node is answered here: the members, and whether tokens are asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from http import HTTPStatus
from itertools import count
from typing import Any

import msgspec
import orjson

from coterie.app.etcd.errors import etcd_error, of_api
from coterie.app.etcd.json_codec import DocumentReader, decode_message, encode_message, read
from coterie.app.etcd.messages.fields import EtcdMessage
from coterie.app.etcd.messages.kv import ResponseHeader
from coterie.app.etcd.messages.watch import WatchCreateRequest, WatchRequest, WatchResponse
from coterie.app.etcd.rpcs import Caller, EtcdCode, EtcdError, Rpc, Shape
from coterie.app.etcd.service.access import Access, caller_of, not_served
from coterie.app.etcd.service.cluster import ClusterCalls
from coterie.app.etcd.service.users import UserCalls
from coterie.app.etcd.service.watch_requests import Answers, answered
from coterie.app.http.errors import ApiError
from coterie.app.http.forwarding import FORWARDED_ETCD, LeaderAnswer

LONG_SECONDS = 86_400.0
"""For how long a call that waits for others, such as for a lock, is waited for."""

_READING = frozenset({"Range", "LeaseTimeToLive", "LeaseLeases", "Status", "Hash", "HashKV", "Leader", "UserList"})
"""Calls that may be sent once more over a new connection."""

MAX_ANSWER_BYTES = 128 * 1024 * 1024
"""Of an answer of the leader: more than it makes."""


class RemoteEtcd:
    """An `EtcdService` that has the leader answer."""

    def __init__(self, access: Access) -> None:
        self._access = access
        cluster, users = ClusterCalls(access), UserCalls(access)
        self._own: dict[str, Any] = {
            "MemberList": cluster.member_list,
            "Authenticate": users.authenticate,
            "AuthStatus": users.status,
        }

    async def caller(self, rpc: Rpc, scope: Any, shown: bytes | None, seconds: float | None = None) -> Caller:
        return await caller_of(self._access.context.authority, rpc, scope, shown, seconds)

    async def call(self, rpc: Rpc, request: EtcdMessage, caller: Caller) -> EtcdMessage:
        if not rpc.served:
            raise not_served(rpc)
        own = self._own.get(rpc.method)
        if own is not None:
            answer: EtcdMessage = await own(request, caller)
            return answer
        forwarded = await self._open(rpc, request, caller)
        async with aclosing(forwarded.parts()) as parts:
            body = bytearray()
            async for part in parts:
                body += part
                if len(body) > MAX_ANSWER_BYTES:
                    raise etcd_error("too_large")
        if forwarded.status != HTTPStatus.OK:
            raise _error(forwarded.status, bytes(body))
        return decode_message(rpc.response, bytes(body))

    async def stream(self, rpc: Rpc, requests: AsyncIterator[Any], caller: Caller) -> AsyncGenerator[EtcdMessage, None]:
        if not rpc.served:
            raise not_served(rpc)
        if rpc.method == "Watch":
            watchers = _RemoteWatches(self, rpc, caller)
            async with aclosing(answered(watchers, requests, watchers.answers)) as watched:
                async for answer in watched:
                    yield answer
            return
        async for request in requests:
            async with aclosing(self.answers(rpc, request, caller)) as answers:
                async for answer in answers:
                    yield answer
            if rpc.shape is Shape.SERVER_STREAM:
                return

    async def answers(self, rpc: Rpc, request: EtcdMessage, caller: Caller) -> AsyncGenerator[Any, None]:
        """The answers to one request of a stream."""
        forwarded = await self._open(rpc, request, caller)
        documents = DocumentReader(MAX_ANSWER_BYTES)
        async with aclosing(forwarded.parts()) as parts:
            if forwarded.status != HTTPStatus.OK:
                raise _error(forwarded.status, b"".join([part async for part in parts]))
            async for part in parts:
                for content in documents.feed(part):
                    if "error" in content:
                        error = content["error"]
                        raise EtcdError(EtcdCode(error["grpc_code"]), error["message"])
                    yield read(rpc.response, content["result"])

    async def _open(self, rpc: Rpc, request: EtcdMessage, caller: Caller) -> LeaderAnswer:
        path = f"{FORWARDED_ETCD}{rpc.paths[0]}".encode()
        lasts = rpc.shape is not Shape.UNARY or rpc.waits
        try:
            return await self._access.context.forwarder.post(
                path,
                encode_message(request),
                LONG_SECONDS if lasts else self._access.seconds(caller),
                caller.authorization,
                safe=rpc.method in _READING or rpc.shape is not Shape.UNARY,
            )
        except ApiError as error:
            raise of_api(error) from None


class _RemoteWatches:
    """One stream of watches: a forwarded request for each watcher."""

    def __init__(self, service: RemoteEtcd, rpc: Rpc, caller: Caller) -> None:
        self._service = service
        self._rpc = rpc
        self._caller = caller
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._told: dict[int, ResponseHeader] = {}
        """The newest header of each watcher: all up to its revision was told."""
        self._ids = count()
        self.answers = Answers()

    def tasks(self) -> Iterable[asyncio.Task[None]]:
        return self._tasks.values()

    async def ask_progress(self) -> None:
        if self._told:
            oldest = min(self._told.values(), key=lambda header: header.revision)
            await self.answers.put(WatchResponse(oldest, -1))

    async def create(self, request: WatchCreateRequest) -> None:
        """Return once it is told that the watcher is there: what is asked next is asked of it, too."""
        watch_id = request.watch_id or next(each for each in self._ids if each not in self._tasks)
        previous = self._tasks.get(watch_id)
        if previous is not None and not previous.done():
            reason = "mvcc: duplicate watch ID provided on the WatchStream"
            await self.answers.put(WatchResponse(None, -1, created=True, canceled=True, cancel_reason=reason))
            return
        begun = asyncio.Event()
        self._tasks[watch_id] = asyncio.create_task(self._follow(watch_id, request, begun), name="etcd watcher")
        await begun.wait()

    async def _follow(self, watch_id: int, request: WatchCreateRequest, begun: asyncio.Event) -> None:
        try:
            forwarded = WatchRequest(create_request=request)
            async with aclosing(self._service.answers(self._rpc, forwarded, self._caller)) as answers:
                async for answer in answers:
                    if answer.header is not None and answer.header.revision:
                        self._told[watch_id] = answer.header
                    own = answer if answer.watch_id < 0 else msgspec.structs.replace(answer, watch_id=watch_id)
                    await self.answers.put(own)
                    begun.set()
            await self.answers.put(etcd_error("leader_changed"))
        except EtcdError as error:
            await self.answers.put(error)
        finally:
            begun.set()

    async def cancel(self, watch_id: int) -> None:
        task = self._tasks.pop(watch_id, None)
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self.answers.put(WatchResponse(self._told.pop(watch_id, None), watch_id, canceled=True))


def _error(status: int, body: bytes) -> EtcdError:
    """What the leader refused: as etcd's API does, or as the node's own gate."""
    try:
        content = orjson.loads(body)
        if isinstance(content["error"], str):
            return EtcdError(EtcdCode(content["code"]), content["error"])
    except (ValueError, KeyError, TypeError):
        pass
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return etcd_error("invalid_token")
        case HTTPStatus.FORBIDDEN:
            return etcd_error("permission_denied")
        case HTTPStatus.NOT_FOUND:  # an earlier release
            return etcd_error("not_capable")
        case HTTPStatus.TOO_MANY_REQUESTS:
            return etcd_error("too_many_requests")
    return etcd_error("timed_out")
