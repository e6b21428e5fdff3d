"""A lock with fencing: of several processes one changes a thing outside of the cluster, here a row of SQLite.

    python docs/recipes/fenced_lock.py stock.db --take 3

A lock alone is not enough: a holder that is stopped (a long pause, a laptop that sleeps) goes on, after others got the
lock, as if it still had it. So the storage keeps the highest fencing token it has seen and refuses lower ones.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sqlite3
import sys
from contextlib import closing, suppress

from coterie import Client, MetadataError


class FencedError(Exception):
    """Whoever writes is no longer the holder."""


class Stock:
    """The storage: it knows no lock, only that tokens never go back."""

    def __init__(self, path: str) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS stock (id INTEGER PRIMARY KEY, amount INTEGER, token INTEGER)"
        )
        self._database.execute("INSERT OR IGNORE INTO stock VALUES (1, 100, 0)")

    def close(self) -> None:
        self._database.close()

    def read(self, token: int) -> int:
        """The amount; from now on lower tokens are refused. Raises FencedError."""
        self._update("UPDATE stock SET token = ?1 WHERE token <= ?1", (token,))
        amount: int = self._database.execute("SELECT amount FROM stock").fetchone()[0]
        return amount

    def write(self, token: int, amount: int) -> None:
        """Raises FencedError."""
        self._update("UPDATE stock SET token = ?1, amount = ?2 WHERE token <= ?1", (token, amount))

    def _update(self, statement: str, values: tuple[int, ...]) -> None:
        if self._database.execute(statement, values).rowcount != 1:
            raise FencedError(f"token {values[0]} is old: another holder has been here")


def take(path: str, wanted: int, token: int, ask: bool) -> None:
    """Read, compute, write: work that nothing interrupts, so it cannot look at `held.lost`. Raises FencedError."""
    with closing(Stock(path)) as stock:
        amount = stock.read(token)
        print(f"holds the lock with token {token}, sees {amount}", flush=True)
        if ask:
            sys.stdin.readline()
        stock.write(token, amount - wanted)
        print(f"wrote {amount - wanted}", flush=True)


async def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("database", help="an SQLite file")
    parser.add_argument("--take", type=int, default=1)
    parser.add_argument("--ask", action="store_true", help="wait for Enter between reading and writing")
    parser.add_argument(
        "--ttl", type=float, default=2.0, help="seconds until others get the lock of a holder that died"
    )
    asked = parser.parse_args()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        async with (
            Client.from_settings() as client,
            client.metadata.lock(b"stock", ttl=asked.ttl, value=b"%d" % os.getpid()) as held,
        ):
            await asyncio.to_thread(take, asked.database, asked.take, held.token, asked.ask)
    except FencedError as error:
        print(f"refused: {error}", flush=True)
        return 1
    except MetadataError as error:
        print(f"no lock: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    with suppress(asyncio.CancelledError):  # a signal: the lock has been given back on the way out
        sys.exit(asyncio.run(main()))
