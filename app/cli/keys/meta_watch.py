"""`coterie meta watch` and `coterie meta history`: changes of the metadata as they come, and as they were."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import click

from coterie.app.cli.framework import suggest
from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.framework.options import online
from coterie.app.cli.framework.session import Session
from coterie.app.cli.process.child_process import client_environment
from coterie.app.cli.terminal.exits import Exit
from coterie.app.cli.terminal.failures import CommandError
from coterie.app.cli.terminal.output import Cell
from coterie.app.wire.names import PROGRAM, WATCH_ENV_PREFIX

if TYPE_CHECKING:
    from coterie.app.client import Client
    from coterie.consensus.store import Event


@make_command(
    "watch",
    answer="coterie.app.cli.models.meta:MetaChange",
    follows=True,
    examples=[
        f"{PROGRAM} meta watch config/",
        f"{PROGRAM} meta watch config/color --exact --from_revision 17",
        f"{PROGRAM} meta watch config/ --exec 'systemctl reload gateway'",
        f"{PROGRAM} meta watch jobs/ --json | jq -c '[.revision, .type, .key]'",
    ],
    epilog=f"CMD finds {WATCH_ENV_PREFIX}TYPE (put or delete), {WATCH_ENV_PREFIX}KEY and {WATCH_ENV_PREFIX}REVISION in "
    "its environment, and the value on its standard input, to the byte.",
)
@click.argument("prefix", default="", shell_complete=suggest.meta_keys)
@click.option("--exact", is_flag=True, help="Only the key of this very name.")
@click.option(
    "--from_revision", type=click.IntRange(1), metavar="N", help="With what was changed since, this one included."
)
@click.option(
    "--exec",
    "shell_command",
    type=click.UNPROCESSED,
    metavar="CMD",
    help="Instead of printing, have the shell run this for each change.",
)
@online
def watch(session: Session, prefix: str, exact: bool, from_revision: int | None, shell_command: str | None) -> None:
    """Follow the keys that begin with PREFIX: every change once, in order, without gaps.

    It goes on over a node's restart and, with several addresses, at another node. Changes wait while CMD runs; where
    it fails, that is said, and the watch goes on.
    """

    async def follow(client: Client) -> None:
        at = prefix.encode()
        begin = client.metadata.watch_key if exact else client.metadata.watch_prefix
        async with begin(at, from_revision=from_revision) as watching:
            async for batch in watching:
                for event in batch.events:
                    if shell_command is None:
                        _show(session, event)
                    else:
                        await _run(session, shell_command, event)

    if exact and not prefix:
        raise click.UsageError("--exact needs the key")
    session.follow(follow)


def _show(session: Session, event: Event) -> None:
    if session.out.json:
        from coterie.app.cli.models.meta import show_change  # noqa: PLC0415

        session.out.line(show_change(event))
        return
    key = event.key.decode(errors="backslashreplace")
    at = Cell(str(event.revision), "dim")
    if event.record is None:
        session.out.say(at, key, Cell("deleted", "red"))
    else:
        session.out.say(at, key, Cell("=", "dim"), event.record.value.decode(errors="backslashreplace"))


async def _run(session: Session, shell_command: str, event: Event) -> None:
    """Have the shell run the command for a change, and wait for its end."""
    told = {
        "TYPE": "delete" if event.record is None else "put",
        "KEY": os.fsdecode(event.key),
        "REVISION": str(event.revision),
    }
    try:
        process = await asyncio.create_subprocess_shell(
            shell_command,
            env={**client_environment(session), **{WATCH_ENV_PREFIX + name: value for name, value in told.items()}},
            stdin=asyncio.subprocess.PIPE,
        )
    except (OSError, ValueError) as error:  # the key is too long for an environment, or holds a zero byte
        session.out.remark(f"CMD cannot be run at revision {event.revision}: {error}")
        return
    try:
        await process.communicate(b"" if event.record is None else event.record.value)
    except asyncio.CancelledError:
        process.terminate()
        raise
    if process.returncode:
        session.out.remark(f"CMD ended with {process.returncode} at revision {event.revision}.")


@make_command(
    "history",
    answer="coterie.app.cli.models.meta:MetaHistory",
    examples=[f"{PROGRAM} meta history config/color", f"{PROGRAM} meta history config/color --json | jq .compacted"],
)
@click.argument("key", shell_complete=suggest.meta_keys)
@online
def history(session: Session, key: str) -> None:
    """The changes of a key, oldest first, as far as they are remembered.

    Of a key that is not there any more, coterie meta watch KEY --exact --from_revision N tells them.
    """
    from coterie.app.cli.models.meta import MetaHistory, show_change  # noqa: PLC0415

    compacted, events = session.run(lambda client: _history(client, key.encode()))
    if session.out.json:
        session.out.document(MetaHistory(key, compacted, tuple(map(show_change, events))))
        return
    for event in events:
        _show(session, event)
    if compacted:
        session.out.remark(f"What was changed up to revision {compacted} is not remembered any more.")


async def _history(client: Client, key: bytes) -> tuple[int, list[Event]]:
    """The newest revision that is forgotten, and the changes since."""
    from coterie.consensus.api.errors import CompactedError  # noqa: PLC0415

    record = (await client.metadata.get(key)).value
    if record is None:
        raise CommandError(f"there is no key {key.decode()!r}", Exit.NOT_FOUND, code="key_not_found", parameter="key")
    compacted = 0
    while compacted < record.mod_revision:
        events: list[Event] = []
        try:
            async with client.metadata.watch_key(key, from_revision=compacted + 1) as watching:
                async for batch in watching:
                    events += (event for event in batch.events if event.revision <= record.mod_revision)
                    if batch.revision >= record.mod_revision:
                        return compacted, events
        except CompactedError as error:
            compacted = error.compacted
    return compacted, []
