"""Clients of live updates in tests: every message is held to its documented model, and a drawing follows them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from coterie.app.wire.live.messages import live_message
from coterie.gossip import Address
from tests.waiting import PATIENCE_SECONDS


class Drawing:
    """What a page holds: made of messages alone."""

    def __init__(self) -> None:
        self.hello: dict[str, Any] = {}
        self.ready: dict[str, Any] | None = None
        self.ended: dict[str, Any] | None = None
        self.last_id: str | None = None
        self.members: dict[tuple[str, int], str] = {}
        self.gossip: dict[tuple[str, str], str | None] = {}
        self.metadata: dict[str, str | None] = {}
        self.queues: dict[tuple[str, str], Any] = {}
        self.raft: dict[str, Any] = {}
        self.decisions: list[Any] = []
        self.samples: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []

    def take(self, message: dict[str, Any]) -> None:
        live_message.validate_python(message)
        match message["type"]:
            case "hello":
                self.hello = message
                if not message["resumed"]:
                    self.ready = None
                    self.members, self.gossip, self.raft = {}, {}, {}
                    self.queues, self.decisions = {}, []
            case "snapshot":
                self._snapshot(message)
            case "ready":
                self.ready = message
                self.last_id = message["id"]
            case "events":
                for event in message["events"]:
                    self._event(event)
                self.last_id = message["id"]
            case "sample":
                assert message["time"] > self.samples.get(message["kind"], message | {"time": 0.0})["time"], (
                    "told twice"
                )
                self.samples[message["kind"]] = message
            case "heartbeat":
                assert message["time"] > self.samples.get("heartbeat", message | {"time": 0.0})["time"], "told twice"
                self.samples["heartbeat"] = message
                self.last_id = message["id"]
            case "end":
                self.ended = message["error"]

    def _snapshot(self, message: dict[str, Any]) -> None:
        match message["part"]:
            case "members":
                self.members = {(each["node_id"], each["generation"]): each["status"] for each in message["members"]}
            case "raft":
                self.raft, self.decisions = message["raft"], message["decisions"]
            case "gossip":
                self.gossip.update({(each["node"], each["key"]): each["value"] for each in message["keys"]})
            case "metadata":
                self.metadata.update({each["key"]: each["value"] for each in message["keys"]})
            case "metadata_changes":
                for change in message["changes"]:
                    self._change(change)
            case "queues":
                self.queues.update({(each["queue"], each["name"]): each for each in message["queues"]})

    def _event(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        match event["kind"]:
            case "members":
                member = event["member"]
                self.members[member["node_id"], member["generation"]] = event["change"]
            case "raft":
                self.raft = event["raft"]
            case "decisions":
                self.decisions.append(event["decision"])
            case "gossip" if event["change"] == "set":
                self.gossip[event["node"], event["key"]] = event["value"]
            case "gossip":
                self.gossip.pop((event["node"], event["key"]), None)
            case "metadata":
                self._change(event)
            case "queues":
                self.queues[event["queue"], event["name"]] = event

    def _change(self, change: dict[str, Any]) -> None:
        if change["change"] == "put":
            self.metadata[change["key"]] = change["value"]
        else:
            self.metadata.pop(change["key"], None)


class Client:
    """Over a WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.drawing = Drawing()

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            message: dict[str, Any] = json.loads(await self.connection.recv())
        self.drawing.take(message)
        return message

    async def until(self, holds: Any) -> Drawing:
        """Read on until the drawing is as wished."""
        while not holds(self.drawing):
            await self.next()
        return self.drawing

    async def ready(self) -> Drawing:
        return await self.until(lambda drawing: drawing.ready is not None)

    async def say(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))


@asynccontextmanager
async def listening(address: Address, query: str = "", **options: Any) -> AsyncIterator[Client]:
    """A client whose drawing begins."""
    url = f"ws://{address}/v1/ws" + (f"?{query}" if query else "")
    async with connect(url, open_timeout=PATIENCE_SECONDS, max_size=None, proxy=None, **options) as connection:
        yield Client(connection)
