"""PySyncObj's `getStatus`, from our node."""

from __future__ import annotations

from typing import Any

from coterie.consensus.pysyncobj.engine import Node, TCPNode, syncobj
from coterie.consensus.pysyncobj.group import Group
from coterie.consensus.pysyncobj.machine import Methods
from coterie.consensus.pysyncobj.settings import READ_ONLY


def others(group: Group) -> set[Node]:
    """The voters, without this node."""
    return {TCPNode(voter) for voter in group.voters if voter != group.own}


def read_only_nodes(group: Group) -> set[Node]:
    return {Node(name) for name in group.linked if name.startswith(READ_ONLY)}


def has_quorum(group: Group) -> bool:
    """By open links, as PySyncObj has it."""
    here = {group.own, *group.linked}
    return 2 * sum(voter in here for voter in group.voters) > len(group.voters)


def status_of(group: Group, methods: Methods, uptime: float) -> dict[str, Any]:
    """In the loop's thread. Matches and next indexes are there at the leader alone."""
    partners = sorted(others(group), key=lambda node: str(node.id))
    read_only = read_only_nodes(group)
    linked = set(group.linked)
    runtime, leader = group.runtime, group.leader
    status = {
        "version": syncobj.VERSION,
        "revision": "deprecated",
        "self": None if group.read_only else TCPNode(group.own),
        "state": group.state,
        "leader": None if leader is None else TCPNode(leader),
        "has_quorum": has_quorum(group),
        "partner_nodes_count": len(partners),
        **{f"partner_node_status_server_{node.id}": 2 if node.id in linked else 0 for node in partners},
        "readonly_nodes_count": len(read_only),
        **{f"readonly_node_status_server_{node.id}": 2 for node in read_only},
        "log_len": 0 if runtime is None else len(runtime.node.state.log),
        "last_applied": 0 if runtime is None else runtime.node.applied,
        "commit_idx": 0 if runtime is None else runtime.node.commit,
        "raft_term": 0 if runtime is None else runtime.node.term,
        "uptime": int(uptime),
        "self_code_version": methods.newest,
        "enabled_code_version": methods.enabled,
    }
    if runtime is None:
        return status
    state = runtime.node.state
    progress = {node.id: state.progress[node.id] for node in partners if node.id in state.progress}
    status["next_node_idx_count"] = status["match_idx_count"] = len(progress)
    status |= {f"next_node_idx_server_{name}": each.next for name, each in progress.items()}
    status |= {f"match_idx_server_{name}": each.match for name, each in progress.items()}
    status["leader_commit_idx"] = state.commit
    return status
