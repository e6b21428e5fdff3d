"""The documented endpoints: their answers to the byte, and every way to be refused."""

from __future__ import annotations

import json
import time
from io import StringIO

import httpx
import msgspec
import pytest

from coterie.app.api.app import create_app
from coterie.app.observability.logs import configure_logs
from coterie.app.settings.tables import HttpSettings, LogSettings
from coterie.app.wire.errors import Code, ErrorAnswer
from coterie.app.wire.pydantic_models import model_of
from coterie.app.wire.state import ClusterStateAnswer, StatusAnswer
from coterie.gossip import Address, GossipNode, KeyStatus, NodeId
from tests.app.conftest import MAX_KEY_VALUE_BYTES, MAX_KEYS, MAX_QUERY_BYTES

pytestmark = pytest.mark.anyio

OWN = {"node_id": "node-a", "generation": 1_700_000_000, "gossip_advertise_addr": "127.0.0.1:10001"}


async def test_the_cluster_state_has_the_documented_shape(client: httpx.AsyncClient, node: GossipNode) -> None:
    other = NodeId("node-b", 2**64 - 1, Address("::1", 10_002))
    key_values = [
        ("visible", "vé", 2, KeyStatus.SET),
        ("deleted", "", 4, KeyStatus.DELETE),
        ("expiring", "x", 5, KeyStatus.DELETE_AFTER_TTL),
    ]
    node.reset_node_state_if_update(other, key_values, 2**64 - 1, 3)
    node.engine.round(time.monotonic())
    node.engine.seeds = [Address("127.0.0.1", 10_003), Address("::1", 10_004)]
    node.set("hello", "world")

    answer = await client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    other_json = {"node_id": "node-b", "generation": 2**64 - 1, "gossip_advertise_addr": "[::1]:10002"}
    expected = {
        "cluster_id": "testing",
        "cluster_state": {
            "node_states": [
                {
                    "chitchat_id": OWN,
                    "heartbeat": 2,
                    "key_values": {"hello": {"value": "world", "version": 1, "status": "Set"}},
                    "max_version": 1,
                    "last_gc_version": 0,
                },
                {
                    "chitchat_id": other_json,
                    "heartbeat": 0,
                    "key_values": {
                        "deleted": {"value": "", "version": 4, "status": "Delete"},
                        "expiring": {"value": "x", "version": 5, "status": "DeleteAfterTtl"},
                        "visible": {"value": "vé", "version": 2, "status": "Set"},
                    },
                    "max_version": 2**64 - 1,
                    "last_gc_version": 3,
                },
            ],
            "seed_addrs": ["127.0.0.1:10003", "[::1]:10004"],
        },
        "live_nodes": [OWN],
        "dead_nodes": [other_json],
    }
    # Compact, and with the keys in the documented order.
    assert answer.text == json.dumps(expected, separators=(",", ":"), ensure_ascii=False)
    # What the OpenAPI document says of it holds.
    model_of(ClusterStateAnswer).model_validate_json(answer.content, strict=True)
    assert msgspec.json.encode(msgspec.json.decode(answer.content, type=ClusterStateAnswer)) == answer.content


@pytest.mark.parametrize("path", ["/set_kv", "/set_kv/"])
async def test_a_key_is_set(path: str, client: httpx.AsyncClient, node: GossipNode) -> None:
    answer = await client.get(path + "?key=hello&value=world")
    assert (answer.status_code, answer.text) == (200, '{"status":true}')
    model_of(StatusAnswer).model_validate_json(answer.content, strict=True)
    assert answer.headers["cache-control"] == "no-store"
    kv = node.engine.own.get("hello")
    assert kv is not None
    assert kv.value == "world"


@pytest.mark.parametrize("path", ["/mark_for_deletion", "/mark_for_deletion/"])
async def test_a_key_is_turned_into_a_tombstone(path: str, client: httpx.AsyncClient, node: GossipNode) -> None:
    node.set("hello", "world")
    answer = await client.get(path + "?key=hello")
    assert (answer.status_code, answer.text) == (200, '{"status":true}')
    state = (await client.get("/")).json()["cluster_state"]["node_states"][0]
    assert state["key_values"] == {"hello": {"value": "", "version": 2, "status": "Delete"}}


async def test_deleting_what_is_not_there_is_no_error(client: httpx.AsyncClient, node: GossipNode) -> None:
    answer = await client.get("/mark_for_deletion?key=absent")
    assert (answer.status_code, answer.text) == (200, '{"status":true}')
    assert node.engine.own.max_version == 0


@pytest.mark.parametrize(
    ("query", "key", "value"),
    [
        ("key=a&value=", "a", ""),
        ("key=a%20b&value=%C3%A9+%26", "a b", "é &"),
        ("key=x%C3%A9&value=%F0%9F%98%80", "xé", "😀"),
        ("value=1&unknown=2&key=a", "a", "1"),
        ("key=a/b=c&value=d=e", "a/b=c", "d=e"),
        ("key=%00&value=%0A", "\x00", "\n"),
    ],
)
async def test_text_arrives_as_it_was_meant(
    query: str, key: str, value: str, client: httpx.AsyncClient, node: GossipNode
) -> None:
    assert (await client.get(f"/set_kv?{query}")).status_code == 200
    assert {k: kv.value for k, kv in node.engine.own.key_values.items()} == {key: value}
    state = (await client.get("/")).json()["cluster_state"]["node_states"][0]
    assert state["key_values"][key]["value"] == value


LONG = "x" * (MAX_KEY_VALUE_BYTES + 1)
TOO_LARGE = f"key and value take {MAX_KEY_VALUE_BYTES + 2} bytes, above max_key_value_bytes = {MAX_KEY_VALUE_BYTES}"
RESERVED = "keys under 'coterie/' are written by the node itself; choose another prefix"
NON_ASCII = (
    "key 'é' starts with a non-ASCII character, which stops every real chitchat node it reaches; start it with an "
    "ASCII character, or set allow_non_ascii_keys where the cluster has no such node"
)
NOT_UTF8 = "the query is not UTF-8 once its %-escapes are read"
QUERY_TOO_LONG = f"path and query are longer than http.max_query_bytes = {MAX_QUERY_BYTES}"
NO_PATH = "there is nothing at this path; /openapi.json lists what there is"

REFUSED = [
    ("/set_kv", 400, "missing_parameter", "the parameter key is missing", "key"),
    ("/set_kv?value=x", 400, "missing_parameter", "the parameter key is missing", "key"),
    ("/set_kv?key=x", 400, "missing_parameter", "the parameter value is missing", "value"),
    ("/set_kv/?key=x", 400, "missing_parameter", "the parameter value is missing", "value"),
    ("/set_kv?key=&value=x", 400, "empty_parameter", "the parameter key must not be empty", "key"),
    ("/set_kv?key=%FF&value=x", 400, "invalid_encoding", NOT_UTF8, None),
    ("/set_kv?key=x&value=%ED%A0%80", 400, "invalid_encoding", NOT_UTF8, None),
    ("/set_kv?key=%C3%A9&value=x", 400, "key_refused", NON_ASCII, "key"),
    ("/set_kv?key=coterie/x&value=x", 403, "reserved_key", RESERVED, "key"),
    (f"/set_kv?key=x&value={LONG}", 413, "too_large", TOO_LARGE, "value"),
    (f"/set_kv?key={LONG}&value=x", 413, "too_large", TOO_LARGE, "key"),
    (f"/set_kv?key=x&value={'x' * MAX_QUERY_BYTES}", 414, "query_too_long", QUERY_TOO_LONG, None),
    ("/set_kv?key=x&value=y" + "&x" * 100, 414, "query_too_long", "the query has more than 100 parameters", None),
    ("/mark_for_deletion", 400, "missing_parameter", "the parameter key is missing", "key"),
    ("/mark_for_deletion/", 400, "missing_parameter", "the parameter key is missing", "key"),
    ("/mark_for_deletion?key=", 400, "empty_parameter", "the parameter key must not be empty", "key"),
    ("/mark_for_deletion?key=%FF", 400, "invalid_encoding", NOT_UTF8, None),
    ("/mark_for_deletion?key=%C3%A9", 400, "key_refused", NON_ASCII, "key"),
    ("/mark_for_deletion?key=coterie/x", 403, "reserved_key", RESERVED, "key"),
    (
        f"/mark_for_deletion?key={LONG}",
        413,
        "too_large",
        f"the key is longer than max_key_value_bytes = {MAX_KEY_VALUE_BYTES}",
        "key",
    ),
    ("/nowhere", 404, "not_found", NO_PATH, None),
    ("/set_kv//?key=a&value=b", 404, "not_found", NO_PATH, None),
    ("/nothing/here", 404, "not_found", NO_PATH, None),
    ("/redoc", 404, "not_found", NO_PATH, None),
]


@pytest.mark.parametrize(("url", "status", "code", "message", "parameter"), REFUSED)
async def test_what_is_refused_is_named(
    url: str,
    status: int,
    code: str,
    message: str,
    parameter: str | None,
    client: httpx.AsyncClient,
    node: GossipNode,
) -> None:
    answer = await client.get(url)
    assert answer.json() == {"error": {"code": code, "message": message, "parameter": parameter}}
    assert answer.status_code == status == Code[code.upper()].status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    model_of(ErrorAnswer).model_validate_json(answer.content)
    assert node.engine.own.max_version == 0


async def test_a_full_namespace_is_told_from_a_node_in_trouble(client: httpx.AsyncClient, node: GossipNode) -> None:
    for i in range(MAX_KEYS):
        node.set(f"key-{i}", "")
    answer = await client.get("/set_kv?key=one-more&value=x")
    message = (
        f"this node holds max_keys_per_node = {MAX_KEYS} keys, counting those not yet collected; "
        "delete some, and wait for their grace period"
    )
    assert answer.json() == {"error": {"code": "too_many_keys", "message": message, "parameter": None}}
    assert answer.status_code == 507
    assert (await client.get("/set_kv?key=key-0&value=x")).status_code == 200


@pytest.mark.parametrize("path", ["/", "/set_kv", "/set_kv/", "/mark_for_deletion", "/openapi.json"])
async def test_another_method_is_refused(path: str, client: httpx.AsyncClient) -> None:
    answer = await client.post(path)
    message = "POST is not possible at this path; use GET"
    assert answer.status_code == 405
    assert answer.json()["error"]["code"] == "method_not_allowed"
    assert answer.json()["error"]["parameter"] is None
    if path != "/openapi.json":
        assert answer.headers["allow"] == "GET"
        assert answer.json()["error"]["message"] == message


async def test_headers_that_are_too_large_are_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get("/", headers={"x-padding": "x" * 2_000})
    assert answer.json() == {
        "error": {
            "code": "headers_too_large",
            "message": "the headers are larger than http.max_header_bytes = 1024",
            "parameter": None,
        }
    }
    assert answer.status_code == 431


@pytest.mark.usefixtures("logs_restored")
async def test_a_fault_is_logged_and_not_shown(
    client: httpx.AsyncClient, node: GossipNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = StringIO()
    configure_logs(LogSettings(format="json"), stream)

    def fail(*_arguments: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(node, "set", fail)
    answer = await client.get("/set_kv?key=a&value=b")
    assert answer.status_code == 500
    assert answer.json() == {
        "error": {"code": "internal", "message": "this node failed to answer; its log says why", "parameter": None}
    }
    (entry,) = [e for e in map(json.loads, stream.getvalue().splitlines()) if e["logger"] == "http"]
    assert entry["event"] == "internal error: please report it"
    assert entry["path"] == "/set_kv"
    assert "RuntimeError: secret detail" in entry["exception"]


@pytest.mark.usefixtures("logs_restored")
@pytest.mark.parametrize(("level", "lines"), [("debug", 1), ("info", 0)])
async def test_requests_are_logged_at_debug_only(level: str, lines: int, node: GossipNode) -> None:
    stream = StringIO()
    configure_logs(LogSettings.model_validate({"level": level, "format": "json"}), stream)
    transport = httpx.ASGITransport(app=create_app(node, HttpSettings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        await client.get("/set_kv?key=a&value=secret")
    entries = [e for e in map(json.loads, stream.getvalue().splitlines()) if e["logger"] == "http"]
    assert len(entries) == lines
    for entry in entries:
        assert (entry["method"], entry["path"], entry["status"]) == ("GET", "/set_kv", 200)
        assert "secret" not in json.dumps(entry)
