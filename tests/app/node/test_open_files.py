"""The limit of open files is raised as far as connections need and the system allows; what is short is said."""

from __future__ import annotations

import subprocess
import sys

from tests import ROOT

ASK = """
import resource
from coterie.app.observability.logs import configure_logs
from coterie.app.node.open_files import allow_open_files
from coterie.app.settings.tables import LogSettings
configure_logs(LogSettings(format="json"))
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
allow_open_files({connections})
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def after(soft: int, hard: int, connections: int) -> tuple[str, str]:
    """The limits of a process afterwards, and what it logged."""
    script = ASK.format(soft=soft, hard=hard, connections=connections)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip(), done.stderr


def test_the_limit_is_raised_to_what_is_needed() -> None:
    assert after(300, 1_000, 400) == ("(656, 1000)", "")


def test_enough_is_left_alone() -> None:
    assert after(900, 1_000, 400) == ("(900, 1000)", "")


def test_too_little_is_taken_as_it_is_and_said() -> None:
    limits, said = after(300, 500, 400)
    assert limits == "(500, 500)"
    assert '"allowed":500' in said
    assert '"needed":656' in said
