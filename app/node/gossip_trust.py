"""How far this node believes gossip, by its settings: what is sealed is believed, what is not has to prove itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from coterie.app.http.peers.search import PeerTrust
from coterie.app.node.start_message import is_loopback
from coterie.app.settings.settings import Settings
from coterie.consensus.autopilot.secret_keys import SecretKeys
from coterie.gossip import Address


@dataclass(frozen=True, slots=True)
class GossipTrust:
    keys: SecretKeys | None
    """Of `raft.secret`."""
    sealed: bool
    by_tls: bool
    on_loopback: bool
    raft_on_loopback: bool
    """Raft is on, and has no secret: settings allow that on loopback alone."""

    @classmethod
    def of(cls, settings: Settings, listening: Address) -> GossipTrust:
        secret = settings.raft.secret
        return cls(
            keys=None if secret is None else SecretKeys(secret.get_secret_value().encode()),
            sealed=bool(settings.keyring.keys) and settings.keyring.plain == "refuse",
            by_tls=settings.tls.certificate is not None and settings.tls.ca is not None,
            on_loopback=is_loopback(listening),
            raft_on_loopback=settings.raft.enabled and secret is None,
        )

    @property
    def believed(self) -> bool:
        """Whether announcements are believed that prove nothing."""
        return self.sealed or (self.keys is None and (self.on_loopback or self.raft_on_loopback))

    def of_peers(self, is_open: Callable[[], bool]) -> PeerTrust:
        """`is_open`: whether requests without a token may do everything here."""
        return PeerTrust(
            self.keys, self.by_tls, self.sealed, lambda: self.on_loopback and self.keys is None and is_open()
        )
