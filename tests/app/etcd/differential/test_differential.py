"""A short run, where etcd is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.etcd.differential.run import differences
from tests.app.etcd.differential.servers import ETCD, coterie_node, real_etcd

REQUESTS = 300


@pytest.mark.cluster
@pytest.mark.skipif(ETCD is None, reason="etcd is not installed")
@pytest.mark.parametrize("seed", [1, 2])
def test_random_requests_are_answered_as_etcd_does(seed: int, tmp_path: Path) -> None:
    with real_etcd(tmp_path) as etcd, coterie_node(tmp_path) as coterie:
        assert differences(etcd, coterie, seed, REQUESTS) == []
