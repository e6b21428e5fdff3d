"""`coterie recover`: the one offline command after a lost majority. The work is in `app/node/storage/recover.py`."""

from __future__ import annotations

from pathlib import Path

import click

from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.framework.options import offline
from coterie.app.cli.models.local import RecoveredCluster, Recovery
from coterie.app.cli.terminal.failures import CommandError
from coterie.app.cli.terminal.output import Output
from coterie.app.node.storage.recover import RAFT_DIRECTORY, Recovered, RecoverError, check_recovery, recover
from coterie.app.wire.names import PROGRAM


@make_command(
    "recover",
    answer="coterie.app.cli.models.local:Recovery",
    examples=[
        f"{PROGRAM} recover --data_dir /var/lib/coterie",
        f"{PROGRAM} recover --data_dir /var/lib/coterie --yes",
        f"{PROGRAM} recover --data_dir /var/lib/coterie --backup monday.backup --yes",
    ],
    epilog=f"Every other node then needs an empty directory in the place of <its data_dir>/{RAFT_DIRECTORY}, and joins"
    " anew.",
)
@click.option(
    "--data_dir",
    type=click.Path(path_type=Path),
    required=True,
    help="The node's data directory; its Raft files are set aside, not deleted.",
)
@click.option(
    "--backup",
    type=click.Path(path_type=Path),
    help="Take the state from this backup instead of from the directory.",
)
@click.option("--yes", is_flag=True, help="Do it; without this, what would be done is said.")
@offline
def command(out: Output, data_dir: Path, backup: Path | None, yes: bool) -> None:
    """Begin a NEW metadata cluster of one member, from what is left of an old one.

    For two occasions only: more than half of the voters are gone for good, or a backup is to be restored. Stop this
    node first, and make sure that no other node of the old cluster runs with its old directory: the two would not
    merge. What the other members had acknowledged and this one had not yet received is lost.
    """
    try:
        source = check_recovery(data_dir, backup)
        done = None
        if yes:
            with out.working("Making the new cluster"):
                done = recover(data_dir, backup)
    except RecoverError as error:
        raise CommandError(str(error)) from None
    if out.json:
        out.document(Recovery(str(source), None if done is None else _shown(done)))
    elif done is None:
        out.text(
            f"A new metadata cluster of one member would be made from {source}.",
            "All other members of the old cluster would be left behind. Add --yes to do it.",
        )
    else:
        out.text(
            f"This node is now the only member ({done.member_id}) of the NEW cluster {done.cluster_id}:",
            f"{done.keys} keys, at revision {done.revision}.",
            *([] if done.set_aside is None else [f"The old files are in {done.set_aside}."]),
            f"Start the node. On every other node of the old cluster, move <data_dir>/{RAFT_DIRECTORY} away before it"
            " is started.",
        )


def _shown(done: Recovered) -> RecoveredCluster:
    aside = None if done.set_aside is None else str(done.set_aside)
    return RecoveredCluster(done.member_id, done.cluster_id, done.keys, done.revision, aside)
