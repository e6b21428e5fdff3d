"""Which proved peers may have a link: a rolled-back or copied data directory may not (raft spec 2b)."""

from __future__ import annotations

from coterie.consensus.raft.net.session import HandshakeError, Hello


class Admission:
    """Remembers the highest incarnation seen of each member, and the process that it belongs to."""

    def __init__(self, max_members: int = 4096) -> None:
        self._max = max_members
        self._seen: dict[str, tuple[int, bytes]] = {}

    def admit(self, peer: Hello) -> None:
        """Raises HandshakeError for a peer that is refused."""
        known = self._seen.get(peer.member)
        if known is None and len(self._seen) >= self._max:
            raise HandshakeError("too_many_members")
        if known is not None and peer.incarnation < known[0]:
            raise HandshakeError("rolled_back", f"{peer.member} starts as {peer.incarnation}, {known[0]} was seen")
        if known is not None and peer.incarnation == known[0] and peer.process != known[1]:
            raise HandshakeError("cloned", f"two processes of {peer.member} are start {peer.incarnation}")
        self._seen[peer.member] = (peer.incarnation, peer.process)
