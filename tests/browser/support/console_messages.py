"""Messages of live updates, as a page is told them; each test names what matters to it."""

from __future__ import annotations

from typing import Any


def node(name: str, status: str = "live", generation: int = 1) -> dict[str, Any]:
    address = f"{name}:10000"
    return {"node_id": name, "generation": generation, "gossip_advertise_addr": address, "status": status}


def place(name: str | None, role: str, *, live: bool = True, member: str = "") -> dict[str, Any]:
    return {
        "node_id": name,
        "member_id": member or f"m-{name}",
        "role": role,
        "raft_addr": None,
        "zone": "",
        "live": live,
    }


def raft(leader: str | None = "node1", *, quorum: bool | None = True, cluster: str | None = "c") -> dict[str, Any]:
    return {
        "enabled": True,
        "cluster_id": cluster,
        "leader": leader,
        "term": 3,
        "quorum": quorum,
        "membership_epoch": 1,
        "voters": ["node1", "node2", "node3"],
    }


HELLO = {"type": "hello", "node_id": "node1", "epoch": "e", "resumed": False, "heartbeat_seconds": 10, "metadata": True}
READY = {"type": "ready", "id": "e-5", "revision": 7, "left_out": []}


def members_part(*members: dict[str, Any]) -> dict[str, Any]:
    return {"type": "snapshot", "part": "members", "cluster_id": "testing", "node_id": "node1", "members": members}


def raft_part(picture: dict[str, Any], *places: dict[str, Any]) -> dict[str, Any]:
    return {"type": "snapshot", "part": "raft", "raft": picture, "members": places, "decisions": []}


def gossip_key(name: str, key: str, version: int = 1) -> dict[str, Any]:
    return {"node": name, "generation": 1, "key": key, "value": "v", "version": version, "status": "Set"}


def meta_key(key: str, revision: int) -> dict[str, Any]:
    record = {"key": key, "value": str(revision), "encoding": "utf-8", "create_revision": 1, "mod_revision": revision}
    return {**record, "version": 1, "lease": 0}


def events(*told: dict[str, Any], last: int = 6) -> dict[str, Any]:
    numbered = [{"id": f"e-{last}-{number}", "time": 100.0 + number, **each} for number, each in enumerate(told)]
    return {"type": "events", "id": f"e-{last}", "events": numbered}


def member_event(change: str, name: str, generation: int = 1) -> dict[str, Any]:
    return {"kind": "members", "change": change, "member": node(name, change, generation)}


THREE = (
    HELLO,
    members_part(node("node1"), node("node2"), node("node3")),
    raft_part(raft(), place("node1", "leader"), place("node2", "voter"), place("node3", "voter")),
    READY,
)


def raft_event(leader: str | None, *changes: str) -> dict[str, Any]:
    return {"kind": "raft", "changes": list(changes), "raft": raft(leader), "members": [], "gone": []}
