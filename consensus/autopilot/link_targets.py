"""Which members a member keeps links to: a voter to every member of the cluster, anybody else to the voters."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from coterie.consensus.autopilot.announcement import Announcement
from coterie.consensus.autopilot.observations import Observations


def announced(seen: Observations, own: str) -> dict[str, Announcement]:
    """The announcements of the other members, by member id."""
    return {
        member: observation.announcement
        for member, observation in seen.of_member.items()
        if observation.announcement is not None and member != own
    }


def link_targets(own: str, cluster: str, voters: Collection[str], others: Mapping[str, Announcement]) -> set[str]:
    """Member ids out of `others`. `voters`: as this member knows them; empty before it knows any."""
    if own in voters or not voters:
        return {other for other, it in others.items() if it.takes_part_in(cluster)}
    leaders = {it.status.leader for it in others.values() if it.status is not None and it.status.leader}
    announced_voters = {other for other, it in others.items() if it.cluster_id == cluster and it.role == "voter"}
    return announced_voters | {leader for leader in leaders if leader in others}
