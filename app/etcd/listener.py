"""The listener of etcd's API: its paths, its gate, its server; and what nodes without metadata pass on."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import orjson
import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from coterie.app.api.context import Context
from coterie.app.auth.authority import PRINCIPAL, Authority
from coterie.app.etcd.gateway.gateway import JsonGateway, api_error_response
from coterie.app.etcd.messages.fields import EtcdMessage
from coterie.app.etcd.rpcs import BY_PATH, Caller, EtcdService, Rpc
from coterie.app.etcd.service.access import Access
from coterie.app.etcd.service.cluster import VERSION
from coterie.app.etcd.service.local import LocalEtcd
from coterie.app.etcd.service.remote import RemoteEtcd
from coterie.app.http.errors import ApiError
from coterie.app.http.forwarding import FORWARDED_ETCD, MARK
from coterie.app.http.gate.gate import HttpGate
from coterie.app.http.protocol import MakeHttp2
from coterie.app.http.server import HttpServer
from coterie.app.observability.metrics.http import HttpMetrics
from coterie.app.settings.etcd import EtcdSettings
from coterie.app.settings.live import LiveSettings
from coterie.app.settings.tables import HttpSettings
from coterie.app.wire.errors import Code

log = structlog.stdlib.get_logger("etcd")

_MOUNTS = ("/v3", "/v3beta")
"""Where the gateway begins; the second is what clients of etcd 3.3 ask."""

_PLAIN = {"content-type": "application/json"}


class EtcdApi:
    """etcd's API of one node: an `EtcdService` that carries calls out here, or has the leader do it."""

    def __init__(self, context: Context, settings: EtcdSettings, *, tls: bool) -> None:
        access = Access(context, settings, tls)
        self._context = context
        self._local, self._remote = LocalEtcd(access), RemoteEtcd(access)
        self._gateway = JsonGateway(self, context.limits, context.stopping)

    @property
    def _service(self) -> EtcdService:
        """Of now: a node may come to have the metadata, or lose it."""
        return self._remote if self._context.raft.metadata is None else self._local

    async def caller(self, rpc: Rpc, scope: Any, shown: bytes | None, seconds: float | None = None) -> Caller:
        return await self._service.caller(rpc, scope, shown, seconds)

    async def call(self, rpc: Rpc, request: EtcdMessage, caller: Caller) -> EtcdMessage:
        return await self._service.call(rpc, request, caller)

    def stream(
        self, rpc: Rpc, requests: AsyncIterator[EtcdMessage], caller: Caller
    ) -> AsyncGenerator[EtcdMessage, None]:
        return self._service.stream(rpc, requests, caller)

    async def forwarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application behind the gate of the node's own API: what other nodes pass on. Raises ApiError."""
        if not any(name == MARK for name, _ in scope["headers"]):
            raise ApiError(Code.NOT_FOUND, "this path is for nodes alone; etcd's API is served at etcd.listen_addr")
        self._context.refuse_other_cluster(scope)
        await JsonGateway(self._local, self._context.limits, self._context.stopping)(
            scope["path"][len(FORWARDED_ETCD) :], scope, receive, send
        )

    async def listening(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application behind a gate of its own: etcd's paths."""
        path: str = scope["path"]
        if scope["type"] == "http" and scope["method"] in {"GET", "HEAD"}:
            shown = self._plain(path)
            if shown is not None:
                await shown(scope, receive, send)
                return
        mount = next((each for each in _MOUNTS if path.startswith(f"{each}/")), "")
        await self._gateway(path[len(mount) :] if mount else "", scope, receive, send)

    def _plain(self, path: str) -> Response | None:
        """What clients ask for beside the calls."""
        if path == "/version":
            return Response(orjson.dumps({"etcdserver": VERSION, "etcdcluster": VERSION}), headers=_PLAIN)
        if path == "/health":
            context = self._context
            problem = context.raft.problem(context.settings.watch_max_staleness)
            if problem is None:
                return Response(orjson.dumps({"health": "true", "reason": ""}), headers=_PLAIN)
            return Response(orjson.dumps({"health": "false", "reason": problem}), 503, headers=_PLAIN)
        return None


class _EtcdAuthority:
    """Lets requests in: tokens come bare too, and some calls ask for none. Rights are the service's to check."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    async def admit(self, scope: Scope, shown: bytes | None) -> tuple[Any, ...]:
        """Raises ApiError."""
        if shown is not None and shown[:7].lower() != b"bearer ":
            shown = b"Bearer " + shown
        try:
            scope[PRINCIPAL] = await self._authority.identify(scope, shown)
        except ApiError:
            if not _is_open(scope["path"]):
                raise
            scope[PRINCIPAL] = self._authority.anonymous
        return ()

    def share_of(self, scope: Scope) -> str:
        return self._authority.share_of(scope)

    def ended(self, scope: Scope, rights: tuple[Any, ...], status: int) -> None:
        """Nothing is noted."""

    def stream(self, scope: Scope, end: Callable[[bool], None]) -> object:
        return self._authority.stream(scope, end)

    def stream_ended(self, mark: object) -> None:
        self._authority.stream_ended(mark)


def _is_open(path: str) -> bool:
    """Whether a path is answered whatever token comes with it."""
    mount = next((each for each in _MOUNTS if path.startswith(f"{each}/")), None)
    if mount is None:
        return True
    rpc = BY_PATH.get(path[len(mount) :])
    return rpc is None or rpc.open


def etcd_gate(api: EtcdApi, authority: Authority, limits: HttpSettings, figures: HttpMetrics) -> ASGIApp:
    """`api` behind limits and tokens."""
    return HttpGate(api.listening, limits, figures, _EtcdAuthority(authority), api_error_response)


def etcd_server(
    api: EtcdApi,
    authority: Authority,
    limits: HttpSettings,
    figures: HttpMetrics,
    live: LiveSettings,
    stopping: asyncio.Event,
    tls: ssl.SSLContext | None,
) -> HttpServer:
    """Serves it on a socket of its own."""
    gate = etcd_gate(api, authority, limits, figures)
    http2 = _http2(api, authority, limits, figures, stopping)
    return HttpServer(gate, limits, figures, live, lambda: None, stopping, tls, http2)


def _http2(
    api: EtcdApi, authority: Authority, limits: HttpSettings, figures: HttpMetrics, stopping: asyncio.Event
) -> MakeHttp2 | None:
    """None where the extra `grpc` is not installed."""
    try:
        from coterie.app.etcd.grpc.beside import http2_with_grpc  # noqa: PLC0415 - an optional extra
    except ModuleNotFoundError as error:
        log.warning("etcd's API is served as JSON alone: for gRPC, install coterie[grpc]", missing=error.name)
        return None
    return http2_with_grpc(api, authority, limits, figures, stopping)
