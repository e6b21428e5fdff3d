"""`coterie bench`: a quick load against a running cluster, and what it came to as clients see it."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import click

from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.framework.durations import Seconds
from coterie.app.cli.framework.options import online
from coterie.app.cli.framework.session import Session
from coterie.app.cli.terminal.exits import Exit
from coterie.app.cli.terminal.output import Shown
from coterie.app.wire.names import PROGRAM

if TYPE_CHECKING:
    from coterie.app.cli.bench.latencies import LatencyHistogram
    from coterie.app.cli.bench.load import LoadCounts, Plan
    from coterie.app.cli.bench.models import BenchReport, Measured

MAX_CLIENTS = 256
MAX_KEYS = 10_000
"""What one lease may hold (`max_lease_keys`)."""

MAX_VALUE_BYTES = 4 * 1024 * 1024
"""The most that a cluster can be set to take (`max_value_bytes`)."""

BUSY = 0.8
"""Part of a core from which on the clients count as the limit."""

NAMES = ("put", "get", "stale_get", "kv_put", "kv_get")


def read_mix(_ctx: click.Context, _param: click.Parameter, value: str) -> dict[str, int]:
    """`put=1,get=9`, as weights."""
    weights: dict[str, int] = {}
    for part in value.split(","):
        name, _, number = part.partition("=")
        if name not in NAMES or not number.isdigit() or name in weights:
            raise click.BadParameter(f"must be like put=1,get=9, with each of {', '.join(NAMES)} at most once")
        weights[name] = int(number)
    found = {name: weight for name, weight in weights.items() if weight}
    if not found:
        raise click.BadParameter("needs a number above 0")
    return found


@make_command(
    "bench",
    answer="coterie.app.cli.bench.models:BenchReport",
    examples=[
        f"{PROGRAM} bench",
        f"{PROGRAM} bench --clients 64 --seconds 30 --mix put=1",
        f"{PROGRAM} bench --mix kv_put=1,kv_get=9",
        f"{PROGRAM} bench --address 10.0.0.1:10000 --address 10.0.0.2:10000 --json | jq .total.p99_ms",
    ],
    epilog="put, get: the metadata, linearizable. stale_get: what the node has. kv_put, kv_get: the gossip layer's "
    "keys of the node that is asked. With several addresses the clients are spread over them.",
)
@click.option(
    "--clients", type=click.IntRange(1, MAX_CLIENTS), default=16, show_default=True, help="That ask at a time."
)
@click.option(
    "--seconds",
    type=Seconds(above=True),
    default=10.0,
    show_default=True,
    help="How long they ask.",
)
@click.option(
    "--mix",
    default="put=1,get=9",
    show_default=True,
    callback=read_mix,
    metavar="NAME=WEIGHT,...",
    help="Of which operations, and how many of each.",
)
@click.option(
    "--value_bytes", type=click.IntRange(1, MAX_VALUE_BYTES), default=100, show_default=True, help="Size of a value."
)
@click.option("--keys", type=click.IntRange(1, MAX_KEYS), help="Different keys.  [default: 1000; 100 of gossip]")
@click.option(
    "--prefix", default="coterie-bench/", show_default=True, help="Where the keys go; nobody else's may be there."
)
@online
def command(
    session: Session,
    clients: int,
    seconds: float,
    mix: dict[str, int],
    value_bytes: int,
    keys: int | None,
    prefix: str,
) -> int:
    """Have clients ask a running cluster one thing after another, and tell rates and latencies.

    Its keys are taken away at the end, also on Ctrl-C; of a bench that is killed, those of the metadata go within a
    minute. The clients are one process of Python on one core: where they are the limit, it is said.
    """
    from coterie.app.cli.bench.load import GOSSIP, Plan, new_counts  # noqa: PLC0415

    if not prefix:
        raise click.UsageError("--prefix must not be empty")
    few = any(name in GOSSIP for name in mix)
    plan = Plan(clients, seconds, mix, value_bytes, keys or (100 if few else 1_000), prefix)
    figures = new_counts(plan)
    interrupted = False
    try:
        session.run(lambda _: _measure(session, plan, figures))
    except asyncio.CancelledError:
        interrupted = True
    if figures.left_behind is not None:
        session.out.remark(figures.left_behind)
    if interrupted and figures.ended is None:
        return Exit.INTERRUPTED  # nothing was measured yet
    report = _report(session, plan, figures, interrupted=interrupted)
    if session.out.json:
        session.out.document(report)
    else:
        _show(session, report)
    return Exit.INTERRUPTED if interrupted else Exit.DONE


async def _measure(session: Session, plan: Plan, figures: LoadCounts) -> None:
    from coterie.app.cli.bench.load import Load, check_prefix  # noqa: PLC0415

    task = asyncio.current_task()
    assert task is not None  # noqa: S101
    for asks_for_the_end in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(asks_for_the_end, task.cancel)
    addresses = session.settings.address
    async with AsyncExitStack() as stack:
        clients = []
        for number in range(plan.clients):
            first = number % len(addresses)
            spread = (*addresses[first:], *addresses[:first])
            clients.append(await stack.enter_async_context(session.client(address=spread)))
        await check_prefix(clients[0], plan)
        progress = asyncio.create_task(_tell_progress(session, figures))
        try:
            await Load(plan, clients, figures).run()
        finally:
            progress.cancel()
            await asyncio.gather(progress, return_exceptions=True)


async def _tell_progress(session: Session, figures: LoadCounts) -> None:
    """On a terminal, twice a second."""
    if not sys.stderr.isatty():
        return
    with session.out.aside.status("Writing the first keys") as status:
        while True:
            await asyncio.sleep(0.5)
            errors = sum(sum(each.values()) for each in figures.errors.values())
            status.update(f"{figures.seconds:.0f} s: {figures.done / figures.seconds:,.0f}/s, {errors} errors")


def _report(session: Session, plan: Plan, figures: LoadCounts, *, interrupted: bool) -> BenchReport:
    from coterie.app.cli.bench.latencies import LatencyHistogram  # noqa: PLC0415
    from coterie.app.cli.bench.models import BenchReport  # noqa: PLC0415

    measured = tuple(
        _measured(name, figures.latencies[name], dict(figures.errors[name]), figures.seconds) for name in plan.weights
    )
    everything = LatencyHistogram()
    errors: dict[str, int] = {}
    for name in plan.weights:
        everything.merge(figures.latencies[name])
        for kind, count in figures.errors[name].items():
            errors[kind] = errors.get(kind, 0) + count
    return BenchReport(
        session.settings.address,
        plan.clients,
        figures.seconds,
        plan.value_bytes,
        plan.prefix,
        measured,
        _measured("all", everything, errors, figures.seconds),
        figures.cpu,
        interrupted,
    )


def _measured(name: str, latencies: LatencyHistogram, errors: dict[str, int], seconds: float) -> Measured:
    from coterie.app.cli.bench.models import Measured  # noqa: PLC0415

    p50, p95, p99 = (_milliseconds(latencies.percentile(share)) for share in (0.5, 0.95, 0.99))
    longest = _milliseconds(latencies.max if latencies.count else None)
    return Measured(name, latencies.count, latencies.count / seconds, errors, p50, p95, p99, longest)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _show(session: Session, report: BenchReport) -> None:
    rows = [*report.operations, *([report.total] if len(report.operations) > 1 else [])]
    session.out.table(
        ("operation", ">per second", ">p50 ms", ">p95 ms", ">p99 ms", ">max ms", ">count", "errors"),
        [_row(each) for each in rows],
    )
    session.out.remark(
        f"{report.clients} clients for {report.seconds:.1f} s, values of {report.value_bytes} bytes; the clients took "
        f"{report.client_cpu:.0%} of a core."
    )
    if report.client_cpu > BUSY:
        session.out.remark("They were the limit, not the cluster: run more of them, on other machines.")


def _row(each: Measured) -> tuple[Shown, ...]:
    errors = ", ".join(f"{count} {kind}" for kind, count in sorted(each.errors.items()))
    shown = (None if ms is None else f"{ms:.1f}" for ms in (each.p50_ms, each.p95_ms, each.p99_ms, each.max_ms))
    return each.name, f"{each.per_second:,.0f}", *shown, each.count, errors or None
