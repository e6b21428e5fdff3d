"""Accepts TLS connections one by one, so that a handshake counts from its accept on and has its time.

An event loop's own server holds any number of them, and a client that sends nothing costs a file descriptor each.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

RETRY_SECONDS = 0.1
"""How long the next accept waits where the system has no descriptor for it."""

SHUTDOWN_SECONDS = 2.0
"""How long a client may take to agree to the end of its connection."""


class TlsListener:
    """Stands for an `asyncio.Server`."""

    def __init__(
        self,
        listening: socket.socket,
        context: ssl.SSLContext,
        make_protocol: Callable[[], asyncio.Protocol],
        handshake_seconds: float,
        max_handshakes: int,
    ) -> None:
        """`max_handshakes`: most that are under way; a further one ends the oldest."""
        self._make_protocol = make_protocol
        self._context = context
        self._seconds = handshake_seconds
        self._most = max_handshakes
        self._loop = asyncio.get_running_loop()
        self._handshakes: dict[asyncio.Task[None], None] = {}
        self._accepting = self._loop.create_task(self._accept(listening), name="TLS connections")

    async def _accept(self, listening: socket.socket) -> None:
        with listening:
            await self._accept_all(listening)

    async def _accept_all(self, listening: socket.socket) -> None:
        while True:
            try:
                accepted, _ = await self._loop.sock_accept(listening)
            except OSError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            task = self._loop.create_task(self._shake_hands(accepted))
            self._handshakes[task] = None
            task.add_done_callback(self._handshakes.pop)
            if len(self._handshakes) > self._most:
                next(iter(self._handshakes)).cancel()
            await asyncio.sleep(0)  # uvloop accepts without a turn of the loop, and a task must begin before it ends

    async def _shake_hands(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._make_protocol,
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=self._seconds,
                ssl_shutdown_timeout=SHUTDOWN_SECONDS,
            )
        except OSError:  # it went away, sent no TLS, or took too long
            accepted.close()

    def close(self) -> None:
        for task in (self._accepting, *self._handshakes):
            task.cancel()

    async def wait_closed(self) -> None:
        with suppress(asyncio.CancelledError):
            await self._accepting
