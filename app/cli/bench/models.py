"""What `coterie bench` prints with `--json`."""

from __future__ import annotations

import msgspec


class Measured(msgspec.Struct, frozen=True):
    """One kind of operation. Latencies are those of what succeeded, in milliseconds, to within 1 %."""

    name: str
    count: int
    per_second: float
    errors: dict[str, int]
    """By kind."""
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None


class BenchReport(msgspec.Struct, frozen=True):
    """What a load came to, as its clients saw it."""

    addresses: tuple[str, ...]
    clients: int
    seconds: float
    value_bytes: int
    prefix: str
    operations: tuple[Measured, ...]
    total: Measured
    client_cpu: float
    """Part of one core that the clients took: near 1 they were the limit, not the cluster."""
    interrupted: bool
