"""What in the cluster could be typed next: node ids and prefixes of keys, where a node answers soon; else nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from coterie.app.cli.framework.options import take_given
from coterie.app.cli.framework.session import Session
from coterie.app.cli.terminal.output import Output

if TYPE_CHECKING:
    from coterie.app.client import Client

SECONDS = 0.5
"""For an answer: somebody waits with a finger on a key."""

MOST = 200
"""Keys that are asked for."""

_Ask = Callable[["Client", click.Context, str], Coroutine[Any, Any, Iterable[CompletionItem[str]]]]
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]


def _asking(ask: _Ask) -> Complete:
    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        given = take_given(dict(ctx.params)) | {"timeout": SECONDS}

        async def working(client: Client) -> list[CompletionItem[str]]:
            async with asyncio.timeout(SECONDS):
                return list(await ask(client, ctx, incomplete))

        try:
            return [each for each in Session(Output(), given).run(working) if each.value.isprintable()]
        except Exception:  # noqa: BLE001 - nobody wants an error in the middle of a line
            return []

    return complete


async def _nodes(client: Client, _ctx: click.Context, incomplete: str) -> Iterable[CompletionItem[str]]:
    members = (await client.members()).members
    found = {each.node_id: each.status for each in members if each.node_id.startswith(incomplete)}
    return [CompletionItem(name, help=status) for name, status in found.items()]


async def _voters(client: Client, _ctx: click.Context, incomplete: str) -> Iterable[CompletionItem[str]]:
    return [
        CompletionItem(each.node_id, help=each.role)
        for each in await client.raft.members()
        if each.node_id is not None and each.role == "voter" and each.node_id.startswith(incomplete)
    ]


async def _raft_members(client: Client, _ctx: click.Context, incomplete: str) -> Iterable[CompletionItem[str]]:
    return [
        CompletionItem(name, help=each.role)
        for each in await client.raft.members()
        if (name := each.node_id or each.member_id).startswith(incomplete)
    ]


async def _gossip_keys(client: Client, ctx: click.Context, incomplete: str) -> Iterable[CompletionItem[str]]:
    page = await client.kv.list(prefix=incomplete, node=ctx.params.get("node"), limit=MOST)
    return parts_of((each.key for each in page.keys), incomplete)


async def _tokens(client: Client, _ctx: click.Context, incomplete: str) -> Iterable[CompletionItem[str]]:
    return [
        CompletionItem(each.id, help=each.description)
        for each in await client.tokens.list()
        if each.id.startswith(incomplete)
    ]


async def _meta_keys(client: Client, _ctx: click.Context, incomplete: str) -> Iterable[CompletionItem[str]]:
    page = (await client.metadata.prefix(incomplete.encode(), limit=MOST)).value
    return parts_of((each.key.decode(errors="replace") for each in page.records), incomplete)


async def _lock_names(client: Client, _ctx: click.Context, incomplete: str) -> Iterable[CompletionItem[str]]:
    return await _queue_names(client, incomplete, "lock", "semaphore")


async def _election_names(client: Client, _ctx: click.Context, incomplete: str) -> Iterable[CompletionItem[str]]:
    return await _queue_names(client, incomplete, "election")


async def _queue_names(client: Client, incomplete: str, *kinds: str) -> Iterable[CompletionItem[str]]:
    from coterie.consensus.store import QueueKind  # noqa: PLC0415

    found = [name.decode() for kind in kinds for name in (await client.metadata.queue_names(QueueKind(kind))).value]
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]


async def _leases(client: Client, _ctx: click.Context, incomplete: str) -> Iterable[CompletionItem[str]]:
    found = (await client.leases.list(limit=MOST)).leases
    return [CompletionItem(str(each.lease)) for each in found if str(each.lease).startswith(incomplete)]


def parts_of(keys: Iterable[str], incomplete: str) -> list[CompletionItem[str]]:
    """Keys up to their next slash: what lies behind it is for the next time."""
    found: dict[str, CompletionItem[str]] = {}
    for key in keys:
        cut = key.find("/", len(incomplete))
        name = key if cut < 0 else key[: cut + 1]
        found[name] = CompletionItem(name, type="plain" if cut < 0 else "part")
    return list(found.values())


nodes = _asking(_nodes)
voters = _asking(_voters)
raft_members = _asking(_raft_members)
gossip_keys = _asking(_gossip_keys)
tokens = _asking(_tokens)
meta_keys = _asking(_meta_keys)
lock_names = _asking(_lock_names)
election_names = _asking(_election_names)
leases = _asking(_leases)
