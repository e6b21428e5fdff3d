"""Streams over real connections: what a cut one looks like to its client, with either of uvicorn's parsers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from coterie.app.http import protocol as http_protocol
from coterie.app.http.protocol import bounded_protocol
from coterie.app.http.streams import abort, while_wanted
from coterie.app.settings.tables import HttpSettings
from tests.app.api.servers import serving

pytestmark = pytest.mark.anyio

REQUEST = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture(params=["httptools", pytest.param("h11", marks=pytest.mark.slow)])
def protocol(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[asyncio.Protocol]:
    if request.param == "h11":
        monkeypatch.setattr(http_protocol, "HttpToolsProtocol", None)
    return bounded_protocol(HttpSettings())


async def begin(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})


async def test_an_aborted_answer_has_no_end(protocol: type[asyncio.Protocol]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send)
        await going_on.wait()
        await abort(scope, receive)

    going_on = asyncio.Event()
    async with serving(app, protocol) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(REQUEST)
        assert (await reader.readuntil(b"begun\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        going_on.set()
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readuntil(b"0\r\n\r\n")
        writer.close()


async def test_work_ends_when_its_client_leaves(protocol: type[asyncio.Protocol]) -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await begin(send)
        await while_wanted(work(), receive, asyncio.Event())

    async with serving(app, protocol) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(REQUEST)
        await reader.readuntil(b"begun\r\n")
        writer.close()
        async with asyncio.timeout(30):
            await ended.wait()


async def _no_receive() -> Any:
    raise AssertionError("not to be asked")


async def test_another_servers_way_to_end_is_an_exception() -> None:
    with pytest.raises(ConnectionAbortedError):
        await abort({"type": "http"}, _no_receive)


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parametrize("frames", [b"\x83\x80\0\0\0\0", b"\x81\x05plain"], ids=["unknown kind", "no mask"])
async def test_broken_frames_before_the_handshake_is_answered_end_the_connection(
    frames: bytes, protocol: type[asyncio.Protocol], caplog: pytest.LogCaptureFixture
) -> None:
    """They were an error in the loop, with a traceback in the log."""
    asked, heard = asyncio.Event(), []

    async def app(_: Scope, receive: Receive, _send: Send) -> None:
        heard.append((await receive())["type"])
        asked.set()
        heard.append((await receive())["type"])

    async with serving(app, protocol) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(HANDSHAKE)
        await asked.wait()
        writer.write(frames)
        async with asyncio.timeout(30):
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
        writer.close()
    assert heard == ["websocket.connect", "websocket.disconnect"]
    assert "Fatal error" not in caplog.text
