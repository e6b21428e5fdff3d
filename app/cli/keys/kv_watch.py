"""From live updates of gossip's keys to changes: also over a gap, behind which a snapshot tells what holds now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from coterie.app.client import Message


class Watched(msgspec.Struct, frozen=True):
    """A key as it is now."""

    change: Literal["set", "delete"]
    node: str
    generation: int
    key: str
    value: str | None
    """Null where it is deleted, or longer than the node's `live.max_value_bytes`."""
    version: int | None
    """Null where nobody can tell: the deletion was missed."""
    time: float | None
    """Unix seconds by the node's clock; null for what was there before."""


_Place = tuple[str, int, str]
"""Node, generation, key."""


async def changes(messages: AsyncIterator[Message], node: str | None, *, changes_only: bool) -> AsyncIterator[Watched]:
    """`node`: only this one's keys. `changes_only`: the first snapshot is not told."""
    known: dict[_Place, int] = {}
    seen: set[_Place] | None = None
    """In the snapshot that is coming in."""
    quiet = changes_only
    async for message in messages:
        data = message.data
        match message.type:
            case "hello":
                seen = None if data["resumed"] else set()
            case "snapshot" if data["part"] == "gossip":
                for each in data["keys"]:
                    place = _place(each)
                    if seen is not None:
                        seen.add(place)
                    if node not in {None, each["node"]} or known.get(place) == each["version"]:
                        continue
                    known[place] = each["version"]
                    if not quiet:
                        yield _set(each, None)
            case "ready":
                gone = (
                    [] if seen is None or "gossip" in data["left_out"] else [each for each in known if each not in seen]
                )
                for place in gone:
                    del known[place]
                    yield Watched("delete", *place, None, None, None)
                seen, quiet = None, False
            case "gossip" if node in {None, data["node"]}:
                place = _place(data)
                if data["change"] == "delete":
                    known.pop(place, None)
                    yield Watched("delete", *place, None, data["version"], data["time"])
                elif known.get(place, -1) < data["version"]:
                    known[place] = data["version"]
                    yield _set(data, data["time"])


def _place(each: dict[str, Any]) -> _Place:
    return each["node"], each["generation"], each["key"]


def _set(each: dict[str, Any], time: float | None) -> Watched:
    return Watched("set", *_place(each), each["value"], each["version"], time)
