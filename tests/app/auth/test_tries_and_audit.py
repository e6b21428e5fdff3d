"""Limits on wrong tokens, and the log of what was refused and administered, in which no secret stands."""

from __future__ import annotations

import json
import stat
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest

from coterie.app.api.app import create_app
from coterie.app.auth.audit import Audit
from coterie.app.auth.authority import PASSED_ON_FACTOR
from coterie.app.auth.rate_limit import WrongTokenLimiter
from coterie.app.auth.routes import rights_of
from coterie.app.auth.rules import Principal, Right, anonymous
from coterie.app.http.errors import ApiError
from coterie.app.observability.logs import configure_logs
from coterie.app.settings.tables import LogSettings
from coterie.app.wire.errors import Code
from coterie.gossip import GossipNode
from tests.app.api.conftest import HTTP, RAFT, Part
from tests.app.auth.conftest import ADMIN, SMALL, WRONG, bearer, closed, code
from tests.app.conftest import logs_restored

pytestmark = pytest.mark.anyio

__all__ = ["logs_restored"]


def test_too_many_wrong_tokens_are_told_when_to_come_back() -> None:
    tries = WrongTokenLimiter(2, 60.0, 10)
    assert [tries.wrong("192.0.2.1", 0.0), tries.wrong("192.0.2.1", 10.0)] == [None, None]
    refusal = tries.wrong("192.0.2.1", 20.5)
    assert refusal is not None
    assert refusal.code is Code.TOO_MANY_TRIES
    assert refusal.headers["Retry-After"] == "40"
    assert tries.wrong("192.0.2.2", 20.5) is None
    assert tries.wrong("192.0.2.1", 60.0) is None


def test_a_network_of_ipv6_counts_as_one_address() -> None:
    tries = WrongTokenLimiter(1, 60.0, 10)
    assert tries.wrong("2001:db8::1", 0.0) is None
    assert tries.wrong("2001:db8::ffff:1", 0.0) is not None
    assert tries.wrong("2001:db8:0:1::1", 0.0) is None


def test_addresses_are_remembered_in_bounded_memory() -> None:
    tries = WrongTokenLimiter(1, 60.0, 3)
    for number in range(100):
        tries.wrong(f"192.0.2.{number}", 0.0)
    assert len(tries) == 3
    assert tries.wrong("192.0.2.99", 1.0) is not None


async def test_wrong_tokens_end_in_429_and_right_ones_pass(gossip: GossipNode, part: Part) -> None:
    app = create_app(gossip, HTTP, RAFT, part, authority=closed(part, max_tries=3))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        answers = [await client.get("/v1/kv", headers=bearer(WRONG)) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
        assert code(answers[-1]) == "too_many_tries"
        assert 0 < int(answers[-1].headers["retry-after"]) <= 60
        assert (await client.get("/v1/kv", headers=bearer(ADMIN))).status_code == 200
        assert (await client.get("/v1/kv")).status_code == 401
        # Who says that it passes a request on, and is no node of the cluster, is counted all the same.
        marked = await client.get("/v1/kv", headers={**bearer(WRONG), "coterie-forwarded": "x"})
        assert marked.status_code == 429


async def test_a_header_does_not_turn_the_limit_off(gossip: GossipNode, part: Part) -> None:
    """Whoever shares a node's address can say that it passes requests on."""
    authority = closed(part, max_tries=1, known_address=lambda _: True)
    app = create_app(gossip, HTTP, RAFT, part, authority=authority)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        marked = {**bearer(WRONG), "coterie-forwarded": "x"}
        answers = [(await client.get("/v1/kv", headers=marked)).status_code for _ in range(PASSED_ON_FACTOR + 2)]
        assert answers == [401] * PASSED_ON_FACTOR + [429] * 2
        assert (await client.get("/v1/kv", headers={**marked, **bearer(ADMIN)})).status_code == 200
        assert (await client.get("/v1/kv", headers=bearer(WRONG))).status_code == 401


def test_refusals_cannot_fill_the_disk(tmp_path: Path) -> None:
    now = [0.0]
    audit = Audit(tmp_path / "audit.log", 2, lambda: now[0])
    scope = {"path": "/v1/kv/" + "x" * 10_000, "method": "GET", "client": ("192.0.2.1", 1)}
    refusal = ApiError(Code.UNAUTHORIZED, "no")
    small = Principal("small", (), "sha256:x")

    def written() -> list[dict[str, Any]]:
        return lines((tmp_path / "audit.log").read_text())

    for _ in range(1_000):
        audit.refused(scope, None, refusal)
        audit.refused(scope, anonymous("none"), refusal)
    assert len(written()) == 20
    assert (tmp_path / "audit.log").stat().st_size < 20_000
    # What a token may not do is told all the same, and so is what was administered.
    audit.refused(scope, small, refusal)
    audit.done(scope, small, (Right("tokens", "admin"),), 200)
    assert [each["token"] for each in written()[20:]] == ["small", "small"]
    now[0] = 10.0
    audit.refused(scope, None, refusal)
    audit.refused(scope, None, refusal)
    assert [each.get("suppressed") for each in written()[22:]] == [1_980, None]
    audit.close()


@pytest.fixture
def logged(logs_restored: None) -> StringIO:
    stream = StringIO()
    configure_logs(LogSettings(level="debug", format="json"), stream)
    return stream


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


async def act(client: httpx.AsyncClient) -> str:
    """Something of every kind; returns the secret of a token that was made."""
    await client.get("/v1/kv/a?raw=true")
    await client.get("/v1/meta/a", headers=bearer(WRONG))
    await client.put("/v1/meta/a", content="very private", headers=bearer(SMALL))
    await client.put("/v1/meta/a", content="very private", headers=bearer(ADMIN))
    made = await client.post(
        "/v1/tokens", json={"id": "made", "rules": [{"layer": "cluster", "action": "read"}]}, headers=bearer(ADMIN)
    )
    await client.delete("/v1/raft/members/x", headers=bearer(ADMIN))
    token: str = made.json()["token"]
    await client.delete("/v1/tokens/made", headers=bearer(token))
    return token


EXPECTED = [
    ("refused", "anonymous", "GET", "/v1/kv/a", 401),
    ("refused", None, "GET", "/v1/meta/a", 401),
    ("refused", "small", "PUT", "/v1/meta/a", 403),
    ("administered", "admin", "POST", "/v1/tokens", 200),
    ("administered", "admin", "DELETE", "/v1/raft/members/x", 200),
    ("refused", "made", "DELETE", "/v1/tokens/made", 403),
]


def told(found: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(each["event"], each["token"], each["method"], each["path"], each["status"]) for each in found]


async def test_what_is_refused_or_administered_is_logged_without_secrets(
    client: httpx.AsyncClient, logged: StringIO
) -> None:
    made = await act(client)
    text = logged.getvalue()
    assert told([line for line in lines(text) if line["logger"] == "audit"]) == EXPECTED
    for secret in (ADMIN, SMALL, WRONG, made, "very private"):
        assert secret not in text
        assert secret.rpartition("_")[2] not in text or "_" not in secret


async def test_the_audit_log_may_be_a_file_that_is_rotated(
    gossip: GossipNode, part: Part, tmp_path: Path, logged: StringIO
) -> None:
    path = tmp_path / "audit.jsonl"
    authority = closed(part, audit_file=path)
    app = create_app(gossip, HTTP, RAFT, part, authority=authority)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        await act(client)
        found = lines(path.read_text())
        assert told(found) == EXPECTED
        assert all(each["client"] == "127.0.0.1" and each["timestamp"] for each in found)
        path.rename(tmp_path / "audit.old")
        await client.get("/v1/kv")
        assert len(lines(path.read_text())) == 1
    authority.audit.close()
    assert not [line for line in lines(logged.getvalue()) if line["logger"] == "audit"]


async def test_an_open_nodes_administration_is_logged_too(gossip: GossipNode, part: Part, logged: StringIO) -> None:
    app = create_app(gossip, HTTP, RAFT, part)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        await client.get("/v1/members")
        await client.put("/v1/meta/a", content="x")
        await client.post("/v1/raft/transfer", json={})
    found = [line for line in lines(logged.getvalue()) if line["logger"] == "audit"]
    assert [(each["event"], each["token"], each["path"]) for each in found] == [
        ("administered", "anonymous", "/v1/raft/transfer")
    ]


def test_the_audit_file_is_for_its_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    Audit(file).close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_only_reading_ones_own_token_goes_without_the_right_to_tokens() -> None:
    scope = {"raw_path": b"/v1/tokens/self", "path": "/v1/tokens/self", "query_string": b""}
    assert rights_of({**scope, "method": "GET"}) == (Right("any", "read", None),)
    assert rights_of({**scope, "method": "DELETE"}) == (Right("tokens", "admin"),)
