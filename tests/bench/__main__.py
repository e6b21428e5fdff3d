"""`make bench`: prints every figure with its unit. `python -m tests.bench NAME ...` runs some of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

from tests.bench import client_bench, gossip_bench, http_bench, idle_bench, live_bench, raft_bench

BENCHES: dict[str, Callable[[], Iterator[tuple[str, float]]]] = {
    "gossip": gossip_bench.rows,
    "idle": idle_bench.rows,
    "raft": raft_bench.rows,
    "http": http_bench.rows,
    "live": live_bench.rows,
    "client": client_bench.rows,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all, or some of: {', '.join(BENCHES)}")
    names = parser.parse_args().names or list(BENCHES)
    if unknown := [name for name in names if name not in BENCHES]:
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    for bench in names:
        for name, value in BENCHES[bench]():
            print(f"{value:12,.1f}  {name}", flush=True)


if __name__ == "__main__":
    main()
