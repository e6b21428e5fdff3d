"""`coterie locks`: who holds what, and who waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from coterie.app.cli.framework import suggest
from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.framework.options import online
from coterie.app.cli.framework.session import Session
from coterie.app.cli.terminal.output import Cell
from coterie.app.wire.names import PROGRAM

if TYPE_CHECKING:
    from coterie.app.cli.models.locks import QueueShown
    from coterie.app.client import Client

KINDS = ("lock", "election", "semaphore")


@make_command(
    "locks",
    answer="coterie.app.cli.models.locks:QueueList",
    examples=[
        f"{PROGRAM} locks",
        f"{PROGRAM} locks jobs/nightly --kind lock",
        f"{PROGRAM} locks --json | jq -r '.queues[] | .name + \" \" + .holders[0].value'",
    ],
)
@click.argument("name", required=False, shell_complete=suggest.lock_names)
@click.option("--kind", type=click.Choice(KINDS), help="Only these.")
@online
def command(session: Session, name: str | None, kind: str | None) -> None:
    """The locks, elections and semaphores that anybody holds, with holders and who waits, in order.

    With NAME only those of this name. TOKEN is the fencing token; revoking the lease of a holder (coterie lease revoke)
    takes it away.
    """
    from coterie.app.cli.models.locks import QueueList  # noqa: PLC0415

    found = session.run(lambda client: _queues(client, name, KINDS if kind is None else (kind,)))
    if session.out.json:
        session.out.document(QueueList(tuple(found)))
        return
    session.out.table(
        ("kind", "name", "state", ">token", ">lease", "who"),
        [
            (
                queue.kind,
                queue.name,
                Cell("holds", "green") if place.token else Cell("waits", "yellow"),
                place.token,
                place.lease,
                place.value,
            )
            for queue in found
            for place in (*queue.holders, *queue.waiters)
        ],
    )


async def _queues(client: Client, name: str | None, kinds: tuple[str, ...]) -> list[QueueShown]:
    from coterie.app.cli.models.locks import QueueShown, show_place  # noqa: PLC0415
    from coterie.consensus.store import QueueKind  # noqa: PLC0415

    found: list[QueueShown] = []
    for each in kinds:
        kind = QueueKind(each)
        names = (await client.metadata.queue_names(kind)).value if name is None else [name.encode()]
        for queue in names:
            places = [show_place(place) for place in (await client.metadata.queue_entries(kind, queue)).value]
            if places:
                holders = tuple(place for place in places if place.token)
                waiters = tuple(place for place in places if not place.token)
                found.append(QueueShown(kind.value, queue.decode(), holders, waiters))
    return found
