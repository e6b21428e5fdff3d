"""The client on real nodes: one is killed under a watch, a held lock and writes; and TLS with certificates."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from coterie.app.client import Client, ClientError, ClientLimits
from coterie.consensus import UnavailableError
from coterie.consensus.store import Put
from tests.app.certificates import Authority
from tests.app.processes import running
from tests.cluster.processes import Node, nodes
from tests.waiting import PATIENCE_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.cluster]

QUICK = ClientLimits(first_pause_seconds=0.05, max_pause_seconds=0.2)


@pytest.mark.slow
async def test_a_killed_node_costs_a_client_nothing_but_time(tmp_path: Path) -> None:
    """Every write happens once, the watch tells each of them once, and the lock stays held."""
    with nodes(INTERVAL_MS="200", RAFT__DEAD_VOTER_GRACE="600") as started:
        running_nodes: list[Node] = []
        for name in ("node-0", "node-1", "node-2"):
            running_nodes.append(
                started.start(
                    name,
                    seeds=[each.address for each in running_nodes[:1]],
                    DATA_DIR=str(tmp_path / name),
                    RAFT__ENABLED="true",
                    RAFT__BOOTSTRAP_EXPECT="3",
                    RAFT__LISTEN_ADDR="127.0.0.1:0",
                )
            )
        addresses = [each.address for each in running_nodes]
        async with asyncio.timeout(PATIENCE_SECONDS), Client(*addresses, timeout=60.0, limits=QUICK) as client:
            await client.metadata.put(b"begun", b"1")  # once the cluster is founded
            async with (
                client.metadata.lock(b"l", ttl=60.0) as held,
                client.metadata.watch_prefix(b"n/") as watching,
            ):
                for number in range(10):
                    await client.metadata.txn([held.guard], [Put(b"n/%d" % number, b"", expect=0)])
                running_nodes[0].kill()
                for number in range(10, 20):
                    done = await client.metadata.txn([held.guard], [Put(b"n/%d" % number, b"", expect=0)])
                    assert done.succeeded
                told: list[bytes] = []
                while len(told) < 20:
                    told += [event.key for event in (await anext(watching)).events]
                assert not held.lost.is_set()
            assert told == [b"n/%d" % number for number in range(20)]
            records = (await client.metadata.prefix(b"n/")).value.records
            assert {record.version for record in records} == {1}
            assert [record.version for record in records] == [1] * 20


async def test_tls_names_what_is_wrong_with_it(tmp_path: Path) -> None:
    ours, foreign = Authority("ours"), Authority("foreign")
    certificate, key = ours.certify(tmp_path, "127.0.0.1")
    (tmp_path / "shown").mkdir()
    shown, shown_key = ours.certify(tmp_path / "shown", "client")
    (tmp_path / "foreign").mkdir()
    ca = ours.file(tmp_path)
    with running(TLS__CERTIFICATE=certificate, TLS__KEY=key, TLS__CA=ca, TLS__CLIENT_CERTIFICATES="required") as node:
        host, port = node.address
        address = f"https://{host}:{port}"
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with Client(address, ca_file=ca, cert_file=shown, key_file=shown_key) as client:
                assert len((await client.members()).members) == 1
            stranger = foreign.file(tmp_path / "foreign")
            async with Client(address, ca_file=stranger, cert_file=shown, key_file=shown_key) as client:
                with pytest.raises(ClientError, match=r"its certificate is refused .*; set ca_file"):
                    await client.members()
            async with Client(address, ca_file=ca, timeout=1.0) as client:
                with pytest.raises((ClientError, UnavailableError)):
                    await client.members()
