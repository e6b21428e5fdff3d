"""gRPC beside the JSON gateway, on the same port."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from coterie.app.etcd.grpc.calls import CONTENT_TYPE, GrpcCalls, StreamAuthority
from coterie.app.etcd.grpc.http2.connection import HeldBodies, Http2Connection
from coterie.app.etcd.rpcs import EtcdService
from coterie.app.http.protocol import MakeHttp2
from coterie.app.observability.metrics.http import HttpMetrics
from coterie.app.settings.tables import HttpSettings


def http2_with_grpc(
    service: EtcdService,
    authority: StreamAuthority,
    limits: HttpSettings,
    figures: HttpMetrics,
    stopping: asyncio.Event,
) -> MakeHttp2:
    """What speaks HTTP/2 on the listener: gRPC, and for all else the listener's own application."""
    held = HeldBodies()
    calls = GrpcCalls(service, authority, limits, figures, held, stopping)

    def make(app: ASGIApp, connections: set[Any], tasks: set[asyncio.Task[None]]) -> asyncio.Protocol:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            is_grpc = any(
                name == b"content-type" and value.startswith(CONTENT_TYPE) for name, value in scope["headers"]
            )
            await (calls if is_grpc else app)(scope, receive, send)

        return Http2Connection(answer, limits, figures, held, connections, tasks)

    return make
