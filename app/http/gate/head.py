"""HEAD: what GET would be answered with, without the body (RFC 9110, 9.3.2). Probes and `curl -I` ask so.

Handlers see a GET. What goes on without end, such as a watch, ends with its head.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coterie.app.http.gate.browser_guard import CHANGING_GETS
from coterie.app.observability.metrics.http import ROUTE


def is_head(scope: Scope) -> bool:
    """HEAD never changes anything: paths at which a GET does are left as they are, and refuse it."""
    return scope["method"] == "HEAD" and scope["path"] not in CHANGING_GETS


async def answer_head(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Raises what `app` raises."""
    ended = False

    async def send_head(message: Message) -> None:
        nonlocal ended
        if message["type"] == "http.response.start":
            await send(message)
        elif not ended:  # what is sent after that goes nowhere
            ended = True
            await send({"type": "http.response.body", "body": b""})

    async def receive_or_end() -> Message:
        return {"type": "http.disconnect"} if ended else await receive()

    as_get = {**scope, "method": "GET"}
    try:
        await app(as_get, receive_or_end, send_head)
    finally:
        scope.update({name: as_get[name] for name in (ROUTE, "route") if name in as_get})  # for the figures
