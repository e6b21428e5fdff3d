"""What may be wrong with one direction of one link, and what that does to a packet. Pure: time and chance are given."""

from __future__ import annotations

from dataclasses import dataclass, fields
from random import Random
from typing import Any, Literal

MAX_QUEUED_BYTES = 256 * 1024
"""Of one direction: what is more than that is dropped, as a router would."""


@dataclass(frozen=True, slots=True)
class Link:
    """One direction of a link. The default is a link that works."""

    cut: bool = False
    """Nothing passes."""
    reset: bool = False
    """TCP connections are reset, at the first packet on them; others pass."""
    only: Literal["", "tcp", "udp"] = ""
    """Of which packets the rest of this is true: all, TCP's or UDP's."""
    loss: float = 0.0
    """Part of the packets that are lost."""
    duplicate: float = 0.0
    """Part of the packets that come twice."""
    delay: float = 0.0
    """Seconds."""
    jitter: float = 0.0
    """Seconds at most on top of the delay; order is kept."""
    reorder: float = 0.0
    """Part of the packets that are overtaken by those up to `REORDERED_SECONDS` behind them."""
    rate: float = 0.0
    """Bytes a second; 0: without a limit."""

    @property
    def works(self) -> bool:
        return self == WORKS

    def to_json(self) -> dict[str, Any]:
        """What differs from a link that works."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }


WORKS = Link()

REORDERED_SECONDS = 0.03


class Direction:
    """A link with what is under way on it."""

    __slots__ = ("_clear", "_last", "_rng", "link")

    def __init__(self, link: Link, rng: Random) -> None:
        self.link = link
        self._rng = rng
        self._last = 0.0  # when the packet before arrives
        self._clear = 0.0  # when the line has sent all that it was given

    def arrivals(self, size: int, protocol: str, now: float) -> tuple[float, ...]:
        """When a packet of `size` bytes that is sent now arrives, once for each copy; empty where it is lost."""
        link = self.link
        if link.only and link.only != protocol:
            return (now,)
        rng = self._rng
        if link.cut or (link.loss and rng.random() < link.loss):
            return ()
        due = now
        if link.rate:
            start = max(self._clear, now)
            if (start - now) * link.rate > MAX_QUEUED_BYTES:
                return ()
            self._clear = due = start + size / link.rate
        due += link.delay + (rng.random() * link.jitter if link.jitter else 0.0)
        if link.reorder and rng.random() < link.reorder:
            due += rng.random() * REORDERED_SECONDS
        else:
            self._last = due = max(due, self._last)
        return (due, due) if link.duplicate and rng.random() < link.duplicate else (due,)
