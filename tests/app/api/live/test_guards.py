"""A WebSocket passes the same guards as a request: tokens, their rights and their end, and the sites that may ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from coterie.app.api.app import create_app
from coterie.app.api.live.socket import SUBPROTOCOL
from coterie.gossip import Address, GossipNode
from tests.app.api.conftest import HTTP, RAFT, Part
from tests.app.api.servers import serving
from tests.app.auth.conftest import ADMIN, WRONG, bearer, closed, make
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

READS = [("cluster", "read"), ("gossip", "read"), ("metadata", "read"), ("locks", "read")]


@pytest.fixture
async def address(gossip: GossipNode, part: Part) -> AsyncIterator[Address]:
    """Of a node that allows nothing without a token."""
    stopping, authority = asyncio.Event(), closed(part)
    watching = asyncio.create_task(authority.watch())
    async with serving(create_app(gossip, HTTP, RAFT, part, stopping, authority=authority)) as address:
        yield address
        stopping.set()
    watching.cancel()


async def opened(address: Address, token: str | None, *, page: bool, origin: str | None = None) -> ClientConnection:
    """`page`: as a page does it, which cannot set headers."""
    subprotocols = [Subprotocol(SUBPROTOCOL), *([Subprotocol(token)] if token else [])] if page else None
    return await connect(
        f"ws://{address}/v1/ws",
        subprotocols=subprotocols,
        additional_headers=bearer(token) if token and not page else None,
        origin=None if origin is None else Origin(origin),
        open_timeout=PATIENCE_SECONDS,
        proxy=None,
    )


@pytest.mark.parametrize("page", [True, False])
async def test_a_good_token_opens_it(address: Address, page: bool) -> None:
    async with await opened(address, ADMIN, page=page) as socket:
        assert socket.subprotocol == (SUBPROTOCOL if page else None)
        assert "hello" in str(await socket.recv())


@pytest.mark.parametrize("page", [True, False])
@pytest.mark.parametrize(("token", "status"), [(None, 401), (WRONG, 401), ("of tokens alone", 403)])
async def test_any_other_does_not(address: Address, token: str | None, status: int, page: bool) -> None:
    if status == 403:
        async with httpx.AsyncClient(base_url=f"http://{address}", timeout=PATIENCE_SECONDS) as http:
            token = await make(http, [("tokens", "admin")])
    with pytest.raises(InvalidStatus) as refused:
        await opened(address, token, page=page)
    assert refused.value.response.status_code == status
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
        headers = bearer(token) if token else {}
        assert (await http.get(f"http://{address}/v1/events", headers=headers)).status_code == status


async def test_it_ends_with_its_token(address: Address) -> None:
    async with httpx.AsyncClient(base_url=f"http://{address}", timeout=PATIENCE_SECONDS) as http:
        token = await make(http, READS)
        async with await opened(address, token, page=True) as socket:
            assert (await http.delete(f"/v1/tokens/{token.split('_')[1]}", headers=bearer(ADMIN))).status_code == 200
            async with asyncio.timeout(PATIENCE_SECONDS):
                with suppress(ConnectionClosed):
                    while True:
                        await socket.recv()
            assert socket.close_code == 1008


@pytest.mark.parametrize(("origin", "opens"), [("http://evil.example", False), ("null", False), ("own", True)])
async def test_pages_of_other_sites_are_refused(address: Address, origin: str, opens: bool) -> None:
    own = f"http://{address}" if origin == "own" else origin
    if opens:
        async with await opened(address, ADMIN, page=True, origin=own) as socket:
            assert "hello" in str(await socket.recv())
    else:
        with pytest.raises(InvalidStatus) as refused:
            await opened(address, ADMIN, page=True, origin=own)
        assert refused.value.response.status_code == 403
