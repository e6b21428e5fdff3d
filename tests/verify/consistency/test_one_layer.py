"""A leader that is deaf on one layer alone ends no lease of a living node."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.verify.consistency.network import why_not

REASON = why_not()


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.skipif(bool(REASON), reason=f"no network namespaces here: {REASON}")
def test_a_fault_of_one_layer_ends_no_lease_of_a_living_node(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.verify.consistency.one_layer", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["udp-cut", "tcp-cut", "killed"]
