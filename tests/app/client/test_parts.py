"""What else the client asks of a real node: members, gossip's keys, Raft, live updates, tokens, a backup."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
from collections.abc import AsyncIterator

import httpx
import pytest

from coterie.app.api.app import create_app
from coterie.app.auth.authority import Authority
from coterie.app.client import AccessError, Client, ClientError, ClientLimits, Rule
from coterie.app.settings.auth import AuthSettings, TokenSetting
from coterie.app.settings.tables import HttpSettings
from coterie.app.wire.cluster import Compacting
from coterie.app.wire.tokens import Rule as NodeRule
from coterie.app.wire.tokens import hash_of
from coterie.consensus import ConflictError, RefusedError, UnavailableError
from coterie.consensus.store import Put, read_snapshot
from coterie.gossip import Address
from tests import ROOT
from tests.app.api.conftest import RAFT, Part
from tests.app.api.servers import serving
from tests.app.client.proxies import passing
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

ADMIN = "coterie_admin_" + "a1" * 32


async def test_members(client: Client) -> None:
    members = await client.members()
    (own,) = members.members
    assert (own.node_id, own.status, members.node_id) == ("node-a", "live", "node-a")
    assert await client.member("node-a") is not None
    assert await client.member("a/b c") is None
    cluster = await client.cluster()
    assert (cluster.node_id, cluster.raft.leader, len(cluster.raft.members)) == ("node-a", "node-a", 3)
    with pytest.raises(RefusedError) as caught:
        await client.forget("node-a")
    assert "is alive" in str(caught.value)


async def test_keys_of_gossip(client: Client) -> None:
    put = await client.kv.put("load/cpu", "0.7")
    assert (put.node, put.changed) == ("node-a", True)
    assert not (await client.kv.put("load/cpu", "0.7")).changed
    for value in (await client.kv.get("load/cpu"), await client.kv.get("load/cpu", node="node-a")):
        assert value is not None
        assert (value.value, value.version, value.alive) == ("0.7", put.version, True)
    page = await client.kv.list(prefix="load/", limit=1)
    assert [each.key for each in page.keys] == ["load/cpu"]
    assert (await client.kv.put("short", "x", ttl=True)).expires_in_seconds is not None
    assert (await client.kv.delete("load/cpu")).deleted
    assert not (await client.kv.delete("load/cpu")).deleted
    assert await client.kv.get("load/cpu") is None
    with pytest.raises(RefusedError) as caught:
        await client.kv.get("load", node="nobody")
    assert caught.value.code == "node_not_found"


async def test_raft(client: Client, served: Address, part: Part) -> None:
    status = await client.raft.status()
    assert (status.enabled, status.role, status.member_id) == (True, "leader", part.member.id)
    assert [each.role for each in await client.raft.members()] == ["leader", "observer", "voter"]
    assert await client.raft.decisions() == ()
    assert await client.raft.transfer("node-b") == "node-b"
    await client.raft.remove("c" * 32)
    await client.raft.leave()
    assert [what for what, _ in part.asked] == ["transfer", "remove", "leave"]
    assert await client.raft.compact() == Compacting(7, 3)
    assert await client.raft.give_up_founding() == "the agreement is taken back"
    part.fails = UnavailableError("no_leader")
    async with Client(str(served), timeout=1.5) as hasty:
        with pytest.raises(UnavailableError) as caught:
            await hasty.raft.give_up_founding()
    assert caught.value.reason == "no_leader"


async def test_a_backup_is_checked_while_it_comes(client: Client, part: Part) -> None:
    for number in range(200):
        await part.member.metadata.put(b"k/%d" % number, b"x" * 1_000)
    file = io.BytesIO()
    saved = await client.raft.snapshot(file)
    assert (saved.keys, saved.revision, saved.size) == (200, part.state.keyspace.revision, len(file.getvalue()))
    assert read_snapshot([file.getvalue()]).keyspace.revision == saved.revision


async def test_a_backup_that_is_cut_short_is_none(client: Client, part: Part) -> None:
    await part.member.metadata.put(b"k", b"x" * 5_000)
    file = io.BytesIO()
    await client.raft.snapshot(file)

    class Breaks(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield file.getvalue()[:1_000]
            raise httpx.ReadError("reset")

    for stream, error in ((httpx.ByteStream(file.getvalue()[:-1]), ClientError), (Breaks(), UnavailableError)):
        transport = httpx.MockTransport(lambda _, stream=stream: httpx.Response(200, stream=stream))
        async with Client("a:1", transport=transport) as cut:
            with pytest.raises(error):
                await cut.raft.snapshot(io.BytesIO())


async def test_live_updates_go_on_over_broken_ways(served: Address, part: Part) -> None:
    limits = ClientLimits(first_pause_seconds=0.01)
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        passing(served) as proxy,
        Client(proxy.address, limits=limits) as client,
    ):
        messages = client.events(kinds=["metadata"], prefix="k")
        try:
            types = []
            async for message in messages:
                types.append(message.type)
                if message.type == "ready":
                    break
            assert types[0] == "hello"
            await part.member.metadata.put(b"k", b"1")
            message = await anext(messages)
            while message.type != "metadata":
                message = await anext(messages)
            port = int(proxy.address.rpartition(":")[2])
            await proxy.fail()
            await part.member.metadata.put(b"k", b"2")
            await proxy.start(port)
            message = await anext(messages)
            while message.type != "hello":
                message = await anext(messages)
            assert message.data["resumed"]
            while message.type != "metadata":
                message = await anext(messages)
            assert "2" in str(message.data)
        finally:
            await messages.aclose()


# -- tokens ------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def closed(part: Part) -> AsyncIterator[Address]:
    """The node, which wants tokens."""
    token = TokenSetting(id="admin", hash=hash_of(ADMIN), rules=(NodeRule(layer="*", action="admin"),))
    authority = Authority(AuthSettings(anonymous="none", tokens=(token,)), part, lambda _: False, on_loopback=True)
    async with serving(create_app(part.node, HttpSettings(), RAFT, part, authority=authority)) as address:
        yield address


async def test_tokens_are_made_used_replaced_and_revoked(closed: Address) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), Client(str(closed), token=ADMIN) as admin:
        made = await admin.tokens.create([Rule("metadata", "write", "jobs/")], token_id="deploy", description="d")  # noqa: S106
        assert made.token not in repr(made)
        assert [(each.id, each.rules) for each in await admin.tokens.list()] == [
            ("deploy", (Rule("metadata", "write", "jobs/"),))
        ]
        async with Client(str(closed), token=made.token) as deploy:
            assert (await deploy.tokens.own()).id == "deploy"
            await deploy.metadata.put(b"jobs/1", b"x")
            with pytest.raises(AccessError) as caught:
                await deploy.metadata.put(b"other", b"x")
            assert caught.value.code == "forbidden"
            rotated = await admin.tokens.rotate("deploy")
            with pytest.raises(AccessError) as caught:
                await deploy.metadata.get(b"jobs/1")
            assert caught.value.code == "unauthorized"
        async with Client(str(closed), token=rotated.token) as deploy:
            await deploy.metadata.get(b"jobs/1")
        await admin.tokens.revoke("deploy")
        with pytest.raises(RefusedError) as refused:
            await admin.tokens.revoke("deploy")
        assert refused.value.code == "token_not_found"


async def test_without_a_token_it_says_what_is_missing(closed: Address) -> None:
    async with Client(str(closed)) as stranger:
        with pytest.raises(AccessError, match="for a client it is COTERIE_CLIENT_TOKEN, or token_file"):
            await stranger.metadata.put(b"k", b"v")
        with pytest.raises(AccessError):
            async with stranger.metadata.watch_key(b"k"):
                pass


async def test_a_token_for_locks_is_enough_for_a_lock(closed: Address) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), Client(str(closed), token=ADMIN) as admin:
        made = await admin.tokens.create([Rule("locks", "write", "jobs/")])
        async with Client(str(closed), token=made.token) as worker, worker.metadata.lock(b"jobs/7") as held:
            assert held.token > 0

            async def wait() -> int:
                async with worker.metadata.lock(b"jobs/7") as later:
                    return later.token

            waiting = asyncio.create_task(wait())
            with pytest.raises(AccessError):
                async with worker.metadata.lock(b"other"):
                    pass
            with pytest.raises(AccessError):
                await worker.metadata.txn([held.guard], [Put(b"k", b"v")])
            await held.__aexit__()
            assert await waiting > 0


# -- the package -------------------------------------------------------------------------------------------------------


def test_importing_it_brings_nothing_of_a_node() -> None:
    program = (
        "import sys, coterie.app.client\n"
        "heavy = {'fastapi', 'starlette', 'uvicorn', 'pysyncobj', 'pydantic', 'cryptography', 'structlog'}\n"
        "heavy |= {'coterie.gossip', 'coterie.consensus.member', 'coterie.consensus.raft'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "coterie.consensus.Member\n"
        "print('coterie.consensus.member' in sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ran.stdout.split("\n")[:2] == ["[]", "True"], ran.stderr


async def test_errors_of_the_store_are_those_of_consensus(client: Client) -> None:
    done = await client.metadata.put(b"k", b"v")
    with pytest.raises(ConflictError) as caught:
        await client.metadata.put(b"k", b"v", expect=0)
    assert caught.value.detail == done.revision
