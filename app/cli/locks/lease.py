"""`coterie lease`: what keys, locks and leaderships live with."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from coterie.app.cli.framework import suggest
from coterie.app.cli.framework.command import CommandGroup
from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.framework.durations import Seconds
from coterie.app.cli.framework.options import online
from coterie.app.cli.framework.session import Session
from coterie.app.cli.terminal.exits import Exit
from coterie.app.cli.terminal.failures import CommandError
from coterie.app.cli.terminal.text import ago
from coterie.app.wire.names import PROGRAM

if TYPE_CHECKING:
    from coterie.app.client import Client
    from coterie.app.wire.locks import Lease, LeaseDetails

PAGE = 1_000

RENEWALS_PER_TTL = 3

LEASE = click.argument("lease", type=click.IntRange(1), metavar="ID", shell_complete=suggest.leases)


@make_command(
    "ls", answer="coterie.app.wire.locks:LeaseList", examples=[f"{PROGRAM} lease", f"{PROGRAM} lease ls --json"]
)
@online
def list_leases(session: Session) -> None:
    """All leases, by id."""
    from coterie.app.wire.locks import LeaseList  # noqa: PLC0415

    found = session.run(_all_leases)
    if session.out.json:
        session.out.document(LeaseList(tuple(found)))
        return
    session.out.table(
        (">id", "lives", ">left", ">renewals"),
        [(each.lease, _lives(each), _left(each), each.renewals) for each in found],
    )


async def _all_leases(client: Client) -> list[Lease]:
    found: list[Lease] = []
    page: str | None = None
    while True:
        told = await client.leases.list(limit=PAGE, page=page)
        found += told.leases
        page = told.next_page
        if page is None:
            return found


def _lives(lease: Lease) -> str:
    if lease.node is None:
        return f"{lease.ttl_seconds or 0:g} s"
    return f"with {lease.node}, {lease.hold_seconds or 0:g} s beyond its death"


def _left(lease: Lease) -> str | None:
    return None if lease.remaining_seconds is None else ago(lease.remaining_seconds)


@make_command(
    "get",
    answer="coterie.app.client.api.leases:LeaseDetails",
    examples=[f"{PROGRAM} lease get 17", f"{PROGRAM} lease get 17 --json | jq -r '.keys[]'"],
)
@LEASE
@online
def get(session: Session, lease: int) -> None:
    """A lease, and the keys and places that live with it."""
    found = session.run(lambda client: _found(client, lease))
    if session.out.json:
        session.out.document(found)
        return
    session.out.pairs({"id": found.lease, "lives": _lives(found), "left": _left(found), "renewals": found.renewals})
    session.out.text(*found.keys)


async def _found(client: Client, lease: int) -> LeaseDetails:
    found = await client.leases.get(lease)
    if found is None:
        raise CommandError(
            f"there is no lease {lease}: it ended, or never was",
            Exit.NOT_FOUND,
            code="lease_not_found",
            parameter="lease",
        )
    return found


@make_command(
    "grant",
    answer="coterie.app.client.api.leases:LeaseDetails",
    examples=[
        f"{PROGRAM} lease grant 60    # prints 17; then: {PROGRAM} meta put workers/7 10.0.0.7 --lease 17",
        f"{PROGRAM} lease grant --node node2",
    ],
)
@click.argument("ttl", type=Seconds(above=True), required=False, metavar="[SECONDS]")
@click.option(
    "--node", metavar="NODE_ID", shell_complete=suggest.nodes, help="Let it live with the process of this node."
)
@click.option(
    "--hold",
    type=Seconds(above=True),
    metavar="SECONDS",
    help="With --node: for how long gossip must have held it dead.  [default: 5]",
)
@online
def grant(session: Session, ttl: float | None, node: str | None, hold: float | None) -> None:
    """Make a lease that lives SECONDS from its last renewal, or with a node, and print its id.

    Keys that are put with it (coterie meta put --lease) go when it ends.
    """
    if (ttl is None) == (node is None):
        raise click.UsageError("give either SECONDS or --node")
    if hold is not None and node is None:
        raise click.UsageError("--hold goes with --node")
    found = session.run(lambda client: _granted(client, ttl, node, 5.0 if hold is None else hold))
    if session.out.json:
        session.out.document(found)
    else:
        session.out.text(str(found.lease))


async def _granted(client: Client, ttl: float | None, node: str | None, hold: float) -> LeaseDetails:
    if ttl is not None:
        done = await client.metadata.grant_lease(ttl)
    else:
        member = await client.member(node or "")
        if member is None:
            raise CommandError(
                f"no node {node!r} is known there; {PROGRAM} members lists them",
                Exit.NOT_FOUND,
                code="node_not_found",
                parameter="node",
            )
        done = await client.metadata.bind_lease(member.node_id, member.generation, hold)
    return await _found(client, done.lease)


@make_command(
    "keepalive",
    answer="coterie.app.client.api.leases:LeaseDetails",
    follows=True,
    examples=[f"{PROGRAM} lease keepalive 17", f"{PROGRAM} lease keepalive 17 --once"],
)
@LEASE
@click.option("--once", is_flag=True, help="Renew it once.")
@online
def keepalive(session: Session, lease: int, once: bool) -> None:
    """Renew a lease, three times in its time to live, until this is ended. The exit code is 3 where it is gone."""

    async def keep(client: Client) -> None:
        while True:
            await client.metadata.keep_alive(lease)
            found = await _found(client, lease)
            if session.out.json:
                session.out.line(found)
            else:
                session.out.say(f"lease {lease}: {_left(found) or _lives(found)}")
            if once:
                return
            if found.ttl_seconds is None:
                raise CommandError(f"lease {lease} lives with node {found.node}: nobody needs to renew it")
            await asyncio.sleep(found.ttl_seconds / RENEWALS_PER_TTL)

    session.run(keep, patient=True)


@make_command(
    "revoke",
    answer="coterie.app.wire.locks:LeaseRevoked",
    examples=[f"{PROGRAM} lease revoke 17", f"{PROGRAM} lease revoke 17 --yes"],
)
@LEASE
@click.option("--yes", is_flag=True, help="Do it without asking.")
@online
def revoke(session: Session, lease: int, yes: bool) -> None:
    """End a lease now: its keys are deleted, and what it held goes to the next."""
    from coterie.app.wire.locks import LeaseRevoked  # noqa: PLC0415

    keys = session.run(lambda client: _found(client, lease)).keys
    listed = "".join(f"\n  {key}" for key in keys[:10]) + (f"\n  and {len(keys) - 10} more" if len(keys) > 10 else "")
    session.out.make_sure(f"Lease {lease} will end, and {len(keys)} keys and places with it.{listed}", yes=yes)
    done = session.run(lambda client: client.metadata.revoke(lease))
    if session.out.json:
        session.out.document(LeaseRevoked(lease, done.revision, done.deleted))
    else:
        session.out.text(f"lease {lease}: ended, {done.deleted} keys went with it")


command = CommandGroup(
    "lease",
    commands=[list_leases, get, grant, keepalive, revoke],
    default="ls",
    help="Leases: what keys, locks and leaderships live with.",
)
