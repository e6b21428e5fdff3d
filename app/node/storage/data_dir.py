"""The data directory: a lock that one process holds at a time, and the node's identity.

A restart must come with a higher generation (gossip spec 1 and 10), even within the same second and when the clock was
set back. So the generation is written, and synced, before it is used.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coterie.app.node.storage.durable_files import replace_durably
from coterie.gossip import MAX_ID_BYTES

IDENTITY_FILE = "identity.json"
LOCK_FILE = "lock"
FORMAT = 1

MAX_GENERATION = 2**63
"""No clock reaches this; a file that says more is damaged."""


class DataDirError(Exception):
    """The data directory cannot be used; the message says what to do."""


@dataclass(frozen=True)
class NodeIdentity:
    """Name and incarnation of a node."""

    node_id: str
    generation: int
    """Seconds since 1970, or one more than the last."""


def next_generation(now: float, last: int | None) -> int:
    """The generation of a start at `now` (Unix seconds) after one with the generation `last`."""
    return max(int(now), 0 if last is None else last + 1)


class DataDir:
    """An open data directory: no other process can open it until it is closed."""

    def __init__(self, path: Path) -> None:
        """Creates the directory where it is absent. Raises DataDirError."""
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataDirError(f"data_dir {path}: cannot be opened: {error.strerror}; choose another one") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(self._lock, 20).decode(errors="replace").strip()
            self.close()
            raise DataDirError(
                f"data_dir {path}: another node uses it{f' (process {owner})' if owner else ''}; "
                "stop that one, or give this node a directory of its own"
            ) from None
        with suppress(OSError):  # a full disk: it only helps the message above
            os.pwrite(self._lock, f"{os.getpid():<19}\n".encode(), 0)

    def close(self) -> None:
        """Let others open the directory. The end of the process does as much."""
        os.close(self._lock)

    def next_identity(self, node_id: str | None, generate: Callable[[], str], now: float) -> NodeIdentity:
        """The identity of this start, on disk when this returns.

        `node_id` is the configured one; without it the one kept here stays, and the first one is generated.
        Raises DataDirError.
        """
        last = self._read()
        name = node_id or (last.node_id if last else generate())
        identity = NodeIdentity(name, next_generation(now, last.generation if last else None))
        try:
            self._write(identity)
        except OSError as error:
            raise DataDirError(
                f"data_dir {self.path}: {IDENTITY_FILE} cannot be written: {error.strerror}; "
                "make room or set its permissions, and start again"
            ) from None
        return identity

    def _read(self) -> NodeIdentity | None:
        path = self.path / IDENTITY_FILE
        try:
            return _decode(json.loads(path.read_bytes()))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataDirError(f"data_dir {self.path}: {IDENTITY_FILE} cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise DataDirError(
                f"data_dir {self.path}: {IDENTITY_FILE} is damaged ({error}); restore it from a copy or, to go on as "
                "a new node, move it away (first make sure that the clock is right: the generation starts from it)"
            ) from None

    def _write(self, identity: NodeIdentity) -> None:
        """In the space of a draft that the start before left for this one: a full disk keeps no node from starting."""
        path = self.path / IDENTITY_FILE
        draft = path.with_suffix(".tmp")
        content = {"format": FORMAT, "node_id": identity.node_id, "generation": identity.generation}
        data = (json.dumps(content) + "\n").encode()
        _fill(draft, data, synced=True)
        replace_durably(draft, path)
        with suppress(OSError):
            _fill(draft, bytes(len(data)), synced=False)


def _fill(path: Path, data: bytes, *, synced: bool) -> None:
    """Write a file over what it holds."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with open(fd, "wb", buffering=0) as file:
        file.write(data)
        file.truncate()
        if synced:
            os.fsync(fd)


def _decode(content: Any) -> NodeIdentity:
    match content:
        case {"format": 1, "node_id": str(node_id), "generation": int(generation)} if (
            0 < len(node_id.encode()) <= MAX_ID_BYTES and type(generation) is int and 0 <= generation < MAX_GENERATION
        ):
            return NodeIdentity(node_id, generation)
        case {"format": int(other)} if other != FORMAT:
            raise ValueError(f"its format is {other}, and this release reads format {FORMAT}")
    raise ValueError("it does not hold a node_id and a generation")
