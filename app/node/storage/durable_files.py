"""Replaces a file as a whole: after a power cut the old one or the new one is there."""

from __future__ import annotations

import os
from pathlib import Path


def replace_durably(draft: Path, path: Path) -> None:
    """Let a synced draft in the same directory take the place of `path`; durable on return. Raises OSError."""
    draft.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
