"""New clusters from a backup, or from a survivor."""

from __future__ import annotations

from pathlib import Path

import pytest

from coterie.consensus import CompactedError, Member
from coterie.consensus.journal import open_member_directory
from coterie.consensus.restore import backup, found_from, read_survivor
from coterie.consensus.store import SnapshotError, read_snapshot
from tests.consensus.api.groups import CONFIG, SMALL, running

pytestmark = pytest.mark.anyio


async def start_alone(directory: Path) -> Member:
    store = open_member_directory(directory, config=SMALL)
    assert store.identity.cluster_id is not None
    member = Member(store, store.identity.cluster_id, (), lambda _: None, CONFIG)
    await member.start("127.0.0.1", 0)
    return member


async def test_a_backup_becomes_a_new_cluster_with_higher_tokens(tmp_path: Path) -> None:
    async with running(tmp_path / "old") as group:
        metadata = group.followers()[0].metadata
        done = await metadata.put(b"k", b"v")
        async with metadata.lock(b"l") as held:
            old_token = held.token
        saved = [chunk async for chunk in backup(group.followers()[1])]
        old_ids = set(group.ids.values())
    made = found_from(read_snapshot(saved), tmp_path / "new", config=SMALL)
    assert made.cluster != "test"
    assert made.member not in old_ids
    assert made.revision < found_from(read_snapshot(saved), tmp_path / "again", config=SMALL).revision < 2**53
    async with await start_alone(tmp_path / "new") as member:
        answer = await member.metadata.get(b"k", timeout=20)
        assert answer.value is not None
        assert answer.value.value == b"v"
        assert answer.revision >= done.revision + 10**9
        with pytest.raises(CompactedError):
            async with member.metadata.watch_key(b"k", from_revision=done.revision):
                pass
        async with member.metadata.lock(b"l") as held:
            assert held.token > old_token + 10**8
    async with await start_alone(tmp_path / "new") as member:
        assert (await member.metadata.get(b"k", timeout=20)).value is not None


async def test_a_survivor_of_a_lost_majority_becomes_a_new_cluster(tmp_path: Path) -> None:
    async with running(tmp_path) as group:
        for number in range(20):
            await group.members[0].metadata.put(b"k%d" % number, b"v")
            if number == 10:
                for member in group.members.values():
                    member.compact()
    state, cluster = read_survivor(tmp_path / "1")
    assert cluster == "test"
    made = found_from(state, tmp_path / "new", config=SMALL)
    assert made.keys == 20
    async with await start_alone(tmp_path / "new") as member:
        assert (await member.metadata.put(b"more", b"v", timeout=20)).revision > 10**9


def test_a_damaged_backup_is_refused() -> None:
    with pytest.raises(SnapshotError):
        read_snapshot([b"x" * 100])


async def test_nothing_is_overwritten(tmp_path: Path) -> None:
    async with running(tmp_path, 1) as group:
        saved = [chunk async for chunk in backup(group.members[0])]
    with pytest.raises(FileExistsError):
        found_from(read_snapshot(saved), tmp_path / "0")
