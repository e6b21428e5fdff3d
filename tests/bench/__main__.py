"""`make bench`: prints every figure with its unit."""

from __future__ import annotations

from itertools import chain

from tests.bench import gossip_bench, idle_bench


def main() -> None:
    for name, value in chain(gossip_bench.rows(), idle_bench.rows()):
        print(f"{value:12,.1f}  {name}", flush=True)


if __name__ == "__main__":
    main()
