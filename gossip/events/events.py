"""What happened, as the state machine tells it to its shell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coterie.gossip.state.node_state import NodeState
from coterie.gossip.wire.identity import Address, NodeId
from coterie.gossip.wire.key_value import KeyValue


@dataclass(frozen=True, slots=True)
class NodeJoined:
    """An identity was seen for the first time. It is not alive yet: nothing but hearsay so far."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class NodeAlive:
    """Signs of life are coming in: for the first time, or again."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class NodeDead:
    """A node that was alive no longer is. A node that never was alive does not die."""

    node: NodeId
    left: bool = False
    """It said goodbye."""


@dataclass(frozen=True, slots=True)
class NodeRemoved:
    """The grace period of a dead node is over; its state is gone."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class KeyChanged:
    """A visible version of a key, to whose prefix somebody listens, was written."""

    node: NodeId
    key_value: KeyValue


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """A message reset these nodes: what was held of them was dropped and taken anew. Told once a message."""

    nodes: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class LiveSetChanged:
    """The live set, or a live node's max_version, changed: every live node, the own one included."""

    live: Mapping[NodeId, NodeState]


@dataclass(frozen=True, slots=True)
class OwnStateOvertaken:
    """Others hold versions of this identity above its own; it moved its namespace above them (gossip spec 10)."""

    version: int


@dataclass(frozen=True, slots=True)
class DatagramRejected:
    """A datagram was dropped without effect; `reason` is a word of a small fixed set."""

    source: Address
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class WrongCluster:
    """A peer of another cluster: it refused our Syn, or we refused its."""

    source: Address
    cluster_id: str | None


@dataclass(frozen=True, slots=True)
class StripesChanged:
    """The digest is now cut into 2^bits stripes, because it outgrew a datagram or fits one again."""

    bits: int


Event = (
    NodeJoined
    | NodeAlive
    | NodeDead
    | NodeRemoved
    | KeyChanged
    | CaughtUp
    | LiveSetChanged
    | OwnStateOvertaken
    | DatagramRejected
    | WrongCluster
    | StripesChanged
)
