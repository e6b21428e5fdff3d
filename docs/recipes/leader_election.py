"""Leader election: any number of processes run this, one leads; if it stops, dies or is cut off, another does.

    python docs/recipes/leader_election.py nightly-report --name A

What a leader writes to the metadata goes through `held.guard`, so that a leader that is no longer one writes nothing,
even where it has not heard of it. Here that is a count that every leader carries on.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress

from coterie import Client, LeaseLostError, Lock, MetadataError, Put

PAUSE = 1.0
"""Seconds before another try, where the cluster cannot serve."""

STEP = 0.2
"""Seconds between two steps of the work."""


async def campaign(client: Client, election: str, name: str, ttl: float) -> None:
    """Lead whenever elected, until cancelled; on the way out resign, so that another leads at once.

    `ttl`: seconds until another may lead, once the leader has died. It notices by itself before that.
    """
    while True:
        try:
            print(f"{name} is a candidate", flush=True)
            async with client.metadata.elect(election.encode(), name.encode(), ttl=ttl) as held:
                print(f"{name} leads, with token {held.token}", flush=True)
                await until_lost(held, lead(client, election, name, held))
        except MetadataError as error:
            print(f"{name} leads no more: {error}", flush=True)
        await asyncio.sleep(PAUSE)


async def until_lost(held: Lock, work: Coroutine[None, None, None]) -> None:
    """Do the work, and cancel it once the leadership is lost. Raises LeaseLostError then, and what the work raises."""
    working = asyncio.ensure_future(work)
    losing = asyncio.create_task(held.lost.wait())
    try:
        await asyncio.wait({working, losing}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise LeaseLostError("lost the leadership")
        working.result()
    finally:
        working.cancel()
        losing.cancel()
        await asyncio.gather(working, losing, return_exceptions=True)


async def lead(client: Client, election: str, name: str, held: Lock) -> None:
    """The work that only one may do."""
    key = f"work/{election}/steps".encode()
    found = (await client.metadata.get(key)).value
    step = int(found.value) if found else 0
    while True:
        step += 1
        # Repeated under one request id where an answer is lost, so a step is written once or not at all.
        done = await client.metadata.txn([held.guard], [Put(key, b"%d" % step)])
        if not done.succeeded:
            raise LeaseLostError("another leads")
        print(f"{name} did step {step}", flush=True)
        await asyncio.sleep(STEP)


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("election")
    parser.add_argument("--name", required=True, help="what others see of the leader")
    parser.add_argument("--ttl", type=float, default=3.0, help="seconds until another follows a leader that died")
    asked = parser.parse_args()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with Client.from_settings() as client:
        await campaign(client, asked.election, asked.name, asked.ttl)


if __name__ == "__main__":
    with suppress(asyncio.CancelledError):  # a signal: it has resigned on the way out
        asyncio.run(main())
