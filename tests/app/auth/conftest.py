"""A closed node with a real member of Raft, and tokens of every size."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from coterie.app.api.app import create_app
from coterie.app.auth.authority import Authority
from coterie.app.http.forwarding import Forwarder
from coterie.app.settings.auth import AuthSettings, TokenSetting
from coterie.app.wire.tokens import Rule, hash_of
from coterie.gossip import GossipNode
from tests.app.api.conftest import HTTP, RAFT, Part, gossip, part

__all__ = ["gossip", "part"]

ADMIN = "coterie_admin_" + "a1" * 32
SMALL = "coterie_small_" + "b2" * 32
"""Allows next to nothing."""
WRONG = "coterie_admin_" + "c3" * 32

TOKENS = (
    TokenSetting(id="admin", hash=hash_of(ADMIN), rules=(Rule(layer="*", action="admin"),)),
    TokenSetting(id="small", hash=hash_of(SMALL), rules=(Rule(layer="gossip", action="read", prefix="nowhere/"),)),
)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def closed(raft: Any, forwarder: Forwarder | None = None, **settings: Any) -> Authority:
    """Nothing is allowed without a token. `forwarder`: asks the leader."""
    ask = None if forwarder is None else forwarder.ask
    known_address = settings.pop("known_address", lambda _: False)
    defaults: dict[str, Any] = {"anonymous": "none", "tokens": TOKENS, "max_tries": 10_000}
    return Authority(AuthSettings(**{**defaults, **settings}), raft, known_address, ask, on_loopback=True)


@pytest.fixture
def authority(part: Part) -> Authority:
    return closed(part)


@pytest.fixture
def app(gossip: GossipNode, part: Part, authority: Authority) -> ASGIApp:
    return create_app(gossip, HTTP, RAFT, part, authority=authority)


@pytest.fixture
async def client(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """Shows no token by itself."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        yield client


async def make(client: httpx.AsyncClient, rules: Sequence[tuple[str, ...]], **body: Any) -> str:
    """A token of the metadata; `rules`: (layer, action) or (layer, action, prefix)."""
    named = [dict(zip(("layer", "action", "prefix"), rule, strict=False)) for rule in rules]
    answer = await client.post("/v1/tokens", json={"rules": named, **body}, headers=bearer(ADMIN))
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["token"]
    return token


def code(answer: httpx.Response) -> str | None:
    return None if answer.status_code < 400 else str(answer.json()["error"]["code"])
