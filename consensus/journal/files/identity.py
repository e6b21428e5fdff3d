"""The identity of this directory: member id, cluster id and incarnation (fault 2; raft spec 2b and 4).

The member id is made once, with the directory. The incarnation rises at every start, before the node may do anything,
and goes into the handshake: peers that have seen a higher one are talking to a disk that was rolled back, peers that
see the same one on two live links to a clone.
"""

from __future__ import annotations

import struct
from pathlib import Path
from uuid import UUID

from coterie.consensus.journal.errors import CorruptFileError, IdentityError
from coterie.consensus.journal.files.double_buffered import DoubleBufferedFile
from coterie.consensus.journal.files.filesystem import Files

IDENTITY_NAME = "identity"
MAX_CLUSTER_ID_BYTES = 1_024

_KIND = 1
_FIELDS = struct.Struct("<16sQ")  # member id, incarnation; the cluster id follows, nothing where there is none yet


class IdentityFile:
    """The identity file of an open directory."""

    def __init__(self, file: DoubleBufferedFile, member_id: UUID, incarnation: int, cluster_id: str | None) -> None:
        self._file = file
        self.member_id = member_id
        self.incarnation = incarnation
        self.cluster_id = cluster_id

    @classmethod
    def create(cls, files: Files, directory: Path, member_id: UUID) -> IdentityFile:
        """A new member of no cluster, at incarnation 0. Its file makes the directory one that has data."""
        file = DoubleBufferedFile.create(files, directory / IDENTITY_NAME, _KIND, _encode(member_id, 0, None))
        return cls(file, member_id, 0, None)

    @classmethod
    def open(cls, files: Files, directory: Path) -> IdentityFile:
        """Raises CorruptFileError."""
        path = directory / IDENTITY_NAME
        file = DoubleBufferedFile.open(files, path, _KIND)
        try:
            member, incarnation = _FIELDS.unpack_from(file.value)
            cluster_id = file.value[_FIELDS.size :].decode() or None
        except (struct.error, UnicodeDecodeError):
            file.close()
            raise CorruptFileError(path, "holds no identity") from None
        return cls(file, UUID(bytes=member), incarnation, cluster_id)

    def raise_incarnation(self) -> None:
        """Once at each start. Durable on return."""
        self._file.store(_encode(self.member_id, self.incarnation + 1, self.cluster_id))
        self.incarnation += 1

    def join_cluster(self, cluster_id: str) -> None:
        """Belong to a cluster, for ever. Durable on return. Raises IdentityError where it is another's already."""
        if self.cluster_id == cluster_id:
            return
        if self.cluster_id is not None:
            raise IdentityError(
                f"this directory belongs to cluster {self.cluster_id!r}, not {cluster_id!r}; "
                "clusters never merge: give the node an empty directory to join another one"
            )
        if not 0 < len(cluster_id.encode()) <= MAX_CLUSTER_ID_BYTES:
            raise IdentityError(f"a cluster id takes 1 to {MAX_CLUSTER_ID_BYTES} bytes in UTF-8")
        self._file.store(_encode(self.member_id, self.incarnation, cluster_id))
        self.cluster_id = cluster_id

    def close(self) -> None:
        self._file.close()


def _encode(member_id: UUID, incarnation: int, cluster_id: str | None) -> bytes:
    return _FIELDS.pack(member_id.bytes, incarnation) + (cluster_id or "").encode()
