"""Nodes that are broken on purpose, by name: tests of the tests. Each must be caught by a scenario, in real processes.

What is broken is a method or rule of the product, replaced in the node's process by its launcher.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.verify.consistency.contract import Layer


@dataclass(frozen=True, slots=True)
class Sabotage:
    name: str
    what: str
    apply: Callable[[], None]
    """Called in the node's process, before the node is made."""
    scenario: str
    """In which it is caught."""
    layer: Layer = "raft"
    """Whose verdict must be bad."""
    nodes: int = 3
    seconds: float = 30.0


def _all() -> Mapping[str, Sabotage]:
    from tests.verify.consistency.sabotage.layers import LAYERS
    from tests.verify.consistency.sabotage.raft import RAFT

    return {sabotage.name: sabotage for sabotage in (*RAFT, *LAYERS)}


SABOTAGES = _all()
