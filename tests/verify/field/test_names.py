"""A name is wrong: refused, with the nearest right one, and nothing is stored (rows 3, 32)."""

from __future__ import annotations

import pytest

from tests.verify.field.clusters import Field, coterie, leader, voters
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
