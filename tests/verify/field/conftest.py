"""Real nodes for the trials."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.processes import nodes
from tests.verify.field.clusters import Field


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    settings = {"CLUSTER_ID": "field", "RAFT__STABILIZATION_TIME": "1", "RAFT__DEAD_VOTER_GRACE": "3"}
    with nodes(**settings) as started:
        yield Field(started, tmp_path)
