"""uvicorn with a node's settings, signals and shutdown."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from coterie.app.http.protocol import MakeHttp2, bounded_protocol, bounded_socket
from coterie.app.observability.metrics.http import HttpMetrics
from coterie.app.settings.live import LiveSettings
from coterie.app.settings.tables import HttpSettings
from coterie.consensus.raft.net.tls_listener import TlsListener

MAX_HANDSHAKES = 512
"""TLS handshakes under way."""


class HttpServer(uvicorn.Server):
    """uvicorn, but for its handling of signals, which would kill the process with the signal it was stopped by."""

    def __init__(
        self,
        app: ASGIApp,
        limits: HttpSettings,
        figures: HttpMetrics,
        live: LiveSettings,
        on_start: Callable[[], None],
        stopping: asyncio.Event,
        tls: ssl.SSLContext | None,
        make_http2: MakeHttp2 | None = None,
    ) -> None:
        """`stopping` is set by `stop`: what never ends by itself ends then. Without `make_http2`: HTTP/1 alone."""
        self._tls = tls
        self._limits = limits
        super().__init__(
            uvicorn.Config(
                app,
                http=bounded_protocol(limits, figures, make_http2),
                ws=bounded_socket(limits, figures),
                ws_max_size=live.max_message_bytes,
                ws_ping_interval=live.heartbeat,
                ws_ping_timeout=live.heartbeat,
                # Events are encoded once for all; deflate would encode them anew for each, and keep memory for it.
                ws_per_message_deflate=False,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=limits.backlog,
                timeout_keep_alive=limits.keep_alive_seconds,
                timeout_graceful_shutdown=limits.shutdown_seconds,
                h11_max_incomplete_event_size=limits.max_query_bytes + limits.max_header_bytes,
            )
        )
        self._on_start = on_start
        self._stop = stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets if self._tls is None else [])
        if self._tls is not None:
            make_protocol = partial(
                self.config.http_protocol_class,  # type: ignore[call-arg]
                config=self.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
            )
            self.servers = [
                TlsListener(each, self._tls, make_protocol, self._limits.head_seconds, MAX_HANDSHAKES)  # type: ignore[misc]
                for each in sockets or ()
            ]
        self._on_start()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        """Until told to stop. A turn a second, for the `Date` header; uvicorn's own looks ten times a second."""
        while not (self._stop.is_set() or await self.on_tick(0)):
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._stop.wait()

    def stop(self) -> None:
        self.should_exit = True
        self._stop.set()
