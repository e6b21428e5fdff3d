"""How long a group acknowledges no write."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from coterie.consensus.store import Put
from tests.verify.raft_processes.members import wire
from tests.verify.raft_processes.members.processes import GoneError, Process

TRY_SECONDS = 10.0
LIMIT_SECONDS = 60.0


async def seconds_without_writes(members: Sequence[Process]) -> float:
    """From now until the first write that is begun from now on is acknowledged by any of these members."""
    since = time.monotonic()

    async def insist(process: Process) -> float:
        while True:
            answer = await process.ask(
                lambda number: wire.Submit(number=number, timeout=TRY_SECONDS, operation=Put(b"failover", b"")),
                wire.Result,
            )
            if isinstance(answer, wire.Result):
                return time.monotonic() - since
            await asyncio.sleep(0.01)

    tries = {asyncio.create_task(insist(process)) for process in members}
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            pending = tries
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    try:
                        return task.result()
                    except GoneError:
                        continue
        raise GoneError
    finally:
        for task in tries:
            task.cancel()
        await asyncio.gather(*tries, return_exceptions=True)
