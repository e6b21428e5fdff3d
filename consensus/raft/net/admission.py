"""Which proved peers may have a link: a rolled-back or copied data directory may not (raft spec 2b).

The same start in a second process is a *twin*: a copy of the directory runs, or the directory was put back from a copy.
Links cannot tell which; whoever can says so to `condemn`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from coterie.consensus.raft.net.session import HandshakeError, Hello

TWIN_TOLD = "cloned: another process has run on a copy of this data directory, for the same start"
"""What a twin reads. An earlier release says the first word alone."""


class Admission:
    """Remembers the highest incarnation seen of each member, and the process that it belongs to."""

    def __init__(
        self,
        max_members: int = 4096,
        *,
        known: Mapping[str, int] | None = None,
        on_new: Callable[[Mapping[str, int]], None] = lambda _: None,
    ) -> None:
        """`known`: the highest incarnations that former processes of this member have seen. `on_new`: keeps them all
        whenever one has risen."""
        self._max = max_members
        self._on_new = on_new
        self._seen: dict[str, tuple[int, bytes | None]] = {
            member: (incarnation, None) for member, incarnation in (known or {}).items()
        }
        self._condemned: dict[str, str] = {}  # the starts up to the highest seen, and the proof

    def admit(self, peer: Hello) -> None:
        """Raises HandshakeError for a peer that is refused."""
        known = self._seen.get(peer.member)
        if known is None and len(self._seen) >= self._max:
            raise HandshakeError("too_many_members")
        if known is not None and peer.incarnation <= known[0] and peer.member in self._condemned:
            raise HandshakeError("rolled_back", self._condemned[peer.member])
        if known is not None and peer.incarnation < known[0]:
            raise HandshakeError("rolled_back", f"{peer.member} starts as {peer.incarnation}, {known[0]} was seen")
        if known is not None and peer.incarnation == known[0] and known[1] not in {None, peer.process}:
            raise HandshakeError(
                "cloned", f"two processes of {peer.member} are start {peer.incarnation}", told=TWIN_TOLD
            )
        self._seen[peer.member] = (peer.incarnation, peer.process)
        if known is None or peer.incarnation > known[0]:
            self._on_new({member: incarnation for member, (incarnation, _) in self._seen.items()})

    def condemn(self, member: str, words: str) -> None:
        """Whatever has been seen of this member so far is refused as rolled back. `words`: the proof."""
        self._condemned[member] = words
