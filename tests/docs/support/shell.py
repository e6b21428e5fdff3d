"""The shell in which a page's snippets run, one after the other, and the terminals beside it.

One bash runs them all, so that variables last; it leads a session of its own, and whatever is left of that session is
killed at the end. Terminals are its background jobs, each with its own process group, so that one can be interrupted.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from tests.docs.support.checkout import Checkout
from tests.waiting import PATIENCE_SECONDS

POLL_SECONDS = 0.1


class SnippetError(AssertionError):
    """A snippet did what its page does not say; the text holds what was printed."""


class Shell:
    """Use as a context manager."""

    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout
        self._outputs = checkout.directory / ".outputs"
        self._outputs.mkdir()
        self._count = 0
        self._terminals: dict[str, tuple[int, Path]] = {}
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=checkout.directory,
            env=checkout.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._tell(f"export PAGE_SESSION={self._bash.pid}; set -m -o pipefail")

    def __enter__(self) -> Shell:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in _session(self._bash.pid):
            try:
                os.kill(each, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._bash.wait()
        for pipe in (self._bash.stdin, self._bash.stdout):
            assert pipe is not None
            pipe.close()

    def run(self, text: str, *, fails: bool | None = False) -> str:
        """What it printed. `fails`: None where it may or may not.

        Raises SnippetError where it does not end, or ends otherwise than it should.
        """
        script, output = self._write(text)
        mode = "-e" if fails is False else "+e"
        self._tell(f"set {mode}; {{ source {script}; }} </dev/null >{output} 2>&1; echo $?; set +e")
        code = self._answer(text, output)
        if fails is not None and fails != (code != "0"):
            raise SnippetError(f"{text}\nended with {code or 'the shell'}, and printed:\n{self._read(output)}")
        return self._read(output)

    def start(self, name: str, text: str, until: str) -> None:
        """Run `text` beside the page, and wait until it has printed `until`."""
        script, output = self._write(text)
        self._tell(f"{{ source {script}; }} </dev/null >{output} 2>&1 & echo $!")
        self._terminals[name] = (int(self._answer(text, output)), output)
        if not self.wait_for(name, lambda printed: until in printed):
            raise SnippetError(f"{text}\ndid not print {until!r} but:\n{self.terminal(name)}")

    def runs(self, name: str) -> bool:
        """Whether there is such a terminal."""
        return name in self._terminals

    def terminal(self, name: str) -> str:
        """What it has printed so far."""
        return self._read(self._terminals[name][1])

    def wait_for(self, name: str, condition: Callable[[str], bool]) -> bool:
        """Whether a terminal comes to print what `condition` looks for, before it ends."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and _is_there(self._terminals[name][0]):
            if condition(self.terminal(name)):
                return True
            time.sleep(POLL_SECONDS)
        return condition(self.terminal(name))

    def end_terminals(self) -> None:
        """Ctrl-C in each, and wait for their ends."""
        for group, _ in self._terminals.values():
            if _is_there(group):
                os.killpg(group, signal.SIGINT)
        self._tell("wait; echo $?")
        self._answer("Ctrl-C in all terminals", self._outputs / "none")
        self._terminals.clear()

    def _write(self, text: str) -> tuple[Path, Path]:
        self._count += 1
        script = self._outputs / f"{self._count}.sh"
        script.write_text(self._checkout.here(text))
        return script, self._outputs / f"{self._count}.out"

    def _read(self, output: Path) -> str:
        return self._checkout.as_written(output.read_text(errors="replace")) if output.exists() else ""

    def _tell(self, line: str) -> None:
        assert self._bash.stdin is not None
        self._bash.stdin.write(f"{line}\n".encode())
        self._bash.stdin.flush()

    def _answer(self, text: str, output: Path) -> str:
        """The next line; empty where bash has ended, for a failing command ends it."""
        assert self._bash.stdout is not None
        if not select.select([self._bash.stdout], [], [], PATIENCE_SECONDS)[0]:
            raise SnippetError(f"{text}\ndid not end within {PATIENCE_SECONDS:g} s; so far:\n{self._read(output)}")
        return self._bash.stdout.readline().decode().strip()


def _is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _session(leader: int) -> list[int]:
    """The processes of a session."""
    listed = subprocess.run(["ps", "-o", "pid=", "-s", str(leader)], capture_output=True, text=True, check=False)
    return [int(each) for each in listed.stdout.split()]
