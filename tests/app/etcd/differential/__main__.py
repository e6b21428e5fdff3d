"""The command: long runs, with the seed that they are made from."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.app.etcd.differential.run import differences
from tests.app.etcd.differential.servers import ETCD, coterie_node, real_etcd

PER_SEED = 2_000
"""Requests before both begin anew, with the next seed."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    if ETCD is None:
        sys.exit("no etcd in PATH; Debian has it as etcd-server")
    found: list[str] = []
    for seed in range(options.seed, options.seed + -(-options.requests // PER_SEED)):
        print(f"seed {seed}", flush=True)
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory)
            with real_etcd(path) as etcd, coterie_node(path) as coterie:
                new = differences(etcd, coterie, seed, min(PER_SEED, options.requests))
        for each in new:
            print(each, flush=True)
        found += new
    print(f"{len(found)} differences in {options.requests} requests, from seed {options.seed}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
