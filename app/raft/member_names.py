"""From what an operator names to a member of the Raft layer: its member id, or the node id of its node."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from coterie.app.wire.cluster import RaftMember
from coterie.app.wire.errors import Code
from coterie.consensus import RefusedError


def find_member(members: Sequence[RaftMember], named: str) -> str:
    """The member id. Raises RefusedError (node_not_found) where nothing has that name, or several members have."""
    if any(each.member_id == named for each in members):
        return named
    of_node = [each.member_id for each in members if each.node_id == named]
    if len(of_node) == 1:
        return of_node[0]
    if of_node:
        message = f"the node {named!r} has been several members; name one of them: {', '.join(of_node)}"
        raise RefusedError(Code.NODE_NOT_FOUND, message=message)
    known = [name for each in members for name in (each.node_id, each.member_id) if name]
    nearest = get_close_matches(named, known, n=1)
    advice = f"did you mean {nearest[0]!r}?" if nearest else "GET /v1/raft/members lists them"
    raise RefusedError(Code.NODE_NOT_FOUND, message=f"there is no member {named!r}: {advice}")
