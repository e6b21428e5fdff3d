"""Runs a command of `app/cli/`, and turns every error into a line and an exit code."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

import click

from coterie.app.cli.framework.command import root
from coterie.app.cli.terminal.exits import Exit
from coterie.app.cli.terminal.failures import failure_of, tell
from coterie.app.cli.terminal.streams import abandon, prepare_streams
from coterie.app.wire.names import PROGRAM


def run_command(arguments: Sequence[str]) -> int:
    """The command that `arguments` name, to its end: its exit code."""
    prepare_streams()
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # else somebody wants it ignored
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        # Not by click's own `main`: that ends with 1 where whoever reads has gone.
        with root.make_context(PROGRAM, list(arguments)) as ctx:
            ended = root.invoke(ctx)
        sys.stdout.flush()
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except (click.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except BrokenPipeError:  # whoever reads this has read enough
        abandon(sys.stdout)
        return Exit.DONE
    except Exception as error:
        failure = failure_of(error)
        if failure is None:
            raise
        if isinstance(error, OSError):
            abandon(sys.stdout)
        tell(failure, as_json=_wants_json(arguments))
        return failure.exit_code
    return ended if isinstance(ended, int) else Exit.DONE


def _wants_json(arguments: Sequence[str]) -> bool:
    """Also where the command line could not be understood."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in own
