"""A subscription's filter: kinds, a prefix of keys, and the part that the token may read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from coterie.app.http.errors import ApiError
from coterie.app.wire.errors import Code
from coterie.app.wire.live.kinds import KINDS, USUAL, Kind

MAX_PREFIX_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class ReadablePart:
    """What may be told to who may not read everything (`app/api/live/authorization.py`)."""

    rights: bytes
    """The same for the same rights alone: ids of events are sealed for them."""
    withheld: tuple[Kind, ...]
    """Of these nothing is told."""
    starts: tuple[tuple[str, tuple[bytes, ...]], ...]
    """Of the other kinds that have keys or names: these must start with one of those. They are in order, and none
    starts with another."""
    revision: bool
    """Whether the revision of the metadata may be told."""

    def starts_of(self, kind: str) -> tuple[bytes, ...]:
        return next((starts for each, starts in self.starts if each == kind), ())


@dataclass(frozen=True, slots=True)
class Filter:
    """`prefix`: of keys of both layers; what has no key is not filtered by it, and names of locks are not."""

    kinds: frozenset[str] = frozenset(USUAL)
    prefix: bytes = b""
    part: ReadablePart | None = None
    """None: everything may be told."""

    def wants(self, kind: str, key: bytes | None) -> bool:
        """`key`: or name."""
        if kind not in self.kinds:
            return False
        if key is None:
            return True
        if self.part is None:
            return key.startswith(self.prefix) or kind == "queues"
        return key.startswith(self.part.starts_of(kind))

    def starts(self, kind: str) -> tuple[bytes, ...]:
        """What the keys or names of a kind must start with: one of these."""
        if self.part is not None:
            return self.part.starts_of(kind)
        return (b"",) if kind == "queues" else (self.prefix,)

    @property
    def shows_revision(self) -> bool:
        return self.part is None or self.part.revision


def read_wish(kinds: str | Iterable[str] | None, prefix: str | None) -> tuple[frozenset[Kind], bytes]:
    """Kinds that are named (a list, or words separated by commas; none for the usual ones) and prefix. Raises
    ApiError."""
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
    return frozenset(kind for kind in KINDS if kind in wanted), start
