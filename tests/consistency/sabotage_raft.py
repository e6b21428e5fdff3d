"""What can be broken in the Raft layer. The ways to break it are those of the simulation, tried on real processes."""

from __future__ import annotations

from collections.abc import Callable

from tests.consensus.raft.sim import sabotage as ways
from tests.consistency.sabotage import Sabotage


def _patched(make: Callable[[], list[ways.Patch]]) -> Callable[[], None]:
    def apply() -> None:
        for target, name, value in make():
            setattr(target, name, value)

    return apply


RAFT: tuple[Sabotage, ...] = ()
