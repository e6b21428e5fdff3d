"""Raft's diff: leader, term, majority, voters, and each node's role."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import to_builtins

from coterie.app.api.cluster.overview import show_decision
from coterie.app.api.live.diff.gossip import Change
from coterie.app.raft.view import RaftPicture, RaftView
from coterie.app.wire.cluster import RaftMember
from coterie.consensus.autopilot.decision_log import DecisionRecord

_FIGURES = ("cluster_id", "leader", "term", "quorum", "membership_epoch", "voters")


def show_picture(part: RaftView, picture: RaftPicture) -> dict[str, Any]:
    voters = [each.node_id or each.member_id for each in picture.members if each.role in {"leader", "voter"}]
    return {
        "enabled": part.enabled,
        "cluster_id": picture.cluster_id,
        "leader": picture.leader,
        "term": picture.term,
        "quorum": picture.quorum,
        "membership_epoch": picture.membership_epoch,
        "voters": voters,
    }


def show_member(member: RaftMember) -> dict[str, Any]:
    """Without the reason why it does not vote, which counts down: `GET /v1/cluster` has it."""
    shown: dict[str, Any] = to_builtins(member)
    del shown["reason"]
    return shown


class RaftDiff:
    def __init__(self, part: RaftView) -> None:
        """Begins with what is there now."""
        self._part = part
        self.figures, self.members = self._read()
        self._decided: Sequence[DecisionRecord] = part.decisions()

    def _read(self) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        picture = self._part.picture()
        return show_picture(self._part, picture), {each.member_id: show_member(each) for each in picture.members}

    def changes(self) -> Iterator[Change]:
        """At most one event, with all that changed."""
        before, members_before = self.figures, self.members
        self.figures, self.members = self._read()
        changes = [name for name in _FIGURES if self.figures[name] != before[name]]
        moved = [each for member, each in self.members.items() if members_before.get(member) != each]
        gone = [member for member in members_before if member not in self.members]
        if changes or moved or gone:
            yield "raft", None, {"changes": changes, "raft": self.figures, "members": moved, "gone": gone}

    def new_decisions(self) -> Iterator[Change]:
        """Those that came since the last look."""
        before = set(self._decided)
        self._decided = self._part.decisions()
        for decision in self._decided:
            if decision not in before:
                yield "decisions", None, {"decision": show_decision(decision)}
