"""Names that nodes, clients and commands share: the program's own, and the prefixes of environment variables."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

PROGRAM = "coterie"

ENV_PREFIX = "COTERIE_"

COMPLETION = "_COTERIE_COMPLETE"
"""Set by a shell that asks what may be typed next (`coterie completion`)."""

CLIENT_ENV_PREFIX = ENV_PREFIX + "CLIENT_"

LOCK_ENV_PREFIX = ENV_PREFIX + "LOCK_"
ELECTION_ENV_PREFIX = ENV_PREFIX + "ELECTION_"
WATCH_ENV_PREFIX = ENV_PREFIX + "WATCH_"

NOT_OF_NODES = (CLIENT_ENV_PREFIX, LOCK_ENV_PREFIX, ELECTION_ENV_PREFIX, WATCH_ENV_PREFIX)

# What Kubernetes puts into every container beside a service whose name is, or starts with, "coterie".
_KUBERNETES = re.compile(
    r"COTERIE_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_KUBERNETES_LINK = re.compile(r"COTERIE_(\w+_)?PORT=(tcp|udp|sctp)://.*")


def is_of_kubernetes(name: str, value: str) -> bool:
    """Whether it was put there by Kubernetes, and is no setting."""
    return bool(_KUBERNETES.fullmatch(name) or _KUBERNETES_LINK.fullmatch(f"{name}={value}"))


def shell_command() -> str:
    """How to call this program from a shell: by its path where it is installed off the search path."""
    return PROGRAM if shutil.which(PROGRAM) else str(Path(sys.executable).with_name(PROGRAM))
