"""Listeners by key prefix (gossip spec 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from coterie.gossip.events.events import KeyChanged
from coterie.gossip.wire.identity import NodeId

KeyListener = Callable[[str, str, NodeId], None]
"""Called with the key without the prefix, the value, and the owner of the key."""


class Listeners:
    """The listeners of one node. Subscribing replays nothing."""

    def __init__(self) -> None:
        self._by_prefix: dict[str, list[KeyListener]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_prefix)

    def subscribe(self, prefix: str, listener: KeyListener) -> Callable[[], None]:
        """Call `listener` for each visible key written under `prefix` from now on. Returns what ends that."""
        self._by_prefix.setdefault(prefix, []).append(listener)

        def unsubscribe() -> None:
            remaining = self._by_prefix.get(prefix, [])
            if listener in remaining:
                remaining.remove(listener)
            if not remaining:
                self._by_prefix.pop(prefix, None)

        return unsubscribe

    def has_listener(self, key: str) -> bool:
        return any(key.startswith(prefix) for prefix in self._by_prefix)

    def calls(self, event: KeyChanged) -> Iterator[Callable[[], None]]:
        """The calls that an event needs, in any order. The caller catches what they raise."""
        kv = event.key_value
        for prefix, listeners in list(self._by_prefix.items()):
            if kv.key.startswith(prefix):
                rest, value = kv.key[len(prefix) :], kv.value
                for listener in list(listeners):
                    yield partial(listener, rest, value, event.node)
