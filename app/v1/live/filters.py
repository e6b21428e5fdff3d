"""What a client wants to be told of: kinds, and a prefix of keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from app.errors import ApiError, Code

UsualKind = Literal["members", "phi", "raft", "decisions", "gossip", "metadata", "queues", "leases"]
DetailKind = Literal["gossip_links", "convergence", "figures"]
Kind = Literal[UsualKind, DetailKind]
KINDS: tuple[Kind, ...] = get_args(Kind)
USUAL: tuple[UsualKind, ...] = get_args(UsualKind)
"""Told to who names no kinds."""
DETAILS: tuple[DetailKind, ...] = get_args(DetailKind)
"""Told to who names them: they are taken only while somebody wants them, and clients of old do not know them."""

MAX_PREFIX_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Filter:
    """`prefix`: of keys of both layers; what has no key is not filtered by it."""

    kinds: frozenset[str] = frozenset(USUAL)
    prefix: bytes = b""

    def wants(self, kind: str, key: bytes | None) -> bool:
        return kind in self.kinds and (key is None or key.startswith(self.prefix))


def read_filter(kinds: str | Iterable[str] | None, prefix: str | None) -> Filter:
    """`kinds`: a list, or words separated by commas; None or empty for the usual ones. Raises ApiError."""
    words = kinds.split(",") if isinstance(kinds, str) else kinds or ()
    wanted = frozenset(word.strip() for word in words) - {""}
    unknown = sorted(wanted - set(KINDS))
    if unknown:
        raise ApiError(
            Code.INVALID_REQUEST, f"there is no kind {unknown[0][:40]!r}; there are {', '.join(KINDS)}", "kinds"
        )
    try:
        start = (prefix or "").encode()
    except UnicodeEncodeError:
        raise ApiError(Code.INVALID_ENCODING, "prefix is not text that UTF-8 can carry", "prefix") from None
    if len(start) > MAX_PREFIX_BYTES:
        raise ApiError(Code.INVALID_REQUEST, f"prefix is longer than {MAX_PREFIX_BYTES} bytes", "prefix")
    return Filter(wanted or frozenset(USUAL), start)
