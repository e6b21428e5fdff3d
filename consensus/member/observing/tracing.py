"""The hooks of a member for a recorder of traces. Without them a member sends nothing more, and pays nothing.

A follower's call at the leader carries the W3C `traceparent` of the span that it was made in, and the leader records
what it does for it as a span below. Members of releases that do not know the field pass it over.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from coterie.consensus.raft.traces import Ended


class Tracing(Protocol):
    def step(self, name: str) -> AbstractContextManager[object]:
        """Entered around each proposal up to its result, and each read round."""

    def carried(self) -> str:
        """The `traceparent` of the span at hand; empty where there is none, or it is not recorded."""

    def forwarded(self, name: str, traceparent: str) -> Ended:
        """Another member's call has come in at the leader. Returns what is called at its end."""
