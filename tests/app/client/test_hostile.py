"""Servers that send what no node does, programs that ask for what cannot be: typed errors, no waiting for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from math import inf, nan

import httpx
import pytest

from coterie.app.client import Client, ClientError, ClientLimits, Rule
from coterie.consensus import MetadataError, RefusedError

pytestmark = pytest.mark.anyio

SECONDS = 30.0

NO_TEXT = "\udcff"


class Body(httpx.AsyncByteStream):
    """Parts, and then nothing for ever; the last part goes on where `endless`."""

    def __init__(self, *parts: bytes, endless: bool = False) -> None:
        self._parts = parts
        self._endless = endless

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part
        while self._endless:
            await asyncio.sleep(0)
            yield self._parts[-1]
        await asyncio.Event().wait()


def client(body: Body, limits: ClientLimits | None = None) -> Client:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=body, headers={"Content-Type": "text/event-stream"})

    return Client("a:1", limits=limits, transport=httpx.MockTransport(answer))


BEGUN = b"id: 4\n: progress\n\n"


@pytest.mark.parametrize(
    "event",
    [
        b"id: 5\nevent: change\ndata: {}\n\n",
        b'id: 5\nevent: change\ndata: {"changes": 7}\n\n',
        b'id: 5\nevent: change\ndata: {"changes": [7]}\n\n',
        b'id: 5\nevent: change\ndata: {"changes": [{"key": 7, "type": "put", "prev": null}]}\n\n',
        b"id: 5\nevent: change\ndata: [\n\n",
    ],
)
async def test_a_watch_that_is_told_nonsense_ends(event: bytes) -> None:
    async with (
        asyncio.timeout(SECONDS),
        client(Body(BEGUN, event)) as asking,
        asking.metadata.watch_prefix(b"k") as watching,
    ):
        with pytest.raises(ClientError):
            await anext(watching)


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"{}"])
async def test_what_sends_no_events_is_no_node(body: bytes) -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=body, headers={"Content-Type": "text/html"})

    async with asyncio.timeout(SECONDS), Client("a:1", transport=httpx.MockTransport(answer)) as asking:
        with pytest.raises(ClientError, match="no node of Coterie"):
            await anext(asking.events())


@pytest.mark.parametrize(
    ("code", "details"), [("precondition_failed", {"mod_revision": "x"}), ("compacted", {"compacted": None})]
)
async def test_an_error_whose_details_are_nonsense_is_still_one(code: str, details: dict[str, object]) -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(412, json={"error": {"code": code, "message": "said so", "details": details}})

    async with asyncio.timeout(SECONDS), Client("a:1", transport=httpx.MockTransport(answer)) as asking:
        with pytest.raises(MetadataError):
            await asking.members()


async def test_an_event_without_end_is_not_kept() -> None:
    few = ClientLimits(max_event_bytes=10_000)
    async with (
        asyncio.timeout(SECONDS),
        client(Body(BEGUN, b"data: x\n", endless=True), few) as asking,
        asking.metadata.watch_prefix(b"k") as watching,
    ):
        with pytest.raises(ClientError, match="max_event_bytes"):
            await anext(watching)


async def test_many_events_in_one_part_are_not_one() -> None:
    few = ClientLimits(max_event_bytes=500)
    events = b"".join(b'id: %d\nevent: change\ndata: {"changes": []}\n\n' % revision for revision in range(5, 105))
    halves = (events[:2001], events[2001:])
    async with (
        asyncio.timeout(SECONDS),
        client(Body(BEGUN, *halves), few) as asking,
        asking.metadata.watch_prefix(b"k") as watching,
    ):
        while watching.revision < 104:
            await anext(watching)


async def test_a_closed_client_says_so() -> None:
    asking = client(Body(BEGUN))
    async with asyncio.timeout(SECONDS), asking, asking.metadata.watch_prefix(b"k"):
        await asking.aclose()
        with pytest.raises(ClientError, match="closed"):
            await asking.metadata.get(b"k")


@pytest.mark.parametrize("seconds", [nan, inf])
async def test_times_that_are_none_are_refused(seconds: float) -> None:
    async with client(Body()) as asking:
        with pytest.raises(RefusedError, match="number of seconds"):
            await asking.metadata.grant_lease(seconds)
        with pytest.raises(RefusedError, match="number of seconds"):
            await asking.metadata.bind_lease("node1", 1, seconds)
        with pytest.raises(RefusedError, match="must be a number"):  # as null it would be a token without end
            await asking.tokens.create([Rule("gossip", "read")], expires_in_seconds=seconds)


async def test_text_that_is_none_is_refused() -> None:
    async with client(Body()) as asking:
        for refused in (
            asking.kv.list(prefix=NO_TEXT),
            asking.kv.put("k", NO_TEXT),
            asking.kv.get(NO_TEXT),
            asking.raft.transfer(NO_TEXT),
            anext(asking.events(prefix=NO_TEXT)),
        ):
            with pytest.raises(MetadataError, match="UTF-8"):
                await refused
