"""`python -m tests.verify.consistency`: lists the scenarios, makes one run, or many side by side."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.verify.consistency.campaign import Order, campaign
from tests.verify.consistency.network import NamespaceError, enter, why_not
from tests.verify.consistency.run import RATE, Plan, run
from tests.verify.consistency.sabotage.catalogue import SABOTAGES
from tests.verify.consistency.scenarios import SCENARIOS

OUT = Path("consistency-runs")

ANOMALIES, IMPOSSIBLE = 1, 2
"""Exit codes: something is wrong with what was tested; it cannot be tested here."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.verify.consistency", description=__doc__)
    parser.add_argument("--list", action="store_true", help="list the scenarios")
    commands = parser.add_subparsers(dest="command")
    one = commands.add_parser("run", help="make one run")
    one.add_argument("scenario", choices=SCENARIOS)
    one.add_argument("--seed", type=int, default=1)
    one.add_argument("--seconds", type=float, default=30.0, help="how long things go wrong")
    one.add_argument("--nodes", type=int, choices=(3, 5), default=3)
    one.add_argument("--rate", type=float, default=RATE, help="operations a second on each layer")
    one.add_argument("--sabotage", default="", choices=SABOTAGES, metavar="NAME", help="break every node in this way")
    one.add_argument("--out", type=Path, default=OUT / "run", help="folder of the run; what is in it goes")
    many = commands.add_parser("campaign", help="many runs, each with its own seed")
    many.add_argument("scenarios", nargs="*", metavar="SCENARIO", default=["mixed"])
    many.add_argument("--runs", type=int, default=60)
    many.add_argument("--seconds", type=float, default=120.0)
    many.add_argument("--parallel", type=int, default=3, help="runs at a time")
    many.add_argument("--seed-from", type=int, default=1)
    many.add_argument("--rate", type=float, default=RATE)
    many.add_argument("--keep", action="store_true", help="keep the folders of good runs whole, too")
    many.add_argument("--out", type=Path, default=OUT)
    every = commands.add_parser("all", help="every scenario once, briefly")
    every.add_argument("--seconds", type=float, default=20.0)
    every.add_argument("--parallel", type=int, default=3)
    every.add_argument("--seed-from", type=int, default=1)
    every.add_argument("--rate", type=float, default=RATE)
    every.add_argument("--keep", action="store_true")
    every.add_argument("--out", type=Path, default=OUT)
    sabotage = commands.add_parser("sabotage", help="broken nodes, each of which must be caught")
    sabotage.add_argument("names", nargs="*", metavar="NAME", help="which; all where none is named")
    sabotage.add_argument("--parallel", type=int, default=3)
    sabotage.add_argument("--seed-from", type=int, default=1)
    sabotage.add_argument("--tries", type=int, default=6, help="seeds at most, for each")
    sabotage.add_argument("--out", type=Path, default=OUT / "sabotage")
    arguments = parser.parse_args()
    if arguments.list or arguments.command is None:
        for scenario in SCENARIOS.values():
            print(f"{scenario.name:20}{scenario.what}")
        return 0
    if arguments.command == "run":
        return _one(arguments)
    if reason := why_not():
        print(f"this machine cannot have the network that these runs need: {reason}", file=sys.stderr)
        return IMPOSSIBLE
    if arguments.command == "sabotage":
        from tests.verify.consistency.sabotage.hunting import hunt

        caught = hunt(arguments.names, arguments.parallel, arguments.seed_from, arguments.tries, arguments.out)
        return 0 if caught else ANOMALIES
    scenarios = arguments.scenarios if arguments.command == "campaign" else list(SCENARIOS)
    if unknown := [name for name in scenarios if name not in SCENARIOS]:
        parser.error(f"no such scenario: {', '.join(unknown)}; see --list")
    runs = arguments.runs if arguments.command == "campaign" else len(scenarios)
    orders = [
        Order(
            Plan(
                scenarios[number % len(scenarios)],
                arguments.seed_from + number,
                nodes=5 if (arguments.seed_from + number) % 3 == 0 else 3,
                seconds=arguments.seconds,
                rate=arguments.rate,
            ),
            arguments.out / f"{scenarios[number % len(scenarios)]}-{arguments.seed_from + number}",
        )
        for number in range(runs)
    ]
    return 0 if campaign(orders, arguments.parallel, arguments.out, keep=arguments.keep) else ANOMALIES


def _one(arguments: argparse.Namespace) -> int:
    try:
        enter()
    except NamespaceError as error:
        print(f"this machine cannot have the network that a run needs: {error}", file=sys.stderr)
        return IMPOSSIBLE
    from tests.verify.consistency.reporting.report import write_report
    from tests.verify.consistency.workload import workloads

    plan = Plan(
        arguments.scenario, arguments.seed, arguments.nodes, arguments.seconds, arguments.sabotage, arguments.rate
    )
    result = run(plan, arguments.out.absolute(), workloads())
    for anomaly in result.anomalies:
        print(f"{anomaly.kind}: {anomaly.explanation}\n{anomaly.rendering}")
    if result.error:
        print(f"error: {result.error}")
    for verdict in result.verdicts:
        print(
            f"{verdict.layer}: {verdict.operations} operations, {verdict.acknowledged} acknowledged, {verdict.failed}"
            f" failed, {verdict.unknown} unknown; {len(verdict.anomalies)} anomalies"
        )
    if result.anomalies:
        print(f"timeline: {write_report(arguments.out)}")
    print(f"{'good' if result.ok else 'BAD'}: {plan.command}; see {arguments.out}")
    return 0 if result.ok else ANOMALIES


if __name__ == "__main__":
    sys.exit(main())
