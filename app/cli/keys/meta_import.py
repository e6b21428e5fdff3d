"""`coterie meta import`: writes what `coterie meta ls --json` listed, here or in another cluster."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.framework.options import online, yes
from coterie.app.cli.framework.session import Session
from coterie.app.cli.terminal.failures import CommandError
from coterie.app.wire.names import PROGRAM

if TYPE_CHECKING:
    from coterie.app.client import Client
    from coterie.consensus.store import Put

MAX_PART_OPS = 128
"""Keys of one transaction: the default of `max_txn_ops`."""

MAX_PART_BYTES = 512 * 1024
"""Keys and values of one transaction, unless a single one is larger."""


@make_command(
    "import",
    answer="coterie.app.cli.models.meta:Imported",
    examples=[
        f"{PROGRAM} meta ls app/ --json > app.json",
        f"{PROGRAM} meta import app.json --yes --address 10.1.0.1:10000",
    ],
)
@click.argument("file", type=click.Path(allow_dash=True))
@yes
@online
def import_keys(session: Session, file: str, yes: bool) -> None:
    """Write the keys of FILE, or of standard input: what `coterie meta ls PREFIX --json` printed, to the byte.

    Keys that are there are overwritten; others stay. Revisions begin anew, and no key gets a lease. Large files are
    written in parts, each at one revision: to write them all at once, restore a backup.
    """
    from coterie.app.cli.models.meta import Imported  # noqa: PLC0415

    puts = _read(file)
    session.out.make_sure(f"{len(puts)} keys will be written, over those of the same name.", yes=yes)
    revision = session.run(lambda client: _write(client, puts), patient=True)
    if session.out.json:
        session.out.document(Imported(len(puts), revision))
    else:
        session.out.text(f"{len(puts)} keys written, revision {revision}")


def _read(file: str) -> list[Put]:
    """Raises CommandError."""
    from coterie.app.cli.models.meta import MetaKeys  # noqa: PLC0415
    from coterie.app.wire.encoding import EncodingError, to_bytes  # noqa: PLC0415
    from coterie.consensus.store import Put  # noqa: PLC0415

    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        listed = msgspec.json.decode(data, type=MetaKeys)
        return [Put(to_bytes(each.key, each.key_encoding), to_bytes(each.value, each.encoding)) for each in listed.keys]
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror or error}", parameter="file") from None
    except (msgspec.DecodeError, EncodingError) as error:
        raise CommandError(
            f"{file}: {error}; it must be what {PROGRAM} meta ls --json prints", parameter="file"
        ) from None


async def _write(client: Client, puts: Sequence[Put]) -> int:
    """The last revision. Raises what the client raises."""
    revision = 0
    for part in _parts(puts):
        revision = (await client.metadata.txn((), part)).revision
    return revision


def _parts(puts: Sequence[Put]) -> Iterator[list[Put]]:
    part: list[Put] = []
    size = 0
    for put in puts:
        more = len(put.key) + len(put.value or b"")
        if part and (len(part) >= MAX_PART_OPS or size + more > MAX_PART_BYTES):
            yield part
            part, size = [], 0
        part.append(put)
        size += more
    if part:
        yield part
