"""What the tests of `app/` share: an environment without settings, and a node that gossips with nobody."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import AsyncIterator, Iterator
from random import Random

import httpx
import pytest
import structlog

from coterie.app.api.app import create_app
from coterie.app.settings.tables import HttpSettings
from coterie.gossip import Address, Engine, GossipConfig, GossipNode, NodeId, open_udp_socket

MAX_KEY_VALUE_BYTES = 64
MAX_KEYS = 3
MAX_QUERY_BYTES = 512


@pytest.fixture(autouse=True)
def no_settings_in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("COTERIE_"):
            monkeypatch.delenv(name)


@pytest.fixture
def logs_restored() -> Iterator[None]:
    """For tests that configure the logs of the process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    uvicorn_level = logging.getLogger("uvicorn.error").level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("uvicorn.error").setLevel(uvicorn_level)
    structlog.reset_defaults()


@pytest.fixture
async def node() -> AsyncIterator[GossipNode]:
    """Never started: it holds its own keys and answers for them."""
    config = GossipConfig(max_key_value_bytes=MAX_KEY_VALUE_BYTES, max_keys_per_node=MAX_KEYS)
    own = NodeId("node-a", 1_700_000_000, Address("127.0.0.1", 10_001))
    engine = Engine(config, own, Random(1), now=time.monotonic())
    node = GossipNode(engine, open_udp_socket(Address("127.0.0.1", 0)))
    yield node
    await node.stop()


@pytest.fixture
async def client(node: GossipNode) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(node, HttpSettings(max_query_bytes=MAX_QUERY_BYTES, max_header_bytes=1_024))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        yield client
