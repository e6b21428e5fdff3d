"""`coterie kv`: the keys of the gossip layer. Each node writes its own; any node can tell those of all."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from coterie.app.cli.framework import suggest
from coterie.app.cli.framework.command import CommandGroup
from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.framework.options import online
from coterie.app.cli.framework.session import Session
from coterie.app.cli.keys.kv_watch import Watched, changes
from coterie.app.cli.terminal.exits import Exit
from coterie.app.cli.terminal.failures import CommandError
from coterie.app.cli.terminal.output import Cell, Shown
from coterie.app.cli.terminal.text import ago
from coterie.app.cli.terminal.values import VALUE, VALUE_HELP, print_value, read_value
from coterie.app.wire.names import PROGRAM

if TYPE_CHECKING:
    from coterie.app.client import Client, GossipValue

PAGE = 1_000

RESERVED = "coterie/"
"""What the keys of the system begin with, as `gossip.RESERVED_PREFIX`, which takes a while to import."""

KEY = click.argument("key", shell_complete=suggest.gossip_keys)
PREFIX = click.argument("prefix", default="", shell_complete=suggest.gossip_keys)
OF_NODE = click.option("--node", metavar="NODE_ID", shell_complete=suggest.nodes, help="Only keys of this node.")
ALL = click.option("--all", "all_keys", is_flag=True, help="Also the keys that nodes keep for themselves, coterie/...")
TTL = click.option(
    "--ttl", is_flag=True, help="Let it live for gossip.marked_for_deletion_grace_period of that node only."
)


@make_command(
    "get",
    answer="coterie.app.wire.keys:GossipValue",
    examples=[f"{PROGRAM} kv get load", f"{PROGRAM} kv get load --node node2", f"{PROGRAM} kv get load --json"],
)
@KEY
@click.option(
    "--node", metavar="NODE_ID", shell_complete=suggest.nodes, help="Whose key; else that of the node that is asked."
)
@online
def get(session: Session, key: str, node: str | None) -> None:
    """The value of a key: of the node that is asked, or as it knows it of another."""
    found = session.run(lambda client: client.kv.get(key, node=node))
    if found is None:
        whose = f"node {node}" if node is not None else f"node at {session.node}"
        raise CommandError(f"the {whose} has no key {key!r}, as far as known", Exit.NOT_FOUND, code="key_not_found")
    if session.out.json:
        session.out.document(found)
    else:
        print_value(session.out, found.value.encode())


@make_command(
    "put",
    answer="coterie.app.wire.keys:GossipPut",
    examples=[
        f"{PROGRAM} kv put load 0.7",
        f"{PROGRAM} kv put task/7 done --ttl",
        f"uptime | {PROGRAM} kv put uptime -",
        f"{PROGRAM} kv put motd @/etc/motd",
    ],
    epilog=VALUE_HELP,
)
@KEY
@VALUE
@TTL
@online
def put(session: Session, key: str, value: str, ttl: bool) -> None:
    """Write a key of the node that is asked; it spreads from there.

    A node writes its own keys alone, so with several addresses it is the first of them that is meant. Values are text.
    """
    try:
        text = read_value(value).decode()
    except UnicodeDecodeError:
        raise click.UsageError("VALUE must be UTF-8 text: the gossip layer holds no other") from None
    done = session.run(lambda client: client.kv.put(key, text, ttl=ttl))
    if session.out.json:
        session.out.document(done)
        return
    what = f"version {done.version}" if done.changed else f"it had this value already, version {done.version}"
    expires = "" if done.expires_in_seconds is None else f", for {ago(done.expires_in_seconds)}"
    session.out.text(f"{done.node} {done.key}: {what}{expires}")


@make_command(
    "del",
    answer="coterie.app.wire.keys:GossipDelete",
    examples=[f"{PROGRAM} kv del load", f"{PROGRAM} kv del task/7 --ttl"],
)
@KEY
@click.option("--ttl", is_flag=True, help="Not now, but after gossip.marked_for_deletion_grace_period of that node.")
@online
def delete(session: Session, key: str, ttl: bool) -> None:
    """Delete a key of the node that is asked. One that is not there is no error."""
    done = session.run(lambda client: client.kv.delete(key, ttl=ttl))
    if session.out.json:
        session.out.document(done)
        return
    expires = done.expires_in_seconds
    what = "was not there" if not done.deleted else "deleted" if expires is None else f"gone in {ago(expires)}"
    session.out.text(f"{done.node} {done.key}: {what}")


@make_command(
    "ls",
    answer="coterie.app.wire.keys:GossipKeyList",
    examples=[
        f"{PROGRAM} kv ls",
        f"{PROGRAM} kv ls gpu/ --node node2",
        f"{PROGRAM} kv ls load --json | jq -r '.keys[] | .node + \" \" + .value'",
    ],
)
@PREFIX
@OF_NODE
@ALL
@online
def list_keys(session: Session, prefix: str, node: str | None, all_keys: bool) -> None:
    """Keys of all nodes that begin with PREFIX, by node and then by key, as the node that is asked knows them."""
    from coterie.app.wire.keys import GossipKeyList  # noqa: PLC0415

    told = session.run(lambda client: _all_keys(client, prefix, node))
    found = [each for each in told if all_keys or not is_reserved(each.key, prefix)]
    if session.out.json:
        session.out.document(GossipKeyList(tuple(found)))
        return
    session.out.table(
        ("node", "key", "value", ">version", "state"),
        [(_node(each), each.key, each.value, each.version, _state(each)) for each in found],
    )


def is_reserved(key: str, prefix: str) -> bool:
    """Whether it is a key that nodes keep for themselves, and not asked for by its prefix."""
    return key.startswith(RESERVED) and not prefix.startswith(RESERVED)


async def _all_keys(client: Client, prefix: str, node: str | None) -> list[GossipValue]:
    found: list[GossipValue] = []
    page: str | None = None
    while True:
        told = await client.kv.list(prefix=prefix, node=node, limit=PAGE, page=page)
        found += told.keys
        page = told.next_page
        if page is None:
            return found


def _node(each: GossipValue) -> Shown:
    return Cell(each.node) if each.alive else Cell(each.node, "dim")


def _state(each: GossipValue) -> Shown:
    words = [] if each.alive else ["its node is not live"]
    if each.expires_in_seconds is not None:
        words.append(f"expires in {ago(each.expires_in_seconds)}")
    return Cell(", ".join(words), "dim")


@make_command(
    "watch",
    answer="coterie.app.cli.keys.kv_watch:Watched",
    follows=True,
    examples=[
        f"{PROGRAM} kv watch",
        f"{PROGRAM} kv watch load --changes_only",
        f'{PROGRAM} kv watch jobs/ --node node2 --json | while read -r line; do echo "$line"; done',
    ],
)
@PREFIX
@OF_NODE
@ALL
@click.option("--changes_only", is_flag=True, help="Leave out what is there already.")
@online
def watch(session: Session, prefix: str, node: str | None, all_keys: bool, changes_only: bool) -> None:
    """Follow the keys of all nodes that begin with PREFIX: what is there, then every change as the node learns of it.

    It goes on over a node's restart and, with several addresses, at another node: what changed meanwhile is told then,
    by what holds now. A value above the node's live.max_value_bytes is not told (null in JSON): ask for it.
    """

    async def follow(client: Client) -> None:
        async with aclosing(client.events(["gossip"], prefix)) as messages:
            async for each in changes(messages, node, changes_only=changes_only):
                if all_keys or not is_reserved(each.key, prefix):
                    _show(session, each)

    session.follow(follow)


def _show(session: Session, each: Watched) -> None:
    if session.out.json:
        session.out.line(each)
    elif each.change == "delete":
        session.out.say(each.node, each.key, Cell("deleted", "red"))
    else:
        session.out.say(each.node, each.key, Cell("=", "dim"), each.value)


command = CommandGroup("kv", commands=[get, put, delete, list_keys, watch], help="The gossip layer's keys.")
