"""The usual environment: probes, names, proxies, IPv6 (row 14)."""

from __future__ import annotations

import pytest

from tests.verify.field.clusters import Field

pytestmark = pytest.mark.cluster


def test_head_is_answered_as_get_is(field: Field) -> None:
    """Row 14."""
    node = field.one()
    node.client.put("/v1/meta/k", content="v")
    node.client.put("/v1/kv/k", content="v")
    paths = ("/livez", "/readyz", "/healthz", "/metrics", "/", "/v1/meta/k", "/v1/meta/none", "/v1/kv/k", "/v1/cluster")
    for path in (*paths, "/ui", "/ui/", "/docs", "/v1/meta?prefix=", "/v1/members", "/v1/raft/snapshot", "/none"):
        got, head = node.client.get(path), node.client.head(path)
        assert head.status_code == got.status_code, path
        assert head.content == b""
        assert head.headers.get("content-type") == got.headers.get("content-type"), path
        assert head.headers.get("etag") == got.headers.get("etag"), path
        if path not in {"/metrics", "/", "/v1/cluster", "/v1/members", "/v1/raft/snapshot"}:
            assert head.headers.get("content-length") == got.headers.get("content-length"), path
    for path in ("/v1/watch?prefix=", "/v1/events", "/v1/elections/x?watch=true"):
        assert node.client.head(path).status_code == 200, path
