"""`coterie meta txn`: a transaction, as the JSON body of POST /v1/txn or as lines that are easier to type."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.framework.options import online
from coterie.app.cli.framework.session import Session
from coterie.app.cli.terminal.exits import Exit
from coterie.app.cli.terminal.output import Cell
from coterie.app.wire.names import PROGRAM

if TYPE_CHECKING:
    from coterie.app.wire.txn import TxnAnswer, TxnBody

SHOWN = 100
"""Characters of a line that is wrong."""

_NUMBER = re.compile(r"[0-9]{1,20}")

LINES = """\
\b
As lines, instead of JSON:
  if KEY TARGET OP OPERAND    TARGET: exists version create_revision
                              mod_revision lease value; OP: = != < >
  if held KIND NAME TOKEN     a lock, election or semaphore is still held
  put KEY VALUE               what is done where all of these hold
  get KEY | ls PREFIX | del KEY | del_prefix PREFIX
  else                        what follows is done where one does not
Words are split as a shell does it: quote what holds spaces."""


@make_command(
    "txn",
    answer="coterie.app.wire.txn:TxnAnswer",
    examples=[
        f"printf 'if jobs/7 version = 0\\nput jobs/7 ready\\n' | {PROGRAM} meta txn",
        f"{PROGRAM} meta txn transaction.json",
        f"{PROGRAM} meta txn - --json < transaction.json",
    ],
    epilog=LINES,
)
@click.argument("file", type=click.Path(allow_dash=True), default="-")
@online
def txn(session: Session, file: str) -> int:
    """Compare keys, and write, delete and read at one revision: all of it, or nothing.

    FILE, or standard input, holds the body of POST /v1/txn ({"compare": [...], "then": [...], "else": [...]}), or lines
    as below. The exit code is 4 where a comparison does not hold and there is nothing to do else.
    """
    from coterie.app.cli.models.txn import read_json, show_txn  # noqa: PLC0415
    from coterie.app.wire.encoding import EncodingError, to_txn  # noqa: PLC0415

    if file == "-" and sys.stdin.isatty():
        session.out.remark("The transaction, then Ctrl-D:")
    try:
        text = (sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()).decode()
    except UnicodeDecodeError:
        raise click.UsageError("FILE must be UTF-8 text") from None
    except OSError as error:
        raise click.UsageError(f"FILE {file}: {error.strerror or error}") from None
    try:
        body = read_json(text) if text.lstrip().startswith("{") else read_lines(text)
        operation = to_txn(body)
    except EncodingError as error:
        raise click.UsageError(f"no transaction: a value is not what its encoding says ({error})") from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    done = session.run(lambda client: client.metadata.txn(operation.compares, operation.then, operation.otherwise))
    shown = show_txn(body, done)
    if session.out.json:
        session.out.document(shown)
    else:
        _tell(session, shown)
    return Exit.DONE if done.succeeded or body.otherwise else Exit.PRECONDITION


def read_lines(text: str) -> TxnBody:
    """A transaction as lines. Raises ValueError, which names the line."""
    from coterie.app.cli.models.txn import read_body  # noqa: PLC0415

    body: dict[str, list[Any]] = {"compare": [], "then": [], "else": []}
    branch = "then"
    for number, line in enumerate(text.splitlines(), 1):
        try:
            words = shlex.split(line, comments=True)
            if not words:
                continue
            if words == ["else"] and branch == "then":
                branch = "else"
            elif words[0] == "if":
                body["compare"].append(_comparison(words[1:]))
            else:
                body[branch].append(_operation(words))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}: {line.strip()[:SHOWN]!r}") from None
    if not any(body.values()):
        raise ValueError("the transaction is empty: write at least one line, such as put KEY VALUE")
    return read_body(body)


_NAMES = {"put": ("key", "value"), "get": ("key",), "del": ("key",), "del_prefix": ("prefix",), "ls": ("prefix",)}
_IN_JSON = {"del": "delete", "del_prefix": "delete_prefix", "ls": "range"}


def _operation(words: list[str]) -> dict[str, Any]:
    name, *given = words
    fields = _NAMES.get(name)
    if fields is None:
        raise ValueError(f"begin with if, else, {', '.join(_NAMES)}")
    if len(given) != len(fields):
        raise ValueError(f"write {name} {' '.join(each.upper() for each in fields)}")
    return {_IN_JSON.get(name, name): dict(zip(fields, given, strict=True))}


def _comparison(words: list[str]) -> dict[str, Any]:
    if words[:1] == ["held"] and len(words) == 4 and _NUMBER.fullmatch(words[3]):
        return {"held": {"kind": words[1], "name": words[2], "token": int(words[3])}}
    if len(words) != 4:
        raise ValueError("write if KEY TARGET OP OPERAND, or if held KIND NAME TOKEN")
    key, target, op, operand = words
    if target != "value" and not _NUMBER.fullmatch(operand):
        raise ValueError(f"the OPERAND of {target} must be a number")
    return {"key": key, "target": target, "op": op, "operand": operand if target == "value" else int(operand)}


def _tell(session: Session, shown: TxnAnswer) -> None:
    verdict = Cell("done", "green") if shown.succeeded else Cell("a comparison does not hold", "yellow")
    session.out.say(verdict, f"(revision {shown.revision})")
    for result in shown.results:
        if result.put is not None:
            session.out.text(f"put: revision {result.put.revision}")
        for deleted in filter(None, (result.delete, result.delete_prefix)):
            session.out.text(f"deleted: {deleted.deleted}")
        if result.get is not None:
            record = result.get.record
            session.out.text("not there" if record is None else f"{record.key} = {record.value}")
        if result.range is not None:
            session.out.text(*(f"{each.key} = {each.value}" for each in result.range.keys))
