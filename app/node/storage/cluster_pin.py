"""The Raft cluster that a node without Raft has spoken to, kept in its data directory: a restart is no way for another
cluster to take the node's clients."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from threading import Lock

from coterie.app.node.storage.data_dir import DataDirError
from coterie.app.node.storage.durable_files import replace_durably
from coterie.app.raft.pin import ClusterPin

logger = logging.getLogger(__name__)

FILE_NAME = "raft-cluster.json"
FORMAT = 1


def open_pin(directory: Path) -> ClusterPin:
    """As the directory keeps it. Raises DataDirError where the file is damaged, or of a later release."""
    file = _PinFile(directory / FILE_NAME)
    return ClusterPin(file.read(), file.write, f"stop this node, remove {file.path}, and start it again")


class _PinFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()

    def read(self) -> str | None:
        try:
            content = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataDirError(f"{self.path} cannot be read: {error.strerror}") from None
        except ValueError:
            content = None
        match content:
            case {"format": 1, "cluster_id": str(cluster)}:
                return cluster
            case {"format": int(other)} if other != FORMAT:
                raise DataDirError(f"{self.path} has format {other}, and this release reads format {FORMAT}")
        raise DataDirError(
            f"{self.path} is damaged; remove it, and the node keeps to the first Raft cluster that it speaks to"
        )

    def write(self, cluster: str) -> None:
        """Durable on return. An error of the disk is logged: the node knows its cluster until it ends. Waits for the
        disk."""
        draft = self.path.with_suffix(".tmp")
        try:
            with self._lock:
                with draft.open("w", encoding="utf-8") as file:
                    json.dump({"format": FORMAT, "cluster_id": cluster}, file)
                    file.flush()
                    os.fsync(file.fileno())
                replace_durably(draft, self.path)
        except OSError as error:
            logger.warning("%s cannot be written: %s", self.path, error)
