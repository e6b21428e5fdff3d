"""`coterie raft`: the Raft layer, as an operator sees and changes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from coterie.app.cli.cluster.backup import save
from coterie.app.cli.cluster.leave import WAIT_SECONDS
from coterie.app.cli.framework import suggest
from coterie.app.cli.framework.command import CommandGroup
from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.framework.options import FILE, online, yes
from coterie.app.cli.framework.session import Session
from coterie.app.cli.terminal import styles
from coterie.app.cli.terminal.exits import Exit
from coterie.app.cli.terminal.failures import CommandError
from coterie.app.cli.terminal.output import Cell
from coterie.app.cli.terminal.text import ago, when
from coterie.app.wire.names import PROGRAM

if TYPE_CHECKING:
    from coterie.app.client import Client, RaftMember
    from coterie.app.wire.cluster import RaftStatus

VOTING = frozenset({"leader", "voter"})

_SHORTAGES = {
    "disk_full": "its log takes no writes: there is no space on the disk",
    "log_full": "its log takes no writes: it is full until a snapshot has cut it",
}


def _level(told: RaftStatus) -> str | None:
    """None of a node of an earlier release, which does not say."""
    if told.operation_level is None or told.known_operation_level is None:
        return None
    more = told.known_operation_level > told.operation_level
    return (
        f"{told.operation_level}, this node follows {told.known_operation_level}" if more else f"{told.operation_level}"
    )


@make_command(
    "status",
    answer="coterie.app.wire.cluster:RaftStatus",
    examples=[f"{PROGRAM} raft", f"{PROGRAM} raft status --address 127.0.0.1:10002 --json | jq .applied_index"],
)
@online
def show_status(session: Session) -> None:
    """The part that the node itself takes: role, term, indexes, and its links to the others."""
    told = session.run(lambda client: client.raft.status())
    if session.out.json:
        session.out.document(told)
        return
    if not told.enabled:
        session.out.text("This node takes no part in the Raft layer (raft.enabled is off).")
        return
    session.out.pairs(
        {
            "member": told.member_id,
            "cluster": told.cluster_id,
            "role": styles.role(told.role),
            "leader": told.leader,
            "term": told.term,
            "quorum": styles.yes_no(told.quorum),
            "voters": len(told.voters),
            "revision": told.revision,
            "last index": told.last_index,
            "committed": told.commit_index,
            "applied": told.applied_index,
            "snapshot": told.snapshot_index,
            "log entries": told.log_entries,
            "operation level": _level(told),
        }
    )
    if told.log_shortage is not None:
        session.out.say(Cell(_SHORTAGES[told.log_shortage], "bold red"))
    for name, shown in (("founding", told.founding), ("a change of voters is pending", told.change_pending)):
        if shown:
            session.out.say(Cell(name, "yellow"))
    for reason in filter(None, (told.failure, told.reason)):
        session.out.say(Cell(reason, "bold red"))
    if told.peers:
        session.out.say()
        session.out.table(
            ("member", "voter", "connected", ">log up to", ">silent", "snapshot"),
            [
                (
                    each.member_id,
                    "yes" if each.voter else "no",
                    styles.yes_no(each.connected),
                    each.match_index or None,
                    None if each.silent_seconds is None else ago(each.silent_seconds),
                    "is received" if each.receives_snapshot else None,
                )
                for each in told.peers
            ],
        )
    for event in told.link_events:
        session.out.say(Cell(when(event.time), "dim"), Cell(event.kind, "yellow"), event.detail)


@make_command(
    "peers",
    answer="coterie.app.wire.cluster:RaftMembers",
    examples=[f"{PROGRAM} raft peers", f"{PROGRAM} raft peers --json | jq '[.members[] | select(.role == \"voter\")]'"],
)
@online
def peers(session: Session) -> None:
    """The members of the Raft layer: who leads, who votes, and why each of the others does not."""
    from coterie.app.wire.cluster import RaftMembers  # noqa: PLC0415

    found = session.run(lambda client: client.raft.members())
    if session.out.json:
        session.out.document(RaftMembers(found))
        return
    session.out.table(
        ("node", "role", "live", "raft address", "zone", "member", "why it does not vote"),
        [
            (
                each.node_id,
                styles.role(each.role),
                styles.yes_no(each.live),
                each.raft_addr,
                each.zone or None,
                each.member_id,
                None if each.role in VOTING else each.reason,
            )
            for each in found
        ],
    )


@make_command(
    "transfer",
    answer="coterie.app.wire.cluster:Transferred",
    examples=[f"{PROGRAM} raft transfer", f"{PROGRAM} raft transfer node2"],
)
@click.argument("node_id", required=False, shell_complete=suggest.voters)
@online
def transfer(session: Session, node_id: str | None) -> None:
    """Hand leadership over: to the voter NODE_ID, or else to whoever holds most of the log.

    Writes pause for about a heartbeat. It is done once the new leader is heard of. Where the voter cannot take over,
    the leader goes on; where it was asked and may yet do so, that is said.
    """
    from coterie.app.wire.cluster import Transferred  # noqa: PLC0415

    leader = session.run(lambda client: client.raft.transfer(node_id))
    if session.out.json:
        session.out.document(Transferred(leader))
    else:
        session.out.text(f"{leader} leads now.")


@make_command(
    "remove",
    answer="coterie.app.cli.models.cluster:RemovedMember",
    examples=[f"{PROGRAM} raft remove node4", f"{PROGRAM} raft remove 0d6e4c7a0b5e4d3c9a8b7c6d5e4f3a2b --yes"],
)
@click.argument("member", shell_complete=suggest.raft_members)
@yes
@online
def remove(session: Session, member: str, yes: bool) -> None:
    """Remove a member that is lost for good, by its node id or its member id.

    Its member id is barred for ever, and the leader takes its vote. Dead voters are replaced by themselves, after
    raft.dead_voter_grace, where somebody stands ready; a node that still runs should rather leave.
    """
    from coterie.app.cli.models.cluster import RemovedMember  # noqa: PLC0415

    async def look(client: Client) -> tuple[RaftMember, ...]:
        return await client.raft.members()

    members = session.run(look)
    found = _find(members, member)
    session.out.make_sure(_what_removal_does(members, found), yes=yes)
    session.run(lambda client: client.raft.remove(found.member_id))
    if session.out.json:
        session.out.document(RemovedMember(found.member_id, found.node_id))
    else:
        session.out.text(f"{_named(found)} is barred; the leader removes it ({PROGRAM} raft peers shows when).")


def _find(members: tuple[RaftMember, ...], named: str) -> RaftMember:
    found = [each for each in members if each.member_id == named] or [each for each in members if each.node_id == named]
    if not found:
        raise CommandError(
            f"no member {named!r} is known there; {PROGRAM} raft peers lists them",
            Exit.NOT_FOUND,
            code="node_not_found",
        )
    if len(found) > 1:
        ids = ", ".join(each.member_id for each in found)
        raise CommandError(f"{named} has been several members; name one of them: {ids}", code="ambiguous")
    return found[0]


def _named(member: RaftMember) -> str:
    return f"{member.node_id} ({member.member_id})" if member.node_id is not None else member.member_id


def _what_removal_does(members: tuple[RaftMember, ...], member: RaftMember) -> str:
    lines = [f"{_named(member)} will be barred from the Raft layer for ever."]
    if member.live:
        lines.append(f"It is ALIVE: {PROGRAM} leave --address <its address> is the orderly way.")
    if member.role in VOTING:
        left = [each for each in members if each.role in VOTING and each is not member]
        live = sum(each.live for each in left)
        lines.append(f"It votes: {len(left)} voters would be left, {live} of them live, {len(left) // 2 + 1} needed.")
    return "\n".join(lines)


@make_command(
    "leave",
    answer="coterie.app.cli.models.cluster:LeftRaft",
    examples=[f"{PROGRAM} raft leave --address 127.0.0.1:10003", f"{PROGRAM} raft leave --yes"],
)
@yes
@online
def leave(session: Session, yes: bool) -> None:
    """Have the node that is asked give up its vote and its place in the Raft layer, and go on without.

    It stays in the cluster and serves every request by asking the others. To take it out of both layers, and stop it:
    coterie leave. To stop it for a while, with its vote kept, send it SIGTERM. It is asked for on a terminal only.
    """
    from coterie.app.cli.models.cluster import LeftRaft  # noqa: PLC0415

    session.out.make_sure(
        f"The node at {session.node} will give up its place in the Raft layer for good.", yes=yes, ask_alone=True
    )
    with session.out.working(f"The node at {session.node} is leaving the Raft layer"):
        session.run(lambda client: client.raft.leave(), at_least=WAIT_SECONDS)
    if session.out.json:
        session.out.document(LeftRaft(left=True, address=session.node))
    else:
        session.out.text(f"The node at {session.node} has left the Raft layer, and goes on without.")


@make_command(
    "compact",
    answer="coterie.app.wire.cluster:Compacting",
    examples=[f"{PROGRAM} raft compact", f"{PROGRAM} raft compact --address 127.0.0.1:10002"],
)
@online
def compact(session: Session) -> None:
    """Have the node that is asked take a snapshot now, and cut its log.

    It does so by itself after so many entries or bytes, and where its log or disk is full. By hand it is of use where
    an earlier snapshot found no space on the disk, and there is some now.
    """
    begun = session.run(lambda client: client.raft.compact())
    if session.out.json:
        session.out.document(begun)
    else:
        session.out.text(
            f"The node at {session.node} takes a snapshot up to entry {begun.applied_index} (so far: "
            f"{begun.snapshot_index}); {PROGRAM} raft status shows when it is done."
        )


@make_command(
    "give-up-founding",
    answer="coterie.app.cli.models.cluster:GivenUp",
    examples=[f"{PROGRAM} raft give-up-founding --address 127.0.0.1:10003"],
)
@online
def give_up_founding(session: Session) -> None:
    """Have the node that is asked give up founding a Raft cluster with one that will never come.

    It then asks for a place in one that exists, or founds one with those that are there. A cluster that is founded is
    not touched.
    """
    from coterie.app.cli.models.cluster import GivenUp  # noqa: PLC0415

    done = session.run(lambda client: client.raft.give_up_founding())
    if session.out.json:
        session.out.document(GivenUp(done, session.node))
    else:
        session.out.text(f"The node at {session.node}: {done or 'there was no founding to give up'}.")


@make_command(
    "decisions",
    answer="coterie.app.wire.cluster:Decisions",
    examples=[f"{PROGRAM} raft decisions", f"{PROGRAM} raft decisions --json | jq '.decisions[-1]'"],
)
@online
def decisions(session: Session) -> None:
    """What leaders decided of the voters, and why: the latest, oldest first."""
    from coterie.app.wire.cluster import Decisions  # noqa: PLC0415

    found = session.run(lambda client: client.raft.decisions())
    if session.out.json:
        session.out.document(Decisions(found))
        return
    session.out.table(
        ("time", "action", "node", "outcome", "reason"),
        [(when(each.time), each.action, each.node_id or each.member_id, each.outcome, each.reason) for each in found],
    )


@make_command(
    "snapshot",
    answer="coterie.app.cli.models.cluster:Backup",
    examples=[f"{PROGRAM} raft snapshot metadata.backup"],
)
@click.argument("file", type=FILE)
@online
def snapshot(session: Session, file: Path) -> None:
    """Save the metadata to FILE. The same as coterie backup."""
    save(session, file, "FILE")


command = CommandGroup(
    "raft",
    commands=[show_status, peers, transfer, remove, leave, compact, give_up_founding, decisions, snapshot],
    default="status",
    help="The Raft layer: members, leadership, decisions.",
)
