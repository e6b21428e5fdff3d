"""`coterie backup`: saves the metadata of a running cluster to a file, and checks it while it comes.

Restoring one is done offline, by `coterie recover`: it makes a new cluster, for nothing that was acknowledged since may
seem to be there still, and no fencing token may be given twice.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import click

from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.framework.options import FILE, online
from coterie.app.cli.framework.session import Session
from coterie.app.cli.terminal.failures import CommandError
from coterie.app.cli.terminal.output import Output
from coterie.app.cli.terminal.text import size
from coterie.app.node.storage.durable_files import replace_durably
from coterie.app.wire.names import PROGRAM

if TYPE_CHECKING:
    from coterie.app.client import Client, Saved


@make_command(
    "backup",
    answer="coterie.app.cli.models.cluster:Backup",
    examples=[
        f"{PROGRAM} backup --output metadata.backup",
        f"{PROGRAM} backup --output /backups/$(date +%F) --address https://10.0.0.1:10000 --ca_file ca.pem",
    ],
    epilog=f"To restore it: {PROGRAM} recover --help",
)
@click.option("--output", type=FILE, metavar="FILE", required=True, help="Where to; an older file is replaced.")
@online
def command(session: Session, output: Path) -> None:
    """Save the metadata of a running cluster: all that was acknowledged before, from any node.

    The file is checked while it comes, and takes its name once it is whole and on the disk.
    """
    save(session, output, "--output")


def save(session: Session, output: Path, option: str) -> None:
    """`option`: what named the file, for errors."""
    from coterie.app.cli.models.cluster import Backup  # noqa: PLC0415

    aim = Path(os.path.realpath(output))  # what a link leads to is replaced, not the link
    draft = aim.with_name(aim.name + ".tmp") if aim.name else aim
    try:
        if aim.exists() and not aim.is_file():  # in the place of a device, say, nobody wants a file
            raise CommandError(f"{option} {output}: is no file that could be replaced; nothing was saved")
        file = open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")  # noqa: SIM115 - closed below
        try:
            with file, _progress(session.out) as came:

                async def receive(client: Client) -> Saved:
                    return await client.raft.snapshot(cast(BinaryIO, _Counted(file, came)))

                saved = session.run(receive)
                file.flush()
                os.fsync(file.fileno())
            replace_durably(draft, aim)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise CommandError(
            f"{option} {output}: {error.strerror or error}; nothing was saved", parameter=option.removeprefix("--")
        ) from None
    if session.out.json:
        session.out.document(Backup(str(output), saved.revision, saved.keys, saved.size))
    else:
        session.out.text(f"{output}: {saved.keys} keys at revision {saved.revision}, {saved.size} bytes.")


class _Counted:
    """A file that tells how much was written."""

    def __init__(self, file: BinaryIO, came: Callable[[int], None]) -> None:
        self._file = file
        self._came = came

    def write(self, data: bytes) -> int:
        self._came(len(data))
        return self._file.write(data)


@contextmanager
def _progress(out: Output) -> Iterator[Callable[[int], None]]:
    """Tells on a terminal how much has come: how much will, nobody knows."""
    if not sys.stderr.isatty():
        yield lambda _count: None
        return
    total = 0
    with out.aside.status("Saving the metadata") as status:

        def came(count: int) -> None:
            nonlocal total
            total += count
            status.update(f"Saving the metadata: {size(total)}")

        yield came
