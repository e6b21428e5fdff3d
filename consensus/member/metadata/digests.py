"""This member's digests, those that the others logged, and what follows: raft spec 3, digests."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterator
from hashlib import blake2b

from coterie.consensus.raft.errors import SafetyError
from coterie.consensus.store import DigestTold, State, write_snapshot

logger = logging.getLogger(__name__)

KEPT = 4
"""Entries whose digests are remembered: reports of the latest ones may still come."""

DIGEST_BYTES = 32


class DivergedError(SafetyError):
    """This member's state is not that of the majority."""

    def __init__(self, index: int, own: bytes, theirs: bytes) -> None:
        super().__init__(
            f"the state of this member differs from that of a majority of the voters as of entry {index} (its digest "
            f"is {own.hex()[:16]}, theirs {theirs.hex()[:16]}). Nothing that was acknowledged is lost. Set the raft "
            "directory of this node aside: it joins as a new member, with the others' state. Please report it"
        )


class Digests:
    def __init__(self) -> None:
        self.voters: Collection[str] = ()
        self._own: dict[int, bytes] = {}
        self.agreed: dict[int, bytes] = {}
        """What a majority of the voters has, by index."""
        self._told: dict[int, dict[str, bytes]] = {}
        self._making: tuple[int, Iterator[bytes]] | None = None
        self._hash = blake2b(digest_size=DIGEST_BYTES)

    def begin(self, state: State) -> None:
        """Make the digest of the state as it is now, whatever is applied later; `step` goes on with it."""
        self._making = state.applied_index, write_snapshot(state)
        self._hash = blake2b(digest_size=DIGEST_BYTES)

    @property
    def pending(self) -> bool:
        return self._making is not None

    def step(self) -> tuple[int, bytes] | None:
        """Take the next chunk of the digest in the making. Index and digest once it is made."""
        if self._making is None:
            return None
        index, chunks = self._making
        chunk = next(chunks, None)
        if chunk is not None:
            self._hash.update(chunk)
            return None
        self._making = None
        self._own[index] = self._hash.digest()
        _forget_old(self._own)
        return index, self._own[index]

    def told(self, report: DigestTold) -> None:
        """A member's digest has come by the log. Raises DivergedError where a majority agrees on another than ours."""
        reports = self._told.setdefault(report.index, {})
        reports[report.member] = report.digest
        _forget_old(self._told)
        counted = Counter(digest for member, digest in reports.items() if member in self.voters)
        digest, count = max(counted.items(), key=lambda each: each[1], default=(b"", 0))
        own = self._own.get(report.index)
        if 2 * count > len(self.voters):
            if own is not None and own != digest:
                raise DivergedError(report.index, own, digest)
            self.agreed[report.index] = digest
            _forget_old(self.agreed)
        elif len(counted) > 1 and counted.total() == len(self.voters) and report.member in self.voters:
            each = ", ".join(f"{member} {digest.hex()[:16]}" for member, digest in sorted(reports.items()))
            logger.critical("the members' states differ as of entry %d, and no majority agrees: %s", report.index, each)


def _forget_old(by_index: dict[int, bytes] | dict[int, dict[str, bytes]]) -> None:
    while len(by_index) > KEPT:
        del by_index[min(by_index)]
