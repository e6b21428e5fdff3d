"""A program of 40 lines with a dict and a lock, in three processes: what it loses by kills, pauses and partitions."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.verify.consistency.network.namespaces import why_not
from tests.verify.pysyncobj_losses.driver import FAULTS

REASON = why_not() if sys.platform.startswith("linux") else "Linux has them"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.cluster,
    pytest.mark.skipif(bool(REASON), reason=f"no network namespaces here: {REASON}"),
]


def losses(engine: str, fault: str) -> dict[str, Any]:
    namespace = ["unshare", "--user", "--map-root-user", "--net"]
    done = subprocess.run(
        [*namespace, sys.executable, "-m", "tests.verify.pysyncobj_losses.driver", engine, fault],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    print(engine, fault, found)  # for the table in docs/pysyncobj.md
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_ours_loses_nothing_that_was_acknowledged(fault: str) -> None:
    found = losses("ours", fault)
    assert found["acknowledged"] > 10
    assert found["lost"] == 0
    assert not found["members differ"]


# What stock loses is luck at times: its runs say it, and a campaign shows them.
@pytest.mark.campaign
@pytest.mark.parametrize("fault", FAULTS)
def test_what_stock_loses(fault: str) -> None:
    assert losses("stock", fault)["acknowledged"] > 0
