"""Three Patroni, each with its PostgreSQL, as processes of a user that PostgreSQL accepts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.bench.rivals import free_ports

SCOPE = "verify"
PASSWORD = "for this run"  # noqa: S105 - of databases that end with the run
ANSWER_SECONDS = 3.0


class Databases:
    """Three of each, on `hosts` of a store of etcd's API. `programs` is the `bin` of an environment with Patroni."""

    def __init__(self, programs: Path, directory: Path, hosts: list[str]) -> None:
        self._programs = programs
        self._directory = directory
        self._ports, self._rest = free_ports(3), free_ports(3)
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * 3
        self._user: str | None = "postgres" if os.getuid() == 0 else None  # PostgreSQL refuses root
        if self._user is not None:
            shutil.chown(directory, self._user, self._user)
        for index in range(3):
            (directory / f"db{index}.yml").write_text(json.dumps(self._settings(index, hosts), indent=1))
            self.start(index)

    def connection(self, attributes: str = "read-write") -> str:
        """Of whichever takes writes, for libpq."""
        hosts, ports = ",".join(["127.0.0.1"] * 3), ",".join(map(str, self._ports))
        return (
            f"host={hosts} port={ports} user=postgres password='{PASSWORD}' dbname=postgres "
            f"target_session_attrs={attributes} connect_timeout=2"
        )

    def _settings(self, index: int, hosts: list[str]) -> dict[str, Any]:
        password = {"password": PASSWORD}
        return {
            "scope": SCOPE,
            "name": f"db{index}",
            "restapi": {
                "listen": f"127.0.0.1:{self._rest[index]}",
                "connect_address": f"127.0.0.1:{self._rest[index]}",
            },
            "etcd3": {"hosts": hosts},
            # Patroni's own defaults, for the times are what is measured.
            "bootstrap": {
                "dcs": {
                    "ttl": 30,
                    "loop_wait": 10,
                    "retry_timeout": 10,
                    "synchronous_mode": True,
                    "postgresql": {
                        "use_pg_rewind": True,
                        "parameters": {"max_connections": 30, "shared_buffers": "16MB"},
                    },
                },
                "initdb": [{"encoding": "UTF8"}, {"auth": "scram-sha-256"}, "data-checksums"],
            },
            "postgresql": {
                "listen": f"127.0.0.1:{self._ports[index]}",
                "connect_address": f"127.0.0.1:{self._ports[index]}",
                "data_dir": str(self._directory / f"db{index}"),
                "bin_dir": str(_postgresql()),
                "pgpass": str(self._directory / f"pgpass{index}"),
                "authentication": {
                    "superuser": {"username": "postgres", **password},
                    "replication": {"username": "replicator", **password},
                },
                "pg_hba": [
                    "local all all trust",
                    "host all all 127.0.0.1/32 scram-sha-256",
                    "host replication all 127.0.0.1/32 scram-sha-256",
                ],
                "parameters": {"unix_socket_directories": str(self._directory)},
            },
        }

    def start(self, index: int) -> None:
        with (self._directory / f"patroni{index}.log").open("ab") as log:
            self._processes[index] = subprocess.Popen(
                [self._programs / "patroni", self._file(index)],
                stdout=log,
                stderr=log,
                cwd=self._directory,
                **self._identity(),
            )

    def _file(self, index: int) -> Path:
        return self._directory / f"db{index}.yml"

    def _identity(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        return {"user": self._user, "group": self._user, "extra_groups": (), "umask": 0o077}

    def ctl(self, *arguments: str) -> str:
        """What `patronictl` prints."""
        command = [str(self._programs / "patronictl"), "-c", str(self._file(0)), *arguments]
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command, capture_output=True, text=True, check=False, **self._identity(), cwd=self._directory
        )
        return done.stdout + done.stderr

    def kill(self, index: int) -> None:
        """`kill -9` of Patroni and of PostgreSQL."""
        process = self._processes[index]
        assert process is not None
        process.kill()
        process.wait()
        self._processes[index] = None
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((self._directory / f"db{index}" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

    def members(self) -> list[dict[str, Any]]:
        """As the first Patroni that answers sees them."""
        for port in self._rest:
            with (
                suppress(OSError, ValueError),
                urllib.request.urlopen(f"http://127.0.0.1:{port}/cluster", timeout=ANSWER_SECONDS) as answer,
            ):
                found: list[dict[str, Any]] = json.load(answer)["members"]
                return found
        return []

    def primary(self) -> int | None:
        """The index of the one that holds the leader's lock and runs."""
        for each in self.members():
            if each["role"] == "leader" and each["state"] == "running":
                return int(each["name"].removeprefix("db"))
        return None

    def takes_writes(self) -> bool:
        """Whether a Patroni says that its PostgreSQL is a primary, from no more than its own view."""
        for port in self._rest:
            with (
                suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{port}/patroni", timeout=ANSWER_SECONDS) as answer,
            ):
                found = json.load(answer)
                if found.get("role") in {"primary", "master"} and found.get("state") == "running":
                    return True
        return False

    def are_well(self) -> bool:
        """Whether a leader has two replicas that stream, one of them synchronous."""
        found = [(each["role"], each["state"]) for each in self.members()]
        return sorted(found) == [("leader", "running"), ("replica", "streaming"), ("sync_standby", "streaming")]

    def end(self) -> None:
        for index, process in enumerate(self._processes):
            if process is not None:
                self.kill(index)


def _postgresql() -> Path:
    """Where PostgreSQL's programs are: Debian keeps them out of PATH, by version."""
    in_path = shutil.which("initdb")
    if in_path is not None:
        return Path(in_path).resolve().parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: int(each.parent.name))
    if not found:
        sys.exit("PostgreSQL is not installed: Debian has it as postgresql")
    return found[-1]
