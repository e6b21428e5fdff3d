"""The garbage collector of a process that is a node, and nothing else."""

from __future__ import annotations

import gc

THRESHOLDS = (50_000, 20, 100)
"""Log entries and records are immutable and free of cycles: with the interpreter's own thresholds the collector would
walk over them many times a second, for milliseconds."""


def tune() -> None:
    """Call it once the state is loaded: what is there now is never walked over again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
