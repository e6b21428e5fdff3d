"""Writes any message as a datagram, also those that a node never sends.

A node frames digests and deltas that it holds in wire form already.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from coterie.gossip.wire.blocks import BlockWriter
from coterie.gossip.wire.delta import NodeDelta
from coterie.gossip.wire.digest import Digest
from coterie.gossip.wire.messages import (
    Ack,
    BadCluster,
    Message,
    Syn,
    SynAck,
    frame_ack,
    frame_bad_cluster,
    frame_syn,
    frame_syn_ack,
)


def encode(message: Message) -> bytes:
    match message:
        case Syn(digest, cluster_id, stripe, version):
            return frame_syn(version, encode_digest(digest, version), cluster_id.encode(), stripe)
        case SynAck(digest, delta, stripe, version):
            return frame_syn_ack(version, encode_digest(digest, version), encode_delta(delta), stripe)
        case Ack(delta, version):
            return frame_ack(version, encode_delta(delta))
        case BadCluster(version):
            return frame_bad_cluster(version)


def encode_digest(digest: Digest, version: int) -> bytes:
    columns = zip(digest.ids, digest.heartbeats, digest.last_gc_versions, digest.max_versions, strict=True)
    rows = b"".join(i + struct.pack("<QQQ", h, g, m) for i, h, g, m in columns)
    if version == 0:
        return struct.pack("<H", len(digest.ids)) + rows
    writer = BlockWriter()
    writer.append(rows)
    return writer.finish()


def encode_delta(deltas: Sequence[NodeDelta]) -> bytes:
    """Whole node deltas, in the order given; a `max_version` of 0 writes no operation after the node."""
    writer = BlockWriter()
    for d in deltas:
        writer.append(b"\0" + d.node.encoded + struct.pack("<QQ", d.last_gc_version, d.from_version_excluded))
        for kv in d.key_values:
            writer.append(kv.op)
        if d.max_version > (d.key_values[-1].version if d.key_values else 0):
            writer.append(b"\x02" + struct.pack("<Q", d.max_version))
    return writer.finish()
