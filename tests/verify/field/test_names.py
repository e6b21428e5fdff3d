"""A name is wrong: refused, with the nearest right one, and nothing is stored (rows 3, 17, 28, 29, 32)."""

from __future__ import annotations

import time

import pytest

from tests.cluster.processes import Node
from tests.verify.field.clusters import Field, coterie, leader, ready, voters
from tests.waiting import wait_until

pytestmark = pytest.mark.cluster

MISSPELT = (
    ("PUT", "/v1/meta/k?leese=3", "leese", "lease"),
    ("GET", "/v1/meta/k?revison=1", "revison", "revision"),
    ("GET", "/v1/meta/k?consistancy=stale", "consistancy", "consistency"),
    ("DELETE", "/v1/meta/k?if_match=1", "if_match", "If-Match"),
    ("DELETE", "/v1/meta?prefx=p", "prefx", "prefix"),
    ("GET", "/v1/kv/k?nod=x", "nod", "node"),
    ("PUT", "/v1/kv/k?raww=1", "raww", "raw"),
    ("GET", "/v1/watch?prefix=&revison=1", "revison", "revision"),
    ("GET", "/v1/events?kind=x", "kind", "kinds"),
    ("GET", "/readyz?exclud=raft", "exclud", "exclude"),
    ("DELETE", "/v1/locks/x?leas=3", "leas", "lease"),
    ("GET", "/v1/raft/status?verbose", "verbose", "none"),
)


@pytest.mark.slow
def test_a_member_that_is_not_there_is_not_removed(field: Field) -> None:
    """Row 3."""
    nodes = field.three()
    at = leader(nodes)
    follower = next(node for node in nodes if node is not at)
    for node in (at, follower):
        for name in ("typo", "0" * 32):
            answer = node.client.delete(f"/v1/raft/members/{name}")
            assert answer.status_code == 404, answer.text
            assert answer.json()["error"]["code"] == "node_not_found"
    nearly = at.client.delete("/v1/raft/members/node")
    assert nearly.status_code == 404
    assert "did you mean 'node" in nearly.json()["error"]["message"]
    assert coterie(at, "raft", "remove", "typo", "--yes").returncode != 0
    assert len(voters(at)) == 3
    members = {each["node_id"]: each["member_id"] for each in at.client.get("/v1/raft/members").json()["members"]}
    by_node_id = at.client.delete(f"/v1/raft/members/{follower.node_id}")
    assert by_node_id.json() == {"removed": members[follower.node_id]}
    wait_until(lambda: len(voters(at)) == 2)


def test_a_misspelt_parameter_is_refused(field: Field) -> None:
    """Row 32."""
    node = field.one()
    node.client.put("/v1/meta/k", content="v")
    before = node.client.get("/v1/meta/k").json()
    for method, path, wrong, right in MISSPELT:
        answer = node.client.request(method, path)
        assert answer.status_code == 400, (path, answer.text)
        error = answer.json()["error"]
        assert error["code"] == "invalid_request"
        assert error["parameter"] == wrong, error
        assert right in error["message"], error
    assert node.client.get("/v1/meta/k").json() == before
    # Bodies refuse as much; the documented endpoints ignore what they do not know, as chitchat's do.
    assert node.client.post("/v1/leases", json={"tll": 5}).status_code == 400
    assert node.client.get("/set_kv?key=a&value=b&ttl=1").json() == {"status": True}
    assert node.client.get("/?pretty").status_code == 200


def test_a_node_that_found_nobody_is_not_ready(field: Field) -> None:
    """Row 17."""
    lost = field.up("lost", None, ("127.0.0.1:1",))
    wait_until(lambda: lost.client.get("/readyz").status_code == 503)
    told = coterie(lost, "status", "--check")
    assert told.returncode == 1
    assert "seed" in told.stdout
    other = field.up("other", None, (lost.address,), CLUSTER_ID="another")
    wait_until(lambda: other.client.get("/readyz").status_code == 503)
    assert "cluster_id" in ready(other)["error"]["message"], ready(other)


@pytest.mark.slow
def test_a_wrong_secret_is_named(field: Field) -> None:
    """Row 28."""
    nodes = field.three(RAFT__SECRET="a" * 20)
    node4 = field.up("node4", 0, tuple(node.address for node in nodes), RAFT__SECRET="b" * 20)
    wait_until(lambda: "secret" in str(ready(node4)), lambda: ready(node4))
    wait_until(lambda: "secret" in coterie(node4, "status").stdout, lambda: coterie(node4, "status").stdout)
    assert "secret" in node4.client.get("/v1/raft/status").json()["reason"]


@pytest.mark.slow
def test_twins_are_named_everywhere(field: Field) -> None:
    """Row 29."""
    first = field.up("n1", None)
    second = field.up("n2", None, (first.address,), NODE_ID="twin")
    time.sleep(1.1)  # generations are seconds
    third = field.up("n3", None, (first.address,), NODE_ID="twin")
    for node in (first, second, third):
        _says_not_well(node, "twin")


def _says_not_well(node: Node, what: str) -> None:
    def told() -> bool:
        done = coterie(node, "status", "--check")
        return done.returncode == 1 and what in done.stdout

    wait_until(told, lambda: coterie(node, "status").stdout)
