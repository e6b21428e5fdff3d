"""The settings of a node reach the parts of its Raft agent."""

from __future__ import annotations

from coterie.app.node.raft_agent import agent_config
from coterie.app.settings.settings import Settings
from coterie.app.settings.tables import RaftSettings
from coterie.consensus import MemberConfig
from coterie.consensus.journal import JournalConfig
from coterie.gossip import Address

HERE = Address("127.0.0.1", 10_000)


def test_bounds_of_the_log_and_the_interval_of_digests_are_settings() -> None:
    raft = RaftSettings(compact_bytes=1_000_000, max_log_bytes=9_000_000, digest_interval=7.0)
    config = agent_config(Settings(raft=raft), HERE, HERE)
    assert config.member.raft.compact_bytes == 1_000_000
    assert config.journal.max_log_bytes == 9_000_000
    assert config.member.digest_interval == 7.0


def test_what_is_not_set_is_as_the_parts_have_it() -> None:
    config = agent_config(Settings(), HERE, HERE)
    member = MemberConfig(secret=b"any")
    assert config.journal == JournalConfig()
    assert config.member.raft.compact_bytes == member.raft.compact_bytes
    assert config.member.digest_interval == member.digest_interval
