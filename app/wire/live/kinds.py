"""Kinds of events and samples that a client of live updates can subscribe to."""

from __future__ import annotations

from typing import Literal, get_args

UsualKind = Literal["members", "phi", "raft", "decisions", "gossip", "metadata", "queues", "leases"]
DetailKind = Literal["gossip_links", "convergence", "figures"]
Kind = Literal[UsualKind, DetailKind]
KINDS: tuple[Kind, ...] = get_args(Kind)
USUAL: tuple[UsualKind, ...] = get_args(UsualKind)
"""Told to who names no kinds."""
DETAILS: tuple[DetailKind, ...] = get_args(DetailKind)
"""Told to who names them: they are taken only while somebody wants them, and clients of old do not know them."""
