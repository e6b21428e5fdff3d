"""Clients with narrow tokens at a node that serves them: what they are told, refused, and cut off from."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from coterie.app.api.app import create_app
from coterie.app.api.live import snapshot
from coterie.app.auth.authority import Authority
from coterie.app.settings.auth import TokenSetting
from coterie.app.settings.live import LiveSettings
from coterie.app.wire.tokens import Rule, hash_of
from coterie.consensus.store import Acquire, QueueKind
from coterie.gossip import Address, GossipNode
from tests.app.api.conftest import HTTP, RAFT, Part, gossip_node
from tests.app.api.live.clients import Client, listening
from tests.app.api.live.test_live import join, read_event
from tests.app.api.servers import serving
from tests.app.auth.conftest import TOKENS, bearer, closed
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

NARROW = "coterie_narrow_" + "d4" * 32

RULES = (
    Rule(layer="gossip", action="read", prefix="svc/"),
    Rule(layer="metadata", action="write", prefix="jobs/"),
    Rule(layer="metadata", action="read", prefix="cfg/"),
    Rule(layer="locks", action="read", prefix="jobs/"),
)

HIDDEN = "hidden"
"""In every key, name and value that the token may not read, and in nothing else."""


def tokens(*rules: Rule) -> tuple[TokenSetting, ...]:
    return (*TOKENS, TokenSetting(id="narrow", hash=hash_of(NARROW), rules=rules))


@pytest.fixture
async def gossip() -> AsyncIterator[GossipNode]:
    node = gossip_node()
    yield node
    await node.stop()


@pytest.fixture
def authority(part: Part) -> Authority:
    return closed(part, tokens=tokens(*RULES))


@pytest.fixture
async def address(
    gossip: GossipNode, part: Part, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Address]:
    """Of a node that allows nothing without a token, and makes short pages."""
    monkeypatch.setattr("coterie.app.auth.authority.LOOK_SECONDS", 0.02)
    monkeypatch.setattr(snapshot, "PAGE", 2)
    stopping = asyncio.Event()
    watching = asyncio.create_task(authority.watch())
    live = LiveSettings(interval=0.01, sample_interval=0.05, heartbeat=0.1, figures_interval=0.05)
    app = create_app(gossip, HTTP, RAFT, part, stopping, authority=authority, live_settings=live)
    async with serving(app) as address:
        yield address
        stopping.set()
    watching.cancel()


class Heard(Client):
    """Remembers every byte that it was told."""

    text = ""

    async def next(self) -> dict[str, Any]:
        message = await super().next()
        self.text += json.dumps(message)
        return message


async def write(gossip: GossipNode, part: Part, at: str) -> None:
    """A few things that the token may read, among others."""
    for key in ("svc/", f"svc/{at}/1", f"svc/{at}/2", f"{HIDDEN}/{at}", "sv"):
        gossip.set(key, HIDDEN if not key.startswith("svc/") else at)
    for key in (f"cfg/{at}/1", f"cfg/{at}/2", f"jobs/{at}/1", f"jobs/{at}/2", f"cfg-{HIDDEN}", f"{HIDDEN}/{at}"):
        await part.metadata.put(key.encode(), (HIDDEN if HIDDEN in key else at).encode())
    lease = (await part.metadata.grant_lease(600.0)).lease
    for name in (f"jobs/{at}", f"jobs/{at}/2", f"jobs/{at}/3", f"{HIDDEN}/{at}"):
        value = (HIDDEN if HIDDEN in name else at).encode()
        await part.metadata.submit(Acquire(QueueKind.LOCK, name.encode(), lease, value, 1, False))


def readable(*at: str) -> dict[str, Any]:
    """What a drawing holds then."""
    return {
        "gossip": {("node-a", f"svc/{a}/{n}"): a for a in at for n in "12"} | {("node-a", "svc/"): at[-1]},
        "metadata": {f"{layer}/{a}/{n}": a for layer in ("cfg", "jobs") for a in at for n in "12"},
        "queues": {("lock", f"jobs/{a}{n}") for a in at for n in ("", "/2", "/3")},
    }


def drawn(client: Client) -> dict[str, Any]:
    drawing = client.drawing
    return {"gossip": drawing.gossip, "metadata": drawing.metadata, "queues": set(drawing.queues)}


def check_nothing_hidden(client: Heard) -> None:
    assert client.drawing.members == {}
    assert client.drawing.raft == {}
    assert HIDDEN not in client.text
    assert "node-z" not in client.text


async def test_a_narrow_token_is_told_what_it_may_read_and_nothing_else(
    address: Address, gossip: GossipNode, part: Part
) -> None:
    await write(gossip, part, "before")
    async with listening(address, additional_headers=bearer(NARROW)) as plain:
        client = Heard(plain.connection)
        await client.ready()
        hello = client.drawing.hello
        cluster = ["convergence", "decisions", "figures", "gossip_links", "members", "phi", "raft"]
        assert sorted(hello["withheld"]) == cluster
        assert hello["kinds"] == ["gossip", "leases", "metadata", "queues"]
        assert hello["within"] == {"gossip": ["svc/"], "metadata": ["cfg/", "jobs/"], "queues": ["jobs/"]}
        assert drawn(client) == readable("before")

        await write(gossip, part, "after")
        join(gossip, f"{HIDDEN}/other")
        await client.until(lambda _: drawn(client) == readable("before", "after"))
        await client.until(lambda d: "heartbeat" in d.samples and "leases" in d.samples)
        resume, revision = client.drawing.last_id, (client.drawing.ready or {})["revision"]
        assert revision is not None

        await client.say(type="subscribe", kinds=["gossip", "raft"])
        while (refused := await client.next())["type"] != "error":
            pass
        assert (refused["error"]["code"], refused["error"]["parameter"]) == ("forbidden", "kinds")
        assert "'raft'" in refused["error"]["message"]
        assert "'cluster'" in refused["error"]["message"]
        assert client.drawing.hello is hello, "nothing has changed"

        assert set(client.drawing.samples) == {"heartbeat", "leases"}
        check_nothing_hidden(client)
    async with listening(address, f"revision={revision}", additional_headers=bearer(NARROW)) as plain:
        client = Heard(plain.connection)
        since = {**readable("before", "after"), "metadata": readable("after")["metadata"]}
        await client.until(lambda d: d.ready is not None and drawn(client) == since)  # pages may be a second old
        check_nothing_hidden(client)

    gossip.set("svc/later", "x")
    gossip.set(f"{HIDDEN}/later", HIDDEN)
    async with listening(address, f"last_id={resume}", additional_headers=bearer(NARROW)) as back:
        await back.until(lambda d: ("node-a", "svc/later") in d.gossip)
        assert back.drawing.hello["resumed"]
        assert [event["key"] for event in back.drawing.events] == ["svc/later"]
    plain_id = str(resume).partition("-")[0] + "-1"
    async with listening(address, f"last_id={plain_id}", additional_headers=bearer(NARROW)) as probe:
        await probe.ready()
        assert probe.drawing.hello["reason"] == "other_epoch"


async def test_the_same_as_server_sent_events(address: Address, gossip: GossipNode, part: Part) -> None:
    await write(gossip, part, "before")
    url = f"http://{address}/v1/events"
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS, headers=bearer(NARROW)) as http:
        for query, told in (
            ("kinds=gossip,figures", "the layer 'cluster', which the kind 'figures'"),
            ("kinds=metadata&prefix=other/", "the layer 'metadata' at 'other/'"),
            ("kinds=members", "the layer 'cluster', which the kind 'members'"),
        ):
            refused = await http.get(f"{url}?{query}")
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
            assert told in refused.json()["error"]["message"]
        heard: list[dict[str, Any]] = []
        async with http.stream("GET", f"{url}?prefix=svc/before/1") as stream:
            lines = stream.aiter_lines()
            while not heard or heard[-1]["event"] != "ready":
                heard.append(await read_event(lines))
            gossip.set(f"{HIDDEN}/x", HIDDEN)
            await part.metadata.put(b"jobs/x", b"x")  # not within the prefix
            gossip.set("svc/before/1", "again")
            while heard[-1]["event"] != "gossip":
                heard.append(await read_event(lines))
        last = heard[-1]["id"]
        assert last == heard[-1]["data"]["id"]
        assert heard[0]["data"]["kinds"] == ["gossip", "leases", "queues"]
        assert "metadata" in heard[0]["data"]["withheld"]
        assert heard[0]["data"]["within"] == {"queues": ["jobs/"]}
        keys = [key["key"] for each in heard for key in each["data"].get("keys", [])]
        assert keys == ["svc/before/1"]
        assert HIDDEN not in json.dumps(heard)
        async with http.stream("GET", f"{url}?kinds=gossip", headers={"Last-Event-ID": last}) as stream:
            assert (await read_event(stream.aiter_lines()))["data"]["resumed"] is True


async def test_a_token_that_is_narrowed_ends_its_streams_and_begins_anew(
    address: Address, gossip: GossipNode, authority: Authority
) -> None:
    gossip.set("svc/a", "1")
    async with listening(address, additional_headers=bearer(NARROW)) as client:
        await client.ready()
        last = client.drawing.last_id
        authority.swap(authority.settings.model_copy(update={"tokens": tokens(*RULES[:2])}))
        async with asyncio.timeout(PATIENCE_SECONDS):
            with suppress(ConnectionClosed):
                while True:
                    await client.connection.recv()
        assert (client.connection.close_code, client.connection.close_reason) == (1008, "rights_changed")
    async with listening(address, f"last_id={last}", additional_headers=bearer(NARROW)) as client:
        drawing = await client.ready()
        assert drawing.hello["reason"] == "other_epoch", "an id of other rights is good for nothing"
        assert {"queues", "leases"} < set(drawing.hello["withheld"])
        assert drawing.gossip == {("node-a", "svc/a"): "1"}


async def test_who_may_read_gossip_alone_is_not_told_the_revision(address: Address, authority: Authority) -> None:
    authority.swap(authority.settings.model_copy(update={"tokens": tokens(RULES[0])}))
    async with listening(address, additional_headers=bearer(NARROW)) as client:
        drawing = await client.ready()
        assert drawing.hello["kinds"] == ["gossip"]
        assert drawing.ready is not None
        assert drawing.ready["revision"] is None
