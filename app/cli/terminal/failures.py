"""What goes wrong, as a line and an exit code: `coterie: <what, and the fix>` on standard error.

With `--json` it is an object there, in the shape of the API's errors and with the exit code:
`{"error": {"code", "message", "parameter", "exit_code"}}`. Standard output stays empty, or ends with a whole line.
"""

from __future__ import annotations

import click
import msgspec

from coterie.app.cli.command_line import UsageError
from coterie.app.cli.terminal.exits import Exit
from coterie.app.cli.terminal.streams import write_error
from coterie.app.cli.terminal.text import clean
from coterie.app.wire.names import PROGRAM


class CommandError(Exception):
    """A command's own refusal. `code`: a stable word, for `--json`."""

    def __init__(
        self, message: str, exit_code: Exit = Exit.FAILED, *, code: str = "failed", parameter: str | None = None
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code
        self.parameter = parameter


def failure_of(error: Exception) -> CommandError | None:
    """The refusal behind an error that a command may raise; None for a fault of this program."""
    if isinstance(error, CommandError):
        return error
    if isinstance(error, click.UsageError):
        return _wrong_usage(error)
    if isinstance(error, UsageError):
        return CommandError("\n".join(error.lines), Exit.WRONG_USAGE, code="wrong_usage")
    if isinstance(error, click.ClickException):
        return CommandError(error.format_message())
    if isinstance(error, OSError):  # where a file is named, whoever opened it says which
        where = "standard output" if error.filename is None else str(error.filename)
        return CommandError(f"{where}: {error.strerror or error}")
    return _of_client(error)


def _of_client(error: Exception) -> CommandError | None:
    from coterie.app.client import AccessError, ClientError  # noqa: PLC0415 - whoever can raise these has imported it
    from coterie.app.wire.errors import Code, Ending, ending_of  # noqa: PLC0415
    from coterie.consensus.api.errors import (  # noqa: PLC0415
        CompactedError,
        ConflictError,
        LeaseLostError,
        MetadataError,
        RefusedError,
        UnavailableError,
        UnknownOutcomeError,
    )

    if not isinstance(error, MetadataError):
        return None
    ending, code, hint = Ending.REFUSED, "failed", ""
    match error:
        case UnknownOutcomeError():
            ending, code = Ending.UNKNOWN, Code.OUTCOME_UNKNOWN.value
        case UnavailableError():
            ending, code = Ending.UNAVAILABLE, error.reason
            if code == "unreachable":
                hint = "; is a node running there? --address says where one is"
        case ConflictError():
            ending, code = Ending.CONFLICT, Code.PRECONDITION_FAILED.value
        case LeaseLostError():
            ending, code = Ending.CONFLICT, "lease_lost"
        case CompactedError():
            code = Code.COMPACTED.value
        case AccessError():
            ending, code = Ending.ACCESS, error.code
        case RefusedError():
            code = str(error.code)
            ending = ending_of(code)
        case ClientError():
            ending, code = Ending.NO_NODE, "client"
    return CommandError(f"{error}{hint}", _EXITS.get(ending.value, Exit.FAILED), code=code)


_EXITS = {
    "missing": Exit.NOT_FOUND,
    "conflict": Exit.PRECONDITION,
    "unavailable": Exit.UNAVAILABLE,
    "unknown": Exit.UNKNOWN,
}
"""By `Ending` of `app/wire/errors.py`; all others have failed."""


def _wrong_usage(error: click.UsageError) -> CommandError:
    where = "" if error.ctx is None else error.ctx.command_path
    command = where.removeprefix(PROGRAM).strip()
    message = " ".join(error.format_message().split()).rstrip(".")  # choices come as a list over several lines
    shown = f"{command}: {message}" if command else message
    name = getattr(error, "param", None)
    parameter = getattr(error, "option_name", None) or (name.name if name is not None else None)
    return CommandError(
        f"{shown}{'' if shown.endswith('?') else ';'} see {where or PROGRAM} --help",
        Exit.WRONG_USAGE,
        code="wrong_usage",
        parameter=parameter,
    )


def tell(failure: CommandError, *, as_json: bool) -> None:
    """On standard error."""
    if as_json:
        error = {
            "code": failure.code,
            "message": str(failure),
            "parameter": failure.parameter,
            "exit_code": int(failure.exit_code),
        }
        write_error(msgspec.json.encode({"error": error}).decode() + "\n")
    else:
        write_error("".join(f"{PROGRAM}: {clean(line)}\n" for line in str(failure).splitlines()))
