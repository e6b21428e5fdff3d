"""`coterie members`: who is in the cluster, as a node sees it, and how a node that is lost for good is forgotten."""

from __future__ import annotations

import click

from coterie.app.cli.framework import suggest
from coterie.app.cli.framework.command import CommandGroup
from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.framework.options import online, yes
from coterie.app.cli.framework.session import Session
from coterie.app.cli.terminal import styles
from coterie.app.cli.terminal.exits import Exit
from coterie.app.cli.terminal.failures import CommandError
from coterie.app.cli.terminal.text import ago
from coterie.app.wire.names import PROGRAM

NODE_ID = click.argument("node_id", shell_complete=suggest.nodes)


@make_command(
    "list",
    answer="coterie.app.wire.cluster:Members",
    examples=[
        f"{PROGRAM} members",
        f"{PROGRAM} members --address 127.0.0.1:10002",
        f"{PROGRAM} members --json | jq -r '.members[] | select(.status == \"dead\").node_id'",
    ],
)
@online
def list_members(session: Session) -> None:
    """All nodes that the node knows, the dead ones included for as long as they are remembered.

    PHI is the suspicion against a live node, HEARD the time since its last sign of life. A node that was restarted may
    be there twice, with its generations.
    """
    told = session.run(lambda client: client.members())
    if session.out.json:
        session.out.document(told)
        return
    session.out.table(
        ("node", "status", "role", ">phi", ">heard", ">keys", "address", ">generation"),
        [
            (
                each.node_id,
                styles.status(each.status),
                styles.role(each.role),
                styles.phi(each.phi),
                None if each.last_heartbeat_seconds is None else ago(each.last_heartbeat_seconds),
                each.keys,
                each.gossip_advertise_addr,
                each.generation,
            )
            for each in told.members
        ],
    )


@make_command(
    "get",
    answer="coterie.app.wire.cluster:ClusterMember",
    examples=[f"{PROGRAM} members get node1", f"{PROGRAM} members get node1 --json | jq .phi"],
)
@NODE_ID
@online
def get(session: Session, node_id: str) -> None:
    """One node: of several incarnations a live one, or else the latest."""
    found = session.run(lambda client: client.member(node_id))
    if found is None:
        raise CommandError(
            f"no node {node_id!r} is known there; {PROGRAM} members lists them", Exit.NOT_FOUND, code="node_not_found"
        )
    if session.out.json:
        session.out.document(found)
        return
    heard = found.last_heartbeat_seconds
    session.out.pairs(
        {
            "node": found.node_id,
            "generation": found.generation,
            "address": found.gossip_advertise_addr,
            "status": styles.status(found.status),
            "role": styles.role(found.role),
            "phi": styles.phi(found.phi),
            "heard": None if heard is None else f"{ago(heard)} ago",
            "heartbeat": found.heartbeat,
            "keys": found.keys,
            "version": found.max_version,
            "collected": found.last_gc_version,
        }
    )


@make_command(
    "forget",
    answer="coterie.app.wire.cluster:Forgotten",
    examples=[f"{PROGRAM} members forget node4", f"{PROGRAM} members forget node4 --yes"],
)
@NODE_ID
@yes
@online
def forget(session: Session, node_id: str, yes: bool) -> None:
    """Forget a dead node that is lost for good, before its grace period is over.

    All nodes drop what they know of it, and its member of the Raft layer is barred for ever. One that is alive is
    refused: stop it first, or have it leave. Should the node come back after all, it is a new member.
    """
    session.out.make_sure(
        f"All nodes will drop what they know of {node_id}, its keys included, and its member of the Raft layer will be "
        "barred for ever: if it votes, its vote is gone.",
        yes=yes,
    )
    done = session.run(lambda client: client.forget(node_id))
    if session.out.json:
        session.out.document(done)
        return
    barred = f", and barred from the Raft layer: {', '.join(done.raft_members)}" if done.raft_members else ""
    session.out.text(f"{node_id} is forgotten{barred}.")


command = CommandGroup(
    "members",
    commands=[list_members, get, forget],
    default="list",
    help="The nodes of the cluster, as a node sees them.",
)
