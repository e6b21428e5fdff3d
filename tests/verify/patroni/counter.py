"""Writes numbers into the primary, one by one, and says which ones it acknowledged.

Patroni's Python runs it, which has psycopg:

python counter.py CONNECTION write >ACKNOWLEDGED    # until it is killed; a line "TIME NUMBER" for each
python counter.py CONNECTION read                   # the numbers that are there
"""

from __future__ import annotations

import sys
import time

import psycopg  # type: ignore[import-not-found]

PAUSE_SECONDS = 0.05


def write(connection: str) -> None:
    number = 0
    while True:
        try:
            with psycopg.connect(connection, autocommit=True) as primary:
                warnings: list[object] = []
                primary.add_notice_handler(warnings.append)
                primary.execute("CREATE TABLE IF NOT EXISTS counter (number bigint PRIMARY KEY)")
                while True:
                    number += 1
                    warnings.clear()
                    primary.execute("INSERT INTO counter VALUES (%s)", (number,))
                    if not warnings:  # one says that the commit is local, and not acknowledged
                        print(f"{time.time():.3f} {number}", flush=True)
                    time.sleep(PAUSE_SECONDS)
        except psycopg.Error:
            time.sleep(PAUSE_SECONDS)


def read(connection: str) -> None:
    with psycopg.connect(connection) as primary:
        for (number,) in primary.execute("SELECT number FROM counter ORDER BY number"):
            print(number)


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[2]](sys.argv[1])
