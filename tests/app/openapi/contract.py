"""The API held to its OpenAPI document by schemathesis: a real node, the command's run, and a check of our own.

As a module it runs for as long as one likes: `python -m tests.app.openapi.contract --max-time 600`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import ROOT
from tests.app.processes import running
from tests.waiting import wait_until

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "documented_code",
)

NOT_ASKED = ("leave", "leave_raft", "watch", "live_events")
"""Operations after which there is nothing left to ask, and those whose answers have no end: other tests have them."""


def run_schemathesis(*options: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """Against a node of its own, the only voter of its cluster; the log is held against it too."""
    with (
        TemporaryDirectory() as directory,
        running(
            DATA_DIR=directory,
            RAFT__ENABLED="true",
            RAFT__BOOTSTRAP_EXPECT="1",
            RAFT__LISTEN_ADDR="127.0.0.1:0",
            RAFT__REQUEST_TIMEOUT="2",
            RAFT__MAX_REQUEST_TIMEOUT="2",
        ) as node,
    ):
        wait_until(lambda: node.get("/v1/cluster")["raft"]["leader"] is not None, lambda: node.log)
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")),
                "run",
                "http://{}:{}/openapi.json".format(*node.address),
                f"--checks={','.join(CHECKS)}",
                *(f"--exclude-operation-id={name}" for name in NOT_ASKED),
                "--suppress-health-check=all",
                "--continue-on-failure",
                "--request-timeout=20",
                "--warnings=off",
                "--no-color",
                *options,
            ],
            env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.app.openapi.contract_checks", "PYTHONPATH": str(ROOT)},
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        faults = [line for line in node.lines if "internal error" in line]
        assert faults == [], faults
        assert node.process.poll() is None, node.log
        return done


def main(options: Sequence[str]) -> int:
    done = run_schemathesis(*(options or ("--max-time=600",)))
    sys.stdout.write(done.stdout + done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
