"""Where members were last reached, for a start at which gossip knows nobody yet (raft spec 4, addresses).

Gossip's address comes first. A damaged or missing file costs time and nothing else: the handshake proves the identity
of the member that answers at an address.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

logger = logging.getLogger(__name__)

FILE_NAME = "addresses.json"

MAX_ADDRESSES = 1_000
"""The oldest are forgotten."""


class AddressBook:
    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME
        self._known: dict[str, tuple[str, int]] = _read(self._path)
        self._saved = dict(self._known)

    def find(self, member: str) -> tuple[str, int] | None:
        return self._known.get(member)

    def note(self, member: str, address: tuple[str, int]) -> None:
        """A member was reached there."""
        if self._known.get(member) != address:
            self._known.pop(member, None)
            self._known[member] = address
            while len(self._known) > MAX_ADDRESSES:
                del self._known[next(iter(self._known))]

    def save(self, in_disk_thread: Callable[[Callable[[], None]], None]) -> None:
        """Write changes since the last time. An error of the disk is logged; the next change tries again."""
        if self._known == self._saved:
            return
        self._saved = dict(self._known)
        content = json.dumps({"format": 1, "addresses": self._known})

        def write() -> None:
            draft = self._path.with_suffix(".tmp")
            try:
                draft.write_text(content, encoding="utf-8")
                draft.replace(self._path)
            except OSError as error:
                logger.warning("%s cannot be written: %s", self._path, error)

        in_disk_thread(write)


def _read(path: Path) -> dict[str, tuple[str, int]]:
    try:
        content = json.loads(path.read_bytes())
        return {str(member): (str(host), int(port)) for member, (host, port) in content["addresses"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        logger.warning("%s cannot be read, and is not needed: %s", path, error)
        return {}
