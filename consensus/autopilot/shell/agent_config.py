"""The configuration of a node's part in the metadata cluster."""

from __future__ import annotations

from dataclasses import dataclass, field

from coterie.consensus.autopilot.announcement import FoundingRule
from coterie.consensus.autopilot.secret_keys import SecretKeys
from coterie.consensus.autopilot.shell.process_witness import AskProcess
from coterie.consensus.autopilot.voters.policy import Policy
from coterie.consensus.autopilot.voters.removal import RejoinPolicy
from coterie.consensus.journal import DiskFiles, Files, JournalConfig
from coterie.consensus.member.config import MemberConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    listen: tuple[str, int]
    """Host and TCP port of the Raft links; port 0 is one that the system chooses."""
    advertise: tuple[str, int]
    """Where others reach it; port 0 is the one listened on."""
    rule: FoundingRule
    member: MemberConfig
    journal: JournalConfig = field(default_factory=JournalConfig)
    files: Files = field(default_factory=DiskFiles)
    """What keeps the member's directory."""
    zone: str = ""
    policy: Policy = field(default_factory=Policy)
    rejoining: RejoinPolicy = field(default_factory=RejoinPolicy)
    """After which removals a member archives its directory, and joins again as a new one."""
    keys: SecretKeys | None = None
    """Of the secret, to prove what is announced with; None: nothing is proved."""
    believed: bool = True
    """Whether gossip is believed that proves nothing: it is sealed, or only this machine reaches it."""
    ask_process: AskProcess | None = None
    """Which process answers at an address of the HTTP API, asked before a lease that is bound to it ends."""
