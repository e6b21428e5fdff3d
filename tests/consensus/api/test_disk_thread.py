"""A member that takes part makes no call to its disk in the event loop's thread."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from coterie.consensus import Member
from coterie.consensus.journal import open_member_directory
from tests.consensus.api.groups import CONFIG, SMALL
from tests.consensus.journal.disks.memory_files import MemoryFiles
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


async def test_a_member_loads_leads_writes_compacts_and_ends_without_a_call_to_the_disk_on_the_loop(
    tmp_path: Path,
) -> None:
    files, here = MemoryFiles(), threading.get_ident()
    on_loop: list[str] = []
    calls: set[str] = set()

    def look(call: str) -> None:
        calls.add(call.split("-", maxsplit=1)[0])
        if threading.get_ident() == here:
            on_loop.append(call)

    for life in range(2):
        files.failing = lambda _: None
        store = open_member_directory(tmp_path, config=SMALL, files=files)
        files.failing = look
        member = Member(store, "test", (store.identity.member_id.hex,), lambda _: None, CONFIG)
        try:
            await member.start("127.0.0.1", 0)
            for number in range(3):
                await member.metadata.put(b"k", b"%d" % number, timeout=20)
            if life == 0:
                member.compact()
                await eventually(lambda member=member: member.node.snapshot_index > 0)  # type: ignore[misc]
            else:
                assert member.node.snapshot_index > 0
        finally:
            await member.stop()
    assert on_loop == []
    assert {"sync vote", "sync journal"} <= calls
