"""The snapshot's format: a head, then frames, each with its checksums (raft spec 3).

    head     magic (8 bytes), version (4), CRC-32 of both (4)
    frame    section (1), length of the payload (4), CRC-32 of the payload (4), CRC-32 of these nine bytes (4), payload
    payload  MessagePack: of SUMMARY and END one value, of the others a list; a section may have many

Numbers are big-endian. Sections come in the order of their numbers, the first and the last one once. END holds a
BLAKE2b digest of all bytes before it. Equal states give equal bytes.

Whatever is derived is left out: records that history holds too are in EVENTS alone, as are versions replaced by others
in history; indexes of leases, queues and history are built anew.

The version follows from the cluster's level (`levels.SNAPSHOT_FORMATS`), so that members of an earlier release read
what a later one writes beside them. Version 2 adds the fingerprints of remembered requests, and the owners of leases;
version 3 results of transactions within one another, and leases with ids of clients' choice.
"""

from __future__ import annotations

from struct import Struct

import msgspec

from coterie.consensus.store.schema.limits import Limits

MAGIC = b"coterie\n"

CHUNK_BYTES = 65_536
"""A frame is ended once its items count as many bytes."""

MAX_PAYLOAD_BYTES = 16 * 1024 * 1024
"""No frame is longer: the largest item is an event of two versions with the largest keys and values."""

DIGEST_BYTES = 32

SUMMARY, BANS, LEASES, RECORDS, EVENTS, REQUESTS, END = range(1, 8)

HEAD = Struct(">8sII")
HEAD_CHECKED = HEAD.size - 4
FRAME = Struct(">BIII")
FRAME_CHECKED = FRAME.size - 4


class Summary(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Everything that is one value."""

    feature_level: int
    applied_index: int
    time_ms: int
    cluster_id: str
    membership_epoch: int
    config: bytes
    limits: Limits
    revision: int
    compacted: int
    next_lease: int
    horizon_ms: int
