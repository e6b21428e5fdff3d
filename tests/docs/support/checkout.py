"""A checkout as a newcomer has it after `make setup`, for the snippets of one page: in a directory of its own, with
copies of the configurations whose 127.0.0.1 is a loopback address that no other test uses.

So the ports of the documentation can stay as they are written: on that address they are free.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from tests import ROOT

WRITTEN = "127.0.0.1"
"""The address in the documentation."""

_PORT = 10001
_LINKED = ("app", "consensus", "gossip", "docs", "Makefile", "README.md", "pyproject.toml", "requirements.lock")
_PAGER_FREE = {"TERM": "dumb", "COLUMNS": "120", "PAGER": "cat"}


class NoOwnAddressError(OSError):
    """The system has only one loopback address; Linux has all of 127/8."""


class Checkout:
    def __init__(self, directory: Path) -> None:
        """Fill an empty `directory`. Raises NoOwnAddressError."""
        self.directory = directory
        self.address = next(_free_addresses())
        for name in _LINKED:
            (directory / name).symlink_to(ROOT / name)
        shutil.copytree(ROOT / "configs", directory / "configs")
        for file in (directory / "configs").rglob("*.toml"):
            file.write_text(self.here(file.read_text(encoding="utf-8")), encoding="utf-8")
        self._make_environment()

    def here(self, text: str) -> str:
        """What stands in the documentation, with the address of this checkout."""
        return text.replace(WRITTEN, self.address)

    def as_written(self, text: str) -> str:
        """What was printed here, as the documentation would show it."""
        return text.replace(self.address, WRITTEN)

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of a shell in which `.venv` is active."""
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("COTERIE_")}
        kept.pop("MAKEFLAGS", None)
        own = {
            "HOME": str(self.directory),
            "XDG_CONFIG_HOME": str(self.directory / ".config"),
            "PATH": f"{self.directory / '.venv' / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.directory),
        }
        return kept | _PAGER_FREE | own

    def _make_environment(self) -> None:
        programs = self.directory / ".venv" / "bin"
        programs.mkdir(parents=True)
        _write_program(programs / "python", f'exec {sys.executable} "$@"')
        _write_program(programs / "coterie", f'exec {sys.executable} -m coterie "$@"')
        # Of all processes of the machine, only those of this page's shell.
        for name in ("pkill", "pgrep"):
            _write_program(programs / name, f'exec {shutil.which(name)} --session "$PAGE_SESSION" "$@"')
        (programs / "activate").write_text("")  # it is in the path already
        (self.directory / ".curlrc").write_text("silent\nfail-with-body\n")
        (self.directory / ".venv" / ".ready").touch()  # make takes it for set up


def _write_program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def _free_addresses() -> Iterator[str]:
    number = os.getpid()
    for last in range(1, 255):
        address = f"127.{64 + (number >> 8) % 64}.{number % 256}.{last}"
        try:
            with socket.create_server((address, _PORT)):
                yield address
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise NoOwnAddressError(f"{address}: {error}") from error
