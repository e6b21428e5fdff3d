"""Three Patroni and PostgreSQL on Coterie, and the same on etcd at the same time: seconds without a writable primary.

    python -m tests.verify.patroni --programs ENVIRONMENT/bin [--stores coterie etcd] [--keep DIRECTORY]

Needs Debian's `postgresql` and `etcd-server`, and an environment with `patroni[etcd3]` and `psycopg[binary]` that the
user `postgres` may read (`make patroni` makes one). Ends with 1 where an acknowledged write is lost.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from tests.verify.patroni.databases import SCOPE, Databases
from tests.verify.patroni.stores import Store

COUNTER = Path(__file__).with_name("counter.py")
STOP_SECONDS = 30.0
"""How long a server is stopped, which is as long as Patroni's leader lock lives."""
MINORITY_SECONDS = 60.0
QUIET_SECONDS = 10.0
"""After each step: Patroni's loop, in which a failover that comes late would show itself."""
STEP_SECONDS = 300.0
POLL_SECONDS = 0.5


@dataclass
class Result:
    """Of one step: the longest time between two acknowledged writes, and the primaries before and after."""

    step: str
    seconds: float
    primaries: tuple[int | None, int | None]
    during: str = ""

    def told(self) -> str:
        before, after = self.primaries
        moved = "stays" if before == after else "moves" if before is not None else "starts"
        return f"{self.seconds:.1f} s, {moved}" + (f", {self.during}" if self.during else "")


@dataclass
class Trial:
    """One store with its databases, and the counter that is written throughout."""

    store: Store
    databases: Databases
    python: Path
    written: Path
    results: list[Result] = field(default_factory=list)
    lost: int | None = None
    """None: it did not come to the end."""

    def run(self) -> None:
        counter = self._counter()
        try:
            self.step("bootstrap", lambda: None)
            self.step("switchover", self.switch_over)
            self.step("kill -9 of the primary's Patroni and PostgreSQL", self.kill_primary)
            self.step("kill -9 of the store's leader", self.kill_leader)
            self.step("SIGSTOP of the store's leader, 30 s", self.stop_leader)
            self.step("restart of the store's servers, one by one", self.restart_all)
            self.step("a minute without a majority", self.minority)
            self.databases.ctl("edit-config", "--force", "-s", "failsafe_mode=true", SCOPE)
            self.pause()
            self.step("a minute without a majority, failsafe_mode", self.minority)
        finally:
            counter.kill()
            counter.wait()
        self.lost = len(self.missing())

    def step(self, name: str, act: Callable[[], str | None]) -> None:
        primary, start = self.databases.primary(), time.time()
        during = act() or ""
        self.until(f"{self.store.kind}: {name}: three databases are well", self.well)
        self.pause()
        self.until(f"{self.store.kind}: {name}: three databases are well", self.well)
        result = Result(name, self.gap(start, time.time()), (primary, self.databases.primary()), during)
        self.results.append(result)
        print(f"{self.store.kind}: {name}: {result.told()} (load {os.getloadavg()[0]:.0f})", flush=True)

    def switch_over(self) -> str:
        said = self.databases.ctl("switchover", "--leader", f"db{self.leading()}", "--force", SCOPE)
        assert "Successfully switched over" in said, said
        return ""

    def kill_primary(self) -> str:
        killed = self.leading()
        self.databases.kill(killed)
        self.until("another primary", lambda: self.databases.primary() not in {None, killed})
        self.databases.start(killed)
        return ""

    def kill_leader(self) -> str:
        leader = self.leader()
        self.store.signal(leader, signal.SIGKILL)
        self.pause()
        self.store.start(leader)
        return ""

    def stop_leader(self) -> str:
        leader = self.leader()
        self.store.signal(leader, signal.SIGSTOP)
        time.sleep(STOP_SECONDS)
        self.store.signal(leader, signal.SIGCONT)
        return ""

    def restart_all(self) -> str:
        for index in range(3):
            self.store.signal(index, signal.SIGTERM)
            self.store.start(index)
            self.until("the store is well", self.store.is_well)
        return ""

    def minority(self) -> str:
        leader = self.leader()
        ended = [leader, (leader + 1) % 3]
        for index in ended:
            self.store.signal(index, signal.SIGKILL)
        time.sleep(MINORITY_SECONDS)
        during = "primary then" if self.databases.takes_writes() else "no primary then"
        for index in ended:
            self.store.start(index)
        return during

    def well(self) -> bool:
        return self.store.is_well() and self.databases.are_well() and bool(self.times())

    def leading(self) -> int:
        self.until("a primary", lambda: self.databases.primary() is not None)
        found = self.databases.primary()
        assert found is not None
        return found

    def leader(self) -> int:
        self.until("a leader of the store", lambda: self.store.leader() is not None)
        found = self.store.leader()
        assert found is not None
        return found

    def pause(self) -> None:
        time.sleep(QUIET_SECONDS)

    def until(self, what: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + STEP_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not so after {STEP_SECONDS:g} s: {self.databases.members()}")
            time.sleep(POLL_SECONDS)

    def _counter(self) -> subprocess.Popen[bytes]:
        with self.written.open("wb") as acknowledged:
            command = [str(self.python), str(COUNTER), self.databases.connection(), "write"]
            return subprocess.Popen(command, stdout=acknowledged)

    def times(self) -> list[float]:
        return [float(line.split()[0]) for line in self._lines()]

    def acknowledged(self) -> set[int]:
        return {int(line.split()[1]) for line in self._lines()}

    def missing(self) -> set[int]:
        """Those that were acknowledged and are gone."""
        return self.acknowledged() - self.present()

    def _lines(self) -> list[str]:
        """Whole lines only: the last one may be cut."""
        return self.written.read_text().rpartition("\n")[0].splitlines()

    def present(self) -> set[int]:
        command = [str(self.python), str(COUNTER), self.databases.connection(), "read"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return set(map(int, done.stdout.split()))

    def gap(self, start: float, end: float) -> float:
        within = [start, *(each for each in self.times() if start < each < end), end]
        return max(later - earlier for earlier, later in pairwise(within))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.verify.patroni")
    parser.add_argument("--programs", type=Path, required=True, help="the bin of an environment with Patroni")
    parser.add_argument("--stores", nargs="+", choices=("coterie", "etcd"), default=["coterie", "etcd"])
    parser.add_argument("--keep", type=Path, help="an empty directory for logs and data, which is kept")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        root = options.keep
        if root is None:
            root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="patroni-")))
        root.chmod(0o755)
        trials = [_trial(stack, kind, root, options.programs.absolute()) for kind in options.stores]
        with ThreadPoolExecutor(len(trials)) as threads:
            for done in [threads.submit(each.run) for each in trials]:
                if (error := done.exception()) is not None:
                    print(f"failed: {error}", file=sys.stderr)
        print(_report(trials))
        return 0 if all(each.lost == 0 for each in trials) else 1


def _trial(stack: ExitStack, kind: str, root: Path, programs: Path) -> Trial:
    files, data = root / f"{kind}-store", root / f"{kind}-databases"
    files.mkdir()
    data.mkdir()
    store = Store(kind, files)
    stack.callback(store.end)
    databases = Databases(programs, data, store.hosts)
    stack.callback(databases.end)
    return Trial(store, databases, programs / "python", root / f"{kind}.written")


def _report(trials: list[Trial]) -> str:
    """A table in Markdown: the longest time without an acknowledged write, and what becomes of the primary."""
    lines = ["| step | " + " | ".join(each.store.kind for each in trials) + " |", "| --- |" + " --- |" * len(trials)]
    for index in range(max(len(each.results) for each in trials)):
        found = [each.results[index] if index < len(each.results) else None for each in trials]
        name = next(each.step for each in found if each is not None)
        lines.append(f"| {name} | " + " | ".join("failed" if each is None else each.told() for each in found) + " |")
    counts = (f"{'not known' if each.lost is None else each.lost} of {len(each.acknowledged())}" for each in trials)
    lines.append("| acknowledged writes that are lost | " + " | ".join(counts) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
