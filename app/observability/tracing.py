"""Distributed traces: the hooks that the rest of the node knows.

A write is one trace, whichever node it enters: the entry node continues the client's W3C `traceparent`, sends it to the
leader with the request, over HTTP or Raft's links, and the Raft proposal up to its result is a span of its own. The
OpenTelemetry SDK is an optional extra (`coterie[otel]`); without `tracing.endpoint` nothing of it is imported, and no
hook is set.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coterie.app.observability.metrics.http import route_of

Headers = list[tuple[bytes, bytes]]

SHUTDOWN_SECONDS = 2.0
"""How long a stopping node tries to hand over the last spans."""


class Span(Protocol):
    def set(self, name: str, value: str | int) -> None: ...

    def fail(self, why: str) -> None: ...


class Tracer(Protocol):
    """What `app/observability/otel.py` does with the SDK."""

    def serve(self, headers: Headers, name: str) -> AbstractContextManager[Span]:
        """A request that came in; it belongs to the trace that `headers` name."""

    def call(self, name: str) -> AbstractContextManager[Span]:
        """A request to another node, within the one being served."""

    def step(self, name: str) -> AbstractContextManager[object]:
        """Something that this node does for the request being served."""

    def carried(self) -> str:
        """The `traceparent` of what is at hand; empty where there is nothing, or it is not recorded."""

    def forwarded(self, name: str, traceparent: str) -> Callable[[str], None]:
        """A call that another member of the Raft group passed on to this one. Returns what ends it, with why it was
        refused or an empty text."""

    def inject(self, headers: Headers) -> None:
        """Put the trace at hand in the place of what `headers` say."""


class TracingMiddleware:
    """ASGI middleware: a span for each request."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        with self._tracer.serve(scope["headers"], method) as span:

            async def watch(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.fail(str(message["status"]))
                await send(message)

            try:
                await self._app(scope, receive, watch)
            finally:
                # The template, never the path: a key may be a secret.
                span.set("http.route", route_of(scope))
                span.set("http.request.method", method)
