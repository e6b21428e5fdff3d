"""The service on a node that has the metadata: each call by its name, to the part that carries it out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

from coterie.app.etcd.messages.fields import EtcdMessage
from coterie.app.etcd.rpcs import Caller, Rpc
from coterie.app.etcd.service.access import Access, caller_of, not_served
from coterie.app.etcd.service.cluster import ClusterCalls
from coterie.app.etcd.service.kv import KvCalls
from coterie.app.etcd.service.leases import LeaseCalls
from coterie.app.etcd.service.queues import QueueCalls
from coterie.app.etcd.service.users import UserCalls
from coterie.app.etcd.service.watches import WatchStream

_Call = Callable[[Any, Caller], Awaitable[EtcdMessage]]


class LocalEtcd:
    """An `EtcdService` on this node's own metadata."""

    def __init__(self, access: Access) -> None:
        self._access = access
        kv, self._leases = KvCalls(access), LeaseCalls(access)
        self._queues = queues = QueueCalls(access, kv, self._leases)
        cluster, users = ClusterCalls(access), UserCalls(access)
        self._calls: dict[str, _Call] = {
            "Range": kv.range,
            "Put": kv.put,
            "DeleteRange": kv.delete_range,
            "Txn": kv.txn,
            "Compact": kv.compact,
            "LeaseGrant": self._leases.grant,
            "LeaseRevoke": self._leases.revoke,
            "LeaseTimeToLive": self._leases.time_to_live,
            "LeaseLeases": self._leases.leases,
            "Lock": queues.lock,
            "Unlock": queues.unlock,
            "Campaign": queues.campaign,
            "Proclaim": queues.proclaim,
            "Leader": queues.leader,
            "Resign": queues.resign,
            "MemberList": cluster.member_list,
            "Status": cluster.status,
            "Alarm": cluster.alarm,
            "Hash": cluster.hash,
            "HashKV": cluster.hash_kv,
            "Defragment": cluster.defragment,
            "MoveLeader": cluster.move_leader,
            "Authenticate": users.authenticate,
            "AuthStatus": users.status,
            "UserList": users.user_list,
            "UserGet": users.user_get,
            "RoleList": users.role_list,
            "RoleGet": users.role_get,
        }

    async def caller(self, rpc: Rpc, scope: Any, shown: bytes | None, seconds: float | None = None) -> Caller:
        return await caller_of(self._access.context.authority, rpc, scope, shown, seconds)

    async def call(self, rpc: Rpc, request: EtcdMessage, caller: Caller) -> EtcdMessage:
        call = self._calls.get(rpc.method)
        if call is None:
            raise not_served(rpc)
        return await call(request, caller)

    async def stream(self, rpc: Rpc, requests: AsyncIterator[Any], caller: Caller) -> AsyncGenerator[EtcdMessage, None]:
        match rpc.method:
            case "Watch":
                answers: AsyncGenerator[EtcdMessage, None] = WatchStream(self._access, caller).run(requests)
            case "LeaseKeepAlive":
                answers = self._leases.keep_alive(requests, caller)
            case "Observe":
                answers = self._queues.observe(await anext(requests), caller)
            case _:
                raise not_served(rpc)
        try:
            async for answer in answers:
                yield answer
        finally:
            await answers.aclose()
