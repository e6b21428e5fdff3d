"""`coterie meta`: the keys of the metadata, which the Raft layer replicates: one keyspace that everybody writes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from coterie.app.cli.framework import suggest
from coterie.app.cli.framework.command import CommandGroup
from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.framework.options import FILE, online
from coterie.app.cli.framework.session import Session
from coterie.app.cli.keys.meta_import import import_keys
from coterie.app.cli.keys.meta_txn import txn
from coterie.app.cli.keys.meta_watch import history, watch
from coterie.app.cli.terminal.exits import Exit
from coterie.app.cli.terminal.failures import CommandError
from coterie.app.cli.terminal.output import Shown, write, write_bytes
from coterie.app.cli.terminal.text import ago, clean
from coterie.app.cli.terminal.values import VALUE, VALUE_HELP, print_value, read_value
from coterie.app.wire.names import PROGRAM

if TYPE_CHECKING:
    from coterie.app.client import Client
    from coterie.consensus.api.types import ReadResult
    from coterie.consensus.store import Record

PAGE = 1_000

KEY = click.argument("key", shell_complete=suggest.meta_keys)
PREFIX = click.argument("prefix", default="", shell_complete=suggest.meta_keys)
REVISION = click.option("--revision", type=click.IntRange(1), metavar="N", help="As it was at this revision.")
STALE = click.option(
    "--stale", is_flag=True, help="What the node that is asked has, at once: also without a majority, and older."
)
EXPECT = click.option(
    "--expect", type=click.IntRange(0), metavar="REVISION", help="Only if the key is at this mod_revision; 0: absent."
)


@make_command(
    "get",
    answer="coterie.app.wire.keys:MetaKey",
    examples=[
        f"{PROGRAM} meta get config/color",
        f"{PROGRAM} meta get config/color --revision 17",
        f"{PROGRAM} meta get blobs/1 --output blob",
        f"{PROGRAM} meta get config/color --json | jq .mod_revision",
    ],
)
@KEY
@REVISION
@STALE
@click.option("--raw", is_flag=True, help="To the byte on a terminal too, as on a pipe.")
@click.option("--output", "file", type=FILE, metavar="FILE", help="Write the value into this file.")
@online
def get(session: Session, key: str, revision: int | None, stale: bool, raw: bool, file: Path | None) -> None:
    """The value of a key, as fresh as any write acknowledged before.

    The exit code is 3 where there is no such key.
    """
    from coterie.app.cli.models.meta import show_record, stale_seconds  # noqa: PLC0415
    from coterie.app.wire.keys import MetaKey  # noqa: PLC0415

    options = _freshness(stale)
    found = session.run(lambda client: client.metadata.get(key.encode(), revision=revision, **options))
    if found.value is None:
        at = "" if revision is None else f" at revision {revision}"
        raise CommandError(f"there is no key {key!r}{at}", Exit.NOT_FOUND, code="key_not_found", parameter="key")
    if file is not None:
        try:
            file.write_bytes(found.value.value)
        except OSError as error:
            raise CommandError(f"--output {file}: {error.strerror or error}", parameter="output") from None
    if session.out.json:
        record = msgspec.structs.asdict(show_record(found.value))
        session.out.document(MetaKey(**record, revision=found.revision, stale_seconds=stale_seconds(found)))
        return
    _tell_age(session, found)
    if file is not None:
        return
    if raw:
        write_bytes(found.value.value)
    else:
        print_value(session.out, found.value.value)


@make_command(
    "put",
    answer="coterie.app.wire.keys:MetaPut",
    examples=[
        f"{PROGRAM} meta put config/color blue",
        f"{PROGRAM} meta put config/color green --expect 17",
        f"{PROGRAM} meta put jobs/7 ready --absent",
        f"date | {PROGRAM} meta put stamp -",
        f"{PROGRAM} meta put motd @/etc/motd --json",
    ],
    epilog=VALUE_HELP,
)
@KEY
@VALUE
@EXPECT
@click.option("--absent", is_flag=True, help="Only if there is no such key.")
@click.option("--lease", metavar="ID", help="Let it live with this lease; `keep`: with the one that the key has.")
@click.option("--prev", is_flag=True, help="Tell in JSON what was replaced.")
@online
def put(
    session: Session, key: str, value: str, expect: int | None, absent: bool, lease: str | None, prev: bool
) -> None:
    """Write a key. It is done once a majority has it on disk.

    With --expect or --absent nothing is written where the key is not as expected, and the exit code is 4.
    """
    from coterie.app.cli.models.meta import show_optional  # noqa: PLC0415
    from coterie.app.wire.keys import MetaPut  # noqa: PLC0415

    if absent and expect is not None:
        raise click.UsageError("--absent and --expect exclude each other")
    data = read_value(value)
    options: dict[str, Any] = {"expect": 0 if absent else expect, "lease": _lease(lease), "prev": prev}
    done = session.run(lambda client: client.metadata.put(key.encode(), data, **options))
    if session.out.json:
        session.out.document(MetaPut(key, done.revision, show_optional(done.prev)))
    else:
        session.out.text(f"{key}: revision {done.revision}")


@make_command(
    "del",
    answer="coterie.app.wire.keys:MetaDelete",
    examples=[
        f"{PROGRAM} meta del config/color",
        f"{PROGRAM} meta del config/color --expect 17",
        f"{PROGRAM} meta del jobs/ --prefix --yes",
    ],
)
@KEY
@EXPECT
@click.option("--prefix", is_flag=True, help="All keys that begin with KEY; at one revision if 10,000 or fewer.")
@click.option("--yes", is_flag=True, help="Do not ask before --prefix.")
@online
def delete(session: Session, key: str, expect: int | None, prefix: bool, yes: bool) -> None:
    """Delete a key, or with --prefix all that begin with it. One that is not there is no error."""
    from coterie.app.wire.keys import MetaDelete  # noqa: PLC0415

    if prefix and expect is not None:
        raise click.UsageError("--expect is for one key, not for --prefix")
    if prefix and not key:
        raise click.UsageError("--prefix needs at least one letter of KEY")
    start = key.encode()
    if not prefix:
        done = session.run(lambda client: client.metadata.delete(start, expect=expect))
    else:
        session.out.make_sure(f"All keys that begin with {key!r} will be deleted.", yes=yes)
        done = session.run(lambda client: client.metadata.delete_prefix(start))
    if session.out.json:
        session.out.document(MetaDelete(key, done.revision, done.deleted))
    elif prefix:
        session.out.text(f"{key}: {done.deleted} keys deleted, revision {done.revision}")
    else:
        session.out.text(f"{key}: " + (f"deleted, revision {done.revision}" if done.deleted else "was not there"))


@make_command(
    "ls",
    answer="coterie.app.cli.models.meta:MetaKeys",
    examples=[
        f"{PROGRAM} meta ls",
        f"{PROGRAM} meta ls config/ --revision 17",
        f"{PROGRAM} meta ls jobs/ --keys_only | wc -l",
        f"{PROGRAM} meta ls config/ --json | jq -r '.keys[] | .key + \" \" + .value'",
        f"{PROGRAM} meta ls config/ --json > config.json",
    ],
)
@PREFIX
@REVISION
@STALE
@click.option("--limit", type=click.IntRange(1), metavar="N", help="No more keys than this; else all.")
@click.option("--keys_only", is_flag=True, help="Only the keys, one a line.")
@online
def list_keys(
    session: Session, prefix: str, revision: int | None, stale: bool, limit: int | None, keys_only: bool
) -> None:
    """Keys that begin with PREFIX in order, all as of one revision, however many there are."""
    from coterie.app.cli.models.meta import MetaKeys, show_record, stale_seconds  # noqa: PLC0415

    first, records, more = session.run(
        lambda client: _all_keys(client, prefix.encode(), limit, revision=revision, **_freshness(stale))
    )
    if session.out.json:
        shown = (show_record(each) for each in records)
        session.out.document(
            MetaKeys(
                revision=first.value.revision,
                stale_seconds=stale_seconds(first),
                keys=tuple(shown),
                more=more,
            )
        )
        return
    _tell_age(session, first)
    if keys_only:
        write("".join(f"{clean(_text(each.key))}\n" for each in records))
    else:
        session.out.table(("key", "value", ">revision", ">version", ">lease"), [_row(each) for each in records])
    if more:
        session.out.remark(f"There are more than --limit {limit}.")


async def _all_keys(
    client: Client, prefix: bytes, limit: int | None, **options: Any
) -> tuple[ReadResult[Any], list[Record], bool]:
    """The first answer, the records of all pages, and whether there are more than `limit`."""
    revision = options.pop("revision")
    first = answer = await client.metadata.prefix(prefix, limit=_page(limit, 0), revision=revision, **options)
    found = list(answer.value.records)
    while answer.value.next is not None and (limit is None or len(found) < limit):
        answer = await client.metadata.next_page(answer.value.next, limit=_page(limit, len(found)), **options)
        found += answer.value.records
    return first, found, answer.value.next is not None


def _page(limit: int | None, found: int) -> int:
    return PAGE if limit is None else min(PAGE, limit - found)


def _freshness(stale: bool) -> dict[str, Any]:
    from coterie.consensus.api.types import Consistency  # noqa: PLC0415

    return {"consistency": Consistency.STALE} if stale else {}


def _tell_age(session: Session, answer: ReadResult[Any]) -> None:
    if answer.staleness is not None:
        age = "nobody knows how old" if answer.staleness > 1e9 else f"at most {ago(answer.staleness)} old"
        session.out.remark(f"This is {age}.")


def _lease(given: str | None) -> int:
    from coterie.consensus.store import KEEP_LEASE  # noqa: PLC0415

    if given == "keep":
        return KEEP_LEASE
    if given is not None and not re.fullmatch(r"[0-9]{1,20}", given):
        raise click.UsageError(f"--lease must be a lease's number or keep, not {given!r}")
    return int(given or 0)


def _text(data: bytes) -> str:
    return data.decode(errors="backslashreplace")


def _row(record: Record) -> tuple[Shown, ...]:
    return _text(record.key), _text(record.value), record.mod_revision, record.version, record.lease or None


command = CommandGroup(
    "meta",
    commands=[get, put, delete, list_keys, import_keys, txn, watch, history],
    help="The metadata: keys with revisions, that all nodes agree on.",
)
