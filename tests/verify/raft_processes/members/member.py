"""One member of a Raft group as a process.

`python -m tests.verify.raft_processes.members.member DIRECTORY --founders ID,ID,ID`.

Driven over its standard input and output (see `wire`); it ends when its input does. With `--hold` what it has not
synced is in its memory alone, so that killing it is a power cut.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

from coterie.app.node import garbage_collection
from coterie.consensus import (
    CompactedError,
    Consistency,
    Member,
    MemberConfig,
    MetadataError,
    RefusedError,
    RequestId,
    UnavailableError,
)
from coterie.consensus.journal import JournalConfig, open_member_directory
from coterie.consensus.raft.settings import RaftConfig
from coterie.consensus.store import Limits
from tests.verify.raft_processes.members import wire
from tests.verify.raft_processes.members.load import Loader
from tests.verify.raft_processes.members.slow_files import SlowFiles

CLUSTER = "group"
SECRET = b"a test's secret"
MIB = 1 << 20

CALM = RaftConfig(election_min=4.0, election_max=6.0, leader_fallback=3.0)

LIMITS = Limits(max_history_events=2_000_000, max_history_bytes=1 << 30)
"""History enough for a watch from revision 1 to tell everything that happened in a run."""


def journal_config(segment_mib: int) -> JournalConfig:
    return JournalConfig(segment_bytes=segment_mib * MIB)


class Service(asyncio.Protocol):
    """Answers questions about a running member."""

    def __init__(self, member: Member, where: dict[str, wire.Address], ended: asyncio.Event) -> None:
        self._member = member
        self._where = where
        self._ended = ended
        self._frames = wire.Frames()
        self._loader = Loader(member)
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsent: list[bytes] = []
        self.out: asyncio.WriteTransport | None = None

    def data_received(self, data: bytes) -> None:
        for question in self._frames.feed(data, wire.questions):
            task = asyncio.get_running_loop().create_task(self._serve(question))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended.set()

    def say(self, answer: wire.Answer) -> None:
        """All that is said in one loop turn is written at once."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(wire.frame(answer))

    def _flush(self) -> None:
        data, self._unsent = b"".join(self._unsent), []
        if self.out is not None and not self.out.is_closing():
            self.out.write(data)

    async def _serve(self, question: wire.Question) -> None:
        try:
            self.say(await self._answer(question))
        except MetadataError as error:
            self.say(failure(question.number, error))
        except Exception as error:
            logging.getLogger(__name__).exception("a question failed")
            self.say(wire.Failed(question.number, "broken", repr(error), 0))

    async def _answer(self, question: wire.Question) -> wire.Answer:
        member, number = self._member, question.number
        match question:
            case wire.Submit():
                request = None if question.request is None else RequestId(*question.request)
                result = await member.metadata.submit(
                    question.operation, request=request, retry=question.retry, timeout=question.timeout
                )
                return wire.Result(number, result)
            case wire.Read():
                return await self._read(question)
            case wire.NewRequest():
                request = member.metadata.new_request()
                return wire.Request(number, request.id, request.time_ms)
            case wire.WatchAll():
                return await self._watch(question)
            case wire.Links():
                self._where.update(question.where)
                member.link(question.where)
                return wire.Said(number, {})
            case wire.Status():
                status = member.status()
                return wire.Said(
                    number,
                    {
                        "role": status.role,
                        "leader": status.leader,
                        "term": status.term,
                        "revision": status.revision,
                        "applied": status.applied_index,
                        "log_entries": status.log_entries,
                        "snapshot_index": status.snapshot_index,
                        "connected": len(status.connected),
                    },
                )
            case wire.Fill():
                return wire.Said(number, {"seconds": await self._loader.fill(question.keys, question.value_bytes)})
            case wire.Snapshot():
                return wire.Said(number, await self._loader.snapshot())
            case wire.Load():
                return await self._loader.run(question)

    async def _read(self, question: wire.Read) -> wire.Answer:
        metadata = self._member.metadata
        consistency = Consistency.STALE if question.stale else Consistency.LINEARIZABLE
        if question.end:
            page = await metadata.range(question.start, question.end, consistency=consistency, timeout=question.timeout)
            return wire.Records(question.number, page.value.records, page.revision, page.staleness)
        one = await metadata.get(question.start, consistency=consistency, timeout=question.timeout)
        records = [] if one.value is None else [one.value]
        return wire.Records(question.number, records, one.revision, one.staleness)

    async def _watch(self, question: wire.WatchAll) -> wire.Answer:
        async with self._member.metadata.watch(b"", None, from_revision=question.start, progress=0.05) as watching:
            async for batch in watching:
                self.say(wire.Batch(question.number, batch.events, batch.revision))
        return wire.Failed(question.number, "unavailable", "ended", 0)


def failure(number: int, error: MetadataError) -> wire.Failed:
    match error:
        case CompactedError():
            return wire.Failed(number, "compacted", "", error.compacted)
        case RefusedError():
            return wire.Failed(number, "refused", str(error.code), error.detail)
        case UnavailableError():
            return wire.Failed(number, "unavailable", error.reason, 0)
    return wire.Failed(number, "unknown", str(error), 0)


async def serve(arguments: argparse.Namespace) -> int:
    ended = asyncio.Event()
    failures: list[BaseException] = []

    def stopped(error: BaseException | None) -> None:
        if error is not None:
            failures.append(error)
        ended.set()

    files = None if arguments.hold is None else SlowFiles(arguments.hold)
    store = open_member_directory(arguments.directory, config=journal_config(arguments.segment_mib), files=files)
    founders = tuple(arguments.founders.split(",")) if arguments.founders else ()
    config = MemberConfig(secret=SECRET, limits=LIMITS, raft=CALM if arguments.calm else RaftConfig())
    where: dict[str, wire.Address] = {}
    member = Member(store, CLUSTER, founders, where.get, config, on_stop=stopped)
    service = Service(member, where, ended)
    loop = asyncio.get_running_loop()
    async with member:
        address = await member.start("127.0.0.1", 0)
        garbage_collection.tune()
        out, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, sys.stdout.buffer)
        service.out = out
        service.say(wire.Listening(member.id, address))
        await loop.connect_read_pipe(lambda: service, sys.stdin.buffer)
        await ended.wait()
    return 3 if failures else 0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--founders", default="")
    parser.add_argument("--hold", type=float, metavar="SECONDS", help="hold what is not synced; a sync takes so long")
    parser.add_argument("--calm", action="store_true", help="leaders stay on a busy machine, too")
    parser.add_argument("--segment-mib", type=int, default=1)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if arguments.loop == "uvloop":
        import uvloop

        factory = cast(Callable[[], asyncio.AbstractEventLoop], uvloop.new_event_loop)
    with asyncio.Runner(loop_factory=factory) as runner:
        code = runner.run(serve(arguments))
    sys.stderr.flush()
    os._exit(code)  # whatever a hanging disk thread thinks of it


if __name__ == "__main__":
    main()
