"""`coterie events`: follows what happens in the cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.framework.options import online
from coterie.app.cli.framework.session import Session
from coterie.app.cli.terminal import styles
from coterie.app.cli.terminal.output import Cell, Shown
from coterie.app.cli.terminal.text import clock
from coterie.app.wire.names import PROGRAM

if TYPE_CHECKING:
    from coterie.app.client import Client

KINDS = ("members", "raft", "decisions", "gossip", "metadata", "queues")
"""Of events; what comes as samples moves all the time, and is for pages."""


def _split(_ctx: click.Context, _param: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    words = [word for value in values for word in value.split(",") if word]
    for word in words:
        if word not in KINDS:
            raise click.BadParameter(f"there is no kind {word!r}; there are {', '.join(KINDS)}")
    return tuple(dict.fromkeys(words))


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    before, comma, last = incomplete.rpartition(",")
    return [CompletionItem(before + comma + kind) for kind in KINDS if kind.startswith(last)]


@make_command(
    "events",
    answer="coterie.app.wire.live.events:AnyEvent",
    follows=True,
    examples=[
        f"{PROGRAM} events",
        f"{PROGRAM} events --kinds members,raft",
        f"{PROGRAM} events --kinds metadata --prefix config/ --json | jq -r .key",
    ],
)
@click.option(
    "--kinds",
    multiple=True,
    callback=_split,
    metavar="KIND,...",
    shell_complete=_complete,
    help=f"Only these: {', '.join(KINDS)}.",
)
@click.option("--prefix", default="", help="Of keys, of both layers, only those that begin with this.")
@online
def command(session: Session, kinds: Sequence[str], prefix: str) -> None:
    """Follow what happens: nodes that come and go, leader and voters, decisions, keys of both layers, locks.

    It goes on over a node's restart and, with several addresses, at another node; where events may have been missed
    meanwhile, standard error says so. Without --kinds it tells of what the token may read, and standard error says
    what is withheld; a kind that is named and withheld is an error.
    """

    async def follow(client: Client) -> None:
        begun = False
        async with aclosing(client.events(kinds, prefix)) as messages:
            async for message in messages:
                if message.type == "hello":
                    if begun and not message.data["resumed"]:
                        session.out.remark(f"{PROGRAM}: events may be missing here: {message.data['reason']}")
                    if not begun:
                        for line in part_told(message.data):
                            session.out.remark(f"{PROGRAM}: {line}")
                    begun = True
                elif message.type in KINDS:
                    show(session, message.data)

    session.follow(follow)


def part_told(hello: dict[str, Any]) -> Iterator[str]:
    """What of the events is withheld, for want of rights."""
    withheld = [kind for kind in KINDS if kind in hello.get("withheld", ())]
    if withheld:
        yield f"not told, for the token may not read it: {', '.join(withheld)}"
    for kind, starts in hello.get("within", {}).items():
        if kind in hello["kinds"]:
            yield f"of {kind} only what begins with {' or '.join(starts)}, for the token may not read the rest"


def show(session: Session, event: dict[str, Any]) -> None:
    if session.out.json:
        session.out.line(event)
    else:
        session.out.say(Cell(clock(event["time"]), "dim"), Cell(f"{event['kind']:<9}", "bold"), *in_words(event))


def in_words(event: dict[str, Any]) -> list[Shown]:
    """What an event says, as parts of a line."""
    match event["kind"]:
        case "members":
            member = event["member"]
            return [member["node_id"], styles.status(event["change"]), Cell(member["gossip_advertise_addr"], "dim")]
        case "raft":
            raft = event["raft"]
            told = [f"{name} {_plain(raft[name])}" for name in event["changes"]]
            told += [f"{each['node_id'] or each['member_id']} is {each['role']}" for each in event["members"]]
            told += [f"{each} is gone" for each in event["gone"]]
            return [", ".join(told)]
        case "decisions":
            told = event["decision"]
            whom = told["node_id"] or told["member_id"] or ""
            return [told["action"], whom, Cell(told["outcome"], "bold"), Cell(told["reason"], "dim")]
        case "gossip":
            change = Cell("deleted", "red") if event["change"] == "delete" else None
            return [event["node"], event["key"], *([change] if change else [Cell("=", "dim"), _value(event["value"])])]
        case "metadata":
            at = Cell(f"revision {event['revision']}", "dim")
            if event["change"] == "delete":
                return [event["key"], Cell("deleted", "red"), at]
            return [event["key"], Cell("=", "dim"), _value(event["value"]), at]
        case "queues":
            holders = ", ".join(_plain(each.get("value") or each.get("lease")) for each in event["holders"])
            waiting = len(event["waiters"])
            return [
                event["queue"],
                event["name"],
                f"held by {holders}" if event["holders"] else "free",
                *([Cell(f"{waiting} wait", "dim")] if waiting else []),
            ]
    return [str(event)]


def _value(value: str | None) -> Shown:
    return Cell("(long)", "dim") if value is None else value


def _plain(value: object) -> str:
    match value:
        case None:
            return "unknown"
        case bool():
            return "yes" if value else "no"
        case list():
            return " ".join(map(str, value)) or "none"
    return str(value)
