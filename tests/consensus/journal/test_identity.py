"""Who a directory is: member id, cluster id, incarnation, lock (raft spec 2b and 4)."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from coterie.consensus.journal import (
    DirectoryInUseError,
    IdentityError,
    MemberDirectory,
    MissingFileError,
    open_member_directory,
)
from tests.consensus.journal.disks.memory_files import Fate, MemoryFiles, PowerCut
from tests.consensus.journal.member import DIRECTORY, SMALL


def opened(files: MemoryFiles) -> MemberDirectory:
    return open_member_directory(DIRECTORY, config=SMALL, files=files)


def test_a_member_keeps_its_id_and_every_start_has_a_higher_incarnation() -> None:
    files = MemoryFiles()
    store = opened(files)
    member_id = store.identity.member_id
    for incarnation in range(2, 6):
        files = files.rebooted(Fate.DROP, Random(0))
        store = opened(files)
        assert (store.identity.member_id, store.identity.incarnation) == (member_id, incarnation)


def test_two_new_directories_are_two_members() -> None:
    assert opened(MemoryFiles()).identity.member_id != opened(MemoryFiles()).identity.member_id


def test_a_wiped_directory_is_a_new_member() -> None:
    files = MemoryFiles()
    first = opened(files).identity.member_id
    assert opened(MemoryFiles()).identity.member_id != first


def test_a_clone_has_the_same_incarnation_and_a_rolled_back_disk_a_lower_one() -> None:
    """What a peer compares in the handshake."""
    files = MemoryFiles()
    opened(files).close()
    backup, copy = files.restarted(), files.restarted()
    first, clone = opened(files), opened(copy)
    assert first.identity.member_id == clone.identity.member_id
    assert first.identity.incarnation == clone.identity.incarnation == 2
    first.close()
    files = files.restarted()
    assert opened(files).identity.incarnation == 3
    assert opened(backup).identity.incarnation == 2


def test_a_cluster_id_is_kept_for_ever() -> None:
    files = MemoryFiles()
    store = opened(files)
    assert store.identity.cluster_id is None
    store.identity.join_cluster("blue")
    store.identity.join_cluster("blue")
    store = opened(files.rebooted(Fate.DROP, Random(0)))
    assert store.identity.cluster_id == "blue"
    with pytest.raises(IdentityError, match="belongs to cluster 'blue'"):
        store.identity.join_cluster("green")


@pytest.mark.parametrize("cluster_id", ["", "x" * 1_025])
def test_a_cluster_id_has_a_length(cluster_id: str) -> None:
    with pytest.raises(IdentityError):
        opened(MemoryFiles()).identity.join_cluster(cluster_id)


def test_a_directory_cannot_be_opened_twice() -> None:
    files = MemoryFiles()
    store = opened(files)
    with pytest.raises(DirectoryInUseError, match="in use by another process"):
        opened(files)
    store.close()
    opened(files).close()


def test_a_failed_opening_lets_the_lock_go() -> None:
    files = MemoryFiles()
    opened(files).close()
    names = files.directories[DIRECTORY].shown
    vote = names.pop("vote")
    with pytest.raises(MissingFileError):
        opened(files)
    names["vote"] = vote
    opened(files).close()


def test_a_directory_that_lost_its_identity_is_never_made_anew() -> None:
    files = MemoryFiles()
    opened(files).close()
    files.remove(DIRECTORY / "identity")
    with pytest.raises(MissingFileError, match="identity: is missing"):
        opened(files)


def test_a_directory_with_files_of_others_is_not_taken() -> None:
    files = MemoryFiles()
    files.make_directory(DIRECTORY)
    files.create(DIRECTORY / "notes.txt")
    with pytest.raises(MissingFileError, match=r"notes\.txt is there"):
        opened(files)


def test_an_unfinished_new_directory_is_made_anew() -> None:
    calls = MemoryFiles()
    opened(calls)
    for cut_at in range(2, calls.calls):
        files = MemoryFiles()
        files.cut_at = cut_at
        with pytest.raises(PowerCut):
            opened(files)
        for fate in (Fate.KEEP, Fate.DROP, Fate.TEAR):
            after = files.rebooted(fate, Random(cut_at))
            opened(after)
            assert not [
                name for name in after.names(DIRECTORY) if name.endswith((".tmp", "new")) and name != "spare.tmp"
            ]


def test_a_real_lock_keeps_a_second_store_out(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "member"
    store = open_member_directory(directory, config=SMALL)
    with pytest.raises(DirectoryInUseError):
        open_member_directory(directory, config=SMALL)
    store.close()
    open_member_directory(directory, config=SMALL).close()
