"""Which keys lists of the metadata show: places in queues have names of locks in them, which take their own right."""

from __future__ import annotations

from collections.abc import Callable

from coterie.app.auth import token_store
from coterie.app.auth.rules import Principal
from coterie.consensus.store import RESERVED_PREFIX, queue_of

Shows = Callable[[bytes], bool]


def shown_to(principal: Principal) -> Shows:
    """Whether a list shows a key to this caller, who may read it as a key."""
    reach = tuple(prefix.encode() for prefix in principal.reach("locks", "read"))

    def shows(key: bytes) -> bool:
        if not key.startswith(RESERVED_PREFIX):
            return True
        if token_store.is_hidden(key):
            return False
        try:
            queue = queue_of(key)
        except ValueError:  # below the prefix of places, and none
            return "" in principal.reach("locks", "read")
        return queue is None or queue[1].startswith(reach)

    return shows
