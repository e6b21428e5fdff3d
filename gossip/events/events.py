"""The events that the state machine reports (gossip spec 8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coterie.gossip.state.node_state import NodeState
from coterie.gossip.wire.identity import Address, NodeId
from coterie.gossip.wire.key_value import KeyValue


@dataclass(frozen=True, slots=True)
class NodeJoined:
    """An identity is known from now on. It is not alive yet: only digests of others list it."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class NodeAlive:
    """A node is alive, for the first time or again."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class NodeDead:
    """A node that was alive is dead. A node that never was alive does not die."""

    node: NodeId
    left: bool = False
    """It left on purpose."""


@dataclass(frozen=True, slots=True)
class NodeRemoved:
    """The grace period of a dead node is over; its state is removed."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class KeyChanged:
    """A visible version of a key was written, and a listener subscribes to its prefix."""

    node: NodeId
    key_value: KeyValue


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """A message reset these nodes: their held states were dropped and replaced. One event a message."""

    nodes: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class LiveSetChanged:
    """The live set or a live node's max_version changed. `live` holds every live node, the own one included."""

    live: Mapping[NodeId, NodeState]


@dataclass(frozen=True, slots=True)
class TwinsFound:
    """Several running processes have one node_id."""

    nodes: tuple[NodeId, ...]
    """By generation."""


@dataclass(frozen=True, slots=True)
class OwnStateRefuted:
    """Others hold higher versions of this identity; it moved its namespace above `version` (gossip spec 10)."""

    version: int


@dataclass(frozen=True, slots=True)
class DatagramRejected:
    """A datagram was dropped without effect; `reason` is one of a small fixed set of words."""

    source: Address
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class WrongCluster:
    """A peer of another cluster refused a Syn, or sent one."""

    source: Address
    cluster_id: str | None


@dataclass(frozen=True, slots=True)
class StripesChanged:
    """The digest now has 2^bits stripes: it outgrew a datagram, or fits one again."""

    bits: int


Event = (
    NodeJoined
    | NodeAlive
    | NodeDead
    | NodeRemoved
    | KeyChanged
    | CaughtUp
    | LiveSetChanged
    | TwinsFound
    | OwnStateRefuted
    | DatagramRejected
    | WrongCluster
    | StripesChanged
)
