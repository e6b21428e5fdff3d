"""What `coterie status` makes of a node's answers, where it takes no cluster to see it."""

from __future__ import annotations

from coterie.app.cli.cluster.status import draw
from coterie.app.cli.cluster.status_report import report
from coterie.app.cli.terminal.output import Cell, Line
from coterie.app.wire.cluster import Cluster, ClusterMember, GossipLayer, Members, Node, RaftLayer, RaftMember

WAITS = "bootstrap_expect is not set: waiting for a cluster to join"


def test_a_node_that_waits_for_a_cluster_is_told_once_and_what_to_do() -> None:
    member = ClusterMember("one", 1, "127.0.0.1:1", "live", None, 0.0, 9, 3, 0, 3, "candidate")
    waiting = RaftMember("one", "m1", "candidate", None, "", WAITS, True)
    raft = RaftLayer(True, None, None, 0, None, 0, (), (), ("one",), (waiting,), ())
    cluster = Cluster("one", "0.1.0", GossipLayer("testing", (), ()), raft)
    members = Members("testing", "one", (member,))

    told = report(cluster, members, f"raft: {WAITS}")
    assert [each.problem for each in told.problems] == [f"one waits to be in a Raft cluster: {WAITS}"]
    assert "raft.bootstrap_expect" in told.problems[0].advice
    lines = [
        " ".join(str(cell.text if isinstance(cell, Cell) else cell) for cell in line.parts)
        for line in draw(told)
        if isinstance(line, Line)
    ]
    assert "quorum   no cluster yet" in lines

    short = report(cluster, members, None, "disk_full")
    assert not short.healthy
    assert "no space on its disk" in short.problems[-1].problem
    assert "is full" in report(cluster, members, None, "log_full").problems[-1].problem

    both = [each.problem for each in report(cluster, members, "disk: no space").problems]
    assert both[0] == "the node that answers is not ready: disk: no space"
    assert len(both) == 2


def test_quorum_is_what_raft_sees_and_twins_are_told() -> None:
    names = ("one", "two", "three")
    roles = tuple(RaftMember(name, name, "voter", None, "", None, name == "one") for name in names)
    raft = RaftLayer(True, "c", "one", 3, True, 1, names, (), (), roles, ())
    twins = (Node("two", 1, "127.0.0.1:2"), Node("two", 9, "192.0.2.2:2"))
    cluster = Cluster("one", "0.1.0", GossipLayer("testing", (), (), twins), raft)

    told = report(cluster, Members("testing", "one", ()), None)
    assert told.problems[0].problem.startswith(
        "2 running processes have the node_id two: at 127.0.0.1:2 and 192.0.2.2:2"
    )
    quorum = next(line for line in draw(told) if isinstance(line, Line) and line.parts and "quorum" in _text(line))
    assert _text(quorum) == "quorum   yes (2 of 3 voters needed; gossip holds 1 live)"


def _text(line: Line) -> str:
    return " ".join(str(cell.text if isinstance(cell, Cell) else cell) for cell in line.parts)
