"""Pages of other sites get nothing from a node, and change nothing; programs notice none of it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Message

from coterie.app.api.app import create_app
from coterie.app.settings.loading import BadSettingsError, load_settings
from coterie.app.settings.tables import HttpSettings
from coterie.gossip import GossipNode
from tests.app.api.conftest import raw_request

pytestmark = pytest.mark.anyio

OWN_HOSTS = (
    "localhost", "LOCALHOST:10000", "localhost.:1", "node1.localhost:10000", "127.0.0.1", "127.0.0.1:10000", "[::1]:1",
    "192.0.2.7:10000", "[2001:db8::1]",
)  # fmt: skip
FOREIGN_HOSTS = ("evil.example", "evil.example:10000", "127.0.0.1.evil.example", "localhost.evil.example", "xlocalhost")
NO_HOSTS = ("", "a b", "user@localhost", "localhost:x", "localhost/../", "[::1", "localhost:123456", "http://localhost")

EVERYWHERE = (
    ("GET", "/"),
    ("GET", "/set_kv"),
    ("GET", "/mark_for_deletion/"),
    ("PUT", "/v1/kv/a"),
    ("PUT", "/v1/meta/a"),
    ("GET", "/v1/members"),
    ("GET", "/v1/watch"),
    ("POST", "/v1/txn"),
    ("GET", "/nothing/here"),
    ("OPTIONS", "/"),
)

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def app_with(node: GossipNode, **settings: Any) -> ASGIApp:
    return create_app(node, HttpSettings(**settings))


async def ask(app: ASGIApp, method: str = "GET", path: str = "/", query: Any = b"", **headers: str) -> Any:
    """`headers`: with underscores for dashes."""
    named = {"host": "localhost", **headers}
    listed = [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items() if value != "(none)"]
    return await raw_request(app, method, path.encode(), query=query, headers=listed, host=None)


def code(answer: Any) -> str | None:
    return None if answer.status < 400 else answer.json()["error"]["code"]


@pytest.mark.parametrize("host", OWN_HOSTS)
async def test_own_names_and_addresses_are_answered(node: GossipNode, host: str) -> None:
    assert (await ask(app_with(node), host=host)).status == 200


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
async def test_foreign_names_are_refused_everywhere(node: GossipNode, host: str) -> None:
    app = app_with(node)
    for method, path in EVERYWHERE:
        answer = await ask(app, method, path, b"key=a&value=b", host=host)
        assert (answer.status, code(answer)) == (403, "foreign_host"), (method, path)
        assert "http.allowed_hosts" in answer.json()["error"]["message"]
        assert not list(node.engine.own.visible())


@pytest.mark.parametrize("host", NO_HOSTS)
async def test_what_is_no_host_is_refused(node: GossipNode, host: str) -> None:
    answer = await ask(app_with(node, allowed_hosts=("*",)), host=host)
    assert (answer.status, code(answer)) == (400, "invalid_request")


async def test_a_request_needs_one_host(node: GossipNode) -> None:
    app = app_with(node)
    assert code(await ask(app, host="(none)")) == "invalid_request"
    twice = [(b"host", b"localhost"), (b"host", b"evil.example")]
    assert code(await raw_request(app, "GET", b"/", headers=twice, host=None)) == "invalid_request"


@pytest.mark.parametrize(
    ("allowed", "host", "passes"),
    [
        ("coterie.example.net", "coterie.example.net:443", True),
        ("Coterie.example.net", "cOTERIE.example.net", True),
        ("coterie.example.net", "example.net", False),
        ("coterie.example.net", "a.coterie.example.net", False),
        ("*.example.net", "coterie-0.coterie.example.net", True),
        ("*.example.net", "example.net", False),
        ("*.example.net", "evilexample.net", False),
        ("*", "anything.example", True),
    ],
)
async def test_names_are_allowed_by_the_setting(node: GossipNode, allowed: str, host: str, passes: bool) -> None:
    assert (await ask(app_with(node, allowed_hosts=(allowed,)), host=host)).status == (200 if passes else 403)


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://localhost.evil.example", "http://localhost:1", "file://", "", "http://"],
)
async def test_other_origins_are_refused_everywhere(node: GossipNode, origin: str) -> None:
    app = app_with(node)
    for method, path in EVERYWHERE:
        answer = await ask(app, method, path, b"key=a&value=b", origin=origin)
        assert (answer.status, code(answer)) == (403, "foreign_origin"), (method, path)
        assert "http.allowed_origins" in answer.json()["error"]["message"]
        assert not list(node.engine.own.visible())


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_nodes_own_pages_may_ask(node: GossipNode, scheme: str) -> None:
    """Also where something before the node ends TLS."""
    answer = await ask(app_with(node), host="127.0.0.1:10000", origin=f"{scheme}://127.0.0.1:10000")
    assert answer.status == 200


async def test_allowed_origins_may_ask_and_are_shown_the_answers(node: GossipNode) -> None:
    app = app_with(node, allowed_origins=("https://console.example.net",))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        origin = {"Origin": "https://console.example.net"}
        assert (await client.get("/", headers=origin)).headers["access-control-allow-origin"] == origin["Origin"]
        refused = await client.get("/v1/kv/none", headers=origin)
        assert refused.status_code == 404
        assert refused.headers["access-control-allow-origin"] == origin["Origin"]
        asked = {**origin, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "If-None-Match"}
        assert (await client.options("/v1/meta/a", headers=asked)).status_code == 200
        foreign = {"Origin": "https://evil.example"}
        answer = await client.get("/", headers=foreign)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
        assert (await client.options("/", headers={**asked, **foreign})).status_code == 400


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
async def test_what_a_browser_sends_for_other_sites_is_refused(node: GossipNode, site: str) -> None:
    """An image, a script, a form: none of them names its origin with a GET."""
    sent = {"sec_fetch_site": site, "sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"}
    app = app_with(node)
    for method, path in EVERYWHERE:
        answer = await ask(app, method, path, b"key=a&value=b", **sent)
        assert (answer.status, code(answer)) == (403, "foreign_origin"), (method, path)
        assert not list(node.engine.own.visible())


async def test_a_link_may_be_followed_to_what_is_read_but_changes_nothing(node: GossipNode) -> None:
    sent = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    app = app_with(node)
    assert (await ask(app, **sent)).status == 200
    for path in ("/set_kv", "/set_kv/", "/mark_for_deletion", "/mark_for_deletion/"):
        assert code(await ask(app, "GET", path, b"key=a&value=b", **sent)) == "foreign_origin"
    assert code(await ask(app, "POST", "/v1/txn", **sent)) == "foreign_origin"
    assert code(await ask(app, **{**sent, "sec_fetch_dest": "iframe"})) == "foreign_origin"


@pytest.mark.parametrize("site", ["none", "same-origin"])
async def test_a_person_at_a_browser_may_set_a_key(node: GossipNode, site: str) -> None:
    sent = {"sec_fetch_site": site, "user_agent": BROWSER}
    assert (await ask(app_with(node), "GET", "/set_kv", b"key=a&value=b", **sent)).status == 200


async def test_a_browser_that_does_not_say_where_it_comes_from_changes_nothing(node: GossipNode) -> None:
    """To other than https and loopback addresses browsers send no `Sec-Fetch-Site`."""
    app = app_with(node)
    sent = {"user_agent": BROWSER, "host": "192.0.2.7:10000"}
    assert (await ask(app, **sent)).status == 200
    assert code(await ask(app, "GET", "/set_kv", b"key=a&value=b", **sent)) == "foreign_origin"
    assert (await ask(app, "GET", "/set_kv", b"key=a&value=b", user_agent="curl/8.5.0")).status == 200


async def test_programs_that_name_themselves_in_any_way_pass(node: GossipNode) -> None:
    app = app_with(node)
    for agent in ("(none)", "curl/8.5.0", "python-httpx/0.28", "Wget/1.21"):
        assert (await ask(app, "GET", "/set_kv", b"key=a&value=b", user_agent=agent)).status == 200


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"origin": "https://evil.example"}])
async def test_websockets_pass_the_same_guard(node: GossipNode, headers: dict[str, str]) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    named = {"host": "localhost", **headers}
    scope = {
        "type": "websocket",
        "path": "/v1/ws",
        "raw_path": b"/v1/ws",
        "query_string": b"",
        "http_version": "1.1",
        "extensions": {"websocket.http.response": {}},
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
    }
    await app_with(node)(scope, receive, send)
    assert sent[0]["status"] == 403
    assert json.loads(sent[1]["body"])["error"]["code"] in {"foreign_host", "foreign_origin"}


@pytest.mark.parametrize("name", ["example.net:443", "https://example.net", "a b", "", "*x.example"])
def test_what_is_no_host_name_is_refused_at_the_start(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_HTTP__ALLOWED_HOSTS", json.dumps([name]))
    with pytest.raises(BadSettingsError, match="must be a host name without port"):
        load_settings({})


@pytest.mark.parametrize("origin", ["example.net", "https://example.net/path", "https://", ""])
def test_what_is_no_origin_is_refused_at_the_start(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_HTTP__ALLOWED_ORIGINS", json.dumps([origin]))
    with pytest.raises(BadSettingsError, match="must be an origin"):
        load_settings({})
