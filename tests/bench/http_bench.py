"""The HTTP face under `wrk`: PUTs of 100 bytes behind an fsync, and linearizable GETs, beside etcd's gateway.

The same boundary for both, so ratios are taken: three processes of each on loopback, up at the same time and loaded in
turns, so that they meet the same disk and the same neighbours. A fourth node of ours takes no part in Raft and sends
requests on.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

from tests.bench.raft_bench import fdatasync_seconds
from tests.bench.rivals import Etcd, Figures, etcd, etcd_is_here, used_by, wrk_figures
from tests.cluster.processes import Node, nodes
from tests.waiting import wait_until

Row = tuple[str, float]

IN_FLIGHT = (1, 16, 64, 256)
SECONDS = 2.0
TURNS = 3


class Ours:
    """Three members and one node without Raft."""

    def __init__(self, members: list[Node], client: Node, directory: Path) -> None:
        self._all = [*members, client]
        self._put = directory / "put.lua"
        self._put.write_text(
            "wrk.method = 'PUT'\nlocal n = 0\nlocal body = string.rep('v', 100)\n"
            "request = function() n = n % 1000 + 1; return wrk.format(nil, '/v1/meta/load/' .. n, nil, body) end\n"
        )
        leader = members[0].client.get("/v1/cluster").json()["raft"]["leader"]
        self.at = {
            "the leader": next(node for node in members if node.node_id == leader),
            "a follower": next(node for node in members if node.node_id != leader),
            "a node without Raft": client,
        }

    def load(self, where: str, in_flight: int, *, read: bool) -> Figures:
        url = f"http://{self.at[where].address}/v1/meta/load/1"
        processes = [node.process for node in self._all]
        before = used_by(processes)
        said = subprocess.run(
            [
                "wrk",
                "-t1",
                f"-c{in_flight}",
                f"-d{SECONDS:.0f}s",
                "--latency",
                *([] if read else ["-s", str(self._put)]),
                url,
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        return wrk_figures(said, used_by(processes) - before)


def rows() -> Iterator[Row]:
    if shutil.which("wrk") is None:
        print("             wrk is not installed: no load over HTTP", flush=True)
        return
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        started = stack.enter_context(nodes(RAFT__BOOTSTRAP_EXPECT="3"))
        members: list[Node] = []
        for name in "abc":
            members.append(
                started.start(
                    name,
                    seeds=[node.address for node in members],
                    DATA_DIR=str(directory / name),
                    RAFT__ENABLED="true",
                )
            )
        client = started.start("d", seeds=[node.address for node in members], RAFT__BOOTSTRAP_EXPECT="")
        wait_until(
            lambda: all(n.client.get("/v1/cluster").json()["raft"]["leader"] is not None for n in [*members, client])
        )
        rival = stack.enter_context(etcd(directory / "etcd")) if etcd_is_here() else None
        if rival is None:
            print("             etcd is not installed: ours alone", flush=True)
        yield "fdatasync of 200 bytes, p50 (us)", median(fdatasync_seconds(directory)) * 1e6
        yield from _compare(Ours(members, client, directory), rival, "PUTs", read=False)
        yield from _compare(Ours(members, client, directory), rival, "linearizable GETs", read=True)


def _compare(ours: Ours, rival: Etcd | None, what: str, *, read: bool) -> Iterator[Row]:
    for in_flight in IN_FLIGHT:
        runs: dict[str, Callable[[], Figures]] = {
            f"at {where}": partial(ours.load, where, in_flight, read=read) for where in ours.at
        }
        if rival is not None:
            runs |= {
                f"at {where}: etcd": partial(rival.load, url, in_flight, SECONDS, read=read)
                for where, url in (("the leader", rival.leader), ("a follower", rival.follower))
            }
        taken: dict[str, list[Figures]] = {name: [] for name in runs}
        for _ in range(TURNS):
            for name, run in runs.items():
                taken[name].append(run())
        for name, figures in taken.items():
            head = f"{what} {name}, {in_flight} clients"
            yield f"{head} (requests/s)", median(each.rate for each in figures)
            yield f"{head}, p50 (us)", median(each.p50 for each in figures) * 1e6
            yield f"{head}, p99 (us)", median(each.p99 for each in figures) * 1e6
            yield (
                f"{head}, processor time of all servers (us a request)",
                1e6 * median(each.processor_seconds for each in figures),
            )
            if failed := sum(each.failed for each in figures):
                yield f"{head}, failed (requests)", failed
        if rival is not None:
            for where in ("the leader", "a follower"):
                pairs = zip(taken[f"at {where}"], taken[f"at {where}: etcd"], strict=True)
                yield (
                    f"{what} at {where}, {in_flight} clients: ours / etcd (ratio)",
                    median(mine.rate / theirs.rate for mine, theirs in pairs),
                )
