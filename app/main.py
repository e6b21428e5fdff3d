"""The `coterie` command: reads the command line and the settings, runs the node, and turns errors into exit codes.

0: stopped as asked. 1: the node cannot start here and now (address in use, data directory locked). 2: wrong usage or
settings. Each problem is a line on standard error, never a traceback.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from coterie.app.cli.command_line import UsageError, parse_command_line
from coterie.app.cli.command_names import COMMANDS
from coterie.app.wire.names import COMPLETION, PROGRAM

CANNOT_START = 1
WRONG_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with `arguments` (those of the process); returns its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if COMPLETION in os.environ:
        from coterie.app.cli.framework.completing import answer_shell  # noqa: PLC0415

        return answer_shell()
    if given and given[0] in COMMANDS:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # what follows takes a moment, and is nobody's to see
        from coterie.app.cli.run import run_command  # noqa: PLC0415

        return run_command(given)
    # Until the node runs and stops in good order, there is nothing to put in order.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the settings are being read anyhow
    try:
        options = parse_command_line(given)
    except UsageError as error:
        return _fail(error.lines, WRONG_USAGE)
    return _run_node(options)


def _run_node(options: Mapping[str, Any]) -> int:
    # Imported here, for they take most of a second: help is quick, and an early Ctrl-C meets the handlers above.
    # structlog takes rich along where it is installed, for tracebacks that nobody shows: 70 ms and 6 MB of each node.
    with without("rich"):
        import structlog  # noqa: F401, PLC0415
    from coterie.app.node.listening import BindError  # noqa: PLC0415
    from coterie.app.node.run import run_node  # noqa: PLC0415
    from coterie.app.node.storage.data_dir import DataDirError  # noqa: PLC0415
    from coterie.app.observability.logs import configure_logs  # noqa: PLC0415
    from coterie.app.settings.loading import BadSettingsError, load_settings  # noqa: PLC0415

    try:
        settings = load_settings(options)
        configure_logs(settings.log)
        run_node(settings, lambda: load_settings(options))
    except BadSettingsError as error:
        return _fail(error.lines, WRONG_USAGE)
    except (BindError, DataDirError) as error:
        return _fail([str(error)], CANNOT_START)
    # A thread that still looks up a host name would hold up an orderly exit, and nothing is left to put in order.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


@contextmanager
def without(package: str) -> Iterator[None]:
    """Nothing imported here finds the package."""
    had = sys.modules.get(package)
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if had is None:
            del sys.modules[package]
        else:
            sys.modules[package] = had


def _fail(lines: Sequence[str], exit_code: int) -> int:
    sys.stderr.writelines(f"{PROGRAM}: {line}\n" for line in lines)
    return exit_code
