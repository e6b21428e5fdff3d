"""Authorization of live updates: a token gets what it may read by requests, by the same decision (`Principal`).

Each kind belongs to a layer. A kind without keys needs the right of the request for it; keys and names of locks are
checked one by one, as if each were requested. A token that may read everything gets a filter without `part`, and
nothing is checked again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from coterie.app.api.context import Context
from coterie.app.api.live.events.filters import Filter, ReadablePart, read_wish
from coterie.app.auth.authority import principal_of, refusal
from coterie.app.auth.rules import Principal, Right
from coterie.app.http.errors import ApiError
from coterie.app.wire.errors import Code
from coterie.app.wire.live.kinds import KINDS, USUAL, Kind
from coterie.app.wire.tokens import ANY_LAYER

RIGHTS: Mapping[Kind, Right] = {
    "members": Right("cluster", "read"),
    "phi": Right("cluster", "read"),
    "raft": Right("cluster", "read"),
    "decisions": Right("cluster", "read"),
    "gossip": Right("gossip", "read", None),
    "metadata": Right("metadata", "read", None),
    "queues": Right("locks", "read", None),
    "leases": Right("locks", "read", None),
    "gossip_links": Right("cluster", "read"),
    "convergence": Right("cluster", "read"),
    "figures": Right("cluster", "read"),
}
"""What each kind takes, as `app/auth/routes.py` says it of requests for the same."""

KEYED: frozenset[Kind] = frozenset({"gossip", "metadata", "queues"})
"""Any part of their layer will do: then their keys or names are looked at."""

UNDER_PREFIX: frozenset[Kind] = frozenset({"gossip", "metadata"})
"""A client's prefix is of their keys."""

_REVISION_TOLD_BY: tuple[Kind, ...] = ("metadata", "queues", "raft")
"""Who may read any of these is told the revision of the metadata by requests, too."""

EVERYTHING = ("",)


def reading_of(principal: Principal) -> dict[Kind, tuple[str, ...]]:
    """What keys or names of each kind must start with: one of these; none: nothing may be told of it."""
    found: dict[Kind, tuple[str, ...]] = {}
    for kind in KINDS:
        right = RIGHTS[kind]
        if kind in KEYED:
            found[kind] = fewest(principal.reach(right.layer, right.action))
        else:
            found[kind] = EVERYTHING if principal.has_right(right) else ()
    return found


def fewest(starts: Iterable[str]) -> tuple[str, ...]:
    """In order, and without those that start with another: each key that fits fits one."""
    kept: list[str] = []
    for start in sorted(starts):
        if not kept or not start.startswith(kept[-1]):
            kept.append(start)
    return tuple(kept)


def meet(starts: Iterable[str], prefix: str) -> tuple[str, ...]:
    """What starts with `prefix`, and with one of `starts`: the same for both at a time."""
    fitting = (start for start in starts if start.startswith(prefix) or prefix.startswith(start))
    return tuple(max(start, prefix, key=len) for start in fitting)


def filter_for(principal: Principal, kinds: str | Iterable[str] | None, prefix: str | None) -> Filter:
    """What is wanted, as far as it may be told. Raises ApiError: for kinds that are named but withheld, too."""
    named, start = read_wish(kinds, prefix)
    reading = reading_of(principal)
    if all(starts == EVERYTHING for starts in reading.values()):
        return Filter(frozenset(named or USUAL), start)
    rights = hashlib.blake2b(orjson.dumps(reading), digest_size=16).digest()
    revision = any(reading[kind] for kind in _REVISION_TOLD_BY)
    for kind in UNDER_PREFIX:
        reading[kind] = meet(reading[kind], start.decode())
    withheld = tuple(kind for kind in KINDS if not reading[kind])
    refused = [kind for kind in withheld if kind in named]
    if refused or len(withheld) == len(KINDS):
        raise _refusal(principal, refused, withheld, start.decode())
    starts = tuple((kind, tuple(each.encode() for each in reading[kind])) for kind in sorted(KEYED - set(withheld)))
    return Filter(frozenset(named or USUAL) - set(withheld), start, ReadablePart(rights, withheld, starts, revision))


def _refusal(principal: Principal, refused: list[Kind], withheld: tuple[Kind, ...], prefix: str) -> ApiError:
    if not refused:
        layers = ", ".join(dict.fromkeys(right.layer for right in RIGHTS.values()))
        about = f" of what live updates tell: that takes read in one of the layers {layers}" + (
            f" (asked for was the prefix {prefix!r})" if prefix else ""
        )
        return refusal(principal, Right(ANY_LAYER, "read", None), about)
    kind = refused[0]
    at = prefix if kind in UNDER_PREFIX else ""
    about = f"which the kind {kind!r} tells of; with no kinds named, what may be read is told"
    return refusal(
        principal, Right(RIGHTS[kind].layer, "read", at), f", {about}", "kinds", {"withheld": list(withheld)}
    )


def asked_filter(
    context: Context, scope: Mapping[str, Any], kinds: str | Iterable[str] | None, prefix: str | None
) -> Filter:
    """For who asks in this scope; a refusal goes to the audit log. Raises ApiError."""
    principal = principal_of(scope)
    try:
        return filter_for(principal, kinds, prefix)
    except ApiError as error:
        if error.code in {Code.UNAUTHORIZED, Code.FORBIDDEN}:
            context.authority.audit.refused(scope, principal, error)
        raise
