"""What a refused request leaves behind: nothing that waits for the garbage collector."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any, cast

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.utils import ClientDisconnected

from coterie.app.auth.authority import Authority
from coterie.app.http.errors import ApiError
from coterie.app.http.gate.gate import HttpGate
from coterie.app.observability.metrics.http import HttpMetrics
from coterie.app.settings.tables import HttpSettings
from coterie.app.wire.errors import Code
from tests.app.node.test_cut_short import Everybody

pytestmark = pytest.mark.anyio


class Anybody(Everybody):
    def stream(self, *_: object) -> None:
        pass

    stream_ended = ended = stream


class Body:
    """Stands for megabytes."""


def scope(kind: str) -> dict[str, Any]:
    return {
        "type": kind,
        "method": "POST",
        "path": "/v1/txn",
        "raw_path": b"/v1/txn",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
    }


async def refused(kind: str) -> Callable[[], Body | None]:
    seen: list[weakref.ref[Body]] = []

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        body = Body()
        seen.append(weakref.ref(body))
        try:
            raise ValueError("what was wrong with it")
        except ValueError:
            raise ApiError(Code.INVALID_REQUEST, "no") from None

    async def nothing(_message: Any = None) -> Any:
        return {"type": "http.disconnect"}

    gate = HttpGate(app, HttpSettings(), HttpMetrics(), cast(Authority, Anybody()))
    await gate(scope(kind), nothing, nothing)
    return seen[0]


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_refused_body_is_gone_at_once(kind: str) -> None:
    gc.collect()
    gc.disable()
    try:
        body = await refused(kind)
        assert body() is None
    finally:
        gc.enable()


async def test_a_websocket_whose_client_leaves_before_it_is_accepted_is_no_fault(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})

    async def gone(_message: Any = None) -> Any:
        raise ClientDisconnected

    gate = HttpGate(app, HttpSettings(), HttpMetrics(), cast(Authority, Anybody()))
    await gate(scope("websocket"), gone, gone)
    assert "internal error" not in capsys.readouterr().out
