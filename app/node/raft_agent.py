"""The node's Raft agent, made of the node's settings."""

from __future__ import annotations

from pathlib import Path

from coterie.app.http.peers.process import ProcessAsker
from coterie.app.http.tls.context import Tls
from coterie.app.node.gossip_trust import GossipTrust
from coterie.app.node.storage.recover import RAFT_DIRECTORY, check_no_draft
from coterie.app.observability.tracing import Tracer
from coterie.app.settings.settings import Settings
from coterie.consensus import MemberConfig
from coterie.consensus.autopilot.announcement import FoundingRule
from coterie.consensus.autopilot.shell.agent import Agent
from coterie.consensus.autopilot.shell.agent_config import AgentConfig
from coterie.consensus.autopilot.voters.policy import Policy
from coterie.consensus.journal import JournalConfig
from coterie.consensus.raft.settings import RaftConfig
from coterie.gossip import Address, GossipNode

LOOPBACK_SECRET = b"a node that only this machine can reach"
"""Used where no secret is set, which settings allow on loopback addresses alone."""

FALLBACK_PART = 0.875
"""A leader without a majority steps down after this part of the election timeout, before others may elect another."""


def agent_config(
    settings: Settings,
    listening: Address,
    public: Address,
    trust: GossipTrust | None = None,
    tls: Tls | None = None,
    tracer: Tracer | None = None,
) -> AgentConfig:
    """The agent's configuration. `listening` and `public`: the node's own addresses, ports known."""
    trust = trust or GossipTrust.of(settings, listening)
    ask = ProcessAsker(trust.of_peers(lambda: False), tls)
    if not settings.tls.raft:
        tls = None
    raft = settings.raft
    listen = raft.listen_addr or listening._replace(port=settings.raft_listen_addr.port)
    advertise = raft.public_addr or public._replace(port=0)
    secret = LOOPBACK_SECRET if raft.secret is None else raft.secret.get_secret_value().encode()
    return AgentConfig(
        listen=(listen.host, listen.port),
        advertise=(advertise.host, advertise.port),
        rule=FoundingRule(raft.bootstrap_expect or 0, raft.founders),
        zone=raft.zone,
        member=MemberConfig(
            secret=secret,
            server_tls=None if tls is None else tls.raft_server,
            client_tls=None if tls is None else tls.raft_client,
            tls_name=None if tls is None else tls.node_name,
            raft=RaftConfig(
                heartbeat=raft.heartbeat_interval,
                election_min=raft.election_timeout,
                election_max=2 * raft.election_timeout,
                leader_fallback=FALLBACK_PART * raft.election_timeout,
                disk_patience=raft.disk_patience,
                compact_bytes=raft.compact_bytes,
            ),
            digest_interval=raft.digest_interval,
            request_timeout=raft.request_timeout,
            max_watches=raft.max_watches,
            tracing=tracer,
        ),
        journal=JournalConfig(max_log_bytes=raft.max_log_bytes),
        policy=Policy(
            min_voters=raft.min_voters,
            max_voters=raft.max_voters,
            stabilization_time=raft.stabilization_time,
            dead_voter_grace=raft.dead_voter_grace,
        ),
        keys=trust.keys,
        believed=trust.believed,
        ask_process=ask,
    )


def open_agent(node: GossipNode, data_dir: Path, config: AgentConfig) -> Agent:
    """Raises as `open_member_directory`, and DataDirError."""
    check_no_draft(data_dir)
    return Agent(node, data_dir / RAFT_DIRECTORY, config)
