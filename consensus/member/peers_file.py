"""The highest incarnation seen of each other member, across this member's own restarts (raft spec 2b, durability).

A member whose directory goes back in time counts fewer starts than before. What remembers that must not forget it with
its own process. A file that is damaged or missing costs the memory, and nothing else.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

logger = logging.getLogger(__name__)

FILE_NAME = "peers.json"


def read_incarnations(directory: Path) -> dict[str, int]:
    """Member id -> incarnation."""
    path = directory / FILE_NAME
    try:
        content = json.loads(path.read_bytes())
        return {str(member): int(incarnation) for member, incarnation in content["incarnations"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        logger.warning("%s cannot be read: %s", path, error)
        return {}


def write_incarnations(directory: Path, incarnations: Mapping[str, int]) -> None:
    """Durable on return. An error of the disk is logged; the next change tries again. Waits for the disk."""
    path = directory / FILE_NAME
    draft = path.with_suffix(".tmp")
    try:
        with draft.open("w", encoding="utf-8") as file:
            json.dump({"format": 1, "incarnations": dict(incarnations)}, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        logger.warning("%s cannot be written: %s", path, error)
