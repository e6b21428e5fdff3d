"""Tokens at etcd's API: bare or not, as passwords, and what they may do by prefix."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from coterie.app.settings.auth import AuthSettings, TokenSetting
from coterie.app.wire.tokens import Rule, hash_of, new_token
from coterie.gossip import GossipNode
from tests.app.api.conftest import Part
from tests.app.api.servers import serving
from tests.app.etcd.conftest import EtcdClient, apps, b64, result

pytestmark = pytest.mark.anyio

TOKENS = {name: new_token(name) for name in ("jobs", "reader", "root")}
RULES = {
    "jobs": (Rule(layer="metadata", action="write", prefix="jobs/"),),
    "reader": (Rule(layer="metadata", action="read"),),
    "root": (Rule(layer="*", action="admin"),),
}
DENIED = (403, 7, "etcdserver: permission denied")
NO_USER = (400, 3, "etcdserver: user name is empty")


@pytest.fixture
async def client(gossip: GossipNode, part: Part, http: httpx.AsyncClient) -> AsyncIterator[EtcdClient]:
    tokens = tuple(TokenSetting(id=name, hash=hash_of(token), rules=RULES[name]) for name, token in TOKENS.items())
    auth = AuthSettings(anonymous="none", tokens=tokens)
    async with serving(apps(gossip, part, auth=auth).etcd) as address:
        yield EtcdClient(address, http)


async def test_a_token_is_its_users_password_and_comes_bare_or_not(client: EtcdClient) -> None:
    assert await client.refused("/kv/range", key=b64(b"k")) == NO_USER
    wrong = "etcdserver: authentication failed, invalid user ID or password"
    assert await client.refused("/auth/authenticate", name="root", password=b64(b"x")) == (400, 3, wrong)
    assert await client.refused("/auth/authenticate", name="jobs", password=TOKENS["root"]) == (400, 3, wrong)
    assert await client.refused("/auth/authenticate", name="root", password=new_token("root")) == (400, 3, wrong)
    client.token = (await client.ask("/auth/authenticate", name="root", password=TOKENS["root"]))["token"]
    await client.put(b"k")
    client.token = f"Bearer {client.token}"
    await client.put(b"k")
    client.token = new_token("root")
    assert await client.refused("/kv/range", key=b64(b"k")) == (401, 16, "etcdserver: invalid auth token")


async def test_members_and_status_ask_for_no_token(client: EtcdClient) -> None:
    for token in (None, "nonsense"):
        client.token = token
        assert (await client.ask("/cluster/member/list"))["members"]
        await client.ask("/maintenance/status")
        assert (await client.ask("/auth/status"))["enabled"] is True
    client.token = None
    assert await client.refused("/maintenance/defragment") == NO_USER


async def test_rights_end_at_the_prefix(client: EtcdClient) -> None:
    client.token = TOKENS["jobs"]
    await client.put(b"jobs/1")
    await client.ask("/kv/range", key=b64(b"jobs/"), range_end=b64(b"jobs0"))
    for key, end in ((b"job", b""), (b"jobs/", b"jobs1"), (b"jobs/", b"\0"), (b"\0", b"\0")):
        assert await client.refused("/kv/range", key=b64(key), range_end=b64(end)) == DENIED
        assert await client.refused("/kv/deleterange", key=b64(key), range_end=b64(end)) == DENIED
    assert await client.refused("/kv/put", key=b64(b"other")) == DENIED
    inner = {"failure": [{"request_txn": {"success": [{"request_put": {"key": b64(b"other")}}]}}]}
    assert await client.refused("/kv/txn", **inner) == DENIED
    assert await client.refused("/kv/txn", compare=[{"key": b64(b"other")}]) == DENIED
    assert await client.refused("/kv/compaction", revision="2") == DENIED
    assert await client.refused("/lock/lock", name=b64(b"other")) == DENIED
    assert await client.refused("/auth/user/list") == DENIED
    async with client.stream("/watch", {"create_request": {"key": b64(b"other")}}) as answers:
        told = await result(answers)
        assert (told["watch_id"], told["created"], told["canceled"]) == ("-1", True, True)
        reason = "rpc error: code = PermissionDenied desc = etcdserver: permission denied"
        assert told["cancel_reason"] == reason


async def test_who_may_read_writes_nothing_and_has_no_leases(client: EtcdClient) -> None:
    client.token = TOKENS["reader"]
    await client.ask("/kv/range", key=b64(b"\0"), range_end=b64(b"\0"))
    assert await client.refused("/kv/put", key=b64(b"k")) == DENIED
    assert await client.refused("/lease/grant", TTL=60) == DENIED


async def test_a_lease_is_for_the_token_that_made_it(client: EtcdClient) -> None:
    client.token = TOKENS["root"]
    lease = (await client.ask("/lease/grant", TTL=60))["ID"]
    await client.put(b"other", lease=lease)
    client.token = TOKENS["jobs"]
    assert await client.refused("/kv/put", key=b64(b"jobs/1"), lease=lease) == DENIED
    assert await client.refused("/lease/revoke", ID=lease) == DENIED
    assert "keys" not in await client.ask("/lease/timetolive", ID=lease, keys=True)


async def test_tokens_of_the_metadata_are_shown_as_users(client: EtcdClient, part: Part) -> None:
    client.token = TOKENS["root"]
    assert "users" not in await client.ask("/auth/user/list")
    assert await client.refused("/auth/user/get", name="x") == (412, 9, "etcdserver: user name not found")
    assert await client.refused("/auth/role/get", role="x") == (412, 9, "etcdserver: role name not found")
