"""Which keys and values a node writes: sizes, the reserved prefix, first characters (gossip spec 6, 10)."""

from __future__ import annotations

from coterie.gossip.config import RESERVED_PREFIX, GossipConfig
from coterie.gossip.errors import KeyRefusedError, KeyTooLargeError, ReservedKeyError


def check_key_value(key: str, value: str, config: GossipConfig, *, internal: bool = False) -> None:
    """Raise KeyRefusedError, which names the limit, where a key or value must not be written.

    `internal` writes are the node's own: only they may use the reserved prefix.
    """
    try:
        size = len(key.encode()) + len(value.encode())
    except UnicodeEncodeError:
        raise KeyRefusedError("utf-8", "key and value must be text that UTF-8 can encode") from None
    if size > config.max_key_value_bytes:
        raise KeyTooLargeError(
            "max_key_value_bytes",
            f"key and value take {size} bytes, above max_key_value_bytes = {config.max_key_value_bytes}",
        )
    check_key(key, config, internal=internal)


def check_key(key: str, config: GossipConfig, *, internal: bool = False) -> None:
    """Check the key alone, as for a deletion."""
    if not internal and key.startswith(RESERVED_PREFIX):
        raise ReservedKeyError(
            "reserved_prefix", f"keys under {RESERVED_PREFIX!r} are written by the node itself; choose another prefix"
        )
    if key and not key[0].isascii() and not config.allow_non_ascii_keys:
        raise KeyRefusedError(
            "allow_non_ascii_keys",
            f"key {key!r} starts with a non-ASCII character, which stops every real chitchat node it reaches; "
            "start it with an ASCII character, or set allow_non_ascii_keys where the cluster has no such node",
        )
