"""A command that is run for the user, in a group of processes of its own, and ended with all that it started.

Signals are passed on. Those that ask for the end give the command its grace; what is left then is killed. A guardian
(`guardian.py`) does the same where this process is killed itself.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from coterie.app.cli.framework.session import Session
from coterie.app.cli.process import guardian
from coterie.app.wire.names import CLIENT_ENV_PREFIX

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""Ask for the end."""

PASSED_ON = (signal.SIGUSR1, signal.SIGUSR2)

POLL_SECONDS = 0.05

SIGNALLED = 128
"""Plus the signal that ended it: the exit code, as shells have it."""


def check_command(command: Sequence[str]) -> None:
    """Raises click.UsageError where it could not be run: better before anything is held for it."""
    if not command:
        raise click.UsageError("say what to run, behind --")
    if shutil.which(command[0]) is None:
        raise click.UsageError(f"{command[0]}: there is no such command, or it may not be run")


def client_environment(session: Session) -> dict[str, str]:
    """This process's environment, so that a `coterie` in the command asks the same nodes in the same way."""
    variables = dict(os.environ)
    if session.given.get("token_file") is not None:
        variables.pop(f"{CLIENT_ENV_PREFIX}TOKEN", None)  # it would beat the file
    for name, value in session.given.items():
        if value is not None and name != "address":
            shown = str(Path(value).resolve()) if name.endswith("_file") else str(value)
            variables[f"{CLIENT_ENV_PREFIX}{name.upper()}"] = shown
    variables[f"{CLIENT_ENV_PREFIX}ADDRESS"] = ",".join(session.settings.address)
    return variables


class Signals:
    """`with` it: signals go to the command that runs; before, the first that asks for the end cancels the task.

    What is held is then given back, which whoever asks once more does not cut short; who does it yet again, does.
    Signals that were ignored when this began, as by nohup, stay so."""

    def __init__(self) -> None:
        self.running: Running | None = None
        self.gives_back = False
        self.asked: signal.Signals | None = None
        """What asked for the end while nothing ran."""
        self._insisted = 0
        self._handled: list[signal.Signals] = []

    def __enter__(self) -> Signals:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        loop = asyncio.get_running_loop()
        self._handled = [each for each in (*ENDING, *PASSED_ON) if signal.getsignal(each) is not signal.SIG_IGN]
        for number in self._handled:
            if number in ENDING:
                loop.add_signal_handler(number, self._end, number, task)
            else:
                loop.add_signal_handler(number, self._pass_on, number)
        return self

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number in self._handled:
            loop.remove_signal_handler(number)

    def _end(self, number: signal.Signals, task: asyncio.Task[Any]) -> None:
        if self.running is not None:
            self.running.end(number)
            return
        if self.gives_back:
            self._insisted += 1
            if self._insisted == 1:
                return
        self.gives_back = True
        self.asked = self.asked or number
        task.cancel()

    def _pass_on(self, number: signal.Signals) -> None:
        if self.running is not None:
            self.running.send(number)


class Running:
    """A command, from its start to its end."""

    def __init__(self, process: asyncio.subprocess.Process, guard: subprocess.Popen[bytes], grace: float) -> None:
        self._process = process
        self._guard = guard
        self._group = guard.pid
        self._grace = grace
        self._ending: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, command: Sequence[str], environment: Mapping[str, str], grace: float) -> Running:
        """`grace`: seconds between being asked to end and being killed. Raises OSError."""
        guard = _start_guard(grace)
        try:
            with _unstoppable():
                process = await asyncio.create_subprocess_exec(*command, env=environment, process_group=guard.pid)
        except BaseException:
            os.killpg(guard.pid, signal.SIGKILL)  # with what may have started already
            guard.wait()
            raise
        return cls(process, guard, grace)

    async def wait(self) -> int:
        """Its end: the exit code, and 128 more than the signal that ended it. Cancelled, it ends the command first."""
        try:
            with _terminal_of(self._group):
                code = await self._process.wait()
        finally:
            if self._process.returncode is None or self._ending is not None:
                self.end()
                assert self._ending is not None  # noqa: S101
                await asyncio.shield(self._ending)
            _dismiss(self._guard)
        return code if code >= 0 else SIGNALLED - code

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, and see to it."""
        self.send(number)
        if self._ending is None:
            self._ending = asyncio.create_task(self._see_to_end(), name="end of the command")

    def send(self, number: signal.Signals) -> None:
        """To all of its group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._group, number)
            os.killpg(self._group, signal.SIGCONT)

    async def _see_to_end(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._grace):
                await self._process.wait()
                _dismiss(self._guard)
                while _is_there(self._group):  # noqa: ASYNC110 - what the command had started tells nobody
                    await asyncio.sleep(POLL_SECONDS)
        self.send(signal.SIGKILL)
        await self._process.wait()


def _start_guard(grace: float) -> subprocess.Popen[bytes]:
    """It leads a group of its own, and hears of no signal to it."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {*ENDING, *PASSED_ON, signal.SIGTSTP})
    try:
        return subprocess.Popen(  # noqa: S603 - a file of ours
            [sys.executable, "-I", "-S", guardian.__file__, str(grace)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            process_group=0,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _dismiss(guard: subprocess.Popen[bytes]) -> None:
    """It is not needed any more. It may be stopped, with all of its group."""
    assert guard.stdin is not None  # noqa: S101
    guard.kill()
    guard.wait()
    guard.stdin.close()


def _is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):  # some systems say the latter of what has ended
        return False
    return True


@contextmanager
def _unstoppable() -> Iterator[None]:
    """Ctrl-Z does not stop what starts here: it would hold what it holds for as long as nobody wakes it."""
    before = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, before)


@contextmanager
def _terminal_of(group: int) -> Iterator[None]:
    """Where standard input is a terminal, the group reads from it and gets its Ctrl-C, as with a shell."""
    terminal = _own_terminal()
    if terminal is None:
        yield
        return
    with suppress(OSError):  # it has ended
        _hand_over(terminal, group)
        os.killpg(group, signal.SIGCONT)  # it may have tried to read before
    try:
        yield
    finally:
        with suppress(OSError):
            _hand_over(terminal, os.getpgrp())


def _own_terminal() -> int | None:
    """The terminal that is read from, where this process is in front of it."""
    try:
        terminal = sys.__stdin__.fileno() if sys.__stdin__ is not None else -1
        return terminal if os.tcgetpgrp(terminal) == os.getpgrp() else None
    except (OSError, ValueError):
        return None


def _hand_over(terminal: int, group: int) -> None:
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # else who is not in front is stopped by this very call
    try:
        os.tcsetpgrp(terminal, group)
    finally:
        signal.signal(signal.SIGTTOU, before)
