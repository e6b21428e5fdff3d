"""Fingerprints of requests: what is asked for, and for whom (raft spec 3, request ids).

A retry asks for the same in the name of the same caller. What the serving node adds by itself, and may see differently
at the next try, is left out.
"""

from __future__ import annotations

from hashlib import blake2b

from msgspec.structs import replace

from coterie.consensus.store.schema.codec import encode
from coterie.consensus.store.schema.operations import Acquire, LeaseBind, PlainOperation

FINGERPRINT_BYTES = 16


def fingerprint(operation: PlainOperation, principal: str) -> bytes:
    """Equal for retries of one request alone. Raises CodecError for an operation that has no bytes."""
    name = principal.encode("utf-8", "surrogatepass")
    digest = blake2b(len(name).to_bytes(4, "big") + name, digest_size=FINGERPRINT_BYTES)
    digest.update(encode(_asked_for(operation)))
    return digest.digest()


def _asked_for(operation: PlainOperation) -> PlainOperation:
    match operation:
        case LeaseBind():  # the node's generation is as gossip has it where the try arrives
            return replace(operation, generation=0)
        case Acquire():  # how long the caller waits is no part of what it gets
            return replace(operation, wait=True)
    return operation
