"""What is shown of the Raft layer's members."""

from __future__ import annotations

from unittest.mock import Mock, patch

from coterie.app.raft.from_gossip import GossipRaftView
from coterie.app.raft.local import LocalRaft
from coterie.app.raft.view import without_ghosts
from tests.app.api.conftest import raft_member


def test_a_node_that_took_a_new_directory_is_shown_once() -> None:
    before = raft_member("b", "1" * 32, "observer", reason="barred for ever (dead)", live=False)
    now = raft_member("b", "2" * 32, "observer")
    other = raft_member("a", "3" * 32, "leader")
    assert without_ghosts([before, now, other]) == [now, other]


def test_a_dead_observer_and_a_voter_whose_place_is_yet_to_be_taken_are_shown() -> None:
    dead = raft_member("b", "1" * 32, "observer", live=False)
    wiped = raft_member("c", "2" * 32, "voter", live=False)
    back = raft_member("c", "3" * 32, "observer")
    assert without_ghosts([dead, wiped, back]) == [dead, wiped, back]


def test_a_voter_whose_node_gossip_has_forgotten_is_not_live() -> None:
    member = Mock()
    member.status.return_value = Mock(leader="1" * 32, voters=("1" * 32, "2" * 32), term=3, quorum=True)
    member.state = Mock(bans=(), membership_epoch=1)
    agent = Mock(member=member, cluster="c", leader_loop=None, member_id="1" * 32, reason="")
    part = LocalRaft(Mock(), agent)
    with patch.object(GossipRaftView, "members", return_value=[raft_member("a", "1" * 32, "voter")]):
        seen = part.picture().members
    assert [(each.node_id, each.member_id, each.role, each.live) for each in seen] == [
        ("a", "1" * 32, "leader", True),
        (None, "2" * 32, "voter", False),
    ]


def test_a_member_that_is_refused_as_a_copy_is_not_ready_and_says_so() -> None:
    """Without a leader, the reason says more than that."""
    member = Mock(leader=None)
    member.staleness.return_value = 60.0
    for reason, problem in (("no link to b", "no link to b"), ("", "no leader is known")):
        agent = Mock(member=member, cluster="c", role="voter", failure=None, met=None, reason=reason)
        assert LocalRaft(Mock(), agent).problem(10.0) == problem
