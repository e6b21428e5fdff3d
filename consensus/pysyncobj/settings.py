"""What PySyncObj's configuration means here: addresses, timing, secret and directory."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Final

from coterie.consensus.journal import MemberDirectory, open_member_directory
from coterie.consensus.pysyncobj.engine import SyncObjConf
from coterie.consensus.raft.settings import RaftConfig

logger = logging.getLogger(__name__)

CLUSTER: Final = "pysyncobj"
READ_ONLY: Final = "~"
"""The name of a read-only node begins so: it sorts behind every address, so that it is the one that calls."""

NO_PASSWORD: Final = b"no password"
MAX_CALL_BYTES = 4 << 20


def address_of(node: str) -> tuple[str, int]:
    """Raises ValueError for what is not `host:port`."""
    host, _, port = node.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"{node!r} is no address: write host:port")
    return host, int(port)


def raft_settings(conf: SyncObjConf) -> RaftConfig:
    return RaftConfig(
        heartbeat=conf.appendEntriesPeriod,
        election_min=conf.raftMinTimeout,
        election_max=conf.raftMaxTimeout,
        leader_fallback=(3 * conf.appendEntriesPeriod + conf.raftMinTimeout) / 2,
        max_op_bytes=MAX_CALL_BYTES,
        max_batch_bytes=MAX_CALL_BYTES + 4,
        max_pending=max(1, conf.commandsQueueSize),
        compact_after=conf.logCompactionMinEntries,
    )


def secret_of(password: str | bytes | None) -> bytes:
    """What links prove. Without a password it is a constant, and protects from nobody."""
    if password is None:
        return NO_PASSWORD
    return password.encode() if isinstance(password, str) else password


def open_directory(
    own: str | None, conf: SyncObjConf
) -> tuple[MemberDirectory, tempfile.TemporaryDirectory[str] | None]:
    """`journalFile`, or else `fullDumpFile`, as a directory; without either a temporary one. `own`: the address; None
    for a read-only node.

    Raises FileExistsError for a journal of PySyncObj's, IdentityError for another address's directory, StorageError
    and OSError where it must not be started from.
    """
    name: str | None = conf.journalFile or conf.fullDumpFile
    temporary = None
    if name is None:
        temporary = tempfile.TemporaryDirectory(prefix="coterie-", ignore_cleanup_errors=True)
        if own is not None:
            logger.warning(
                "%s has no journalFile: what it knows ends with this process, and the others refuse it under this "
                "address once it restarts; name a directory in SyncObjConf(journalFile=...)",
                own,
            )
        name = temporary.name
    path = Path(name)
    if path.is_file():
        raise FileExistsError(
            f"{path} is a file, as PySyncObj writes it: its journal cannot be taken over; name a new directory"
        )
    directory = open_member_directory(path)
    try:
        directory.identity.join_cluster(f"{CLUSTER} {READ_ONLY if own is None else own}")
    except BaseException:
        directory.close()
        raise
    return directory, temporary
