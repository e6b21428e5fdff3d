"""`coterie` commands as child processes that go on while a test looks at them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests import ROOT
from tests.app.processes import COMMAND, environment
from tests.cluster.processes import Node
from tests.waiting import PATIENCE_SECONDS, wait_until


class Started:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def line(self) -> str:
        """The next one that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def end(self, number: int | None = None) -> int:
        """Wait for its end, after a signal where one is given: its exit code."""
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def errors(self) -> str:
        """What it said on standard error; once it has ended."""
        assert self.process.stderr is not None
        return self.process.stderr.read()


@contextmanager
def started(at: Node | Sequence[Node], *arguments: str) -> Iterator[Started]:
    """A command that asks these nodes; killed at the end where it still runs."""
    addresses = [at] if isinstance(at, Node) else at
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment({"CLIENT_ADDRESS": ",".join(each.address for each in addresses)}),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Started(process)
        finally:
            if process.poll() is None:
                process.kill()


def until_there(file: Path) -> str:
    """The file's text, once it has some."""
    wait_until(lambda: file.exists() and file.read_text() != "")
    return file.read_text()
