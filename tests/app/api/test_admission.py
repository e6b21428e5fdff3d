"""Requests are refused before memory grows, told when to come back, and let in again once there is room."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.types import ASGIApp

from coterie.app.api.app import create_app
from coterie.app.http.protocol import bounded_protocol
from coterie.app.observability.metrics.http import HttpMetrics
from coterie.app.settings.tables import HttpSettings
from coterie.gossip import GossipNode
from tests.app.api.conftest import gossip_node, raw_request
from tests.app.api.servers import serving
from tests.waiting import PATIENCE_SECONDS, eventually

pytestmark = pytest.mark.anyio

BODY = 1_000


class Pending:
    """A request whose body does not come before it is told to."""

    def __init__(self, app: ASGIApp, headers: list[tuple[bytes, bytes]], client: str = "127.0.0.1") -> None:
        self._body: asyncio.Queue[Any] = asyncio.Queue()
        self.sent: list[Any] = []

        async def send(message: Any) -> None:
            self.sent.append(message)

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "PUT", "scheme": "http",
            "path": "/v1/kv/a", "raw_path": b"/v1/kv/a", "query_string": b"", "root_path": "",
            "headers": [(b"host", b"localhost"), *headers], "client": (client, 1), "server": ("127.0.0.1", 2),
        }  # fmt: skip
        self.task = asyncio.ensure_future(app(scope, self._body.get, send))

    async def finish(self) -> int:
        """Send the body: the status."""
        await self._body.put({"type": "http.request", "body": b"x", "more_body": False})
        await self.task
        status: int = self.sent[0]["status"]
        return status


@pytest.fixture
async def node() -> AsyncIterator[GossipNode]:
    node = gossip_node()
    yield node
    await node.stop()


def declared(size: int) -> list[tuple[bytes, bytes]]:
    return [(b"content-length", str(size).encode())]


async def ask(app: ASGIApp, method: str = "PUT", path: bytes = b"/v1/kv/b", headers: Any = ()) -> tuple[int, str, Any]:
    """Status, code, and the header Retry-After."""
    answer = await raw_request(app, method, path, headers=headers, chunks=(b"x",))
    code = answer.json()["error"]["code"] if answer.status >= 400 else ""
    return answer.status, code, answer.headers.get("retry-after")


@pytest.mark.parametrize(
    "headers", [declared(BODY), [(b"transfer-encoding", b"chunked")]], ids=["of known length", "of any length"]
)
async def test_bodies_take_no_more_than_they_may_together(node: GossipNode, headers: list[tuple[bytes, bytes]]) -> None:
    figures = HttpMetrics()
    limits = HttpSettings(max_bodies_bytes=2 * BODY, max_body_bytes=BODY)
    app = create_app(node, limits, figures=figures)
    two = [Pending(app, headers), Pending(app, headers)]
    await asyncio.sleep(0)
    assert await ask(app, headers=declared(1)) == (503, "overloaded", "1")
    assert figures.refused["overloaded"] == 1
    # What carries nothing is let in.
    assert (await ask(app, "GET", b"/v1/kv"))[0] == 200
    assert await two[0].finish() == 200
    assert (await ask(app, headers=declared(1)))[0] == 200
    assert await two[1].finish() == 200


async def test_a_single_body_is_let_in_whatever_the_limit(node: GossipNode) -> None:
    app = create_app(node, HttpSettings(max_bodies_bytes=1))
    assert (await ask(app, headers=declared(BODY)))[0] == 200


async def test_one_client_has_so_many_requests_at_a_time_and_others_have_theirs(node: GossipNode) -> None:
    figures = HttpMetrics()
    app = create_app(node, HttpSettings(max_requests_per_client=2), figures=figures)
    two = [Pending(app, declared(1)), Pending(app, declared(1))]
    await asyncio.sleep(0)
    assert await ask(app) == (429, "too_many_requests", "1")
    other = Pending(app, declared(1), client="127.0.0.2")
    assert await other.finish() == 200
    # Whoever watches the node is let in.
    assert (await ask(app, "GET", b"/metrics"))[0] == 200
    two[0].task.cancel()
    await asyncio.gather(two[0].task, return_exceptions=True)
    assert (await ask(app))[0] == 200
    assert await two[1].finish() == 200
    assert figures.refused["too_many_requests"] == 1
    assert figures.in_flight == 0


async def status_of(address: Any, path: str) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


async def test_a_client_that_takes_nothing_is_cut_off_and_nothing_piles_up_behind_it(node: GossipNode) -> None:
    # More than the system's buffers hold.
    for number in range(1_500):
        node.set(f"key-{number}", "x" * 16_000)
    figures = HttpMetrics()
    limits = HttpSettings(send_seconds=6, max_unsent_bytes=100_000)
    app = create_app(node, limits, figures=figures)
    async with serving(app, bounded_protocol(limits, figures)) as address:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            client.connect(address)
            client.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            await eventually(lambda: bool(figures.unsent))
            assert figures.unsent_bytes() > limits.max_unsent_bytes
            status, body = await status_of(address, "/v1/members")
            assert (status, json.loads(body)["error"]["code"]) == (503, "overloaded")
            assert (await status_of(address, "/metrics"))[0] == 200
            await eventually(lambda: figures.slow_clients == 1)
        await eventually(lambda: not figures.unsent)
        assert (await status_of(address, "/v1/members"))[0] == 200
        # A client that takes what it asked for is not cut off.
        status, body = await status_of(address, "/")
        assert (status, len(json.loads(body)["cluster_state"]["node_states"])) == (200, 1)
        assert figures.slow_clients == 1
