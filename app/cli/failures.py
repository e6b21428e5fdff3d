"""What goes wrong, as a line and an exit code: `coterie: <what, and the fix>` on standard error.

With `--json` it is an object there, in the shape of the API's errors and with the exit code:
`{"error": {"code", "message", "parameter", "exit_code"}}`. Standard output stays empty, or ends with a whole line.
"""

from __future__ import annotations

import sys

import click
import msgspec

from app.cli.exits import Exit
from app.cli.texts import clean
from app.command_line import PROGRAM, UsageError


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
    return None


def _wrong_usage(error: click.UsageError) -> CommandError:
    where = "" if error.ctx is None else error.ctx.command_path
    command = where.removeprefix(PROGRAM).strip()
    message = error.format_message().rstrip(".")
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
        sys.stderr.write(msgspec.json.encode({"error": error}).decode() + "\n")
    else:
        sys.stderr.writelines(f"{PROGRAM}: {clean(line)}\n" for line in str(failure).splitlines())
