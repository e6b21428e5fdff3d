"""A node whose part in Raft is a real group of one, served on a real port, and the metadata's two faces on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.types import ASGIApp

from coterie.app.api.app import create_app
from coterie.app.client import Client
from coterie.app.settings.tables import HttpSettings
from coterie.consensus import Metadata
from coterie.consensus.journal import open_member_directory
from coterie.consensus.member.config import MemberConfig
from coterie.consensus.member.member import Member
from coterie.consensus.raft.settings import RaftConfig as MemberSettings
from coterie.consensus.store import KNOWN_LEVEL
from coterie.gossip import Address
from tests.app.api.conftest import RAFT, FailingMetadata, Part, gossip_node
from tests.app.api.servers import serving
from tests.waiting import eventually


@pytest.fixture
async def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Part]:
    monkeypatch.setattr("coterie.consensus.member.metadata.consumer.MemberMetadata", FailingMetadata)
    gossip = gossip_node()
    store = open_member_directory(tmp_path / "raft")
    # It is alone: whoever campaigns soon, leads soon.
    hasty = MemberSettings(heartbeat=0.01, election_min=0.05, election_max=0.1, leader_fallback=0.04)
    member = Member(
        store, "cluster", (store.identity.member_id.hex,), lambda _: None, MemberConfig(secret=b"secret", raft=hasty)
    )
    try:
        await member.start("127.0.0.1", 0)
        await member.metadata.barrier()
        await eventually(lambda: member.state.feature_level == KNOWN_LEVEL)  # what founds a cluster is done
        yield Part(gossip, member)
    finally:
        await member.stop()
        await gossip.stop()


@pytest.fixture
def app(part: Part) -> ASGIApp:
    return create_app(part.node, HttpSettings(), RAFT, part)


@pytest.fixture
async def served(app: ASGIApp) -> AsyncIterator[Address]:
    async with serving(app) as address:
        yield address


@pytest.fixture
async def client(served: Address) -> AsyncIterator[Client]:
    async with Client(str(served), timeout=30.0) as client:
        yield client


@pytest.fixture(params=["member", "http"])
def metadata(request: pytest.FixtureRequest, part: Part, client: Client) -> Metadata:
    """The same group, by both faces."""
    return part.member.metadata if request.param == "member" else client.metadata
