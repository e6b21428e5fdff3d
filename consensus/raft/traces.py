"""Traces of calls that other members forward. A hook that fails costs a span, never a node."""

from __future__ import annotations

import logging
from collections.abc import Callable

from coterie.consensus.raft.messages import Forward

logger = logging.getLogger(__name__)

Ended = Callable[[str], None]
"""`ended(why)`, once: why the call was refused, or empty where it was served."""

Began = Callable[[str, str], Ended]
"""`began(name, traceparent)`."""


def _untraced(_why: str) -> None:
    pass


def begin(hook: Began | None, message: Forward) -> Ended:
    """The span of a forwarded call, where somebody records it and it has a trace."""
    if hook is None or not message.trace:
        return _untraced
    try:
        end = hook(f"raft {message.kind} for a follower", message.trace)
    except Exception:
        logger.exception("a span was not begun")
        return _untraced

    def ended(why: str) -> None:
        try:
            end(why)
        except Exception:
            logger.exception("a span was not ended")

    return ended
