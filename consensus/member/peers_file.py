"""What a member knows of the others across its own restarts (raft spec 2b, durability and links).

The highest incarnation seen of each: a member whose directory goes back in time counts fewer starts than before, and
what remembers that must not forget it with its own process. And whether all prove the secret first where they call: a
member that has just started does not know its cluster's level yet. A file that is damaged or missing costs the memory,
and nothing else.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

logger = logging.getLogger(__name__)

FILE_NAME = "peers.json"


@dataclass(frozen=True, slots=True)
class KnownPeers:
    incarnations: Mapping[str, int] = field(default_factory=dict)
    """Member id -> incarnation."""
    prove_first: bool = False
    """Whether all do."""


def read_peers(directory: Path) -> KnownPeers:
    path = directory / FILE_NAME
    try:
        content = json.loads(path.read_bytes())
        incarnations = {str(member): int(incarnation) for member, incarnation in content["incarnations"].items()}
        return KnownPeers(incarnations, content.get("prove_first") is True)
    except FileNotFoundError:
        return KnownPeers()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        logger.warning("%s cannot be read: %s", path, error)
        return KnownPeers()


def write_peers(directory: Path, known: KnownPeers) -> None:
    """Durable on return. An error of the disk is logged; the next change tries again. Waits for the disk."""
    path = directory / FILE_NAME
    draft = path.with_suffix(".tmp")
    try:
        with draft.open("w", encoding="utf-8") as file:
            content = {"format": 1, "incarnations": dict(known.incarnations), "prove_first": known.prove_first}
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        logger.warning("%s cannot be written: %s", path, error)
