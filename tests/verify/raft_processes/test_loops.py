"""A group runs on either event loop."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.verify.raft_processes.members.processes import ProcessGroup

pytestmark = [pytest.mark.anyio, pytest.mark.cluster]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_members_find_each_other(tmp_path: Path, loop: str) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    group = ProcessGroup(tmp_path, options=("--loop", loop))
    try:
        for number in group.ids:
            await group.start(number)
        await group.complete()
    finally:
        await group.stop()
