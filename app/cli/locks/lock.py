"""`coterie lock`: runs a command while it holds a lock, or a permit of a semaphore."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from coterie.app.cli.framework import suggest
from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.framework.options import online
from coterie.app.cli.framework.session import Session
from coterie.app.cli.locks import lock_runner as held
from coterie.app.cli.process.child_process import check_command
from coterie.app.wire.names import LOCK_ENV_PREFIX, PROGRAM

if TYPE_CHECKING:
    from coterie.app.client import Client
    from coterie.consensus.api.locks import Lock


@make_command(
    "lock",
    examples=[
        f"{PROGRAM} lock jobs/nightly -- ./nightly.sh",
        f"{PROGRAM} lock jobs/nightly --wait 0 -- ./nightly.sh",
        f"{PROGRAM} lock downloads --permits 4 -- curl -O https://example.org/large",
        f"{PROGRAM} lock deploy -- sh -c 'echo token $COTERIE_LOCK_TOKEN; ./deploy.sh'",
    ],
    epilog=f"CMD finds {LOCK_ENV_PREFIX}NAME, {LOCK_ENV_PREFIX}KEY and {LOCK_ENV_PREFIX}TOKEN in its environment: the "
    "fencing token, higher for every later holder, with which what is changed can refuse an earlier one. A coterie in "
    "CMD asks the same nodes. Give several addresses, and the lock outlives the node that is asked.",
)
@click.argument("name", shell_complete=suggest.lock_names)
@held.COMMAND
@held.TTL
@held.WAIT
@click.option(
    "--permits",
    type=click.IntRange(1),
    metavar="N",
    help="Let so many hold it at a time (a semaphore); the same for all.",
)
@held.ON_LOST
@held.GRACE
@held.VALUE
@online
def command(
    session: Session,
    name: str,
    command_line: tuple[str, ...],
    ttl: float,
    wait: float | None,
    permits: int | None,
    on_lost: str,
    grace: float,
    value: str | None,
) -> int:
    """Wait for the lock NAME, run CMD while holding it, give it back: as soon as CMD ends, or once it was told to.

    The exit code is that of CMD; 128 and the signal that ended it; 4 where the lock was not obtained; 7 where it was
    lost. CMD and all that it starts are ended when the lock is lost, when coterie is asked to end, and when it is
    killed.
    """
    check_command(command_line)

    def hold(client: Client) -> Lock:
        if permits is None:
            return client.metadata.lock(name.encode(), ttl=ttl, value=held.own_value(value), timeout=wait)
        return client.metadata.semaphore(name.encode(), permits, ttl=ttl, value=held.own_value(value), timeout=wait)

    what = f"the lock {name!r}" if permits is None else f"a permit of {name!r}"
    return held.run_held(
        session, held.AcquireRequest(what, hold, command_line, LOCK_ENV_PREFIX, name, wait, on_lost, grace)
    )
