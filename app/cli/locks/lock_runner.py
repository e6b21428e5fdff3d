"""Runs a command for as long as something is held: a lock, a permit, a leadership. For `coterie lock` and `elect`.

The command runs only while it is held, and it is given back only once the command has ended. Where it is lost first,
the command is told to end, then killed; who was stopped for long learns of a loss late, so what it changes under the
lock should check the fencing token.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from coterie.app.cli.framework.durations import Seconds
from coterie.app.cli.framework.session import Session
from coterie.app.cli.process.child_process import SIGNALLED, Running, Signals, client_environment
from coterie.app.cli.terminal.exits import Exit
from coterie.app.cli.terminal.failures import CommandError
from coterie.app.cli.terminal.text import ago

if TYPE_CHECKING:
    from coterie.app.client import Client
    from coterie.consensus.api.locks import Lock

KILL = "kill"
WARN = "warn"

TTL = click.option(
    "--ttl",
    type=Seconds(above=True),
    default=15.0,
    show_default=True,
    metavar="SECONDS",
    help="How long it is kept for a holder that nobody hears any more.",
)
WAIT = click.option(
    "--wait",
    type=Seconds(),
    metavar="SECONDS",
    help="Give up after so long, with exit code 4; 0: do not wait.  [default: for ever]",
)
ON_LOST = click.option(
    "--on_lost",
    type=click.Choice([KILL, WARN]),
    default=KILL,
    show_default=True,
    help="What becomes of CMD where it is lost.",
)
GRACE = click.option(
    "--grace",
    type=Seconds(),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="From SIGTERM to SIGKILL, for CMD and all that it started.",
)
VALUE = click.option("--value", help="What others see of this one.  [default: user@host:process]")
COMMAND = click.argument("command_line", nargs=-1, type=click.UNPROCESSED, metavar="-- CMD [ARGS]...")


@dataclass(frozen=True)
class AcquireRequest:
    what: str
    """In messages, with its name."""
    hold: Callable[[Client], Lock]
    command: Sequence[str]
    env_prefix: str
    """Of what the command finds in its environment."""
    name: str
    wait: float | None
    on_lost: str
    grace: float


def own_value(given: str | None) -> bytes:
    if given is not None:
        return os.fsencode(given)
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's number without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}:{os.getpid()}".encode()


def run_held(session: Session, wish: AcquireRequest) -> int:
    """The command's exit code. Raises CommandError, and what the client raises."""
    signals = Signals()
    try:
        return session.run(lambda client: _run(session, client, wish, signals), patient=True)
    except asyncio.CancelledError:
        if signals.asked is None:
            raise
        return SIGNALLED + signals.asked


def _variables(wish: AcquireRequest, holding: Lock) -> dict[str, str]:
    return {
        f"{wish.env_prefix}NAME": wish.name,
        f"{wish.env_prefix}KEY": holding.key.decode(),
        f"{wish.env_prefix}TOKEN": str(holding.token),
    }


async def _run(session: Session, client: Client, wish: AcquireRequest, signals: Signals) -> int:
    with signals:
        async with AsyncExitStack() as stack:
            holding = await _obtain(session, client, wish, stack)
            environment = {**client_environment(session), **_variables(wish, holding)}
            try:
                running = await Running.start(wish.command, environment, wish.grace)
            except OSError as error:
                raise CommandError(f"{wish.command[0]} cannot be run: {error.strerror or error}") from None
            signals.running = running
            try:
                return await _while_held(session, wish, holding, running)
            finally:
                signals.running = None
                signals.gives_back = True


async def _obtain(session: Session, client: Client, wish: AcquireRequest, stack: AsyncExitStack) -> Lock:
    from coterie.consensus.api.errors import GrantEndedError, RefusedError, UnavailableError  # noqa: PLC0415
    from coterie.consensus.store import RefusalCode  # noqa: PLC0415

    holding = wish.hold(client)
    begun = asyncio.get_running_loop().time()
    try:
        with session.out.working(f"Waiting for {wish.what}"):
            return await stack.enter_async_context(holding)
    except UnavailableError as error:
        # Else it did not come as far as waiting, or nobody told it how that went.
        over = wish.wait is not None and asyncio.get_running_loop().time() - begun >= wish.wait
        if not (error.reason == "timed_out" and holding.key and over):
            raise
        waited = f" for {ago(wish.wait or 0)}"
    except GrantEndedError as error:
        raise CommandError(
            f"{wish.what} was obtained, and lost before the answer came: its lease ended; run the command again",
            Exit.PRECONDITION,
            code=str(error.code),
        ) from None
    except RefusedError as error:
        if error.code != RefusalCode.BUSY:
            raise
        waited = ""
    raise CommandError(
        f"{wish.what} was not obtained: others held it{waited}; coterie locks shows who", Exit.PRECONDITION, code="busy"
    )


async def _while_held(session: Session, wish: AcquireRequest, holding: Lock, running: Running) -> int:
    ended = asyncio.create_task(running.wait(), name="command")
    lost = asyncio.create_task(_lost(holding), name="loss")
    try:
        await asyncio.wait([ended, lost], return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            return ended.result()
        session.out.remark(f"coterie: {wish.what} was LOST" + ("; ending the command" if wish.on_lost == KILL else ""))
        if wish.on_lost == KILL:
            running.end()
            await ended
            return Exit.LOST
        return await ended or Exit.LOST
    finally:
        for task in (ended, lost):
            task.cancel()
        await asyncio.gather(ended, lost, return_exceptions=True)


async def _lost(holding: Any) -> None:
    await holding.lost.wait()
