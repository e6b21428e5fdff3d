"""What `coterie status` makes of a node's answers, where it takes no cluster to see it."""

from __future__ import annotations

from coterie.app.cli.cluster.status import draw
from coterie.app.cli.cluster.status_report import report
from coterie.app.cli.terminal.output import Cell, Line
from coterie.app.wire.cluster import Cluster, GossipLayer, Member, Members, RaftLayer, RaftMember

WAITS = "bootstrap_expect is not set: waiting for a cluster to join"


def test_a_node_that_waits_for_a_cluster_is_told_once_and_what_to_do() -> None:
    member = Member("one", 1, "127.0.0.1:1", "live", None, 0.0, 9, 3, 0, 3, "candidate")
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

    both = [each.problem for each in report(cluster, members, "disk: no space").problems]
    assert both[0] == "the node that answers is not ready: disk: no space"
    assert len(both) == 2
