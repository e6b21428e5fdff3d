"""Why a member does not vote, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coterie.consensus.autopilot.voters.explain import non_voters
from coterie.consensus.autopilot.voters.removal import RemovalCause
from coterie.consensus.autopilot.voters.view import ClusterView, MemberView
from tests.consensus.autopilot.clusters import NOW, POLICY, cluster, dead, fresh, healthy, leaving, silent


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (cluster("abc", fresh("d", 6.0)), "stabilizing, 4 s left"),
        (cluster("abc", healthy("d", match=4_488, caught_up_since=None)), "log 512 entries behind"),
        (cluster("abcde", ready="d"), None),
        (cluster("abcef", ready="d"), "ready: max_voters = 5 reached"),
        (cluster("abc", ready="d"), "ready: 4 voters are no better than 3; waits for one more"),
        (cluster("abc", ready="de"), "ready: promoted next"),
        (cluster("abc", ready="dc", change_pending=True), "ready: a change of the voters is under way"),
        (cluster("abc", dead("c"), ready="d"), "ready: replaces a dead voter next"),
        (cluster("abef", silent("e"), silent("f"), ready="d"), "ready: without it, no majority of the next"),
        (cluster("abef", fresh("d", 20.0), fresh("c", 40.0)), "ready: another member comes first"),
        (cluster("abc", dead("d")), "not alive"),
        (cluster("abc", silent("d", 2.0)), "has not answered the leader for 2.0 s"),
        (cluster("abc", healthy("d", answered_at=None)), "has not answered the leader"),
        (cluster("abc", leaving("d", RemovalCause.DEAD)), "barred for ever (dead)"),
        (cluster("abc", healthy("d", problem="it belongs to cluster y")), "it belongs to cluster y"),
        (cluster("abc", MemberView("d")), "not alive"),
    ],
)
def test_reasons(view: ClusterView, reason: str | None) -> None:
    told = non_voters(view, POLICY, NOW)
    assert told.get("d", "").startswith(reason or "")
    assert ("d" in told) == (reason is not None)


def test_who_does_not_lead_does_not_know() -> None:
    assert non_voters(replace(cluster("abc", ready="d"), leading=False), POLICY, NOW) == {}
