"""`coterie status`: the cluster at a glance, once or over and over."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.framework.durations import Duration
from coterie.app.cli.framework.options import online
from coterie.app.cli.framework.session import Session
from coterie.app.cli.terminal import styles
from coterie.app.cli.terminal.exits import Exit
from coterie.app.cli.terminal.output import Cell, Line, Shown, TextTable
from coterie.app.cli.terminal.text import ago
from coterie.app.wire.names import PROGRAM

if TYPE_CHECKING:
    from coterie.app.cli.cluster.status_report import StatusReport
    from coterie.app.client import Client


@make_command(
    "status",
    answer="coterie.app.cli.cluster.status_report:StatusReport",
    examples=[
        f"{PROGRAM} status",
        f"{PROGRAM} status --watch",
        f"{PROGRAM} status --check || echo 'the cluster is not well'",
        f"{PROGRAM} status --json | jq -r '.problems[].problem'",
    ],
)
@click.option("--watch", is_flag=True, help="Show it anew over and over, until Ctrl-C; with --json an object a line.")
@click.option(
    "--every",
    type=Duration(least=0.05),
    default=1.0,
    show_default=True,
    metavar="DURATION",
    help="How often, with --watch.",
)
@click.option("--check", is_flag=True, help="End with 1 where something is not well.")
@online
def command(session: Session, watch: bool, every: float, check: bool) -> int:
    """The cluster at a glance: nodes by state, leader, term and quorum, who votes, what is not well, and what to do.

    It is what one node sees. What it says of a dead node may lag behind by a few seconds, as its failure detector does.
    """
    if watch:
        session.follow(lambda client: _follow(session, client, every))
        return Exit.DONE
    told = session.run(look)
    if session.out.json:
        session.out.document(told)
    else:
        session.out.show(*draw(told))
    return Exit.FAILED if check and not told.healthy else Exit.DONE


async def look(client: Client) -> StatusReport:
    """Raises what the client raises."""
    from coterie.app.cli.cluster.status_report import report  # noqa: PLC0415

    cluster, members = await client.cluster(), await client.members()
    shortage = await _log_shortage(client) if cluster.raft.enabled else None
    return report(cluster, members, await client.why_not_ready(), shortage)


async def _log_shortage(client: Client) -> str | None:
    from coterie.consensus.api.errors import MetadataError  # noqa: PLC0415

    try:
        return (await client.raft.status()).log_shortage
    except MetadataError:  # it is asked of the first address alone, and another one may have told the rest
        return None


async def _follow(session: Session, client: Client, every: float) -> None:
    from coterie.consensus.api.errors import UnavailableError  # noqa: PLC0415

    with session.out.redrawing() as redraw:
        while True:
            try:
                told = await look(client)
            except UnavailableError as error:  # whoever watches wants to see it come back
                if session.out.json:
                    session.out.remark(f"{PROGRAM}: {error}")
                else:
                    redraw([Line((Cell(str(error), "bold red"),))])
            else:
                if session.out.json:
                    session.out.line(told)
                else:
                    redraw(list(draw(told)))
            await asyncio.sleep(every)


def draw(told: StatusReport) -> Iterator[Line | TextTable]:
    """As lines and a table."""
    by = f"as {told.node_id} sees it" + (f", which runs {PROGRAM} {told.version}" if told.version else "")
    well = Cell("all is well", "bold green") if told.healthy else Cell("not all is well", "bold red")
    yield Line((Cell(f"Cluster {told.cluster_id}:", "bold"), well, Cell(f"({by})", "dim")))
    yield Line(())
    yield _pair("nodes", _nodes(told))
    if told.raft.voters or told.raft.enabled:
        raft = told.raft
        yield _pair("leader", [Cell(raft.leader, "bold cyan") if raft.leader else Cell("none", "bold red")])
        yield _pair("term", [raft.term])
        yield _pair("quorum", _quorum(told))
    else:
        yield _pair("raft", [Cell("off", "dim")])
    yield Line(())
    noted = any(each.note for each in told.members)
    yield TextTable(
        ("node", "status", "role", ">phi", ">heard", ">keys", "address", *(["why it does not vote"] if noted else [])),
        tuple(
            (
                each.node_id,
                styles.status(each.status),
                styles.role(each.role),
                styles.phi(each.phi),
                None if each.last_heartbeat_seconds is None else ago(each.last_heartbeat_seconds),
                each.keys,
                each.gossip_advertise_addr,
                *([Cell(each.note or "", "dim")] if noted else []),
            )
            for each in told.members
        ),
    )
    if told.problems:
        yield Line(())
        yield Line((Cell("Not well:", "bold red"),))
        for each in told.problems:
            yield Line((Cell("!", "bold red"), each.problem))
            yield Line((Cell(" ", ""), Cell(f"what to do: {each.advice}", "dim")))


def _pair(name: str, values: list[Shown]) -> Line:
    return Line((Cell(f"{name:<8}", "dim"), *values))


def _nodes(told: StatusReport) -> list[Shown]:
    counts = {word: getattr(told.nodes, word) for word in ("live", "dead", "joining", "left")}
    known = [(word, count) for word, count in counts.items() if count]
    last = len(known) - 1
    return [
        Cell(f"{count} {word}{'' if at == last else ','}", styles.status(word).style)
        for at, (word, count) in enumerate(known)
    ]


def _quorum(told: StatusReport) -> list[Shown]:
    raft = told.raft
    if not raft.voters:
        return [Cell("no cluster yet", "dim")]
    voters = len(raft.voters)
    words = f"{raft.voters_needed} of {voters} voters needed"
    if raft.quorum is None or raft.voters_live < voters:  # gossip's count may differ from what Raft sees
        words += f"; gossip holds {raft.voters_live} live"
    return [styles.yes_no(raft.quorum), f"({words})"]
