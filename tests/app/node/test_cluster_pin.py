"""A node without Raft keeps to its Raft cluster across restarts, and says how it is made to forget it."""

from __future__ import annotations

from pathlib import Path

import pytest

from coterie.app.node.storage.cluster_pin import FILE_NAME, open_pin
from coterie.app.node.storage.data_dir import DataDirError
from coterie.app.raft.leaders import choose
from coterie.app.raft.pin import ClusterPin
from tests.app.api.cluster.test_leaders import MAIN, seen

pytestmark = pytest.mark.anyio


async def test_what_was_spoken_to_is_known_after_a_restart_and_gone_with_its_file(tmp_path: Path) -> None:
    pin = open_pin(tmp_path)
    assert pin.cluster is None
    for cluster in ("first", "its successor"):
        pin.move(cluster)
        await pin.kept()
        assert open_pin(tmp_path).cluster == cluster
    again = open_pin(tmp_path)
    problem = choose(seen(*MAIN), again.cluster, again.way_out).problem
    assert problem is not None
    assert f"remove {tmp_path / FILE_NAME}" in problem
    (tmp_path / FILE_NAME).unlink()
    assert open_pin(tmp_path).cluster is None


async def test_a_node_without_a_directory_forgets_it_by_a_restart() -> None:
    pin = ClusterPin()
    pin.move("first")
    await pin.kept()
    assert (pin.cluster, ClusterPin().cluster) == ("first", None)
    assert "restart this node" in str(choose(seen(*MAIN), pin.cluster, pin.way_out).problem)


@pytest.mark.parametrize(
    ("content", "problem"),
    [("{", "is damaged; remove it"), ('{"format": 1}', "is damaged"), ('{"format": 2, "cluster_id": "a"}', "format 2")],
)
async def test_a_file_that_cannot_be_read_lets_no_node_start(tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(DataDirError, match=problem):
        open_pin(tmp_path)


async def test_a_disk_that_fails_costs_the_memory_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pin = open_pin(tmp_path / "gone")
    pin.move("first")
    await pin.kept()
    assert pin.cluster == "first"
    assert "cannot be written" in caplog.text
