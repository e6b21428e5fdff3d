"""Service discovery: an instance registers itself under a lease, and those who look for the service follow the list.

    python docs/recipes/service_discovery.py register web 10.0.0.5:8080
    python docs/recipes/service_discovery.py find web

An instance that is stopped disappears at once, one that dies when its lease ends. Whoever asks keeps the last list it
had while no node can be reached: to have an old list is better than none.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

from coterie import Client, CompactedError, MetadataError

TTL = 5.0
"""Seconds after which an instance that died is gone."""

PAUSE = 1.0
"""Seconds before another try, where the cluster cannot serve."""


async def register(client: Client, service: str, address: str) -> None:
    """Keep this instance in the list, until cancelled."""
    instance = f"{socket.gethostname()}-{os.getpid()}"
    key = f"services/{service}/{instance}".encode()
    while True:
        try:
            async with client.metadata.lease(TTL) as lease:
                await client.metadata.put(key, address.encode(), lease=lease.id)
                print(f"registered as {instance}", flush=True)
                await lease.lost.wait()  # cut off for too long: others take this instance for gone
        except MetadataError as error:
            print(f"not registered: {error}", flush=True)
        await asyncio.sleep(PAUSE)


async def find(client: Client, service: str) -> AsyncIterator[dict[str, str]]:
    """The addresses of the service by instance, now and after each change."""
    prefix = f"services/{service}/".encode()
    while True:
        try:
            page = (await client.metadata.prefix(prefix)).value
            revision, records = page.revision, page.records
            while page.next is not None:  # of the same revision
                page = (await client.metadata.next_page(page.next)).value
                records += page.records
            found = {name(record.key): record.value.decode() for record in records}
            yield dict(found)
            async with client.metadata.watch_prefix(prefix, from_revision=revision + 1) as watching:
                async for batch in watching:
                    for event in batch.events:
                        if event.record is None:
                            found.pop(name(event.key), None)
                        else:
                            found[name(event.key)] = event.record.value.decode()
                    yield dict(found)
        except CompactedError:
            continue  # away for so long that changes are missing: read the list anew
        except MetadataError:
            await asyncio.sleep(PAUSE)


def name(key: bytes) -> str:
    return key.decode().rsplit("/", 1)[1]


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    registering = commands.add_parser("register")
    registering.add_argument("service")
    registering.add_argument("address")
    finding = commands.add_parser("find")
    finding.add_argument("service")
    asked = parser.parse_args()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with Client.from_settings() as client:
        if asked.command == "register":
            await register(client, asked.service, asked.address)
        async for addresses in find(client, asked.service):
            print(" ".join(sorted(addresses.values())) or "(none)", flush=True)


if __name__ == "__main__":
    with suppress(asyncio.CancelledError):  # a signal: the lease has been given back on the way out
        asyncio.run(main())
