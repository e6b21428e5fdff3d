"""Each documented operation answers, and each answer is what its schema says; limits hold for all of them alike."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.types import ASGIApp

from coterie.app.api.app import create_app
from coterie.app.observability.logs import configure_logs
from coterie.app.settings.tables import HttpSettings, LogSettings
from coterie.gossip import GossipNode
from tests.app.api.conftest import HTTP, RAFT, Part, error_of, raw_request
from tests.app.api.streams import streaming

pytestmark = pytest.mark.anyio

LAST_TOKEN = -1

# In an order in which each finds what it needs: (operation, method, URL, JSON body).
CALLS: list[tuple[str, str, str, Any]] = [
    ("get_cluster_state", "GET", "/", None),
    ("get_livez", "GET", "/livez?verbose", None),
    ("get_readyz", "GET", "/readyz?verbose", None),
    ("get_healthz", "GET", "/healthz", None),
    ("set_kv", "GET", "/set_kv?key=a&value=b", None),
    ("mark_for_deletion", "GET", "/mark_for_deletion?key=a", None),
    ("list_members", "GET", "/v1/members", None),
    ("get_member", "GET", "/v1/members/node-a", None),
    ("get_cluster", "GET", "/v1/cluster", None),
    ("put_kv", "PUT", "/v1/kv/k", "text"),
    ("put_kv", "PUT", "/v1/kv/k?consistency=strong", "text"),
    ("get_kv", "GET", "/v1/kv/k", None),
    ("get_kv", "GET", "/v1/kv/k?consistency=strong", None),
    ("list_kv", "GET", "/v1/kv", None),
    ("delete_kv", "DELETE", "/v1/kv/k", None),
    ("delete_kv", "DELETE", "/v1/kv/k?consistency=strong", None),
    ("put_meta", "PUT", "/v1/meta/m?prev=true", "text"),
    ("get_meta", "GET", "/v1/meta/m", None),
    ("get_meta", "GET", "/v1/meta/m?consistency=stale", None),
    ("list_meta", "GET", "/v1/meta?consistency=stale", None),
    ("delete_meta", "DELETE", "/v1/meta/m?prev=true", None),
    ("delete_meta_prefix", "DELETE", "/v1/meta?prefix=x", None),
    ("txn", "POST", "/v1/txn", {"then": [{"put": {"key": "t", "value": "x"}}, {"range": {}}]}),
    ("grant_lease", "POST", "/v1/leases", {"ttl": 60}),
    ("list_leases", "GET", "/v1/leases", None),
    ("get_lease", "GET", "/v1/leases/1", None),
    ("keep_lease_alive", "POST", "/v1/leases/1/keepalive", None),
    ("acquire_lock", "POST", "/v1/locks/l", {"lease": 1}),
    ("get_lock", "GET", "/v1/locks/l", None),
    ("list_locks", "GET", "/v1/locks", None),
    ("release_lock", "DELETE", "/v1/locks/l?lease=1", None),
    ("acquire_semaphore", "POST", "/v1/semaphores/s", {"lease": 1, "permits": 2}),
    ("get_semaphore", "GET", "/v1/semaphores/s", None),
    ("list_semaphores", "GET", "/v1/semaphores", None),
    ("release_semaphore", "DELETE", "/v1/semaphores/s?lease=1", None),
    ("campaign", "POST", "/v1/elections/e", {"lease": 1}),
    ("observe_election", "GET", "/v1/elections/e", None),
    ("list_elections", "GET", "/v1/elections", None),
    ("resign", "DELETE", "/v1/elections/e?lease=1", None),
    ("campaign", "POST", "/v1/elections/f", {"lease": 1}),
    ("proclaim", "PUT", "/v1/elections/f", {"token": LAST_TOKEN, "value": "x"}),
    ("revoke_lease", "DELETE", "/v1/leases/1", None),
    ("create_token", "POST", "/v1/tokens", {"id": "t", "rules": [{"layer": "*", "action": "read"}]}),
    ("list_tokens", "GET", "/v1/tokens", None),
    ("get_own_token", "GET", "/v1/tokens/self", None),
    ("rotate_token", "POST", "/v1/tokens/t/rotate", {"keep_seconds": 60}),
    ("revoke_token", "DELETE", "/v1/tokens/t", None),
    ("get_raft_status", "GET", "/v1/raft/status", None),
    ("get_raft_statement", "GET", "/v1/raft/statement", None),
    ("list_raft_members", "GET", "/v1/raft/members", None),
    ("list_raft_decisions", "GET", "/v1/raft/decisions", None),
    ("transfer_leadership", "POST", "/v1/raft/transfer", {}),
    ("remove_raft_member", "DELETE", "/v1/raft/members/b", None),
    ("leave_raft", "POST", "/v1/raft/leave", None),
    ("compact_raft", "POST", "/v1/raft/compact", None),
    ("give_up_founding", "DELETE", "/v1/raft/founding", None),
    ("make_request_id", "POST", "/v1/request_ids", None),
    ("forget_member", "DELETE", "/v1/members/node-b", None),
    ("leave", "POST", "/v1/leave", None),
]
STREAMED = {"watch", "save_snapshot", "live_events", "live_socket", "get_metrics"}
"""Have no JSON; tests of their own."""


def routes(app: ASGIApp) -> dict[str, APIRoute]:
    """By operation."""
    documented: Any = app
    while not hasattr(documented, "routes"):
        documented = getattr(documented, "_app", None) or documented._rest
    found = [route for route in documented.routes if isinstance(route, APIRoute) and route.include_in_schema]
    return {str(route.operation_id): route for route in found}


async def test_every_operation_answers_as_its_schema_says(
    app: ASGIApp, api: httpx.AsyncClient, gossip: GossipNode
) -> None:
    await gossip.start()  # or it is not alive
    known = routes(app)
    assert {name for name, *_ in CALLS} | STREAMED == set(known)
    token = 0
    for name, method, url, body in CALLS:
        if isinstance(body, dict) and body.get("token") == LAST_TOKEN:
            body["token"] = token
        content = {"content": body} if isinstance(body, str) else {"json": body}
        answer = await api.request(method, url, **content)
        assert answer.status_code == 200, (name, answer.text)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        TypeAdapter(known[name].response_model).validate_json(answer.content, strict=True)
        token = answer.json().get("token", token)


async def test_the_documents_own_example_is_a_transaction(app: ASGIApp, api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    (example,) = document["components"]["schemas"]["TxnBody"]["examples"]
    assert (await api.post("/v1/txn", json=example)).json()["succeeded"] is True
    assert (await api.post("/v1/txn", json=example)).json()["succeeded"] is False


async def test_without_the_front_the_documented_endpoints_answer_the_same(app: ASGIApp, api: httpx.AsyncClient) -> None:
    """The endpoints that FastAPI describes for the hot paths are no dummies."""
    await api.put("/v1/meta/a", content="x")
    documented: Any = app
    while not hasattr(documented, "routes"):
        documented = getattr(documented, "_app", None) or documented._rest
    answer = await raw_request(documented, "GET", b"/v1/meta/a")
    assert answer.body == (await api.get("/v1/meta/a")).content


LIMITED = [("GET", "/v1/meta/a"), ("GET", "/v1/kv/a"), ("GET", "/v1/members"), ("GET", "/")]


@pytest.mark.parametrize(("method", "path"), LIMITED)
async def test_limits_are_the_same_everywhere(method: str, path: str, api: httpx.AsyncClient) -> None:
    long = await api.request(method, f"{path}?x={'x' * 2_048}")
    assert (long.status_code, error_of(long)["code"]) == (414, "query_too_long")
    headers = await api.request(method, path, headers={"x-padding": "x" * 2_048})
    assert (headers.status_code, error_of(headers)["code"]) == (431, "headers_too_large")
    encoding = await api.request(method, f"{path}?x=%FF")
    assert (encoding.status_code, error_of(encoding)["code"]) == (400, "invalid_encoding")


@pytest.mark.parametrize("path", ["/v1/meta/a", "/v1/kv/a", "/v1/txn"])
async def test_a_body_that_does_not_come_is_not_waited_for(path: str, part: Part) -> None:
    hasty = HttpSettings(body_seconds=1).model_copy(update={"body_seconds": 0.01})
    app = create_app(part.node, hasty, RAFT, part)
    sent: list[Any] = []
    messages = [{"type": "http.request", "body": b"half", "more_body": True}]

    async def receive() -> Any:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST" if path == "/v1/txn" else "PUT",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost")],
    }
    await app(scope, receive, send)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
    assert json.loads(sent[1]["body"])["error"] == {
        "code": "body_timeout",
        "message": "the body did not come within http.body_seconds = 0.01",
        "parameter": None,
    }


@pytest.mark.usefixtures("logs_restored")
@pytest.mark.parametrize(("method", "path"), [("PUT", "/v1/meta/a"), ("GET", "/v1/leases/1"), ("POST", "/v1/txn")])
async def test_a_fault_is_logged_and_not_shown(
    method: str, path: str, api: httpx.AsyncClient, part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = StringIO()
    configure_logs(LogSettings(format="json"), stream)

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(part.metadata, "submit", fail)
    monkeypatch.setattr(part.metadata, "barrier", fail)
    answer = await api.request(method, path, content="{}", headers={"content-type": "application/json"})
    assert answer.status_code == 500
    assert error_of(answer) == {
        "code": "internal",
        "message": "this node failed to answer; its log says why",
        "parameter": None,
    }
    (entry,) = [e for e in map(json.loads, stream.getvalue().splitlines()) if e["logger"] == "http"]
    assert (entry["event"], entry["path"]) == ("internal error: please report it", path)
    assert "RuntimeError: secret detail" in entry["exception"]


@pytest.mark.usefixtures("logs_restored")
async def test_requests_are_logged_at_debug(part: Part, raw: Callable[..., Any]) -> None:
    stream = StringIO()
    configure_logs(LogSettings(level="debug", format="json"), stream)
    await raw("PUT", b"/v1/meta/a", query=b"prev=true", chunks=(b"secret",))
    await raw("GET", b"/v1/meta/b")
    app = create_app(part.node, HTTP, RAFT, part)
    async with streaming(app, "/v1/watch", "key=a"):
        pass
    entries = [e for e in map(json.loads, stream.getvalue().splitlines()) if e["logger"] == "http"]
    assert [(e["method"], e["path"], e["status"]) for e in entries] == [
        ("PUT", "/v1/meta/a", 200),
        ("GET", "/v1/meta/b", 404),
        ("GET", "/v1/watch", 200),
    ]
    assert "secret" not in json.dumps(entries)


@pytest.mark.parametrize("path", [b"/v1/locks/%FF", b"/v1/members/%C3", b"/v1/nowhere/%FF"])
async def test_a_path_that_is_no_text_is_refused(path: bytes, raw: Callable[..., Any]) -> None:
    answer = await raw("GET", path)
    assert answer.status == 400
    assert error_of(answer) == {
        "code": "invalid_encoding",
        "message": "the path is not UTF-8 once its %-escapes are read",
        "parameter": None,
    }
