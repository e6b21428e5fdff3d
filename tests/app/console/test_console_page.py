"""`/ui/`: the console's files, as a browser is to get them."""

from __future__ import annotations

import gzip
import re
from importlib.resources import files

import httpx
import pytest

from coterie.app.api.app import create_app
from coterie.app.api.console.page import console_files
from coterie.app.auth.authority import Authority
from coterie.app.raft.local import LocalRaft
from coterie.app.settings.auth import AuthSettings
from coterie.app.settings.tables import HttpSettings
from coterie.gossip import GossipNode

pytestmark = pytest.mark.anyio


async def test_the_page_is_kept_to_itself(client: httpx.AsyncClient) -> None:
    answer = await client.get("/ui/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    rules = dict(rule.strip().split(" ", 1) for rule in answer.headers["content-security-policy"].split(";"))
    assert rules == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-cache"


async def test_without_the_slash_it_is_led_there_relatively(client: httpx.AsyncClient) -> None:
    answer = await client.get("/ui")
    assert (answer.status_code, answer.headers["location"]) == (307, "ui/")


async def test_every_file_is_served_as_what_it_is(client: httpx.AsyncClient) -> None:
    assets = console_files()
    assert "index.html" in assets
    types = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    for name, asset in assets.items():
        answer = await client.get(f"/ui/{name}")
        assert (answer.status_code, answer.content) == (200, asset.plain), name
        assert answer.headers["content-type"].partition(";")[0] == types.get(asset.suffix, "image/png")


async def test_what_a_browser_holds_is_not_sent_again(client: httpx.AsyncClient) -> None:
    for encoding in ("gzip", "identity"):
        tag = (await client.get("/ui/", headers={"accept-encoding": encoding})).headers["etag"]
        for held in (tag, f'"other", W/{tag}'):
            again = await client.get("/ui/", headers={"accept-encoding": encoding, "if-none-match": held})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
            assert "content-security-policy" in again.headers
        other = await client.get("/ui/", headers={"accept-encoding": encoding, "if-none-match": '"other"'})
        assert other.status_code == 200


async def test_the_packed_form_has_a_tag_of_its_own(client: httpx.AsyncClient) -> None:
    packed = await client.get("/ui/", headers={"accept-encoding": "gzip"})
    plain = await client.get("/ui/", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content  # the client unpacks
    assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(console_files()["index.html"].packed) == plain.content


@pytest.mark.parametrize(
    "path",
    ["nothing.js", "../api.py", "%2e%2e/api.py", "..%2fapi.py", "/etc/passwd", "index.html/", "%00", "console_page.py"],
)
async def test_nothing_else_can_be_had(client: httpx.AsyncClient, path: str) -> None:
    url = httpx.URL("http://localhost").copy_with(raw_path=f"/ui/{path}".encode())
    answer = await client.get(url)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_only_reading(client: httpx.AsyncClient) -> None:
    answer = await client.post("/ui/")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_the_shell_needs_no_token_and_holds_no_data(node: GossipNode) -> None:
    authority = Authority(AuthSettings(), LocalRaft(node), lambda _: False, on_loopback=False)
    app = create_app(node, HttpSettings(), authority=authority)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for path in ("/ui", "/ui/", "/ui/index.html"):
            assert (await client.get(path)).status_code in {200, 307}
        for path in ("/", "/v1/cluster", "/v1/events"):
            assert (await client.get(path)).status_code == 401


async def test_it_can_be_switched_off(node: GossipNode) -> None:
    transport = httpx.ASGITransport(app=create_app(node, HttpSettings(), console=False))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for path in ("/ui", "/ui/"):
            assert (await client.get(path)).status_code == 404


async def test_a_browser_at_the_root_gets_the_documented_answer(client: httpx.AsyncClient) -> None:
    answer = await client.get("/", headers={"accept": "text/html", "user-agent": "Mozilla/5.0"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"


def test_the_files_ask_nobody_else() -> None:
    """Beside what the browser is told not to do: no file names another host, nor a path that a proxy would not know."""
    for name, asset in console_files().items():
        if asset.suffix not in {".html", ".css"}:
            continue
        text = asset.plain.decode()
        assert re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?/""", text) == [], name
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style", text), f"{name}: the browser is told to refuse this"


def test_every_file_of_the_console_is_known() -> None:
    """Those that are not served are there for people: licences, and notes of where something comes from."""
    unserved = {
        entry.name for entry in (files("coterie.app.api.console") / "assets").iterdir() if entry.is_file()
    } - set(console_files())
    assert {name for name in unserved if not name.startswith(("LICENSE", "NOTICE", "README"))} == set()
