"""An application on a real port of the system's choice, as the node serves it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from coterie.app.http.protocol import bounded_protocol, bounded_socket
from coterie.app.observability.metrics.http import HttpMetrics
from coterie.app.settings.live import LiveSettings
from coterie.app.settings.tables import HttpSettings
from coterie.gossip import Address


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: ASGIApp, protocol: type[asyncio.Protocol] | None = None) -> AsyncIterator[Address]:
    """Serve until the end of the block."""
    sock = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=protocol or bounded_protocol(HttpSettings()),
        ws=bounded_socket(HttpSettings(), HttpMetrics()),
        ws_max_size=LiveSettings().max_message_bytes,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        yield Address(*sock.getsockname())
    finally:
        server.should_exit = True
        await task
