"""The history of a run as JSON lines: whatever happens is appended to `history.jsonl` as it happens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HISTORY = "history.jsonl"


class FileRecording:
    """Appends lines; what a run that fails leaves behind ends with its last whole second."""

    def __init__(self, directory: Path) -> None:
        self._file = open(directory / HISTORY, "w", encoding="utf-8", buffering=1 << 16)  # noqa: SIM115

    def write(self, kind: str, body: Mapping[str, Any]) -> None:
        self.raw(json.dumps({kind: body}, ensure_ascii=False, separators=(",", ":")))

    def raw(self, line: str) -> None:
        self._file.write(line.rstrip("\n") + "\n")

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()
