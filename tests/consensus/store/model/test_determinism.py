"""The same log gives the same state and answers in every process, whatever its hash seed; no clock, no I/O."""

from __future__ import annotations

import ast
import os
import random
import subprocess
import sys
from hashlib import blake2b
from pathlib import Path

import coterie.consensus.store
from coterie.consensus.store import (
    Acquire,
    Delete,
    DeleteRange,
    Idempotent,
    LeaseBind,
    LeaseRevoke,
    Limits,
    Put,
    QueueKind,
    Range,
    SingleOperation,
    State,
    Txn,
    apply,
    encode,
    encode_batch,
    encode_result,
    state_digest,
)
from coterie.consensus.store.schema.operations import PlainOperation
from tests import ROOT

PURE = {
    "__future__",
    "base64",
    "binascii",
    "bisect",
    "collections",
    "coterie",
    "dataclasses",
    "enum",
    "hashlib",
    "heapq",
    "msgspec",
    "operator",
    "struct",
    "typing",
    "zlib",
}


def digests() -> str:
    """Of all results of a busy log, and of the state after it."""
    rng = random.Random(5)
    state = State(Limits(max_history_events=300, max_requests=50))
    results = blake2b()

    def operation() -> SingleOperation:
        key, lease = b"k%d" % rng.randrange(200), rng.randrange(1, 30)
        choice: list[PlainOperation] = [
            Put(key, rng.randbytes(5), lease),
            Put(key, rng.randbytes(5)),
            Delete(key, prev=True),
            DeleteRange(key, key + b"5", prev=True),
            Txn(then=(Put(key, b"t"), Range(b"k1", b"k3", 9))),
            LeaseBind(f"n{rng.randrange(3)}", 1, 0),
            LeaseRevoke(lease),
            Acquire(rng.choice(list(QueueKind)), b"q%d" % rng.randrange(3), lease),
        ]
        it = rng.choice(choice)
        return Idempotent(rng.randbytes(2), rng.randrange(state.time_ms + 1), it) if rng.randrange(2) else it

    for index in range(1, 400):
        batch = encode_batch(index * 20, [encode(operation()) for _ in range(10)])
        results.update(encode_result(apply(state, batch, index)))
        for node in state.leased_nodes():
            results.update(repr(state.leases_of_node(node)).encode())
    return results.hexdigest() + state_digest(state)


def test_results_and_state_do_not_depend_on_the_hash_seed() -> None:
    code = "from tests.consensus.store.model.test_determinism import digests; print(digests())"
    here = digests()
    for seed in ("0", "1", "12345"):
        run = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == here


def test_the_state_imports_no_clock_no_randomness_and_no_io() -> None:
    for path in Path(coterie.consensus.store.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            for name in names:
                assert name.split(".")[0] in PURE, f"{path.name} imports {name}"
                assert name.split(".")[:3] != ["coterie", "consensus", "raft"]
