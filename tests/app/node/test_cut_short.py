"""A request that a stopping server does not wait for is answered, and never as if it had failed for certain."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import orjson
import pytest

from coterie.app.auth.authority import Authority
from coterie.app.http.gate.gate import HttpGate
from coterie.app.observability.metrics.http import HttpMetrics
from coterie.app.settings.tables import HttpSettings

pytestmark = pytest.mark.anyio


class Everybody:
    """Lets all in."""

    async def admit(self, scope: object, shown: object) -> tuple[()]:
        return ()

    def share_of(self, scope: object) -> str:
        return ""


@pytest.mark.parametrize(("method", "status", "code"), [("GET", 503, "unavailable"), ("PUT", 504, "outcome_unknown")])
async def test_what_is_cut_short_says_so(method: str, status: int, code: str) -> None:
    begun = asyncio.Event()

    async def endless(*_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    gate = HttpGate(endless, HttpSettings(), HttpMetrics(), cast(Authority, Everybody()))
    path = "/v1/meta/k"
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    task = asyncio.create_task(gate(scope, receive, send))
    await begun.wait()
    task.cancel()
    await task
    assert sent[0]["status"] == status
    assert orjson.loads(sent[1]["body"])["error"]["code"] == code
