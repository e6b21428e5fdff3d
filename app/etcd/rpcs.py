"""The interface between the codecs and the service: every call of etcd's API, who calls, and how a call fails.

A codec (the JSON gateway, gRPC) finds an `Rpc` by its path and decodes an `Rpc.request`. `EtcdService.caller` tells
whose request this is; `EtcdService.call` or `.stream` takes both, and what comes back is encoded. A codec decides
nothing else: rights, hidden keys, headers, limits, and the way to the leader on a node without Raft are the service's.

    rpc = BY_METHOD["/etcdserverpb.KV/Range"]            # or BY_PATH["/kv/range"]
    caller = await service.caller(rpc, scope, token)     # raises EtcdError
    answer = await service.call(rpc, request, caller)    # of the type rpc.response; raises EtcdError

    async with aclosing(service.stream(rpc, requests, caller)) as answers:
        async for answer in answers: ...

A unary call that is cancelled leaves nothing behind: a place in the queue of a lock is given back. A stream ends when
its generator is closed, or by itself with EtcdError. `requests` is an async iterator. A keep-alive ends with it, once
all are answered; a watch goes on: a codec that wants it to end closes the generator. The service reads `requests` in a
task of its own, and holds a bounded number of answers for a client that does not take them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import Any, Protocol

from coterie.app.auth.rules import Principal
from coterie.app.etcd.messages import auth, cluster, concurrency, kv, lease, watch
from coterie.app.etcd.messages.fields import EtcdMessage


class EtcdCode(IntEnum):
    """gRPC's status codes."""

    OK = 0
    CANCELED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class EtcdError(Exception):
    """A call failed. Clients compare the text: where etcd has the same error, it is etcd's."""

    def __init__(self, code: EtcdCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and for how long it waits."""

    principal: Principal
    authorization: bytes | None = None
    """What it showed, as `Bearer <token>`: a node without Raft passes it on."""
    seconds: float | None = None
    """Of the caller's own deadline, such as gRPC's `grpc-timeout`; None: `raft.request_timeout`."""
    scope: Any = None
    """The ASGI scope that it came in."""


class Shape(Enum):
    UNARY = auto()
    SERVER_STREAM = auto()
    """One request, many answers."""
    BOTH_STREAM = auto()


@dataclass(frozen=True, slots=True)
class Rpc:
    """One call of the API."""

    service: str
    """In protobuf, with its package."""
    method: str
    paths: tuple[str, ...]
    """Of the JSON gateway, below `/v3`."""
    request: type[EtcdMessage] = EtcdMessage
    response: type[EtcdMessage] = EtcdMessage
    shape: Shape = Shape.UNARY
    open: bool = False
    """Asks for no token, even where others do; a wrong one is no error then."""
    waits: bool = False
    """A unary call that may wait for others as long as its caller does: it is to be cancelled when that one goes."""

    @property
    def name(self) -> str:
        """As gRPC has it in its path."""
        return f"/{self.service}/{self.method}"

    @property
    def served(self) -> bool:
        """Otherwise it is answered UNIMPLEMENTED, and has no messages."""
        return self.request is not EtcdMessage


_KV, _WATCH, _LEASE = "etcdserverpb.KV", "etcdserverpb.Watch", "etcdserverpb.Lease"
_CLUSTER, _MAINTENANCE, _AUTH = "etcdserverpb.Cluster", "etcdserverpb.Maintenance", "etcdserverpb.Auth"
_LOCK, _ELECTION = "v3lockpb.Lock", "v3electionpb.Election"


def _of_lease(path: str) -> tuple[str, ...]:
    return f"/lease/{path}", f"/kv/lease/{path}"


RPCS: tuple[Rpc, ...] = (
    Rpc(_KV, "Range", ("/kv/range",), kv.RangeRequest, kv.RangeResponse),
    Rpc(_KV, "Put", ("/kv/put",), kv.PutRequest, kv.PutResponse),
    Rpc(_KV, "DeleteRange", ("/kv/deleterange",), kv.DeleteRangeRequest, kv.DeleteRangeResponse),
    Rpc(_KV, "Txn", ("/kv/txn",), kv.TxnRequest, kv.TxnResponse),
    Rpc(_KV, "Compact", ("/kv/compaction",), kv.CompactionRequest, kv.CompactionResponse),
    Rpc(_WATCH, "Watch", ("/watch",), watch.WatchRequest, watch.WatchResponse, Shape.BOTH_STREAM),
    Rpc(_LEASE, "LeaseGrant", ("/lease/grant",), lease.LeaseGrantRequest, lease.LeaseGrantResponse),
    Rpc(_LEASE, "LeaseRevoke", _of_lease("revoke"), lease.LeaseRevokeRequest, lease.LeaseRevokeResponse),
    Rpc(
        _LEASE,
        "LeaseKeepAlive",
        ("/lease/keepalive",),
        lease.LeaseKeepAliveRequest,
        lease.LeaseKeepAliveResponse,
        Shape.BOTH_STREAM,
    ),
    Rpc(
        _LEASE,
        "LeaseTimeToLive",
        _of_lease("timetolive"),
        lease.LeaseTimeToLiveRequest,
        lease.LeaseTimeToLiveResponse,
    ),
    Rpc(_LEASE, "LeaseLeases", _of_lease("leases"), lease.LeaseLeasesRequest, lease.LeaseLeasesResponse),
    Rpc(_LOCK, "Lock", ("/lock/lock",), concurrency.LockRequest, concurrency.LockResponse, waits=True),
    Rpc(_LOCK, "Unlock", ("/lock/unlock",), concurrency.UnlockRequest, concurrency.UnlockResponse),
    Rpc(
        _ELECTION,
        "Campaign",
        ("/election/campaign",),
        concurrency.CampaignRequest,
        concurrency.CampaignResponse,
        waits=True,
    ),
    Rpc(_ELECTION, "Proclaim", ("/election/proclaim",), concurrency.ProclaimRequest, concurrency.ProclaimResponse),
    Rpc(_ELECTION, "Leader", ("/election/leader",), concurrency.LeaderRequest, concurrency.LeaderResponse),
    Rpc(
        _ELECTION,
        "Observe",
        ("/election/observe",),
        concurrency.LeaderRequest,
        concurrency.LeaderResponse,
        Shape.SERVER_STREAM,
    ),
    Rpc(_ELECTION, "Resign", ("/election/resign",), concurrency.ResignRequest, concurrency.ResignResponse),
    Rpc(
        _CLUSTER,
        "MemberList",
        ("/cluster/member/list",),
        cluster.MemberListRequest,
        cluster.MemberListResponse,
        open=True,
    ),
    Rpc(_CLUSTER, "MemberAdd", ("/cluster/member/add",)),
    Rpc(_CLUSTER, "MemberRemove", ("/cluster/member/remove",)),
    Rpc(_CLUSTER, "MemberUpdate", ("/cluster/member/update",)),
    Rpc(_CLUSTER, "MemberPromote", ("/cluster/member/promote",)),
    Rpc(
        _MAINTENANCE,
        "Status",
        ("/maintenance/status",),
        cluster.StatusRequest,
        cluster.StatusResponse,
        open=True,
    ),
    Rpc(_MAINTENANCE, "Alarm", ("/maintenance/alarm",), cluster.AlarmRequest, cluster.AlarmResponse),
    Rpc(_MAINTENANCE, "Hash", ("/maintenance/hash",), cluster.HashRequest, cluster.HashResponse),
    Rpc(_MAINTENANCE, "HashKV", ("/maintenance/hashkv",), cluster.HashKVRequest, cluster.HashKVResponse),
    Rpc(
        _MAINTENANCE,
        "Defragment",
        ("/maintenance/defragment",),
        cluster.DefragmentRequest,
        cluster.DefragmentResponse,
    ),
    Rpc(
        _MAINTENANCE,
        "MoveLeader",
        ("/maintenance/transfer-leadership",),
        cluster.MoveLeaderRequest,
        cluster.MoveLeaderResponse,
    ),
    Rpc(_MAINTENANCE, "Snapshot", ("/maintenance/snapshot",), shape=Shape.SERVER_STREAM),
    Rpc(_MAINTENANCE, "Downgrade", ("/maintenance/downgrade",)),
    Rpc(
        _AUTH,
        "Authenticate",
        ("/auth/authenticate",),
        auth.AuthenticateRequest,
        auth.AuthenticateResponse,
        open=True,
    ),
    Rpc(_AUTH, "AuthStatus", ("/auth/status",), auth.AuthStatusRequest, auth.AuthStatusResponse, open=True),
    Rpc(_AUTH, "UserList", ("/auth/user/list",), auth.AuthUserListRequest, auth.AuthUserListResponse),
    Rpc(_AUTH, "UserGet", ("/auth/user/get",), auth.AuthUserGetRequest, auth.AuthUserGetResponse),
    Rpc(_AUTH, "RoleList", ("/auth/role/list",), auth.AuthRoleListRequest, auth.AuthRoleListResponse),
    Rpc(_AUTH, "RoleGet", ("/auth/role/get",), auth.AuthRoleGetRequest, auth.AuthRoleGetResponse),
    Rpc(_AUTH, "AuthEnable", ("/auth/enable",)),
    Rpc(_AUTH, "AuthDisable", ("/auth/disable",)),
    Rpc(_AUTH, "UserAdd", ("/auth/user/add",)),
    Rpc(_AUTH, "UserDelete", ("/auth/user/delete",)),
    Rpc(_AUTH, "UserChangePassword", ("/auth/user/changepw",)),
    Rpc(_AUTH, "UserGrantRole", ("/auth/user/grant",)),
    Rpc(_AUTH, "UserRevokeRole", ("/auth/user/revoke",)),
    Rpc(_AUTH, "RoleAdd", ("/auth/role/add",)),
    Rpc(_AUTH, "RoleDelete", ("/auth/role/delete",)),
    Rpc(_AUTH, "RoleGrantPermission", ("/auth/role/grant",)),
    Rpc(_AUTH, "RoleRevokePermission", ("/auth/role/revoke",)),
)
"""All of etcd's API: those without messages are not served."""

BY_METHOD = {rpc.name: rpc for rpc in RPCS}
BY_PATH = {path: rpc for rpc in RPCS for path in rpc.paths}


class EtcdService(Protocol):
    """What codecs call. All of it raises EtcdError, and nothing else, for what a client or the cluster can cause."""

    async def caller(self, rpc: Rpc, scope: Any, shown: bytes | None, seconds: float | None = None) -> Caller:
        """Who asks. `scope`: the ASGI scope. `shown`: a token as it came, bare or as `Bearer <token>`, None for none.
        `seconds`: the caller's own deadline."""

    async def call(self, rpc: Rpc, request: EtcdMessage, caller: Caller) -> EtcdMessage:
        """Carry out an unary call. `request`: of the type `rpc.request`; what is not served is refused."""

    def stream(
        self, rpc: Rpc, requests: AsyncIterator[EtcdMessage], caller: Caller
    ) -> AsyncGenerator[EtcdMessage, None]:
        """Carry out a call with streams; for one with a single request, `requests` gives one."""
