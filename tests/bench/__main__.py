"""`make bench`: prints every figure with its unit."""

from __future__ import annotations

from tests.bench import gossip_bench


def main() -> None:
    for name, value in gossip_bench.rows():
        print(f"{value:12,.1f}  {name}", flush=True)


if __name__ == "__main__":
    main()
