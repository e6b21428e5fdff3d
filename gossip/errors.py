"""The errors of gossip: bad bytes from the network, refused writes, bad configuration."""


class GossipError(Exception):
    """Base of every error this package raises."""


class WireError(GossipError):
    """A datagram breaks a rule of the wire format (gossip spec 2) and is dropped whole.

    `reason` is one of a small fixed set of words, fit for the label of a metric.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class ConfigError(GossipError):
    """A setting has a value that cannot work; `field` names it, and the message says what to set."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class KeyRefusedError(GossipError):
    """A key or value that this node will not write; `limit` names the rule or setting that refused it."""

    def __init__(self, limit: str, message: str) -> None:
        super().__init__(message)
        self.limit = limit


class KeyTooLargeError(KeyRefusedError):
    """Key and value together are above `max_key_value_bytes`."""


class TooManyKeysError(KeyRefusedError):
    """The node's namespace already holds `max_keys_per_node` keys, tombstones included."""


class ReservedKeyError(KeyRefusedError):
    """The key has the prefix that only the node itself writes."""


class StateUpdateError(GossipError, ValueError):
    """A state handed to `reset_node_state_if_update` contradicts itself."""
