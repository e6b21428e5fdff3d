"""Shares equal key-values between the engines of a process, as separate processes cannot.

A cluster of N nodes holds N copies of every key-value. They are immutable and equal, so a large simulation keeps one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from coterie.gossip import KeyValue


@contextmanager
def shared_key_values() -> Iterator[None]:
    """Within, every key-value that is read from a datagram is the one object of its bytes."""
    shared: dict[bytes, KeyValue] = {}

    def read(key: str, version: int, status: int, op: bytes) -> KeyValue:
        kv = shared.get(op)
        if kv is None:
            kv = shared[op] = KeyValue(key, version, status, op)
        return kv

    with patch("coterie.gossip.wire.delta.KeyValue", read):
        yield
