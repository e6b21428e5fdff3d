"""The settings of the protocol, with defaults and units."""

from __future__ import annotations

from dataclasses import dataclass, fields

from coterie.gossip.errors import ConfigError
from coterie.gossip.wire.identity import MAX_ID_BYTES

MAX_DATAGRAM_BYTES = 65_507
"""Largest payload of a UDP datagram over IPv4: 65,535 less 20 bytes of IP and 8 of UDP header."""

MAX_KEY_VALUE_BYTES_CEILING = 60_000
"""The most that `max_key_value_bytes` may be: with a Node operation and block headers it must fit a datagram."""

MIN_DELTA_BYTES = 131_072
"""The least that `max_delta_bytes` may be: a Node operation and the largest key-value of a chitchat node must fit."""

RESERVED_PREFIX = "coterie/"
"""The node itself writes keys under this prefix; its clients never do (gossip spec 6)."""

LEFT_KEY = RESERVED_PREFIX + "left"
"""A node that leaves sets this key to its Unix time, and is not alive from then on. To chitchat nodes it is an ordinary
key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GossipConfig:
    """Every setting of the protocol. Times are in seconds."""

    cluster_id: str = "testing"
    gossip_interval: float = 0.5
    gossip_fanout: int = 3
    protocol_version: int = 0  # of the messages that the node opens with; it answers in the version asked
    # Failure detection (gossip spec 5)
    phi_threshold: float = 8.0
    initial_interval: float = 5.0
    max_interval: float = 10.0
    sampling_window: int = 1_000
    min_mean_interval: float = 0.5  # in gossip intervals
    local_health_max: int = 8
    dead_node_grace_period: float = 24 * 3600.0
    # Keys (gossip spec 6)
    marked_for_deletion_grace_period: float = 2 * 3600.0
    max_key_value_bytes: int = 16_384
    max_keys_per_node: int = 100_000
    max_node_bytes: int = 32 * 1024 * 1024
    allow_non_ascii_keys: bool = False
    # Bounds (gossip spec 2, 5, 9, 10)
    max_datagram_bytes: int = MAX_DATAGRAM_BYTES
    max_digest_bytes: int = 57_344
    max_delta_bytes: int = 1024 * 1024
    max_delta_ops: int = 8_192
    max_known_nodes: int = 10_000
    max_foreign_bytes: int = 128 * 1024 * 1024
    max_joining_bytes: int = 16 * 1024 * 1024
    stranger_bytes_per_second: int = 1_000_000
    drop_unsolicited: bool = False
    reply_window: float = 10.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "protocol_version":
                continue
            if isinstance(value, int | float) and not isinstance(value, bool) and not 0 < value < float("inf"):
                raise ConfigError(item.name, f"must be a number above 0, not {value}")
        if self.protocol_version not in (0, 1):
            raise ConfigError("protocol_version", f"must be 0 or 1, not {self.protocol_version}")
        if len(self.cluster_id.encode()) > MAX_ID_BYTES:
            raise ConfigError("cluster_id", f"must be at most {MAX_ID_BYTES} bytes in UTF-8")
        if self.max_key_value_bytes > MAX_KEY_VALUE_BYTES_CEILING:
            raise ConfigError("max_key_value_bytes", f"must be at most {MAX_KEY_VALUE_BYTES_CEILING}")
        if self.max_datagram_bytes > MAX_DATAGRAM_BYTES:
            raise ConfigError("max_datagram_bytes", f"must be at most {MAX_DATAGRAM_BYTES}, UDP's own limit")
        if self.max_delta_bytes < MIN_DELTA_BYTES:
            raise ConfigError("max_delta_bytes", f"must be at least {MIN_DELTA_BYTES}: the largest key-value must fit")
        if self.max_delta_ops < 2:
            raise ConfigError("max_delta_ops", "must be at least 2: a node and one key-value")
        # A Node operation takes at most 17 bytes and an identity of 1,024 + 31; a striped digest holds the sender
        # twice. The rest must take the largest key-value with its headers.
        if self.max_digest_bytes > self.max_datagram_bytes - 4_096:
            raise ConfigError("max_digest_bytes", "must be at least 4,096 below max_datagram_bytes")
