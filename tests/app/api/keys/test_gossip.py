"""`/v1/kv` on the gossip layer: what is written, read, listed, and every way to be refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from coterie.app.wire.keys import GossipDeleteAnswer, GossipGetAnswer, GossipListAnswer, GossipPutAnswer
from coterie.app.wire.pydantic_models import model_of
from coterie.gossip import Address, GossipNode, KeyStatus, NodeId
from tests.app.api.conftest import MAX_BODY_BYTES, error_of

pytestmark = pytest.mark.anyio

GRACE = 2 * 3600.0


def other_node(gossip: GossipNode, name: str, *keys: tuple[str, str], generation: int = 7, port: int = 9) -> None:
    """Teach the node another's keys."""
    values = [(key, value, version, KeyStatus.SET) for version, (key, value) in enumerate(keys, 1)]
    gossip.reset_node_state_if_update(NodeId(name, generation, Address("127.0.0.1", port)), values, len(keys), 0)


async def test_a_key_is_written_read_and_deleted(api: httpx.AsyncClient, gossip: GossipNode) -> None:
    written = await api.put("/v1/kv/load", content="0.7")
    assert written.json() == {
        "layer": "gossip",
        "consistency": "eventual",
        "node": "node-a",
        "key": "load",
        "version": 1,
        "changed": True,
    }
    assert written.headers["content-type"] == "application/json"
    assert written.headers["cache-control"] == "no-store"
    model_of(GossipPutAnswer).model_validate_json(written.content, strict=True)
    again = await api.put("/v1/kv/load", content="0.7")
    assert (again.json()["version"], again.json()["changed"]) == (1, False)

    read = await api.get("/v1/kv/load")
    assert read.json() == {
        "layer": "gossip",
        "consistency": "eventual",
        "node": "node-a",
        "generation": 1_700_000_000,
        "alive": True,
        "key": "load",
        "value": "0.7",
        "version": 1,
        "status": "Set",
    }
    model_of(GossipGetAnswer).model_validate_json(read.content, strict=True)

    deleted = await api.delete("/v1/kv/load")
    assert deleted.json() == {
        "layer": "gossip",
        "consistency": "eventual",
        "node": "node-a",
        "key": "load",
        "version": 2,
        "deleted": True,
    }
    model_of(GossipDeleteAnswer).model_validate_json(deleted.content, strict=True)
    assert gossip.engine.own.get("load") is None
    assert (await api.get("/v1/kv/load")).status_code == 404


async def test_deleting_what_is_not_there_is_no_error(api: httpx.AsyncClient, gossip: GossipNode) -> None:
    answer = await api.delete("/v1/kv/absent")
    assert (answer.status_code, answer.json()["deleted"], answer.json()["version"]) == (200, False, None)
    model_of(GossipDeleteAnswer).model_validate_json(answer.content, strict=True)
    assert gossip.engine.own.max_version == 0


async def test_the_bare_value_is_plain_text_to_a_browser(api: httpx.AsyncClient) -> None:
    await api.put("/v1/kv/page", content="<script>é</script>".encode())
    answer = await api.get("/v1/kv/page?raw=true")
    assert answer.content == "<script>é</script>".encode()
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["coterie-version"] == "1"


async def test_time_to_live_says_until_when(api: httpx.AsyncClient, gossip: GossipNode) -> None:
    written = (await api.put("/v1/kv/a?ttl=true", content="x")).json()
    assert 0 < written["expires_in_seconds"] <= GRACE
    read = (await api.get("/v1/kv/a")).json()
    assert read["status"] == "DeleteAfterTtl"
    assert 0 < read["expires_in_seconds"] <= GRACE
    await api.put("/v1/kv/b", content="x")
    assert "expires_in_seconds" not in (await api.get("/v1/kv/b")).json()
    expiring = await api.delete("/v1/kv/b?ttl=true")
    assert 0 < expiring.json()["expires_in_seconds"] <= GRACE
    model_of(GossipDeleteAnswer).model_validate_json(expiring.content, strict=True)
    gossip.engine.round(time.monotonic() + GRACE + 1)
    assert (await api.get("/v1/kv/a")).status_code == (await api.get("/v1/kv/b")).status_code == 404


async def test_keys_of_other_nodes_are_read(api: httpx.AsyncClient, gossip: GossipNode) -> None:
    other_node(gossip, "node-b", ("load", "0.1"))
    answer = (await api.get("/v1/kv/load?node=node-b")).json()
    assert (answer["node"], answer["value"], answer["alive"]) == ("node-b", "0.1", False)


async def test_of_several_incarnations_the_latest_is_meant(api: httpx.AsyncClient, gossip: GossipNode) -> None:
    other_node(gossip, "node-b", ("load", "old"), generation=7, port=9)
    other_node(gossip, "node-b", ("load", "new"), generation=8, port=9)
    answer = (await api.get("/v1/kv/load?node=node-b")).json()
    assert (answer["generation"], answer["value"]) == (8, "new")


@pytest.mark.parametrize(
    ("raw_path", "key"),
    [
        (b"a/b", "a/b"),
        (b"a%2Fb", "a/b"),
        (b"a//b", "a//b"),
        (b"/a", "/a"),
        (b"a/", "a/"),
        (b".", "."),
        (b"..", ".."),
        (b"a/../b", "a/../b"),
        (b"%2E%2E/x", "../x"),
        (b"a%00b", "a\0b"),
        (b"a%3Fb%23", "a?b#"),
        (b"a+b%20c", "a+b c"),
        (b"a%25b", "a%b"),
        (b"k/%C3%A9%F0%9F%90%8D", "k/é🐍"),
    ],
)
async def test_every_byte_of_the_path_is_the_key(
    raw_path: bytes, key: str, raw: Callable[..., Any], gossip: GossipNode
) -> None:
    for path, query in ((b"/v1/kv/", b""), (b"/v1/meta/", b""), (b"/v1/kv/", b"consistency=strong")):
        written = await raw("PUT", path + raw_path, query=query, chunks=(b"x",))
        assert (written.status, written.json()["key"]) == (200, key)
        assert (await raw("GET", path + raw_path, query=query)).json()["key"] == key
    assert gossip.engine.own.get(key) is not None


LARGE = "x" * 257
REFUSED: list[tuple[str, str, dict[str, Any], int, str, str, str | None]] = [
    (
        "GET",
        "/v1/kv/absent",
        {},
        404,
        "key_not_found",
        "the node node-a has no key 'absent', as far as known here",
        "key",
    ),
    (
        "GET",
        "/v1/kv/a?node=nobody",
        {},
        404,
        "node_not_found",
        "no node 'nobody' is known here; GET /v1/members lists them",
        "node",
    ),
    (
        "GET",
        "/v1/kv/",
        {},
        400,
        "empty_parameter",
        "the key must not be empty (keys are listed at the path without the last slash)",
        "key",
    ),
    ("GET", "/v1/kv/a%FF", {}, 400, "invalid_encoding", "the key is not UTF-8 once its %-escapes are read", "key"),
    (
        "GET",
        "/v1/kv/a?raw=perhaps",
        {},
        400,
        "invalid_request",
        "the parameter raw must be true or false, not 'perhaps'",
        "raw",
    ),
    (
        "GET",
        "/v1/kv/a?consistency=some",
        {},
        400,
        "invalid_request",
        "the parameter consistency must be eventual or strong, not 'some'",
        "consistency",
    ),
    (
        "PUT",
        "/v1/kv/a",
        {"content": b"ab\xff"},
        400,
        "invalid_encoding",
        "values of the gossip layer are text, and this one is not UTF-8 (byte 2); use consistency=strong for bytes",
        "value",
    ),
    (
        "PUT",
        "/v1/kv/a",
        {"content": LARGE},
        413,
        "too_large",
        "key and value take 258 bytes, above max_key_value_bytes = 256",
        "value",
    ),
    (
        "PUT",
        "/v1/kv/" + LARGE,
        {"content": ""},
        413,
        "too_large",
        "key and value take 257 bytes, above max_key_value_bytes = 256",
        "key",
    ),
    (
        "DELETE",
        "/v1/kv/" + LARGE,
        {},
        413,
        "too_large",
        "the key is longer than max_key_value_bytes = 256",
        "key",
    ),
    (
        "PUT",
        "/v1/kv/coterie/x",
        {"content": "x"},
        403,
        "reserved_key",
        "keys under 'coterie/' are written by the node itself; choose another prefix",
        "key",
    ),
    (
        "DELETE",
        "/v1/kv/coterie/x",
        {},
        403,
        "reserved_key",
        "keys under 'coterie/' are written by the node itself; choose another prefix",
        "key",
    ),
    (
        "PUT",
        "/v1/kv/%C3%A9",
        {"content": "x"},
        400,
        "key_refused",
        (
            "key 'é' starts with a non-ASCII character, which stops every real chitchat node it reaches; start it with "
            "an ASCII character, or set allow_non_ascii_keys where the cluster has no such node"
        ),
        "key",
    ),
    (
        "PUT",
        "/v1/kv/a",
        {"content": "x", "headers": {"If-Match": '"1"'}},
        400,
        "invalid_request",
        "If-Match needs agreement, which the gossip layer has not; use consistency=strong",
        "If-Match",
    ),
    (
        "DELETE",
        "/v1/kv/a",
        {"headers": {"If-None-Match": "*"}},
        400,
        "invalid_request",
        "If-None-Match needs agreement, which the gossip layer has not; use consistency=strong",
        "If-None-Match",
    ),
    (
        "PUT",
        "/v1/kv/a?node=node-b",
        {"content": "x"},
        400,
        "invalid_request",
        "a node's keys are written by the node itself: send this to that one, without the parameter node",
        "node",
    ),
    (
        "PUT",
        "/v1/kv/a?lease=7",
        {"content": "x"},
        400,
        "invalid_request",
        "lease is for the metadata; use consistency=strong, or leave it out",
        "lease",
    ),
    (
        "PUT",
        "/v1/kv/a?consistency=strong&ttl=true",
        {"content": "x"},
        400,
        "invalid_request",
        "ttl is for gossip's keys; leave consistency=strong or it out",
        "ttl",
    ),
    (
        "POST",
        "/v1/kv/a",
        {"content": "x"},
        405,
        "method_not_allowed",
        "POST is not possible at this path; use DELETE, GET, PUT",
        None,
    ),
    ("GET", "/v1/kv?page=x", {}, 400, "bad_page_token", "this is no page token of this list", "page"),
    (
        "GET",
        "/v1/kv?node=nobody",
        {},
        404,
        "node_not_found",
        "no node 'nobody' is known here; GET /v1/members lists them",
        "node",
    ),
    (
        "GET",
        "/v1/kv?limit=0",
        {},
        400,
        "invalid_request",
        "the parameter limit: Input should be greater than or equal to 1",
        "limit",
    ),
]


async def test_what_is_refused_is_named(api: httpx.AsyncClient, gossip: GossipNode, subtests: pytest.Subtests) -> None:
    for method, url, more, status, code, message, parameter in REFUSED:
        with subtests.test(f"{method} {url[:40]}"):
            answer = await api.request(method, url, **more)
            assert error_of(answer) == {"code": code, "message": message, "parameter": parameter}
            assert answer.status_code == status
            assert answer.headers["content-type"] == "application/json"
            assert gossip.engine.own.max_version == 0
            if status == 405:
                assert answer.headers["allow"] == "DELETE, GET, HEAD, PUT"


async def test_a_full_namespace_has_no_room(api: httpx.AsyncClient) -> None:
    for number in range(5):
        assert (await api.put(f"/v1/kv/key-{number}", content="")).status_code == 200
    answer = await api.put("/v1/kv/one-more", content="x")
    assert answer.status_code == 507
    assert error_of(answer) == {
        "code": "too_many_keys",
        "message": "this node holds max_keys_per_node = 5 keys, counting those not yet collected; delete some, and "
        "wait for their grace period",
        "parameter": None,
    }


@pytest.mark.parametrize("path", [b"/v1/kv/a", b"/v1/meta/a"])
async def test_a_body_is_counted_while_it_comes(path: bytes, raw: Callable[..., Any], gossip: GossipNode) -> None:
    length = b"%d" % (MAX_BODY_BYTES + 1)
    half = b"x" * (MAX_BODY_BYTES // 2)
    for sent in (
        {"headers": [(b"content-length", length)], "chunks": (b"", b"never read")},
        {"chunks": (half, half, b"x", b"never read")},
        {"chunks": (half * 3,)},
    ):
        answer = await raw("PUT", path, **sent)
        assert answer.status == 413
        assert answer.headers["connection"] == "close"
        assert error_of(answer) == {
            "code": "too_large",
            "message": f"the body is larger than http.max_body_bytes = {MAX_BODY_BYTES}",
            "parameter": None,
            "details": {"limit": MAX_BODY_BYTES},
        }
    assert gossip.engine.own.max_version == 0


async def test_a_list_shows_all_nodes_in_pages(api: httpx.AsyncClient, gossip: GossipNode) -> None:
    other_node(gossip, "node-b", ("gpu/0", "free"), ("gpu/1", "busy"), ("load", "1"))
    other_node(gossip, "node-c", ("gpu/0", "free"), port=10)
    gossip.set("gpu/9", "own")
    gossip.set("gpu/8", "gone")
    gossip.delete("gpu/8")
    whole = await api.get("/v1/kv?prefix=gpu/")
    model_of(GossipListAnswer).model_validate_json(whole.content, strict=True)
    expected = [("node-a", "gpu/9"), ("node-b", "gpu/0"), ("node-b", "gpu/1"), ("node-c", "gpu/0")]
    assert [(item["node"], item["key"]) for item in whole.json()["keys"]] == expected
    assert whole.json()["next_page"] is None

    found, page, pages = [], None, 0
    while pages == 0 or page is not None:
        token: dict[str, str] = {} if page is None else {"page": page}
        answer = (await api.get("/v1/kv", params={"prefix": "gpu/", "limit": 1, **token})).json()
        found += [(item["node"], item["key"]) for item in answer["keys"]]
        page, pages = answer["next_page"], pages + 1
    assert (found, pages) == (expected, 4)

    one = (await api.get("/v1/kv?node=node-b")).json()
    assert [item["key"] for item in one["keys"]] == ["gpu/0", "gpu/1", "load"]
