"""`coterie leave`: tells a running node to leave its cluster and stop, and says what became of it."""

from __future__ import annotations

import click
import msgspec

from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.framework.options import online, yes
from coterie.app.cli.framework.session import Session
from coterie.app.wire.names import PROGRAM

WAIT_SECONDS = 60.0
"""For an answer: above what a node may take by its settings, unless they are raised a lot."""


@make_command(
    "leave",
    answer="coterie.app.cli.models.cluster:Left",
    examples=[f"{PROGRAM} leave --address 127.0.0.1:10003", f"{PROGRAM} leave --keep_vote --yes"],
)
@click.option("--keep_vote", is_flag=True, help="Keep the node's place in the Raft layer.")
@yes
@online
def command(session: Session, keep_vote: bool, yes: bool) -> None:
    """Tell a running node to leave its cluster, and to stop.

    It gives up its part in the Raft layer, the others see it as left at once, and it stops once the requests under way
    are answered. Started again, it joins anew. To stop a node for a while, with its vote kept, send it SIGTERM. It is
    asked for on a terminal only.
    """
    from coterie.app.cli.models.cluster import Left  # noqa: PLC0415

    vote = "and keep its place in the Raft layer" if keep_vote else "and give up its place in the Raft layer"
    session.out.make_sure(
        f"The node at {session.node} will leave its cluster {vote}, and STOP.", yes=yes, ask_alone=True
    )
    with session.out.working(f"The node at {session.node} is leaving"):
        done = session.run(lambda client: client.leave(keep_vote=keep_vote), at_least=WAIT_SECONDS)
    if session.out.json:
        session.out.document(Left(**msgspec.structs.asdict(done), address=session.node))
        return
    raft = {
        "left": "gave up its place in the Raft layer",
        "kept": "keeps its place in the Raft layer" + (f" ({done.reason})" if done.reason else ""),
        "failed": f"could not give up its place in the Raft layer ({done.reason}); it is replaced as a dead voter",
        "none": "had no part in the Raft layer",
    }.get(done.raft, done.raft)
    session.out.text(f"The node at {session.node} has left: {done.told} others know of it. It {raft}.")
