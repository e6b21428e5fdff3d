"""Live updates from a node with a real part in Raft, over real connections."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from coterie.app.api.app import create_app
from coterie.app.api.live.hub import Hub
from coterie.app.api.live.snapshot import SnapshotPages
from coterie.app.http import protocol as http_protocol
from coterie.app.settings.live import LiveSettings
from coterie.app.settings.tables import HttpSettings
from coterie.consensus.autopilot.decision_log import DecisionRecord, record_decision
from coterie.consensus.store import RESERVED_PREFIX, Put
from coterie.gossip import Address, GossipNode, KeyStatus, NodeId
from tests.app.api.conftest import HTTP, RAFT, Part, gossip_node
from tests.app.api.live.clients import listening
from tests.app.api.servers import serving
from tests.waiting import PATIENCE_SECONDS, eventually

pytestmark = pytest.mark.anyio

OTHER = NodeId("node-z", 7, Address("127.0.0.1", 10_999))


@asynccontextmanager
async def served(
    node: GossipNode, part: Part | None, *, protocol: type[asyncio.Protocol] | None = None, **settings: Any
) -> AsyncIterator[tuple[Address, Hub]]:
    stopping = asyncio.Event()
    live = LiveSettings(**{"interval": 0.01, "sample_interval": 0.05, "heartbeat": 0.1, **settings})
    hubs: list[Hub] = []

    class Seen(Hub):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            hubs.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coterie.app.api.app.Hub", Seen)
        app = create_app(node, HTTP, RAFT, part, stopping, live_settings=live)
    async with serving(app, protocol) as address:
        try:
            yield address, hubs[0]
        finally:
            stopping.set()


def join(node: GossipNode, key: str = "k", version: int = 1) -> None:
    """Another node comes to be known, with a key."""
    node.reset_node_state_if_update(OTHER, [(key, "v", version, KeyStatus.SET)], version, 0)


async def test_a_drawing_of_all_there_is_and_all_that_happens(gossip: GossipNode, part: Part) -> None:
    gossip.set("before", "1")
    await part.metadata.put(b"before", b"1")
    async with served(gossip, part) as (address, _), listening(address) as client:
        drawing = await client.ready()
        assert drawing.hello["reason"] == "first"
        assert drawing.hello["metadata"]
        assert drawing.members == {("node-a", gossip.node.generation): "live"}
        assert drawing.gossip == {("node-a", "before"): "1"}
        assert drawing.metadata == {"before": "1"}
        assert drawing.raft["leader"] == "node-a"
        assert drawing.queues == {}

        gossip.set("after", "2")
        gossip.delete("before")
        await part.metadata.put(b"after", b"2")
        await part.metadata.delete(b"before")
        join(gossip)
        lease = await part.metadata.grant_lease(60.0)
        async with part.metadata.lock(b"l", lease=lease.lease):
            await client.until(lambda d: d.queues.get(("lock", "l"), {}).get("holders"))
            await client.until(lambda d: d.samples["leases"]["total"] == 1 and "phi" in d.samples)
            left = [client.drawing.samples["leases"]["leases"][0]["remaining_seconds"]]
            await client.until(lambda d: d.samples["leases"]["leases"][0]["remaining_seconds"] < left[0])
        await client.until(lambda d: not d.queues["lock", "l"]["holders"])
        await client.until(lambda d: ("node-z", "k") in d.gossip)
        assert drawing.members["node-z", 7] == "joining"
        assert drawing.gossip == {("node-a", "after"): "2", ("node-z", "k"): "v"}
        assert drawing.metadata == {"after": "2"}
        ids = [int(event["id"].split("-")[1]) for event in drawing.events]
        assert ids == list(range(1, len(ids) + 1))


async def test_the_same_as_server_sent_events(gossip: GossipNode, part: Part) -> None:
    async with served(gossip, part) as (address, _), httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
        url = f"http://{address}/v1/events?kinds=gossip,metadata&prefix=a"
        async with http.stream("GET", url) as stream:
            lines = stream.aiter_lines()
            assert await read_until(lines, "ready") == ["hello", "snapshot", "snapshot", "ready"]
            gossip.set("b", "1")
            gossip.set("a", "1")
            await part.metadata.put(b"a", b"2")
            event = await read_event(lines)
            while event["event"] == "heartbeat":
                event = await read_event(lines)
            assert event["event"] == "gossip"
            assert event["data"]["key"] == "a"
        async with http.stream("GET", url, headers={"Last-Event-ID": event["id"]}) as stream:
            lines = stream.aiter_lines()
            hello = await read_event(lines)
            assert hello["data"]["resumed"] is True
            again = await read_event(lines)
            assert (again["event"], again["data"]["value"]) == ("metadata", "2")


async def read_event(lines: AsyncIterator[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    async for line in lines:
        if not line and "data" in fields:
            return {**fields, "data": json.loads(fields["data"])}
        name, _, value = line.partition(": ")
        fields[name] = value
    raise AssertionError("the stream ended")


async def read_until(lines: AsyncIterator[str], event: str) -> list[str]:
    seen: list[str] = []
    while not seen or seen[-1] != event:
        seen.append((await read_event(lines))["event"])
    return seen


async def test_who_comes_back_misses_nothing(gossip: GossipNode, part: Part) -> None:
    async with served(gossip, part) as (address, _):
        async with listening(address) as client:
            await client.ready()
            gossip.set("a", "1")
            await client.until(lambda d: d.gossip)
            last = client.drawing.last_id
        gossip.set("b", "1")
        gossip.delete("a")
        async with listening(address, f"last_id={last}") as client:
            await client.next()
            assert client.drawing.hello["resumed"]
            await client.until(lambda d: len(d.events) == 2)
            assert [(event["change"], event["key"]) for event in client.drawing.events] == [
                ("set", "b"),
                ("delete", "a"),
            ]
            assert client.drawing.ready is None


@pytest.mark.parametrize(("last_id", "reason"), [("ffffffff-0", "other_epoch"), ("nonsense", "other_epoch")])
async def test_an_id_of_another_epoch_gets_a_snapshot(
    gossip: GossipNode, part: Part, last_id: str, reason: str
) -> None:
    async with served(gossip, part) as (address, _), listening(address, f"last_id={last_id}") as client:
        await client.ready()
        assert (client.drawing.hello["resumed"], client.drawing.hello["reason"]) == (False, reason)


async def test_an_id_from_too_long_ago_gets_a_snapshot(gossip: GossipNode, part: Part) -> None:
    async with served(gossip, part, buffer_events=2) as (address, _):
        async with listening(address) as client:
            first = (await client.ready()).last_id
            for number in range(4):
                gossip.set("a", str(number))
                await client.until(lambda d, at=str(number): d.gossip.get(("node-a", "a")) == at)
        async with listening(address, f"last_id={first}") as client:
            await client.ready()
            assert client.drawing.hello["reason"] == "too_old"
            assert client.drawing.gossip == {("node-a", "a"): "3"}


async def test_metadata_goes_on_from_a_revision_at_any_node(gossip: GossipNode, part: Part) -> None:
    await part.metadata.put(b"old", b"1")
    await part.metadata.put(b"gone", b"1")
    held = part.state.keyspace.revision
    await part.metadata.put(b"new", b"1")
    await part.metadata.delete(b"gone")
    async with served(gossip, part) as (address, _):
        async with listening(address, f"kinds=metadata&revision={held}") as client:
            client.drawing.metadata = {"old": "1", "gone": "1"}
            parts = []
            while client.drawing.ready is None:
                parts.append((await client.next()).get("part"))
            assert "metadata_changes" in parts
            assert "metadata" not in parts
            assert client.drawing.metadata == {"old": "1", "new": "1"}
            assert client.drawing.ready["revision"] == part.state.keyspace.revision
        await part.metadata.compact(part.state.keyspace.revision)
        restored = 1_796_103_802_019_085  # where a restored cluster goes on
        for elsewhere in (held, restored):
            async with listening(address, f"kinds=metadata&revision={elsewhere}") as client:
                await client.ready()
                assert client.drawing.metadata == {"old": "1", "new": "1"}


async def test_keys_of_the_system_are_told_as_what_they_are(gossip: GossipNode, part: Part) -> None:
    async with served(gossip, part) as (address, _), listening(address, "kinds=metadata,decisions") as client:
        await client.ready()
        part.decided = [DecisionRecord(1.0, 1, "promote", "m", "node-b", "alive", "done")]
        await part.metadata.submit(
            record_decision(part.state, DecisionRecord(1.0, 1, "promote", "m", "node-b", "alive", "done"))
        )
        await part.metadata.submit(Put(RESERVED_PREFIX + b"secret", b"hidden"))
        await part.metadata.put(b"plain", b"1")
        await client.until(lambda d: "plain" in d.metadata and d.decisions)
        assert {event["kind"] for event in client.drawing.events} == {"metadata", "decisions"}
        assert client.drawing.metadata == {"plain": "1"}
        async with listening(address, "kinds=metadata") as late:
            await late.ready()
            await late.until(lambda d: d.metadata)  # a snapshot may be a second old: events make it true
            assert late.drawing.metadata == {"plain": "1"}


async def test_a_client_changes_what_it_wants(gossip: GossipNode, part: Part) -> None:
    gossip.set("a/1", "1")
    gossip.set("b/1", "1")
    async with served(gossip, part) as (address, _), listening(address, "wait=true") as client:
        await client.say(type="subscribe", kinds=["gossip"], prefix="a/")
        await client.ready()
        assert client.drawing.gossip == {("node-a", "a/1"): "1"}
        await client.say(type="subscribe", kinds=["gossip"], prefix="b/")
        await client.until(lambda d: d.hello["prefix"] == "b/")
        await client.ready()
        assert client.drawing.gossip == {("node-a", "b/1"): "1"}
        gossip.set("a/2", "1")
        gossip.set("b/2", "1")
        await client.until(lambda d: d.events)
        assert [event["key"] for event in client.drawing.events] == ["b/2"]
        # Asked for again with an id, it goes on.
        await client.say(type="subscribe", kinds=["gossip"], last_id=client.drawing.last_id)
        await client.until(lambda d: d.hello["prefix"] == "")
        assert client.drawing.hello["resumed"]


@pytest.mark.parametrize(
    "said",
    ["", "nonsense", "[]", "{}", '{"type":"x"}', '{"type":"subscribe","kinds":["x"]}', '{"type":"subscribe","x":1}',
     '{"type":"subscribe","prefix":"' + "x" * 5_000 + '"}', '{"type":"subscribe","revision":-1}'],
)  # fmt: skip
async def test_what_is_not_understood_is_answered_and_changes_nothing(
    gossip: GossipNode, part: Part, said: str
) -> None:
    async with served(gossip, part) as (address, _), listening(address, "kinds=gossip") as client:
        await client.ready()
        await client.connection.send(said)
        while (answer := await client.next())["type"] != "error":
            pass
        assert answer["error"]["code"] == "invalid_request"
        await client.say(type="ping")
        while (await client.next())["type"] != "pong":
            pass
        gossip.set("a", "1")
        await client.until(lambda d: d.gossip)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("kinds=x", 400, "invalid_request"),
        ("revision=x", 400, "invalid_request"),
        ("wait=maybe", 400, "invalid_request"),
        ("prefix=" + "x" * 3_000, 414, "query_too_long"),
        ("prefix=%ff", 400, "invalid_encoding"),
    ],
)
async def test_refusals_before_it_begins(gossip: GossipNode, part: Part, query: str, status: int, code: str) -> None:
    async with served(gossip, part) as (address, _):
        with pytest.raises(InvalidStatus) as refused:
            async with listening(address, query):
                pass
        assert refused.value.response.status_code == status
        assert json.loads(refused.value.response.body or b"")["error"]["code"] == code


async def test_other_paths_and_plain_requests_are_refused(gossip: GossipNode, part: Part) -> None:
    async with served(gossip, part) as (address, _):
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"ws://{address}/v1/meta/ws", proxy=None):
                pass
        assert json.loads(refused.value.response.body or b"")["error"]["code"] == "not_found"
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
            plain = await http.get(f"http://{address}/v1/ws")
            assert (plain.status_code, plain.json()["error"]["code"]) == (426, "upgrade_required")


async def test_no_more_clients_than_are_allowed(gossip: GossipNode, part: Part) -> None:
    async with served(gossip, part, max_clients=1) as (address, hub):
        async with listening(address) as client:
            await client.ready()
            with pytest.raises(InvalidStatus) as refused:
                async with listening(address):
                    pass
            assert json.loads(refused.value.response.body or b"")["error"]["code"] == "too_many_streams"
            async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
                answer = await http.get(f"http://{address}/v1/events")
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        await eventually(lambda: not hub.subscribers)
        async with listening(address) as client:
            await client.ready()


async def test_a_slow_client_is_told_and_dropped_and_others_go_on(gossip: GossipNode, part: Part) -> None:
    settings: dict[str, Any] = {"buffer_bytes": 1_000_000, "max_value_bytes": 100_000, "stall_seconds": 60.0}
    async with (
        served(gossip, part, **settings) as (address, hub),
        listening(address, "kinds=metadata", max_queue=1) as slow,
        listening(address) as quick,
    ):
        await slow.ready()
        await quick.ready()
        subscriber = next(subscriber for subscriber in hub.subscribers if subscriber.wanted.kinds == {"metadata"})
        number = 0
        # More than sockets hold: the slow one reads nothing all the time, the quick one everything.
        while hub.ring.holds_after(subscriber.position):
            number += 1
            value = f"{number:090000}"
            await part.metadata.put(b"k", value.encode())
            await quick.until(lambda d, value=value: d.metadata.get("k") == value)
        with pytest.raises(ConnectionClosed) as closed:
            await slow.until(lambda _: False)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
        assert slow.drawing.ended is not None
        assert slow.drawing.ended["code"] == "too_slow"
        assert hub.dropped == 1


async def test_a_client_that_takes_nothing_is_cut_off(gossip: GossipNode, part: Part) -> None:
    settings: dict[str, Any] = {"max_value_bytes": 100_000, "stall_seconds": 0.2, "buffer_bytes": 10**9}
    async with served(gossip, part, **settings) as (address, hub):
        with socket.create_connection(address) as connection:
            connection.sendall(b"GET /v1/events?kinds=metadata HTTP/1.1\r\nhost: localhost\r\n\r\n")
            await eventually(lambda: bool(hub.subscribers))
            async with asyncio.timeout(PATIENCE_SECONDS):
                while hub.subscribers:
                    await part.metadata.put(b"k", b"x" * 90_000)


async def test_a_node_without_raft_tells_what_it_knows() -> None:
    node = gossip_node()
    try:
        async with served(node, None) as (address, _), listening(address) as client:
            drawing = await client.ready()
            assert drawing.hello["metadata"] is False
            assert drawing.raft["enabled"] is False
            assert drawing.ready is not None
            assert drawing.ready["revision"] is None
            node.set("a", "1")
            await client.until(lambda d: d.gossip)
    finally:
        await node.stop()


async def test_a_stopping_node_says_so(gossip: GossipNode, part: Part) -> None:
    async with served(gossip, part) as (address, hub), listening(address) as client:
        await client.ready()
        hub.stopping.set()
        with pytest.raises(ConnectionClosed) as closed:
            await client.until(lambda _: False)
        assert client.drawing.ended is not None
        assert client.drawing.ended["code"] == "unavailable"
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001


async def test_a_fault_of_a_diff_begins_anew(gossip: GossipNode, part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(gossip, part) as (address, hub), listening(address) as client:
        await client.ready()
        assert hub.gossip is not None
        monkeypatch.setattr(hub.gossip, "changes", None)
        await client.until(lambda d: d.hello["reason"] == "gap")
        await client.ready()
        gossip.set("a", "1")
        await client.until(lambda d: d.gossip)


async def test_a_sample_that_is_taken_during_a_snapshot_comes_once(
    gossip: GossipNode, part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = SnapshotPages._page
    async with served(gossip, part, sample_interval=3_600.0) as (address, hub):

        def page(pages: SnapshotPages, *asked: Any) -> Any:
            hub._take_samples()
            hub._wake()
            return made(pages, *asked)

        monkeypatch.setattr(SnapshotPages, "_page", page)
        async with listening(address) as client:
            await client.ready()
            assert client.drawing.samples.keys() == {"phi", "leases"}
            # The drawing refuses what comes twice; it would come before the next heartbeat.
            await client.until(lambda d: "heartbeat" in d.samples)


async def test_nothing_is_looked_at_while_nobody_listens(gossip: GossipNode, part: Part) -> None:
    async with served(gossip, part, keep_seconds=0.01) as (address, hub):
        assert hub.gossip is None
        async with listening(address) as client:
            await client.ready()
            epoch = client.drawing.hello["epoch"]
        await eventually(lambda: hub.idle)
        async with listening(address, f"last_id={epoch}-0") as client:
            await client.ready()
            assert client.drawing.hello["reason"] == "other_epoch"


async def test_a_heartbeat_says_how_far_a_client_is_that_wants_little(gossip: GossipNode, part: Part) -> None:
    async with served(gossip, part) as (address, _), listening(address, "kinds=members") as client:
        await client.ready()
        gossip.set("a", "1")
        await client.until(lambda d: d.last_id.endswith("-1"))
        assert client.drawing.events == []


@pytest.mark.parametrize("parser", ["httptools", pytest.param("h11", marks=pytest.mark.slow)])
async def test_the_time_for_a_head_is_over_once_the_socket_is_open(
    gossip: GossipNode, part: Part, parser: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if parser == "h11":
        monkeypatch.setattr(http_protocol, "HttpToolsProtocol", None)
    protocol = http_protocol.bounded_protocol(HttpSettings(head_seconds=3))
    loop = asyncio.get_running_loop()
    async with served(gossip, part, protocol=protocol) as (address, _), listening(address, "kinds=members") as client:
        await client.ready()
        opened = loop.time()
        while loop.time() < opened + 3.5:
            await client.next()
