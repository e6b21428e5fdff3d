"""Which members a member keeps links to: a voter to every member of the cluster, anybody else to the voters."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from coterie.consensus.autopilot.announcement import Announcement
from coterie.consensus.autopilot.observations import Sightings


def announced(seen: Sightings, own: str) -> dict[str, Announcement]:
    """What the other members say of themselves, by member id."""
    return {
        member: sighting.announcement
        for member, sighting in seen.of_member.items()
        if sighting.announcement is not None and member != own
    }


def wanted_links(own: str, cluster: str, voters: Collection[str], others: Mapping[str, Announcement]) -> set[str]:
    """Of the `others`. `voters`: as this member knows them; none before it has heard of any."""
    if own in voters or not voters:
        return {other for other, it in others.items() if it.takes_part_in(cluster)}
    leaders = {it.status.leader for it in others.values() if it.status is not None and it.status.leader}
    told = {other for other, it in others.items() if it.cluster_id == cluster and it.role == "voter"}
    return told | {leader for leader in leaders if leader in others}
