"""`coterie elect`: runs a command while it leads, and tells who leads."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from coterie.app.cli.framework import suggest
from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.framework.options import online
from coterie.app.cli.framework.session import Session
from coterie.app.cli.locks import lock_runner as held
from coterie.app.cli.process.child_process import check_command
from coterie.app.cli.terminal.exits import Exit
from coterie.app.cli.terminal.failures import CommandError
from coterie.app.cli.terminal.output import Cell
from coterie.app.wire.names import ELECTION_ENV_PREFIX, PROGRAM

if TYPE_CHECKING:
    from coterie.app.client import Client
    from coterie.app.wire.locks import Election
    from coterie.consensus.api.locks import Lock


@make_command(
    "elect",
    answer="coterie.app.wire.locks:Election",
    follows=True,
    examples=[
        f"{PROGRAM} elect scheduler -- ./scheduler --port 8080",
        f"{PROGRAM} elect scheduler --value 10.0.0.7:8080 -- ./scheduler",
        f"{PROGRAM} elect scheduler --who",
        f"{PROGRAM} elect scheduler --observe --json | jq -r '.leader.value // \"nobody\"'",
    ],
    epilog=f"CMD finds {ELECTION_ENV_PREFIX}NAME, {ELECTION_ENV_PREFIX}KEY and {ELECTION_ENV_PREFIX}TOKEN in its "
    "environment: the fencing token, higher for every later leader. --ttl, --wait, --on_lost, --grace and the exit "
    f"codes are those of {PROGRAM} lock.",
)
@click.argument("name", shell_complete=suggest.election_names)
@held.COMMAND
@click.option("--who", is_flag=True, help="Only tell who leads; the exit code is 3 where nobody does.")
@click.option("--observe", is_flag=True, help="Tell who leads, now and at every change.")
@held.TTL
@held.WAIT
@held.ON_LOST
@held.GRACE
@held.VALUE
@online
def command(
    session: Session,
    name: str,
    command_line: tuple[str, ...],
    who: bool,
    observe: bool,
    ttl: float,
    wait: float | None,
    on_lost: str,
    grace: float,
    value: str | None,
) -> int:
    """Campaign in the election NAME, run CMD while leading, resign when it ends; or, without CMD, tell who leads."""
    if (who or observe) and (command_line or (who and observe)):
        raise click.UsageError("give one of --who, --observe and CMD")
    if who:
        return _tell(session, name)
    if observe:
        session.follow(lambda client: _observe(session, client, name))
        return Exit.DONE
    check_command(command_line)

    def campaign(client: Client) -> Lock:
        return client.metadata.elect(name.encode(), held.own_value(value), ttl=ttl, timeout=wait)

    what = f"the leadership of {name!r}"
    return held.run_held(
        session, held.AcquireRequest(what, campaign, command_line, ELECTION_ENV_PREFIX, name, wait, on_lost, grace)
    )


def _tell(session: Session, name: str) -> int:
    found = session.run(lambda client: _leader(client, name))
    if session.out.json:
        session.out.line(found)
        return Exit.DONE if found.leader is not None else Exit.NOT_FOUND
    if found.leader is None:
        raise CommandError(f"nobody leads {name!r}", Exit.NOT_FOUND, code="not_found", parameter="name")
    session.out.say(found.leader.value)
    return Exit.DONE


async def _observe(session: Session, client: Client, name: str) -> None:
    async with aclosing(_leaders(client, name)) as leaders:
        async for each in leaders:
            if session.out.json:
                session.out.line(each)
            elif each.leader is None:
                session.out.say(Cell("nobody leads", "yellow"))
            else:
                session.out.say(each.leader.value, Cell(f"token {each.leader.token}", "dim"))


async def _leaders(client: Client, name: str) -> AsyncGenerator[Election]:
    """Who leads now, and at every change; who misses some is told the present one."""
    from coterie.consensus.store import QueueKind, queue_prefix  # noqa: PLC0415

    async with client.metadata.watch_prefix(queue_prefix(QueueKind.ELECTION, name.encode())) as watching:
        told = await _leader(client, name)
        yield told
        async for batch in watching:
            if not batch.events:
                continue
            found = await _leader(client, name)
            if found.leader != told.leader:
                yield found
            told = found


async def _leader(client: Client, name: str) -> Election:
    from coterie.app.cli.models.locks import show_place  # noqa: PLC0415
    from coterie.app.wire.locks import Election  # noqa: PLC0415
    from coterie.consensus.store import QueueKind  # noqa: PLC0415

    places = [
        show_place(each) for each in (await client.metadata.queue_entries(QueueKind.ELECTION, name.encode())).value
    ]
    leader = next((each for each in places if each.token), None)
    return Election(name, leader, tuple(each for each in places if each is not leader))
