"""Which proved peers may have a link: a rolled-back or copied data directory may not (raft spec 2b)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from coterie.consensus.raft.net.session import HandshakeError, Hello


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

    def admit(self, peer: Hello) -> None:
        """Raises HandshakeError for a peer that is refused."""
        known = self._seen.get(peer.member)
        if known is None and len(self._seen) >= self._max:
            raise HandshakeError("too_many_members")
        if known is not None and peer.incarnation < known[0]:
            raise HandshakeError("rolled_back", f"{peer.member} starts as {peer.incarnation}, {known[0]} was seen")
        if known is not None and peer.incarnation == known[0] and known[1] not in {None, peer.process}:
            raise HandshakeError("cloned", f"two processes of {peer.member} are start {peer.incarnation}")
        self._seen[peer.member] = (peer.incarnation, peer.process)
        if known is None or peer.incarnation > known[0]:
            self._on_new({member: incarnation for member, (incarnation, _) in self._seen.items()})
