"""The history of a run, read from its folder: the lines of each kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from tests.verify.consistency.recording import HISTORY

ARCHIVE = ("history", "operation", "commit", "watch")
"""What `tests.verify.linearizability.load` reads."""


class Lines:
    """The lines of a history, by kind."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines: defaultdict[str, list[str]] = defaultdict(list)
        for line in lines:
            kind = line[2 : line.index('"', 2)]
            self._lines[kind].append(line)

    @classmethod
    def of(cls, directory: Path) -> Lines:
        with (directory / HISTORY).open(encoding="utf-8") as file:
            return cls(file)

    def archive(self) -> Iterator[str]:
        for kind in ARCHIVE:
            yield from self._lines[kind]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [orjson.loads(line)[kind] for line in self._lines[kind]]
