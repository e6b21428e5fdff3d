"""The configuration of a member of a Raft group, with units and defaults."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from coterie.consensus.member.observing.tracing import Tracing
from coterie.consensus.raft.net.tcp import NetSettings
from coterie.consensus.raft.settings import RaftConfig
from coterie.consensus.store import Limits

REQUEST_TIMEOUT = 5.0
"""Seconds that a call takes at most, where neither it nor the configuration says otherwise."""

DIGEST_INTERVAL = 300.0
"""Seconds between two digests of the state, where the configuration does not say otherwise."""

MAX_WATCHES = 1_000
"""Watches open at a time at a member, where the configuration does not say otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberConfig:
    secret: bytes
    """Shared by all members. A peer must prove that it knows it before it gets a link."""
    raft: RaftConfig = field(default_factory=RaftConfig)
    net: NetSettings = field(default_factory=NetSettings)
    limits: Limits = field(default_factory=Limits)
    """Of a new cluster: its first leader logs them, and they are in force from there on."""
    request_timeout: float = REQUEST_TIMEOUT
    """Seconds that a call takes at most, where it does not say otherwise."""
    digest_interval: float = DIGEST_INTERVAL
    """Seconds between two digests of the state, by which members find out whether one differs from the rest."""
    max_watches: int = MAX_WATCHES
    """Watches open at a time at this member; more are refused as `too_many_watches`."""
    server_tls: ssl.SSLContext | None = None
    client_tls: ssl.SSLContext | None = None
    tls_name: str | None = None
    """What other members' certificates must carry; None: the address at which they are called."""
    tracing: Tracing | None = None
    """Records traces; None: nothing does."""

    def __post_init__(self) -> None:
        if not self.secret:
            raise ValueError("secret must not be empty")
