"""The parameters of a key: `fast_paths.py` reads them, `routes.py` documents them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Header, Path

from coterie.app.api.parameters.declared import Choice, Flag, Number, Text

KEY = Text(
    "key",
    "The key: everything behind the prefix, slashes included, percent-encoded where it must be. `%2F` is as good as a "
    "slash. Write `.` and `..` so that your client does not take them for directories.",
    "jobs/7",
    place=Path,
)
RAW = Flag("raw", "Answer with the bare value.", example=True)
PREV = Flag("prev", "Answer with what was there before as well.", example=True)
LAYER = Choice(
    "consistency",
    Literal["eventual", "strong"],
    "Which layer: `eventual` is this node's own key in the gossip layer, `strong` a key of the metadata, as at "
    "`/v1/meta/{key}`, with all that can be asked there.",
    "strong",
)
FRESHNESS = Choice(
    "consistency",
    Literal["linearizable", "stale"],
    "`linearizable`: as fresh as anything acknowledged before. `stale`: what this node has, at once; the answer says "
    "how old it may be.",
    "stale",
)
REVISION = Number("revision", "As it was at this revision, while history holds it.", 17, ge=1)
LEASE = Text("lease", "The lease that the key shall live with, or `keep` for the one it has.", "3")
IF_MATCH = Text(
    "If-Match", 'Only if the key is at this revision (`"17"`, as `ETag` gave it), or exists (`*`).', "*", place=Header
)
IF_NONE_MATCH = Text(
    "If-None-Match", 'Only if the key is not at this revision (`"17"`), or is not there (`*`).', '"17"', place=Header
)
NODE = Text("node", "The node whose key it is; this one where left out.", "node1")
TTL = Flag(
    "ttl",
    "Let it live for `gossip.marked_for_deletion_grace_period` only; the answer says until when.",
    example=True,
)

OfNode = Annotated[str | None, NODE.info]
AtRevision = Annotated[int | None, REVISION.info]
Freshness = Annotated[Literal["linearizable", "stale"], FRESHNESS.info]
