"""Plays a transcript: nodes of the pure core, a clock that only `pass` moves, and every message and sync by hand.

nodes A B +C     three nodes with links to each other, C a learner
pass S           let S seconds go by
tick A ..        let nodes do what is due
deliver [A>B ..] hand over what was sent so far, all of it or of these directions
drop [A>B ..]    lose it
sync A ..        the sync in flight ends
job A ..         the disk's next job ends
cut A B          the link between two breaks; `link A B` brings it up
propose A TEXT   a write;  read A;  change A add|remove B;  transfer A [B];  compact A
settle           tick, deliver and sync until nothing happens any more, and show the nodes
show A ..        show nodes
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from coterie.consensus.raft import messages
from coterie.consensus.raft.core.calls import queue_proposal, queue_read
from coterie.consensus.raft.core.events import (
    Event,
    HandOver,
    Job,
    JobDone,
    LinkDown,
    LinkUp,
    Received,
    Start,
    Stored,
    Synced,
    Tick,
)
from coterie.consensus.raft.core.model.configuration import decode_voters, encode_change
from coterie.consensus.raft.core.model.entries import MEMBERSHIP, NO_OP, REGULAR, decode_batch
from coterie.consensus.raft.core.model.pending import Proposal, Read
from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.core.step import step
from coterie.consensus.raft.ports import Entry
from coterie.consensus.raft.recovery import recover
from coterie.consensus.raft.settings import RaftConfig
from tests.verify.raft_sim.disk import Platter, SimJournal, SimSnapshots

SETTINGS = RaftConfig(snapshot_chunk_bytes=40, snapshot_slice=64, snapshot_load_slice=64)
CLOCKS = {"at", "reading", "age", "asked"}
"""Fields of pings that only say how stale a read may be."""


class Texts:
    """The replicated state: the texts that were written, in order."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def stamp(self) -> None:
        return None

    def apply(self, op: bytes, index: int) -> str:
        self.texts.append(op.decode())
        return op.decode()

    def configure(self, voters: tuple[str, ...], index: int) -> None: ...

    def skip(self, index: int) -> None: ...

    def snapshot(self) -> Any:
        return iter([text.encode() for text in self.texts])

    def restore(self, chunks: Any) -> None:
        self.texts = [chunk.decode() for chunk in chunks]

    def loader(self) -> Loader:
        return Loader(self)


class Loader:
    def __init__(self, machine: Texts) -> None:
        self.machine = machine
        self.texts: list[str] = []

    def feed(self, chunk: bytes) -> None:
        self.texts.append(chunk.decode())

    def finish(self) -> None:
        self.machine.texts = self.texts


class Node:
    def __init__(self, name: str, founders: tuple[str, ...], order: int) -> None:
        platter, rng = Platter(), Random(0)
        self.name = name
        self.journal = SimJournal(platter, rng, lambda *_: None, lambda *_: None)
        self.snapshots = SimSnapshots(platter, rng)
        self.machine = Texts()
        self.writing: Callable[[], None] | None = None
        self.jobs: list[Job] = []
        self.state = RaftState(
            name,
            recover(self.journal, self.snapshots, founders),
            machine=self.machine,
            snapshots=self.snapshots,
            settings=SETTINGS,
            random=lambda: 0.2 * order,  # the first node's election timeout is the shortest
        )


class Play:
    def __init__(self) -> None:
        self.now = 0.0
        self.nodes: dict[str, Node] = {}
        self.queue: list[tuple[str, str, messages.Message]] = []
        self.lines: list[str] = []
        self.quiet = False

    def play(self, command: str) -> str:
        """Carry out one command; what it shows."""
        self.lines = []
        verb, *words = command.split()
        getattr(self, f"do_{verb}")(*words)
        return "\n".join(self.lines) if self.lines else "ok"

    # commands

    def do_nodes(self, *names: str) -> None:
        founders = tuple(name for name in names if not name.startswith("+"))
        for order, name in enumerate(names):
            member = name.removeprefix("+")
            self.nodes[member] = Node(member, founders if member == name else (), order)
        for name in self.nodes:
            self._event(name, Start())
        for a in self.nodes:
            for b in self.nodes:
                if a != b:
                    self._event(a, LinkUp(b))

    def do_pass(self, seconds: str) -> None:
        self.now += float(seconds)

    def do_tick(self, *names: str) -> None:
        for name in names:
            self._event(name, Tick())

    def do_deliver(self, *ways: str) -> None:
        for source, target, message in self._taken(ways):
            self._event(target, Received(source, message))

    def do_drop(self, *ways: str) -> None:
        for source, target, message in self._taken(ways):
            self._say(f"lost {source}>{target}: {render(message)}")

    def do_sync(self, *names: str) -> None:
        for name in names:
            write, self.nodes[name].writing = self.nodes[name].writing, None
            if write is not None:
                write()
                self._event(name, Synced(None))

    def do_job(self, *names: str) -> None:
        for name in names:
            node = self.nodes[name]
            job = node.jobs.pop(0)
            node.snapshots.in_job = True
            result = job.run()
            node.snapshots.in_job = False
            self._event(name, JobDone(job.then, result, None))

    def do_cut(self, a: str, b: str) -> None:
        self.queue = [each for each in self.queue if {each[0], each[1]} != {a, b}]
        self._event(a, LinkDown(b))
        self._event(b, LinkDown(a))

    def do_link(self, a: str, b: str) -> None:
        self._event(a, LinkUp(b))
        self._event(b, LinkUp(a))

    def do_propose(self, name: str, text: str) -> None:
        command = REGULAR + text.encode()
        queue_proposal(self.nodes[name].state, Proposal(self._caller(name, text), command, self.now, 60.0, ""))

    def do_read(self, name: str) -> None:
        queue_read(self.nodes[name].state, Read(self._caller(name, "read"), self.now + 60.0, ""))

    def do_change(self, name: str, how: str, member: str) -> None:
        command = MEMBERSHIP + encode_change(member, add=how == "add")
        caller = self._caller(name, f"{how} {member}")
        queue_proposal(self.nodes[name].state, Proposal(caller, command, self.now, 60.0, ""))

    def do_transfer(self, name: str, target: str | None = None) -> None:
        self._event(name, HandOver(self._caller(name, "transfer"), target))

    def do_compact(self, name: str) -> None:
        self.nodes[name].state.save_forced = True

    def do_settle(self) -> None:
        self.quiet = True
        for _ in range(30):
            self.do_tick(*self.nodes)
            self.do_deliver()
            self.do_sync(*self.nodes)
            for name, node in self.nodes.items():
                while node.jobs:
                    self.do_job(name)
            self.now += 0.004
        self.do_deliver()
        self.quiet = False
        self.do_show(*self.nodes)

    def do_show(self, *names: str) -> None:
        for name in names:
            s, node = self.nodes[name].state, self.nodes[name]
            self._say(
                f"{name} {s.role.value} term={s.term} vote={s.voted_for} log={s.log.first_index}..{s.log.last_index} "
                f"durable={s.log.durability.durable} commit={s.commit} applied={s.applied} voters={','.join(s.voters)} "
                f"state={','.join(node.machine.texts)}"
            )

    # events

    def _event(self, name: str, event: Event) -> None:
        node = self.nodes[name]
        ready = step(node.state, event, self.now)
        shown = [f"  store term={ready.hard_state.term} vote={ready.hard_state.voted_for}"] if ready.hard_state else []
        node.jobs += ready.jobs
        shown += ["  disk job"] * len(ready.jobs)
        if ready.sync:
            node.writing = node.journal.begin_sync()
            shown.append(f"  sync up to {node.state.log.last_index}")
        for to, message in ready.messages:
            shown.append(f"  send {to}: {render(message)}")
            if to in node.state.links:
                self.queue.append((name, to, message))
        shown += [f"  close the link to {member}: {error}" for member, error in ready.refused]
        if shown or isinstance(event, Received):
            self._say(describe(name, event))
            for line in shown:
                self._say(line)
        for callback, error, result, _ in ready.completions:
            callback(error, result)
        if ready.hard_state is not None:  # at once, and before anything that is given to the disk after it
            node.journal.store_vote(*ready.hard_state)
            self._event(name, Stored(None))

    def _caller(self, name: str, what: str) -> Callable[[Any, Any], None]:
        return lambda error, result: self._say(f"  {name} ends {what}: {error if error is not None else result}")

    def _taken(self, ways: tuple[str, ...]) -> list[tuple[str, str, messages.Message]]:
        taken = [each for each in self.queue if not ways or f"{each[0]}>{each[1]}" in ways]
        self.queue = [each for each in self.queue if each not in taken]
        return taken

    def _say(self, line: str) -> None:
        if not self.quiet:
            self.lines.append(line)


def describe(name: str, event: Event) -> str:
    match event:
        case Received(sender, message):
            return f"{name} < {sender}: {render(message)}"
        case Stored():
            return f"{name} stored"
        case Synced():
            return f"{name} synced"
        case JobDone():
            return f"{name} job done"
        case LinkUp(member):
            return f"{name} link to {member} is up"
        case LinkDown(member):
            return f"{name} link to {member} is down"
    return f"{name} {type(event).__name__.lower()}"


def render(message: messages.Message) -> str:
    words = [messages.kind_of(message)]
    for field in message.__struct_fields__:
        value = getattr(message, field)
        if field in CLOCKS or value in {False, "", b""} or value == () or (field == "seq" and value == 0):
            continue
        if field == "entries":
            words.append(f"entries=[{', '.join(map(entry, value))}]")
        elif isinstance(value, bytes):
            words.append(f"{field}={len(value)}B")
        else:
            words.append(field if value is True else f"{field}={value}")
    return " ".join(words)


def entry(each: Entry) -> str:
    command, index, term = each
    if command[:1] == NO_OP:
        what = "no-op"
    elif command[:1] == MEMBERSHIP:
        what = "voters " + "+".join(decode_voters(command))
    else:
        what = "+".join(op.decode() for op in decode_batch(command[1:]))
    return f"{index}/{term} {what}"
