"""Config distribution: every process follows the settings of its application, and survives a cluster that is away.

    python docs/recipes/config.py follow shop --cache /var/lib/shop/config.json
    python docs/recipes/config.py set shop color=blue size=7

Settings that are set together arrive together. The last ones that were seen are kept in a file: a process that starts
while no node can be reached begins with them, and says so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from coterie import Client, CompactedError, MetadataError, Put, UnknownOutcomeError

PAUSE = 1.0
"""Seconds before another try, where the cluster cannot serve."""


async def follow(client: Client, application: str, cache: Path) -> AsyncIterator[dict[str, str]]:
    """The settings, now and after each change; first those of the cache, where there is one."""
    prefix = f"config/{application}/".encode()
    if settings := kept(cache):
        yield dict(settings)
    while True:
        try:
            page = (await client.metadata.prefix(prefix)).value
            revision, records = page.revision, page.records
            while page.next is not None:  # of the same revision
                page = (await client.metadata.next_page(page.next)).value
                records += page.records
            read = {record.key.removeprefix(prefix).decode(): record.value.decode() for record in records}
            if read != settings:
                settings = read
                keep(cache, settings)
                yield dict(settings)
            async with client.metadata.watch_prefix(prefix, from_revision=revision + 1) as watching:
                async for batch in watching:
                    for event in batch.events:
                        key = event.key.removeprefix(prefix).decode()
                        if event.record is None:
                            settings.pop(key, None)
                        else:
                            settings[key] = event.record.value.decode()
                    keep(cache, settings)
                    yield dict(settings)
        except CompactedError:
            continue  # away for so long that changes are missing: read all anew
        except MetadataError as error:
            print(f"goes on with what it has: {error}", file=sys.stderr, flush=True)
            await asyncio.sleep(PAUSE)


def kept(cache: Path) -> dict[str, str]:
    """The settings in the file; none where it cannot be read."""
    try:
        settings: dict[str, str] = json.loads(cache.read_text())
    except (OSError, ValueError):
        return {}
    return settings


def keep(cache: Path, settings: dict[str, str]) -> None:
    """Replace the file as a whole: a crash leaves the old one or the new one. Processes may share it."""
    draft = cache.with_name(f"{cache.name}.{os.getpid()}.new")
    draft.write_text(json.dumps(settings, indent=2, sort_keys=True))
    draft.replace(cache)


async def change(client: Client, application: str, settings: dict[str, str]) -> int:
    """Set all of them at once, and return the revision. Raises MetadataError."""
    puts = [Put(f"config/{application}/{key}".encode(), value.encode()) for key, value in settings.items()]
    return (await client.metadata.txn([], puts)).revision


async def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    following = commands.add_parser("follow")
    following.add_argument("application")
    following.add_argument("--cache", type=Path, required=True)
    setting = commands.add_parser("set")
    setting.add_argument("application")
    setting.add_argument("settings", nargs="+", metavar="KEY=VALUE", type=lambda text: tuple(text.split("=", 1)))
    asked = parser.parse_args()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with Client.from_settings() as client:
        if asked.command == "follow":
            async for settings in follow(client, asked.application, asked.cache):
                print(f"[{os.getpid()}]", json.dumps(settings, sort_keys=True), flush=True)
        try:
            revision = await change(client, asked.application, dict(asked.settings))
        except UnknownOutcomeError as error:
            print(f"whether they are set is not known; look, or set them again: {error}", file=sys.stderr)
            return 1
        except MetadataError as error:
            print(f"not set: {error}", file=sys.stderr)
            return 1
        print(f"set, at revision {revision}")
    return 0


if __name__ == "__main__":
    with suppress(asyncio.CancelledError):
        sys.exit(asyncio.run(main()))
