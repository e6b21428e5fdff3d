"""A bound is documented, and what is refused at it says the bound and the way out (rows 12, 18, 19)."""

from __future__ import annotations

import base64
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.verify.field.clusters import Field, coterie
from tests.waiting import wait_until

pytestmark = pytest.mark.cluster


def test_a_value_of_the_documented_size_goes_in(field: Field) -> None:
    """Row 18."""
    node = field.one()
    largest = 1024 * 1024
    assert node.client.put("/v1/meta/" + "k" * 1024, content=b"v" * largest).status_code == 200
    refused = node.client.put("/v1/meta/k", content=b"v" * (largest + 1))
    assert refused.status_code == 413
    assert refused.json()["error"]["details"]["limit"] == largest
    assert str(largest) in refused.json()["error"]["message"]
    (field.directory / "value").write_bytes(b"v" * largest)
    assert coterie(node, "meta", "put", "k", f"@{field.directory / 'value'}").returncode == 0
    body = {"then": [{"put": {"key": "t", "value": base64.b64encode(b"v" * largest).decode(), "encoding": "base64"}}]}
    txn = node.client.post("/v1/txn", json=body)
    assert txn.status_code == 200, txn.text


@pytest.mark.slow
def test_a_prefix_of_more_keys_than_one_request_may_delete(field: Field) -> None:
    """Row 19."""
    node = field.one()
    for start in range(0, 10_240, 128):
        puts = [{"put": {"key": f"p/{number}", "value": ""}} for number in range(start, start + 128)]
        assert node.client.post("/v1/txn", json={"then": puts}).status_code == 200
    assert node.client.delete("/v1/meta?prefix=p/").status_code >= 400
    done = coterie(node, "meta", "del", "p/", "--prefix", "--yes")
    assert done.returncode == 0, done.stderr
    assert node.client.get("/v1/meta?prefix=p/").json()["keys"] == []


@pytest.mark.slow
def test_a_lease_begins_when_the_lock_is_got(field: Field) -> None:
    """Row 12."""
    node = field.one()
    held = node.client.post("/v1/locks/x", json={"ttl": 60}).json()["lease"]
    start = time.monotonic()
    busy = node.client.post("/v1/locks/x", json={"ttl": 2, "wait": 6})
    assert busy.json()["error"]["code"] == "busy", busy.text
    assert time.monotonic() - start >= 6
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(node.client.post, "/v1/locks/x", json={"ttl": 3, "wait": 30})
        wait_until(lambda: node.client.get("/v1/locks/x").json()["waiters"])
        time.sleep(2.5)
        node.client.delete(f"/v1/locks/x?lease={held}")
        got = waiting.result()
    assert got.status_code == 200, got.text
    left = node.client.get(f"/v1/leases/{got.json()['lease']}").json()
    assert left["remaining_seconds"] > 2, left
    over = node.client.post("/v1/locks/x", json={"ttl": 120, "wait": 300})
    assert over.status_code in {400, 422}, over.text
    assert "60" in over.text
